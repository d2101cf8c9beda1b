package control

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"go.uber.org/goleak"

	"daemun/internal/ir"
	"daemun/internal/metrics"
	"daemun/internal/store"
	"daemun/internal/table"
	"daemun/internal/translate"
	"daemun/internal/upstream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a loop over a real store, translator, registry and table.
type rig struct {
	*Loop
	store     *store.Store
	upstreams *upstream.Registry
	table     atomic.Pointer[table.Table]
	published chan State
	// broken makes Compile panic while it is set.
	broken atomic.Bool
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{store: store.New(), upstreams: upstream.NewRegistry(upstream.Config{}), published: make(chan State, 100)}
	t.Cleanup(r.upstreams.Close)
	o := translate.DefaultOptions()
	o.WithoutClass = true
	r.Loop = New(Config{
		Store: r.store, Translator: translate.New(o), Upstreams: r.upstreams, Table: &r.table,
		Handles: table.Handles{
			Backend: r.upstreams.Backend,
			Route: func(*ir.Host, *ir.Route) *metrics.Route {
				if r.broken.Load() {
					panic("broken on purpose")
				}
				return nil
			},
		},
		Certificates: func(*ir.Config) {},
		Published:    func(s State) { r.published <- s },
		Logger:       slog.New(slog.DiscardHandler),
	})
	return r
}

func (r *rig) put(objects ...store.Object) {
	r.store.Update(func(tx *store.Tx) {
		for _, o := range objects {
			tx.Put(o)
		}
	})
}

// endpoints counts the endpoints that requests to a host reach right now.
func (r *rig) endpoints(host string) int {
	var m table.Match
	if r.table.Load().Resolve([]byte(host), []byte("/"), &m) != table.Found || m.Route.Backend == nil {
		return -1
	}
	return m.Route.Backend.Len()
}

func service() *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web"},
		Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "http", Port: 80, Protocol: corev1.ProtocolTCP}}},
	}
}

func slice(addresses ...string) *discoveryv1.EndpointSlice {
	name, port, protocol := "http", int32(8080), corev1.ProtocolTCP
	s := &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Namespace: "default", Name: "web-1", Labels: map[string]string{discoveryv1.LabelServiceName: "web"}},
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports:       []discoveryv1.EndpointPort{{Name: &name, Port: &port, Protocol: &protocol}},
	}
	for _, a := range addresses {
		s.Endpoints = append(s.Endpoints, discoveryv1.Endpoint{Addresses: []string{a}})
	}
	return s
}

func ingress(name, host string) *networkingv1.Ingress {
	prefix := networkingv1.PathTypePrefix
	return &networkingv1.Ingress{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
		Spec: networkingv1.IngressSpec{Rules: []networkingv1.IngressRule{{
			Host: host,
			IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{Paths: []networkingv1.HTTPIngressPath{{
				Path: "/", PathType: &prefix,
				Backend: networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: "web", Port: networkingv1.ServiceBackendPort{Number: 80}}},
			}}}},
		}}},
	}
}

// TestFirstTableIsComplete: what a table refers to has its endpoints when the
// table goes live.
func TestFirstTableIsComplete(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.put(service(), slice("10.0.0.1", "10.0.0.2"), ingress("web", "a.test"))
	if err := r.Build(); err != nil {
		t.Fatal(err)
	}
	s := <-r.published
	if n := r.endpoints("a.test"); n != 2 {
		t.Errorf("%d endpoints, want 2", n)
	}
	if s.Tables != 1 || s.Revision != r.store.View().Revision || len(s.Accepted) != 1 {
		t.Errorf("state %+v", s)
	}
}

// TestRunFollowsTheStore: an Ingress makes a table, an EndpointSlice none.
func TestRunFollowsTheStore(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.put(service(), slice("10.0.0.1"), ingress("web", "a.test"))
	if err := r.Build(); err != nil {
		t.Fatal(err)
	}
	<-r.published
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()

	r.put(slice("10.0.0.1", "10.0.0.2", "10.0.0.3"))
	eventually(t, "three endpoints", func() bool { return r.endpoints("a.test") == 3 })

	r.put(ingress("other", "b.test"))
	eventually(t, "the second host", func() bool { return r.endpoints("b.test") == 3 })

	cancel()
	if err := <-done; err != nil {
		t.Errorf("Run: %v", err)
	}
	// The store was dirty before Run began, so one table may have come for
	// that; none came for the endpoints.
	if n := r.State().Tables; n < 2 || n > 3 {
		t.Errorf("%d tables, want the first and one for each sign of dirt", n)
	}
}

// TestPanicKeepsTheLastTable: a bug in a pure layer costs the change, not the
// service.
func TestPanicKeepsTheLastTable(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.put(service(), slice("10.0.0.1"), ingress("web", "a.test"))
	if err := r.Build(); err != nil {
		t.Fatal(err)
	}
	live := r.table.Load()
	r.broken.Store(true)
	r.put(ingress("other", "b.test"))
	if err := r.Build(); err == nil {
		t.Fatal("a panic went unnoticed")
	}
	if r.table.Load() != live || r.State().Failures != 1 || r.State().Tables != 1 {
		t.Errorf("state %+v", r.State())
	}
	r.broken.Store(false)
	if err := r.Build(); err != nil {
		t.Fatal(err)
	}
	if r.State().Failures != 0 || r.endpoints("b.test") != 1 {
		t.Errorf("did not recover: %+v", r.State())
	}
}

// TestUnusedBackendsGo: a backend that no route refers to any more is dropped,
// one that comes back is a new one with the present endpoints.
func TestUnusedBackendsGo(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.put(service(), slice("10.0.0.1"), ingress("web", "a.test"))
	if err := r.Build(); err != nil {
		t.Fatal(err)
	}
	r.store.Update(func(tx *store.Tx) { tx.Delete(store.Key{Kind: "Ingress", Namespace: "default", Name: "web"}) })
	if err := r.Build(); err != nil {
		t.Fatal(err)
	}
	if n := r.endpoints("a.test"); n != -1 {
		t.Errorf("%d endpoints after the Ingress went", n)
	}
	r.put(ingress("web", "a.test"), slice("10.0.0.1", "10.0.0.9"))
	if err := r.Build(); err != nil {
		t.Fatal(err)
	}
	if n := r.endpoints("a.test"); n != 2 {
		t.Errorf("%d endpoints, want 2", n)
	}
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(10 * time.Second); !done(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("no %s", what)
		}
	}
}
