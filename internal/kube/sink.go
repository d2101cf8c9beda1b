package kube

import (
	"fmt"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/client-go/tools/cache"

	"daemun/internal/ir"
	"daemun/internal/store"
)

// CodeHeldBack says that objects vanished from the API server at once and stay in
// service for a while.
const CodeHeldBack = "DMN0801"

// holdTime is how long a sudden loss is held back, holdAbove the size from
// which on it is suspicious (H11.2).
const (
	holdTime  = 30 * time.Second
	holdAbove = 100
)

// sink is what a reflector writes to: the objects of one kind in one
// selection. Its fields are protected by the mutex of the source.
type sink struct {
	kind
	selection
	source *Source

	// have holds every object that the API server has told of.
	have   map[store.Key]store.Object
	synced bool
	// ready is closed after the first list.
	ready chan struct{}
	// held are objects that the last list no longer had, with the time from
	// which on that is believed.
	held map[store.Key]time.Time
}

func (n *sink) keyOf(o store.Object) store.Key {
	return store.Key{Kind: n.name, Namespace: o.GetNamespace(), Name: o.GetName()}
}

// Add implements cache.ReflectorStore.
func (n *sink) Add(o any) error {
	object, ok := o.(store.Object)
	if !ok {
		return fmt.Errorf("%T is no object", o)
	}
	n.source.mu.Lock()
	defer n.source.mu.Unlock()
	n.source.put(n, object)
	return nil
}

// Update implements cache.ReflectorStore.
func (n *sink) Update(o any) error { return n.Add(o) }

// Delete implements cache.ReflectorStore.
func (n *sink) Delete(o any) error {
	object, ok := o.(store.Object)
	if !ok {
		return fmt.Errorf("%T is no object", o)
	}
	n.source.mu.Lock()
	defer n.source.mu.Unlock()
	n.source.remove(n, n.keyOf(object))
	return nil
}

// Replace implements cache.ReflectorStore: it takes over a list.
func (n *sink) Replace(list []any, _ string) error {
	n.source.mu.Lock()
	defer n.source.mu.Unlock()
	listed := make(map[store.Key]bool, len(list))
	for _, o := range list {
		object, ok := o.(store.Object)
		if !ok {
			return fmt.Errorf("%T is no object", o)
		}
		listed[n.keyOf(object)] = true
		n.source.put(n, object)
	}
	n.removeAllBut(listed)
	n.source.markSynced(n)
	return nil
}

// Resync implements cache.ReflectorStore.
func (n *sink) Resync() error { return nil }

// Transformer implements cache.TransformingStore: what is large and never read
// is dropped before a whole list of it has gathered.
func (n *sink) Transformer() cache.TransformFunc {
	return func(o any) (any, error) {
		if object, ok := o.(store.Object); ok {
			object.SetManagedFields(nil)
			delete(object.GetAnnotations(), lastApplied)
		}
		return o, nil
	}
}

// removeAllBut removes what a list does not have. Where that is most of a lot,
// it is more likely to be a mistake of the API server's cache than the wish of
// a user: it is held back for a while.
func (n *sink) removeAllBut(listed map[store.Key]bool) {
	var gone []store.Key
	all, lost := 0, 0
	for key, o := range n.have {
		size := sizeOf(o)
		all += size
		if !listed[key] {
			lost += size
			gone = append(gone, key)
		}
	}
	if all <= holdAbove || lost*2 <= all {
		for _, key := range gone {
			n.source.remove(n, key)
		}
		return
	}
	until := time.Now().Add(holdTime)
	for _, key := range gone {
		if _, waiting := n.held[key]; !waiting {
			n.held[key] = until
		}
	}
	n.source.Logger.Error("most objects of a kind vanished at once; they stay in service for a while", "kind", n.name, "lost", len(gone), "of", len(n.have), "until", until)
}

// sizeOf weighs an object: an Ingress by its routes.
func sizeOf(o store.Object) int {
	in, ok := o.(*networkingv1.Ingress)
	if !ok {
		return 1
	}
	n := 0
	for i := range in.Spec.Rules {
		if http := in.Spec.Rules[i].HTTP; http != nil {
			n += len(http.Paths)
		}
	}
	return max(n, 1)
}

// releaseHeld removes what has been held back long enough.
func (s *Source) releaseHeld(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.sinks {
		for key, until := range n.held {
			if !now.Before(until) {
				s.remove(n, key)
			}
		}
	}
}

func (n *sink) heldProblem() []ir.Problem {
	if len(n.held) == 0 {
		return nil
	}
	return []ir.Problem{{
		Code: CodeHeldBack, Severity: ir.SeverityError,
		Message: fmt.Sprintf("%d of %d objects of kind %s vanished from the API server at once; they stay in service for up to %v, in case that is a mistake",
			len(n.held), len(n.have), n.name, holdTime),
	}}
}
