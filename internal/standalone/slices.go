package standalone

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"daemun/internal/store"
)

const (
	// sliceController is the cluster's own name for the maker of these slices.
	sliceController = "endpointslice-controller.k8s.io"
	// maxEndpoints is how many endpoints one slice holds (services §3.2).
	maxEndpoints = 100
)

// buildSlices builds the EndpointSlices of one Service from the Pods of its
// namespace, after the rules of services §3. existing are the slices built
// before; those that need no change are returned as they are. A Service
// without selector or of type ExternalName has none. now is when the cause of
// a change was seen.
func buildSlices(svc *corev1.Service, pods []*corev1.Pod, existing []*discoveryv1.EndpointSlice, t topology, now time.Time) []*discoveryv1.EndpointSlice {
	if len(svc.Spec.Selector) == 0 || svc.Spec.Type == corev1.ServiceTypeExternalName {
		return nil
	}
	groups := map[string]*portGroup{}
	var all []*discoveryv1.Endpoint
	for _, pod := range pods {
		if !selects(svc, pod) || !t.isEndpoint(svc, pod) {
			continue
		}
		ports := resolvePorts(svc, pod)
		id := portMapID(ports)
		if groups[id] == nil {
			groups[id] = &portGroup{id: id, ports: ports}
		}
		e := t.endpointOf(svc, pod)
		groups[id].endpoints = append(groups[id].endpoints, e)
		all = append(all, e)
	}
	t.hint(svc, all)
	if len(groups) == 0 {
		groups[""] = &portGroup{}
	}
	var parts []*slicePart
	for _, id := range slices.Sorted(maps.Keys(groups)) {
		parts = append(parts, fill(groups[id], existing)...)
	}
	return finish(svc, parts, existing, now)
}

// selects says whether a Service selects a Pod.
func selects(svc *corev1.Service, pod *corev1.Pod) bool {
	if len(svc.Spec.Selector) == 0 || pod.Namespace != svc.Namespace {
		return false
	}
	for k, v := range svc.Spec.Selector {
		if got, ok := pod.Labels[k]; !ok || got != v {
			return false
		}
	}
	return true
}

// portGroup are the endpoints whose Pods resolve the Service's ports to the
// same numbers.
type portGroup struct {
	id        string
	ports     []discoveryv1.EndpointPort
	endpoints []*discoveryv1.Endpoint
}

// isEndpoint: unready and terminating Pods are listed, ended ones are not, and
// those on a node that is gone only where readiness does not matter.
func (t topology) isEndpoint(svc *corev1.Service, pod *corev1.Pod) bool {
	if pod.Status.PodIP == "" || pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
		return false
	}
	_, there := t.zones[pod.Spec.NodeName]
	return there || svc.Spec.PublishNotReadyAddresses
}

func (t topology) endpointOf(svc *corev1.Service, pod *corev1.Pod) *discoveryv1.Endpoint {
	serving := conditionTrue(pod, corev1.PodReady)
	terminating := pod.DeletionTimestamp != nil
	ready := serving && !terminating || svc.Spec.PublishNotReadyAddresses
	e := &discoveryv1.Endpoint{
		Addresses:  []string{pod.Status.PodIP},
		Conditions: discoveryv1.EndpointConditions{Ready: &ready, Serving: &serving, Terminating: &terminating},
		TargetRef:  &corev1.ObjectReference{Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID},
	}
	if pod.Spec.NodeName != "" {
		e.NodeName = &pod.Spec.NodeName
	}
	if zone := t.zones[pod.Spec.NodeName]; zone != "" {
		e.Zone = &zone
	}
	if pod.Spec.Hostname != "" && pod.Spec.Subdomain == svc.Name {
		e.Hostname = &pod.Spec.Hostname
	}
	return e
}

// resolvePorts resolves each port of the Service in one Pod. A port name the
// Pod does not declare leaves that port out (services §1.3).
func resolvePorts(svc *corev1.Service, pod *corev1.Pod) []discoveryv1.EndpointPort {
	var out []discoveryv1.EndpointPort
	for i := range svc.Spec.Ports {
		p := &svc.Spec.Ports[i]
		protocol := cmp.Or(p.Protocol, corev1.ProtocolTCP)
		number := p.TargetPort.IntVal
		if p.TargetPort.Type == intstr.String {
			number = namedPort(pod, p.TargetPort.StrVal, protocol)
		} else if number == 0 {
			number = p.Port
		}
		if number == 0 {
			continue
		}
		out = append(out, discoveryv1.EndpointPort{Name: &p.Name, Protocol: &protocol, Port: &number, AppProtocol: p.AppProtocol})
	}
	return out
}

func namedPort(pod *corev1.Pod, name string, protocol corev1.Protocol) int32 {
	for _, c := range portContainers(pod) {
		for _, p := range c.Ports {
			if p.Name == name && cmp.Or(p.Protocol, corev1.ProtocolTCP) == protocol {
				return p.ContainerPort
			}
		}
	}
	return 0
}

// portContainers are the containers whose ports have names: the application's,
// then sidecars.
func portContainers(pod *corev1.Pod) []corev1.Container {
	out := slices.Clone(pod.Spec.Containers)
	for _, c := range pod.Spec.InitContainers {
		if isSidecar(&c) {
			out = append(out, c)
		}
	}
	return out
}

func portMapID(ports []discoveryv1.EndpointPort) string {
	var b strings.Builder
	for _, p := range ports {
		app := ""
		if p.AppProtocol != nil {
			app = *p.AppProtocol
		}
		fmt.Fprintf(&b, "%s:%d/%s=%s;", *p.Name, *p.Port, *p.Protocol, app)
	}
	return b.String()
}

// fill spreads a group over slices: endpoints stay where they are, new ones go
// to slices that are written anyway, then to one that has room, then to new
// ones (services §3.2). Fewer writes win over full packing.
func fill(g *portGroup, existing []*discoveryv1.EndpointSlice) []*slicePart {
	wanted := map[string]*discoveryv1.Endpoint{}
	for _, e := range g.endpoints {
		wanted[endpointID(e)] = e
	}
	var parts []*slicePart
	for _, old := range existing {
		if portMapID(old.Ports) == g.id {
			parts = append(parts, keep(old, wanted))
		}
	}
	var fresh []discoveryv1.Endpoint
	for _, e := range g.endpoints {
		if _, ok := wanted[endpointID(e)]; ok {
			fresh = append(fresh, *e)
			delete(wanted, endpointID(e))
		}
	}
	slices.SortStableFunc(parts, func(a, b *slicePart) int {
		// Written ones first, then the fullest.
		return cmp.Or(cmp.Compare(boolRank(!a.changed), boolRank(!b.changed)), -cmp.Compare(len(a.endpoints), len(b.endpoints)))
	})
	for _, p := range parts {
		n := min(len(fresh), maxEndpoints-len(p.endpoints))
		p.endpoints = append(p.endpoints, fresh[:n]...)
		fresh = fresh[n:]
	}
	for len(fresh) > 0 {
		n := min(len(fresh), maxEndpoints)
		parts = append(parts, &slicePart{endpoints: fresh[:n:n]})
		fresh = fresh[n:]
	}
	switch {
	case len(g.endpoints) > 0:
		parts = slices.DeleteFunc(parts, func(p *slicePart) bool { return len(p.endpoints) == 0 })
	case len(parts) == 0:
		parts = []*slicePart{{}} // the placeholder
	default:
		parts = parts[:1]
	}
	for _, p := range parts {
		p.id, p.ports = g.id, g.ports
	}
	return parts
}

// slicePart is a slice under construction; old is nil for a new one.
type slicePart struct {
	old       *discoveryv1.EndpointSlice
	id        string // of the ports
	ports     []discoveryv1.EndpointPort
	endpoints []discoveryv1.Endpoint
	changed   bool
}

// keep takes over the wanted endpoints of an old slice, refreshed, and removes
// them from wanted.
func keep(old *discoveryv1.EndpointSlice, wanted map[string]*discoveryv1.Endpoint) *slicePart {
	p := &slicePart{old: old}
	for i := range old.Endpoints {
		e := &old.Endpoints[i]
		now, ok := wanted[endpointID(e)]
		if !ok {
			p.changed = true
			continue
		}
		delete(wanted, endpointID(e))
		p.changed = p.changed || !equality.Semantic.DeepEqual(e, now)
		p.endpoints = append(p.endpoints, *now)
	}
	return p
}

// finish turns parts into slices. New ones take the place of old ones that are
// no longer needed, rather than that those are deleted.
func finish(svc *corev1.Service, parts []*slicePart, existing []*discoveryv1.EndpointSlice, now time.Time) []*discoveryv1.EndpointSlice {
	kept, names := map[*discoveryv1.EndpointSlice]bool{}, map[string]bool{}
	for _, p := range parts {
		kept[p.old] = true
	}
	for _, old := range existing {
		names[old.Name] = true
	}
	spare := slices.DeleteFunc(slices.Clone(existing), func(s *discoveryv1.EndpointSlice) bool { return kept[s] })
	var out []*discoveryv1.EndpointSlice
	for _, p := range parts {
		if p.old == nil && len(spare) > 0 {
			p.old, spare = spare[0], spare[1:]
		}
		name := ""
		if p.old != nil {
			name = p.old.Name
		} else {
			name = sliceName(svc.Name, p.id, names)
		}
		out = append(out, written(sliceFor(svc, name, p.ports, p.endpoints), p.old, now))
	}
	return out
}

// written returns the old slice when the next one says the same, else the
// next with the time of its cause.
func written(next, old *discoveryv1.EndpointSlice, now time.Time) *discoveryv1.EndpointSlice {
	if old != nil {
		next.Annotations = old.Annotations
		if equality.Semantic.DeepEqual(old, next) {
			return old
		}
	}
	next.Annotations = map[string]string{corev1.EndpointsLastChangeTriggerTime: now.UTC().Format(time.RFC3339Nano)}
	return next
}

// sliceName is the Service's name, a dash and five characters; it is a DNS
// subdomain of at most 253 because a Service's name has at most 63.
func sliceName(service, id string, taken map[string]bool) string {
	for n := 0; ; n++ {
		name := service + "-" + safeHash(fmt.Sprint(service, id, n), 5)
		if !taken[name] {
			taken[name] = true
			return name
		}
	}
}

func sliceFor(svc *corev1.Service, name string, ports []discoveryv1.EndpointPort, endpoints []discoveryv1.Endpoint) *discoveryv1.EndpointSlice {
	yes := true
	s := &discoveryv1.EndpointSlice{
		TypeMeta: metav1.TypeMeta{APIVersion: "discovery.k8s.io/v1", Kind: "EndpointSlice"},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: svc.Namespace, Name: name, Labels: sliceLabels(svc),
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: "v1", Kind: "Service", Name: svc.Name, UID: svc.UID, Controller: &yes, BlockOwnerDeletion: &yes,
			}},
		},
		AddressType: discoveryv1.AddressTypeIPv4, Endpoints: endpoints, Ports: ports,
	}
	if len(endpoints) == 0 {
		s.Ports = nil
	}
	return s
}

func sliceLabels(svc *corev1.Service) map[string]string {
	out := maps.Clone(svc.Labels)
	if out == nil {
		out = map[string]string{}
	}
	delete(out, corev1.IsHeadlessService)
	out[discoveryv1.LabelServiceName] = svc.Name
	out[discoveryv1.LabelManagedBy] = sliceController
	if svc.Spec.ClusterIP == corev1.ClusterIPNone {
		out[corev1.IsHeadlessService] = ""
	}
	return out
}

// endpointID tells endpoints apart: a Pod that was replaced under the same
// name is another endpoint.
func endpointID(e *discoveryv1.Endpoint) string {
	if e.TargetRef == nil {
		return strings.Join(e.Addresses, ",")
	}
	return string(e.TargetRef.UID) + " " + strings.Join(e.Addresses, ",")
}

// staleSlices are the old slices of a Service that are no longer built.
func staleSlices(old, now []*discoveryv1.EndpointSlice) []store.Key {
	var out []store.Key
	for _, s := range old {
		if !slices.ContainsFunc(now, func(n *discoveryv1.EndpointSlice) bool { return n.Name == s.Name }) {
			out = append(out, store.Key{Kind: "EndpointSlice", Namespace: s.Namespace, Name: s.Name})
		}
	}
	return out
}

func conditionTrue(pod *corev1.Pod, kind corev1.PodConditionType) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == kind && c.Status == corev1.ConditionTrue
	})
}

func boolRank(b bool) int {
	if b {
		return 1
	}
	return 0
}

func isSidecar(c *corev1.Container) bool {
	return c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
}
