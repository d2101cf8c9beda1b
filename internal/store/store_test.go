package store_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"daemun/internal/store"
)

func meta(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: "shop", Name: name} }

func slice(name, service string) *discoveryv1.EndpointSlice {
	m := meta(name)
	if service != "" {
		m.Labels = map[string]string{discoveryv1.LabelServiceName: service}
	}
	return &discoveryv1.EndpointSlice{ObjectMeta: m}
}

func put(s *store.Store, objects ...store.Object) uint64 {
	return s.Update(func(tx *store.Tx) {
		for _, o := range objects {
			tx.Put(o)
		}
	})
}

func remove(s *store.Store, kind, name string) uint64 {
	return s.Update(func(tx *store.Tx) { tx.Delete(store.Key{Kind: kind, Namespace: "shop", Name: name}) })
}

func received(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestKinds(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		object           store.Object
		size             func(v *store.View) int
		dirty, endpoints bool
	}{
		"Ingress":       {&networkingv1.Ingress{ObjectMeta: meta("a")}, func(v *store.View) int { return len(v.Ingresses) }, true, false},
		"IngressClass":  {&networkingv1.IngressClass{ObjectMeta: meta("a")}, func(v *store.View) int { return len(v.IngressClasses) }, true, false},
		"Service":       {&corev1.Service{ObjectMeta: meta("a")}, func(v *store.View) int { return len(v.Services) }, true, false},
		"Secret":        {&corev1.Secret{ObjectMeta: meta("a")}, func(v *store.View) int { return len(v.Secrets) }, true, false},
		"ConfigMap":     {&corev1.ConfigMap{ObjectMeta: meta("a")}, func(v *store.View) int { return len(v.ConfigMaps) }, true, false},
		"EndpointSlice": {slice("a", "web"), func(v *store.View) int { return len(v.EndpointSlices) }, false, true},
		"Namespace":     {&corev1.Namespace{ObjectMeta: meta("a")}, func(v *store.View) int { return len(v.Namespaces) }, false, false},
		"Node":          {&corev1.Node{ObjectMeta: meta("a")}, func(v *store.View) int { return len(v.Nodes) }, false, false},
		"Pod":           {&corev1.Pod{ObjectMeta: meta("a")}, func(v *store.View) int { return len(v.Pods) }, false, false},
	}
	for kind, tt := range tests {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s := store.New()
			empty := s.View()
			steps := []struct {
				name     string
				do       func() uint64
				revision uint64
				size     int
				signals  bool
			}{
				{"put", func() uint64 { return put(s, tt.object) }, 1, 1, true},
				{"put the same", func() uint64 { return put(s, tt.object) }, 1, 1, false},
				{"put a copy", func() uint64 { return put(s, tt.object.DeepCopyObject().(store.Object)) }, 2, 1, true},
				{"delete another", func() uint64 { return remove(s, kind, "b") }, 2, 1, false},
				{"delete", func() uint64 { return remove(s, kind, "a") }, 3, 0, true},
				{"delete again", func() uint64 { return remove(s, kind, "a") }, 3, 0, false},
			}
			for _, step := range steps {
				if got := step.do(); got != step.revision || s.View().Revision != got {
					t.Errorf("%s: revision %d, view %d, want %d", step.name, got, s.View().Revision, step.revision)
				}
				if got := tt.size(s.View()); got != step.size {
					t.Errorf("%s: %d objects, want %d", step.name, got, step.size)
				}
				if got := received(s.Dirty()); got != (step.signals && tt.dirty) {
					t.Errorf("%s: dirty %v", step.name, got)
				}
				if got := received(s.EndpointsDirty()); got != (step.signals && tt.endpoints) {
					t.Errorf("%s: endpoints dirty %v", step.name, got)
				}
			}
			if empty.Revision != 0 || tt.size(empty) != 0 {
				t.Error("an old view changed")
			}
		})
	}
}

func TestUnknownKind(t *testing.T) {
	t.Parallel()
	s := store.New()
	s.Update(func(tx *store.Tx) {
		if tx.Put(&appsv1.Deployment{ObjectMeta: meta("a")}) {
			t.Error("a Deployment was kept")
		}
	})
	if s.View().Revision != 0 || received(s.Dirty()) {
		t.Error("nothing changed, but there is a revision or a signal")
	}
}

func TestDirtyCoalesces(t *testing.T) {
	t.Parallel()
	s := store.New()
	for i := range 5 {
		put(s, &corev1.Service{ObjectMeta: meta(fmt.Sprint(i))}, slice(fmt.Sprint(i), "web"))
	}
	for name, c := range map[string]<-chan struct{}{"dirty": s.Dirty(), "endpoints": s.EndpointsDirty()} {
		if !received(c) || received(c) {
			t.Errorf("%s: want exactly one signal", name)
		}
	}
}

func TestSlicesOf(t *testing.T) {
	t.Parallel()
	s := store.New()
	names := func(v *store.View, service string) []string {
		var out []string
		for _, e := range v.SlicesOf(store.Name{Namespace: "shop", Name: service}) {
			out = append(out, e.Name)
		}
		return out
	}
	steps := []struct {
		name     string
		do       func() uint64
		web, api []string
	}{
		{"sorted", func() uint64 { return put(s, slice("b", "web"), slice("a", "web")) }, []string{"a", "b"}, nil},
		{"moved to another Service", func() uint64 { return put(s, slice("a", "api")) }, []string{"b"}, []string{"a"}},
		{"replaced", func() uint64 { return put(s, slice("b", "web")) }, []string{"b"}, []string{"a"}},
		{"lost its label", func() uint64 { return put(s, slice("a", "")) }, []string{"b"}, nil},
		{"got its label", func() uint64 { return put(s, slice("a", "web")) }, []string{"a", "b"}, nil},
		{"deleted", func() uint64 { return remove(s, "EndpointSlice", "b") }, []string{"a"}, nil},
		{"deleted what is not there", func() uint64 { return remove(s, "EndpointSlice", "b") }, []string{"a"}, nil},
		{"all deleted", func() uint64 { return remove(s, "EndpointSlice", "a") }, nil, nil},
	}
	type seen struct {
		view     *store.View
		web, api []string
	}
	var views []seen
	for _, step := range steps {
		step.do()
		views = append(views, seen{s.View(), step.web, step.api})
		if diff := cmp.Diff([][]string{step.web, step.api}, [][]string{names(s.View(), "web"), names(s.View(), "api")}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.name, diff)
		}
	}
	for i, v := range views {
		if diff := cmp.Diff([][]string{v.web, v.api}, [][]string{names(v.view, "web"), names(v.view, "api")}); diff != "" {
			t.Errorf("the view of step %d changed later (-want +got):\n%s", i, diff)
		}
	}
}

// TestConcurrent is for the race detector: writers and readers at once, and
// every view is whole.
func TestConcurrent(t *testing.T) {
	t.Parallel()
	s := store.New()
	const writers, updates = 4, 100
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range updates {
				name := fmt.Sprintf("%d-%d", w, i)
				put(s, &corev1.Service{ObjectMeta: meta(name)}, slice(name, name))
			}
		})
		wg.Go(func() {
			for range updates {
				v := s.View()
				if len(v.Services) != len(v.EndpointSlices) || uint64(len(v.Services)) != v.Revision {
					t.Errorf("half an update is visible: %d Services, %d slices, revision %d", len(v.Services), len(v.EndpointSlices), v.Revision)
				}
				for name := range v.Services {
					if len(v.SlicesOf(name)) != 1 {
						t.Errorf("%v has no slice in the index", name)
					}
				}
			}
		})
	}
	wg.Wait()
	if got := s.View().Revision; got != writers*updates {
		t.Errorf("revision %d, want %d", got, writers*updates)
	}
}

// TestEndpointsTouched names each Service once, also the one that a slice left.
func TestEndpointsTouched(t *testing.T) {
	t.Parallel()
	s := store.New()
	touched := func() (names []string) {
		v, services := s.EndpointsTouched()
		if v != s.View() {
			t.Error("not the current view")
		}
		for name := range services {
			names = append(names, name.Name)
		}
		slices.Sort(names)
		return names
	}
	for _, step := range []struct {
		name string
		do   func() uint64
		want []string
	}{
		{"nothing", func() uint64 { return 0 }, nil},
		{"two slices of one Service", func() uint64 { return put(s, slice("a", "web"), slice("b", "web")) }, []string{"web"}},
		{"nothing since", func() uint64 { return 0 }, nil},
		{"moved", func() uint64 { return put(s, slice("a", "api")) }, []string{"api", "web"}},
		{"deleted", func() uint64 { return remove(s, "EndpointSlice", "b") }, []string{"web"}},
		{"another kind", func() uint64 { return put(s, &corev1.Service{ObjectMeta: meta("web")}) }, nil},
	} {
		step.do()
		if diff := cmp.Diff(step.want, touched()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.name, diff)
		}
	}
}
