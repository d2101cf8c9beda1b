package standalone

import (
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"daemun/internal/ir"
	"daemun/internal/manifest"
	"daemun/internal/store"
)

// state is everything the cluster knows. It has one owner at a time: whoever
// calls Apply before Run, then Run's goroutine.
type state struct {
	objects  map[store.Key]store.Object // the manifests
	pods     map[store.Name]*podEntry
	nodes    *nodes
	services *services
	podIPs   *addressRange
	uid      func() types.UID

	shown    map[store.Name]*corev1.Service
	built    map[store.Name][]*discoveryv1.EndpointSlice // by Service, as last shown
	hashes   map[store.Key]string
	sequence int

	// Of one step:
	now      time.Time
	moved    bool          // something was decided
	touched  []*corev1.Pod // old and new versions of Pods that changed
	changed  bool          // the manifests changed
	served   bool          // Services or their slices changed
	pass     []store.Object
	gone     []store.Key
	found    problemSet
	again    time.Time
	selected map[store.Name]*corev1.Service // Services as of the last publish
}

func newState(c *Config) *state {
	s := &state{
		objects: map[store.Key]store.Object{}, pods: map[store.Name]*podEntry{},
		nodes: newNodes(c.NodeNetwork), services: newServices(c.ServiceNetwork), podIPs: newAddressRange(c.PodNetwork),
		uid: newUID, built: map[store.Name][]*discoveryv1.EndpointSlice{}, hashes: map[store.Key]string{},
	}
	s.services.addresses.used[c.DNS.Server] = true
	return s
}

// begin starts a step.
func (s *state) begin(now time.Time) {
	s.now, s.moved, s.changed, s.served, s.again = now, false, false, false, time.Time{}
	s.touched, s.pass, s.gone, s.found = nil, nil, nil, problemSet{}
}

// derivedKinds are not shown as the manifests have them.
var derivedKinds = map[string]bool{"Pod": true, "Service": true, "Node": true}

// intake takes a change of the manifests.
func (s *state) intake(ch manifest.Change) {
	s.changed = true
	for _, k := range ch.Delete {
		k = defaultKey(k)
		delete(s.objects, k)
		delete(s.hashes, k)
		if !derivedKinds[k.Kind] {
			s.gone = append(s.gone, k)
		}
	}
	for _, o := range ch.Put {
		o = withNamespace(o)
		k := keyOf(o)
		s.objects[k] = o
		delete(s.hashes, k)
		if !derivedKinds[k.Kind] {
			if k.Kind != "EndpointSlice" { // see passSlices
				s.pass = append(s.pass, o)
			}
			s.gone = slices.DeleteFunc(s.gone, func(g store.Key) bool { return g == k })
		}
	}
}

func defaultKey(k store.Key) store.Key {
	if k.Namespace == "" && !clusterWide[k.Kind] {
		k.Namespace = metav1.NamespaceDefault
	}
	return k
}

// clusterWide are the kinds without namespace that may come in.
var clusterWide = map[string]bool{"Node": true, "Namespace": true, "IngressClass": true, "PersistentVolume": true, "StorageClass": true}

// withNamespace gives an object of no namespace the default one, in a copy.
func withNamespace(o store.Object) store.Object {
	k := keyOf(o)
	if defaultKey(k) == k {
		return o
	}
	out, ok := o.DeepCopyObject().(store.Object)
	if !ok {
		return o
	}
	out.SetNamespace(metav1.NamespaceDefault)
	return out
}

// reconcile decides until nothing more follows from the present state.
func (s *state) reconcile() (ended []*podEntry) {
	if s.changed || s.shown == nil {
		s.deriveObjects()
	}
	for {
		s.moved = false
		ended = append(ended, s.sweep()...)
		s.runWorkloads()
		for _, e := range slices.SortedFunc(maps.Values(s.pods), func(a, b *podEntry) int { return a.created - b.created }) {
			if !e.scheduled() && !e.deleting() {
				s.place(e)
			}
		}
		if !s.moved {
			return ended
		}
	}
}

func (s *state) deriveObjects() {
	wantedServices := map[store.Name]*corev1.Service{}
	wantedNodes := map[string]*corev1.Node{}
	for k, o := range s.objects {
		switch o := o.(type) {
		case *corev1.Service:
			wantedServices[store.NameOf(o)] = o
		case *corev1.Node:
			wantedNodes[k.Name] = o
		}
	}
	s.passSlices()
	s.shown = s.services.update(wantedServices)
	s.nodes.update(wantedNodes)
}

// publish writes everything that changed to the store, at once.
func (s *state) publish(tx *store.Tx) {
	for _, k := range s.gone {
		tx.Delete(k)
	}
	for _, o := range s.pass {
		tx.Put(o)
	}
	s.publishDerived(tx)
	s.publishSlices(tx)
	s.selected = s.shown
}

func (s *state) publishDerived(tx *store.Tx) {
	for name, svc := range s.shown {
		if s.selected[name] != svc {
			s.served = true
			tx.Put(svc)
		}
	}
	for name := range s.selected {
		if s.shown[name] == nil {
			s.served = true
			tx.Delete(store.Key{Kind: "Service", Namespace: name.Namespace, Name: name.Name})
		}
	}
	nodes := map[string]bool{}
	for _, n := range s.nodes.list {
		nodes[n.Name] = true
		tx.Put(n)
	}
	for _, name := range s.nodes.lost(nodes) {
		tx.Delete(store.Key{Kind: "Node", Name: name})
	}
	for _, pod := range s.touched {
		name := store.NameOf(pod)
		if s.pods[name] == nil {
			tx.Delete(store.Key{Kind: "Pod", Namespace: name.Namespace, Name: name.Name})
		}
	}
	for _, e := range s.pods {
		tx.Put(e.pod)
	}
}

// publishSlices builds the slices of the Services that a change may concern.
func (s *state) publishSlices(tx *store.Tx) {
	byNamespace := map[string][]*corev1.Pod{}
	for _, e := range slices.SortedFunc(maps.Values(s.pods), byName) {
		byNamespace[e.pod.Namespace] = append(byNamespace[e.pod.Namespace], e.pod)
	}
	for name, svc := range s.shown {
		if s.selected[name] != svc || s.changed && s.endpointsOf(name) != nil || s.concerned(svc) {
			s.showSlices(tx, name, s.slicesOf(name, svc, byNamespace[name.Namespace]))
		}
	}
	for name := range s.built {
		svc := s.shown[name]
		if svc == nil || len(svc.Spec.Selector) == 0 && s.endpointsOf(name) == nil {
			s.showSlices(tx, name, nil)
		}
	}
}

func (s *state) endpointsOf(name store.Name) *corev1.Endpoints {
	e, _ := s.objects[store.Key{Kind: "Endpoints", Namespace: name.Namespace, Name: name.Name}].(*corev1.Endpoints)
	return e
}

func (s *state) slicesOf(name store.Name, svc *corev1.Service, pods []*corev1.Pod) []*discoveryv1.EndpointSlice {
	if e := s.endpointsOf(name); e != nil && mirrors(e, svc) {
		return unchanged(s.built[name], mirrorSlices(e))
	}
	return buildSlices(svc, pods, s.built[name])
}

// concerned says whether a Service selects a Pod that changed, before or after.
func (s *state) concerned(svc *corev1.Service) bool {
	if len(svc.Spec.Selector) == 0 || len(s.touched) == 0 {
		return false
	}
	selector := labels.SelectorFromSet(svc.Spec.Selector)
	return slices.ContainsFunc(s.touched, func(p *corev1.Pod) bool {
		return p.Namespace == svc.Namespace && selector.Matches(labels.Set(p.Labels))
	})
}

func (s *state) showSlices(tx *store.Tx, name store.Name, now []*discoveryv1.EndpointSlice) {
	s.served = s.served || !slices.Equal(s.built[name], now)
	for _, k := range staleSlices(s.built[name], now) {
		tx.Delete(k)
	}
	for _, slice := range now {
		tx.Put(slice)
	}
	if now == nil {
		delete(s.built, name)
		return
	}
	s.built[name] = now
}

// problems are all present ones.
func (s *state) problems() []ir.Problem {
	for _, p := range s.services.problems {
		s.found.add(p)
	}
	for _, e := range s.pods {
		s.found.add(e.problems...)
		s.found.add(ignored(e, len(s.nodes.list) > 1)...)
	}
	return s.found.sorted()
}

// settled says whether every Pod is ready, ended or stuck.
func (s *state) settled() bool {
	for _, e := range s.pods {
		if e.deleting() || !isSettled(e.pod, e.problems) {
			return false
		}
	}
	return true
}

// unchanged replaces slices that are equal to old ones by those: equal content
// is no change for readers.
func unchanged(old, now []*discoveryv1.EndpointSlice) []*discoveryv1.EndpointSlice {
	for i := range now {
		for _, o := range old {
			if o.Name == now[i].Name && equality.Semantic.DeepEqual(o, now[i]) {
				now[i] = o
			}
		}
	}
	return now
}
