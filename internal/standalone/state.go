package standalone

import (
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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
	uid      func() types.UID

	shown    map[store.Name]*corev1.Service
	built    map[store.Name][]*discoveryv1.EndpointSlice // by Service, as last shown
	hashes   map[store.Key]string
	sequence int

	// Of one step:
	now      time.Time
	moved    bool            // something was decided
	touched  []*corev1.Pod   // old and new versions of Pods that changed
	changed  map[string]bool // the kinds of manifests that changed
	served   bool            // Services, or slices of headless ones, changed
	pass     []store.Object
	arrived  []*discoveryv1.EndpointSlice // see passSlices
	gone     []store.Key
	found    problemSet
	again    time.Time
	selected map[store.Name]*corev1.Service // Services as of the last publish
	located  topology                       // nodes as of the last publish
}

func newState(c *Config) *state {
	return &state{
		objects: map[store.Key]store.Object{}, pods: map[store.Name]*podEntry{},
		nodes: newNodes(c.NodeNetwork, c.PodNetwork), services: newServices(c.ServiceNetwork, c.LoadBalancerNetwork),
		uid: newUID, built: map[store.Name][]*discoveryv1.EndpointSlice{}, hashes: map[store.Key]string{},
	}
}

// begin starts a step.
func (s *state) begin(now time.Time) {
	s.now, s.moved, s.changed, s.served, s.again = now, false, map[string]bool{}, false, time.Time{}
	s.touched, s.pass, s.arrived, s.gone, s.found = nil, nil, nil, nil, problemSet{}
}

// derivedKinds are not shown as the manifests have them.
var derivedKinds = map[string]bool{"Pod": true, "Service": true, "Node": true}

// intake takes a change of the manifests.
func (s *state) intake(ch manifest.Change) {
	for _, k := range ch.Delete {
		k = defaultKey(k)
		s.changed[k.Kind] = true
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
		s.changed[k.Kind] = true
		delete(s.hashes, k)
		if !derivedKinds[k.Kind] {
			if slice, ok := o.(*discoveryv1.EndpointSlice); ok {
				s.arrived = append(s.arrived, slice)
			} else {
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
	s.deriveObjects()
	for {
		s.moved = false
		ended = append(ended, s.sweep()...)
		s.runWorkloads()
		s.placeAll()
		if !s.moved {
			return ended
		}
	}
}

// placeAll gives the Pods that wait for a node one, the oldest first.
func (s *state) placeAll() {
	var waiting []*podEntry
	for _, e := range s.pods {
		if !e.scheduled() && !e.deleting() {
			waiting = append(waiting, e)
		}
	}
	if len(waiting) == 0 {
		return
	}
	slices.SortFunc(waiting, func(a, b *podEntry) int { return a.created - b.created })
	load := s.load()
	for _, e := range waiting {
		s.place(e, load)
	}
}

// deriveObjects makes what follows from manifests alone, as far as those
// changed.
func (s *state) deriveObjects() {
	first := s.shown == nil
	s.passSlices()
	if s.changed["Service"] || first {
		s.shown = s.services.update(manifestsOf[*corev1.Service](s))
	}
	if s.changed["Node"] || first {
		wanted := map[string]*corev1.Node{}
		for name, n := range manifestsOf[*corev1.Node](s) {
			wanted[name.Name] = n
		}
		s.nodes.update(wanted)
	}
}

// manifestsOf are the manifests' objects of a type.
func manifestsOf[T store.Object](s *state) map[store.Name]T {
	out := map[store.Name]T{}
	for _, o := range s.objects {
		if o, ok := o.(T); ok {
			out[store.NameOf(o)] = o
		}
	}
	return out
}

// publish writes everything that changed to the store, at once.
func (s *state) publish(tx *store.Tx) {
	for _, k := range s.gone {
		tx.Delete(k)
	}
	for _, o := range s.pass {
		if s.objects[keyOf(o)] == o { // and not gone again in the same step
			tx.Put(o)
		}
	}
	s.publishDerived(tx)
	s.publishSlices(tx)
	s.selected, s.located = s.shown, s.nodes.topology
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
	moved := !s.nodes.topology.equal(s.located)
	var stale []store.Name
	for name, svc := range s.shown {
		if s.selected[name] != svc || s.concerned(svc) || moved && len(svc.Spec.Selector) > 0 ||
			s.changed["Endpoints"] && s.endpointsOf(name) != nil {
			stale = append(stale, name)
		}
	}
	pods := s.podsOf
	if len(stale) > 8 { // fewer look faster without an index
		pods = s.indexPods().near
	}
	for _, name := range stale {
		s.showSlices(tx, name, s.slicesOf(name, pods))
	}
	for name := range s.built {
		svc := s.shown[name]
		if svc == nil || len(svc.Spec.Selector) == 0 && s.endpointsOf(name) == nil {
			s.showSlices(tx, name, nil)
		}
	}
}

// podsOf are the Pods that a Service selects, sorted by name.
func (s *state) podsOf(svc *corev1.Service) []*corev1.Pod {
	var found []*podEntry
	for _, e := range s.pods {
		if selects(svc, e.pod) {
			found = append(found, e)
		}
	}
	slices.SortFunc(found, byName)
	out := make([]*corev1.Pod, len(found))
	for i, e := range found {
		out[i] = e.pod
	}
	return out
}

// podIndex finds Pods by namespace and one label, sorted by name.
type podIndex map[[3]string][]*corev1.Pod

func (s *state) indexPods() podIndex {
	out := podIndex{}
	for _, e := range slices.SortedFunc(maps.Values(s.pods), byName) {
		for k, v := range e.pod.Labels {
			at := [3]string{e.pod.Namespace, k, v}
			out[at] = append(out[at], e.pod)
		}
	}
	return out
}

// near are the Pods with the rarest label that a Service selects: all that it
// may select, and few others.
func (x podIndex) near(svc *corev1.Service) (out []*corev1.Pod) {
	first := true
	for k, v := range svc.Spec.Selector {
		if found := x[[3]string{svc.Namespace, k, v}]; first || len(found) < len(out) {
			out, first = found, false
		}
	}
	return out
}

func (s *state) endpointsOf(name store.Name) *corev1.Endpoints {
	e, _ := s.objects[store.Key{Kind: "Endpoints", Namespace: name.Namespace, Name: name.Name}].(*corev1.Endpoints)
	return e
}

func (s *state) slicesOf(name store.Name, pods func(*corev1.Service) []*corev1.Pod) []*discoveryv1.EndpointSlice {
	svc := s.shown[name]
	if e := s.endpointsOf(name); e != nil && mirrors(e, svc) {
		return unchanged(s.built[name], mirrorSlices(e))
	}
	return buildSlices(svc, pods(svc), s.built[name], s.nodes.topology, s.now)
}

// concerned says whether a Service selects a Pod that changed, before or after.
func (s *state) concerned(svc *corev1.Service) bool {
	return slices.ContainsFunc(s.touched, func(p *corev1.Pod) bool { return selects(svc, p) })
}

func (s *state) showSlices(tx *store.Tx, name store.Name, now []*discoveryv1.EndpointSlice) {
	if svc := s.shown[name]; svc == nil || !hasClusterIP(svc) {
		s.served = s.served || !slices.Equal(s.built[name], now)
	}
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
	for _, found := range s.services.problems {
		s.found.add(found...)
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
