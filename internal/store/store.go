// Package store holds the current Kubernetes objects of one Daemun: sources
// put objects in, readers take immutable views out.
//
// It turns changes from any source (manifest files, the standalone cluster,
// informers) into a View plus a dirty signal. It knows nothing of where
// objects come from or what they are used for, and starts no goroutines.
//
//	s := store.New()
//	s.Update(func(tx *store.Tx) { tx.Put(ingress); tx.Delete(store.Key{Kind: "Service", Namespace: "shop", Name: "web"}) })
//	<-s.Dirty()
//	v := s.View()
//
// Objects belong to the store once they are put: nobody may write to them any
// more. A source that changes an object puts a new copy.
package store

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Object is any Kubernetes object.
type Object interface {
	metav1.Object
	runtime.Object
}

// Name is the namespaced name of an object; Namespace is empty for
// cluster-wide kinds.
type Name struct{ Namespace, Name string }

// Key names an object of a kind.
type Key struct{ Kind, Namespace, Name string }

// NameOf returns the name of an object.
func NameOf(o metav1.Object) Name { return Name{o.GetNamespace(), o.GetName()} }

// Store is safe for concurrent use.
type Store struct {
	mu sync.Mutex // serialises writers
	// touched are the Services whose EndpointSlices have changed since
	// somebody asked.
	touched map[Name]struct{}
	view    atomic.Pointer[View]

	dirty     chan struct{}
	endpoints chan struct{}
	network   chan struct{}
}

// New returns an empty store at revision 0.
func New() *Store {
	s := &Store{touched: map[Name]struct{}{}, dirty: make(chan struct{}, 1), endpoints: make(chan struct{}, 1), network: make(chan struct{}, 1)}
	s.view.Store(&View{journal: journal{origin: s}})
	return s
}

// routeKinds are what translation reads. Pods, Nodes and Namespaces change
// often: they must not cause translations.
var routeKinds = []string{"Ingress", "IngressClass", "Service", "Secret", "ConfigMap"}

// networkKinds are what the Service network is made of; ConfigMaps publish
// ports of it.
var networkKinds = []string{"Service", "EndpointSlice", "Pod", "Node", "Namespace", "ConfigMap"}

// View returns the current state. The view never changes.
func (s *Store) View() *View { return s.view.Load() }

// Dirty receives after the objects that routes are made of have changed.
// Signals coalesce: one receive may stand for many updates.
func (s *Store) Dirty() <-chan struct{} { return s.dirty }

// EndpointsDirty receives after EndpointSlices have changed. They are on their
// own road so that an endpoint change never waits for a translation.
func (s *Store) EndpointsDirty() <-chan struct{} { return s.endpoints }

// EndpointsTouched returns the current state, and the Services whose
// EndpointSlices have changed since the last call. It has one reader, that of
// EndpointsDirty.
func (s *Store) EndpointsTouched() (*View, map[Name]struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	touched := s.touched
	s.touched = map[Name]struct{}{}
	return s.view.Load(), touched
}

// NetworkDirty receives after objects that the Service network is made of have
// changed. It has one reader.
func (s *Store) NetworkDirty() <-chan struct{} { return s.network }

// Update runs f on a transaction and makes its changes visible at once. An
// update that changes nothing makes no revision. It returns the revision that
// holds the changes.
func (s *Store) Update(f func(tx *Tx)) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.view.Load()
	next := *old
	tx := &Tx{view: &next, cloned: map[string]bool{}}
	f(tx)
	if len(tx.cloned) == 0 {
		return old.Revision
	}
	next.Revision++
	next.journal.add(next.Revision, tx.changed)
	endpoints, network := tx.cloned["EndpointSlice"], tx.touches(networkKinds)
	if endpoints {
		next.EndpointsRevision = next.Revision
	}
	if network {
		next.NetworkRevision = next.Revision
	}
	s.view.Store(&next)
	if endpoints {
		for _, name := range tx.touched {
			s.touched[name] = struct{}{}
		}
		signal(s.endpoints)
	}
	if tx.touches(routeKinds) {
		signal(s.dirty)
	}
	if network {
		signal(s.network)
	}
	return next.Revision
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// View is one immutable state of all objects. The maps must not be written.
type View struct {
	// Revision grows by one with every change. EndpointsRevision is that of the
	// last change of EndpointSlices, NetworkRevision that of anything the
	// Service network is made of.
	Revision, EndpointsRevision, NetworkRevision uint64

	Ingresses      map[Name]*networkingv1.Ingress
	IngressClasses map[Name]*networkingv1.IngressClass
	Services       map[Name]*corev1.Service
	EndpointSlices map[Name]*discoveryv1.EndpointSlice
	Secrets        map[Name]*corev1.Secret
	ConfigMaps     map[Name]*corev1.ConfigMap
	Namespaces     map[Name]*corev1.Namespace
	Nodes          map[Name]*corev1.Node
	Pods           map[Name]*corev1.Pod

	// slicesOf indexes EndpointSlices by the Service their label names.
	slicesOf map[Name][]*discoveryv1.EndpointSlice

	journal journal
}

// SlicesOf returns the EndpointSlices that belong to a Service by their
// kubernetes.io/service-name label, sorted by name.
func (v *View) SlicesOf(service Name) []*discoveryv1.EndpointSlice { return v.slicesOf[service] }

// Tx is a set of changes under way. It is valid only inside Update.
type Tx struct {
	view *View
	// touched are the Services of EndpointSlices that were written.
	touched []Name
	changed []Key
	// cloned and indexed say which maps of the view are already this
	// transaction's own.
	cloned  map[string]bool
	indexed bool
}

func (tx *Tx) touches(kinds []string) bool {
	return slices.ContainsFunc(kinds, func(kind string) bool { return tx.cloned[kind] })
}

// Put adds or replaces an object. Kinds the store does not keep are ignored
// and reported with false. Putting the identical pointer again is no change.
func (tx *Tx) Put(o Object) bool {
	name := NameOf(o)
	switch o := o.(type) {
	case *networkingv1.Ingress:
		put(tx, "Ingress", &tx.view.Ingresses, name, o)
	case *networkingv1.IngressClass:
		put(tx, "IngressClass", &tx.view.IngressClasses, name, o)
	case *corev1.Service:
		put(tx, "Service", &tx.view.Services, name, o)
	case *discoveryv1.EndpointSlice:
		tx.reindex(tx.view.EndpointSlices[name], o)
		put(tx, "EndpointSlice", &tx.view.EndpointSlices, name, o)
	case *corev1.Secret:
		put(tx, "Secret", &tx.view.Secrets, name, o)
	case *corev1.ConfigMap:
		put(tx, "ConfigMap", &tx.view.ConfigMaps, name, o)
	case *corev1.Namespace:
		put(tx, "Namespace", &tx.view.Namespaces, name, o)
	case *corev1.Node:
		put(tx, "Node", &tx.view.Nodes, name, o)
	case *corev1.Pod:
		put(tx, "Pod", &tx.view.Pods, name, o)
	default:
		return false
	}
	return true
}

// Delete removes an object; deleting what is not there is no change.
func (tx *Tx) Delete(k Key) {
	name := Name{k.Namespace, k.Name}
	switch k.Kind {
	case "Ingress":
		remove(tx, k.Kind, &tx.view.Ingresses, name)
	case "IngressClass":
		remove(tx, k.Kind, &tx.view.IngressClasses, name)
	case "Service":
		remove(tx, k.Kind, &tx.view.Services, name)
	case "EndpointSlice":
		tx.reindex(tx.view.EndpointSlices[name], nil)
		remove(tx, k.Kind, &tx.view.EndpointSlices, name)
	case "Secret":
		remove(tx, k.Kind, &tx.view.Secrets, name)
	case "ConfigMap":
		remove(tx, k.Kind, &tx.view.ConfigMaps, name)
	case "Namespace":
		remove(tx, k.Kind, &tx.view.Namespaces, name)
	case "Node":
		remove(tx, k.Kind, &tx.view.Nodes, name)
	case "Pod":
		remove(tx, k.Kind, &tx.view.Pods, name)
	}
}

func put[T comparable](tx *Tx, kind string, m *map[Name]T, name Name, o T) {
	if old, ok := (*m)[name]; ok && old == o {
		return
	}
	own(tx, kind, m)
	tx.changed = append(tx.changed, Key{kind, name.Namespace, name.Name})
	(*m)[name] = o
}

func remove[T any](tx *Tx, kind string, m *map[Name]T, name Name) {
	if _, ok := (*m)[name]; !ok {
		return
	}
	own(tx, kind, m)
	tx.changed = append(tx.changed, Key{kind, name.Namespace, name.Name})
	delete(*m, name)
}

// own clones a map the first time a transaction writes to it.
func own[T any](tx *Tx, kind string, m *map[Name]T) {
	if tx.cloned[kind] {
		return
	}
	tx.cloned[kind] = true
	if *m = maps.Clone(*m); *m == nil {
		*m = map[Name]T{}
	}
}
