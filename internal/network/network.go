// Package network turns Services, EndpointSlices, Nodes and Pods into the
// Service network of the IR, with the meaning that Kubernetes gives them.
//
//	t := network.New()
//	n, problems := t.Translate(store.View())
//
// It is pure: it reads a store.View and never writes an object, looks at a
// clock, a file or the network. It knows nothing of Ingresses, sockets or DNS
// messages. What did not change keeps its pointer from one Network to the
// next, so that readers find out by comparison what they have to do.
package network

import (
	"cmp"
	"maps"
	"net/netip"
	"reflect"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"daemun/internal/ir"
	"daemun/internal/store"
)

// Translator remembers what it made of each Service, so that one changed
// EndpointSlice costs one translation. Its
// results do not depend on what it remembers. It is used by one goroutine.
type Translator struct {
	view *store.View // the one translated last

	order    []store.Name  // of the Services
	list     []*ir.Service // in that order; it has been handed out
	services map[store.Name]*service
	// troubled are the Services with problems.
	troubled   map[store.Name]*service
	nodes      []*ir.Node
	namespaces []string
	pods       []*ir.Pod
}

// service is one Service and what its translation was made of.
type service struct {
	object *corev1.Service
	slices []*discoveryv1.EndpointSlice
	// outside are the addresses of its external name, targets the numbers that
	// its ports have there; both are for published ports.
	outside  []netip.Addr
	targets  []uint16
	ir       *ir.Service
	problems []ir.Problem
}

// New returns a translator with an empty memory.
func New() *Translator {
	return &Translator{services: map[store.Name]*service{}, troubled: map[store.Name]*service{}}
}

// Translate returns the Service network of a view and what is wrong with the
// objects, sorted.
func (t *Translator) Translate(v *store.View) (*ir.Network, []ir.Problem) {
	before := t.view
	if before == nil {
		before = &store.View{}
	}
	samePods := sameMap(v.Pods, before.Pods)
	moved := t.settleServices(v)
	if !sameMap(v.Nodes, before.Nodes) {
		t.nodes = nodes(v, t.nodes)
	}
	if !samePods {
		t.pods = pods(v, t.pods)
	}
	if t.view == nil || moved || !samePods || !sameMap(v.Namespaces, before.Namespaces) {
		t.namespaces = namespaces(v)
	}
	n := &ir.Network{
		Revision: v.Revision, Nodes: t.nodes, Namespaces: t.namespaces, Pods: t.pods, Services: t.list,
	}
	var problems []ir.Problem
	for _, s := range t.troubled {
		problems = append(problems, s.problems...)
	}
	t.view = v
	slices.SortFunc(problems, ir.Problem.Compare)
	return n, problems
}

// fresh translates a Service unless it and its slices are those of last time.
func (t *Translator) fresh(v *store.View, name store.Name) *service {
	object, of := v.Services[name], v.SlicesOf(name)
	s := t.services[name]
	if s != nil && s.object == object && slices.Equal(s.slices, of) {
		return s
	}
	s = &service{object: object, slices: of}
	s.translate()
	t.services[name] = s
	if delete(t.troubled, name); len(s.problems) > 0 {
		t.troubled[name] = s
	}
	return s
}

func compareNames(a, b store.Name) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}

func sameMap[K comparable, V any](a, b map[K]V) bool {
	return reflect.ValueOf(a).Pointer() == reflect.ValueOf(b).Pointer()
}

// namespaces are those that exist as objects and those that objects are in:
// manifests often leave the Namespace object out.
func namespaces(v *store.View) []string {
	set := map[string]bool{metav1.NamespaceDefault: true}
	for name := range v.Namespaces {
		set[name.Name] = true
	}
	for name := range v.Services {
		set[name.Namespace] = true
	}
	for name := range v.Pods {
		set[name.Namespace] = true
	}
	return slices.Sorted(maps.Keys(set))
}

// pods are the Pods that have an address of their own and have not ended.
func pods(v *store.View, before []*ir.Pod) []*ir.Pod {
	known := make(map[ir.Pod]*ir.Pod, len(before))
	for _, p := range before {
		known[*p] = p
	}
	var out []*ir.Pod
	for name, p := range v.Pods {
		addr, err := netip.ParseAddr(p.Status.PodIP)
		if err != nil || p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed {
			continue
		}
		pod := ir.Pod{Namespace: name.Namespace, Name: name.Name, Addr: addr.Unmap()}
		if same := known[pod]; same != nil {
			out = append(out, same)
			continue
		}
		out = append(out, &pod)
	}
	slices.SortFunc(out, func(a, b *ir.Pod) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), a.Addr.Compare(b.Addr), cmp.Compare(a.Name, b.Name))
	})
	return out
}

func nodes(v *store.View, before []*ir.Node) []*ir.Node {
	var out []*ir.Node
	for _, name := range slices.SortedFunc(maps.Keys(v.Nodes), compareNames) {
		now := nodeOf(v.Nodes[name])
		for _, old := range before {
			if reflect.DeepEqual(old, now) {
				now = old
			}
		}
		out = append(out, now)
	}
	return out
}

func nodeOf(o *corev1.Node) *ir.Node {
	n := &ir.Node{Name: o.Name, Zone: o.Labels[corev1.LabelTopologyZone]}
	for _, kind := range []corev1.NodeAddressType{corev1.NodeInternalIP, corev1.NodeExternalIP} {
		for _, a := range o.Status.Addresses {
			if addr, err := netip.ParseAddr(a.Address); err == nil && a.Type == kind {
				n.Addresses = append(n.Addresses, addr.Unmap())
			}
		}
	}
	cidrs := o.Spec.PodCIDRs
	if len(cidrs) == 0 && o.Spec.PodCIDR != "" {
		cidrs = []string{o.Spec.PodCIDR}
	}
	for _, c := range cidrs {
		if p, err := netip.ParsePrefix(c); err == nil {
			n.PodNetworks = append(n.PodNetworks, p.Masked())
		}
	}
	_, n.Unbalanced = o.Labels[corev1.LabelNodeExcludeBalancers]
	return n
}
