package kube

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"daemun/internal/ir"
	"daemun/internal/kubetest"
	"daemun/internal/store"
)

// addresses prints the status of an Ingress as the API server has it.
func addresses(t *testing.T, api *kubetest.Server, namespace, name string) string {
	t.Helper()
	in := ingress(namespace, name)
	in.Spec = networkingv1.IngressSpec{}
	if !api.Get(t, in) {
		return "gone"
	}
	var list []string
	for _, a := range in.Status.LoadBalancer.Ingress {
		list = append(list, a.IP+a.Hostname)
	}
	return strings.Join(list, " ")
}

// writer runs a Status over a rig for all its Ingresses.
func writer(t *testing.T, r *rig, c StatusConfig) *Status {
	t.Helper()
	c.Source, c.Interval, c.Logger = r.Source, time.Minute, slog.New(slog.DiscardHandler)
	if c.Served == nil {
		c.Served = func() (names []store.Name) {
			for n := range r.view().Ingresses {
				names = append(names, n)
			}
			return names
		}
	}
	s := NewStatus(c)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return s
}

func TestStatus(t *testing.T) {
	t.Parallel()
	api := kubetest.New(t)
	web := ingress("shop", "web", withTLS("x"), withAnnotation("a", "b"))
	api.Put(t, web, ingress("shop", "theirs"))
	r := start(t, api)
	s := writer(t, r, StatusConfig{
		Addresses: []string{"lb.example.com", "192.0.2.9", "192.0.2.1", "192.0.2.9"},
		Served: func() []store.Name {
			return []store.Name{{Namespace: "shop", Name: "web"}, {Namespace: "shop", Name: "gone"}}
		},
	})
	await(t, "status", func() bool { return addresses(t, api, "shop", "web") == "lb.example.com 192.0.2.1 192.0.2.9" })
	stored := ingress("shop", "web")
	stored.Spec = networkingv1.IngressSpec{}
	if api.Get(t, stored); len(stored.Spec.TLS) != 1 || stored.Annotations["a"] != "b" {
		t.Errorf("writing status changed the Ingress: %+v", stored)
	}
	if got := addresses(t, api, "shop", "theirs"); got != "" {
		t.Errorf("an Ingress of another class shows %q", got)
	}
	writes := api.Requests("patch", "ingresses/status")
	s.Changed()
	web.Status = networkingv1.IngressStatus{}
	api.Put(t, web) // somebody takes it away
	await(t, "status again", func() bool { return addresses(t, api, "shop", "web") == "lb.example.com 192.0.2.1 192.0.2.9" })
	if n := api.Requests("patch", "ingresses/status"); n != writes+1 {
		t.Errorf("%d writes, want 1 more than %d", n, writes)
	}
	s.Clear(t.Context())
	if got := addresses(t, api, "shop", "web"); got != "" {
		t.Errorf("after Clear: %q", got)
	}
}

// TestStatusWithPermissionsOfIngressNginx: update without patch; conflicts are
// tried again.
func TestStatusWithPermissionsOfIngressNginx(t *testing.T) {
	t.Parallel()
	api := kubetest.New(t)
	api.Put(t, ingress("shop", "web", withTLS("x")))
	api.Forbid("patch", "ingresses/status")
	api.Conflict("ingresses", 3)
	r := start(t, api)
	writer(t, r, StatusConfig{Addresses: []string{"192.0.2.1"}})
	await(t, "status", func() bool { return addresses(t, api, "shop", "web") == "192.0.2.1" })
	if n := api.Requests("update", "ingresses/status"); n != 4 {
		t.Errorf("%d updates, want 4", n)
	}
}

func TestAddressesOfTheService(t *testing.T) {
	t.Parallel()
	front := service("infra", "front")
	front.Spec.Type = corev1.ServiceTypeLoadBalancer
	front.Spec.ExternalIPs = []string{"192.0.2.7"}
	api := kubetest.New(t)
	api.Put(t, ingress("shop", "web"), front)
	r := start(t, api, func(c *SourceConfig) { c.Extra = []store.Key{key("Service", "infra", "front")} })
	s := writer(t, r, StatusConfig{Service: store.Name{Namespace: "infra", Name: "front"}})
	await(t, "status", func() bool { return addresses(t, api, "shop", "web") == "192.0.2.7" })
	front.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{Hostname: "lb.test"}, {IP: "192.0.2.8"}}
	api.Put(t, front)
	await(t, "Service", func() bool {
		return len(r.view().Services[store.Name{Namespace: "infra", Name: "front"}].Status.LoadBalancer.Ingress) == 2
	})
	s.Changed()
	await(t, "status", func() bool { return addresses(t, api, "shop", "web") == "lb.test 192.0.2.7 192.0.2.8" })

	for _, tt := range []struct {
		spec corev1.ServiceSpec
		want string
	}{
		{corev1.ServiceSpec{Type: corev1.ServiceTypeClusterIP, ClusterIP: "10.96.0.1"}, "10.96.0.1"},
		{corev1.ServiceSpec{Type: corev1.ServiceTypeNodePort, ClusterIP: "10.96.0.1"}, "10.96.0.1"},
		{corev1.ServiceSpec{Type: corev1.ServiceTypeNodePort, ClusterIP: "10.96.0.1", ExternalIPs: []string{"192.0.2.1"}}, "192.0.2.1"},
		{corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "edge.test"}, "edge.test"},
	} {
		if got := strings.Join(serviceAddresses(&corev1.Service{Spec: tt.spec}), " "); got != tt.want {
			t.Errorf("%v: %q, want %q", tt.spec.Type, got, tt.want)
		}
	}
}

func pod(name, node string, ready bool) *corev1.Pod {
	condition := corev1.ConditionFalse
	if ready {
		condition = corev1.ConditionTrue
	}
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ingress", Name: name, Labels: map[string]string{"app": "daemun", "pod-template-hash": name}},
		Spec:       corev1.PodSpec{NodeName: node},
		Status:     corev1.PodStatus{Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: condition}}},
	}
}

func node(name string, addresses ...corev1.NodeAddress) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}, Status: corev1.NodeStatus{Addresses: addresses}}
}

// TestAddressesOfNodes with a ready replica; the last replica takes them away,
// and no other.
func TestAddressesOfNodes(t *testing.T) {
	t.Parallel()
	api := kubetest.New(t)
	api.Put(t, ingress("shop", "web"), pod("d-1", "n1", true), pod("d-2", "n2", true), pod("d-3", "n3", false),
		node("n1", corev1.NodeAddress{Type: corev1.NodeInternalIP, Address: "10.0.0.1"}, corev1.NodeAddress{Type: corev1.NodeExternalIP, Address: "192.0.2.1"}),
		node("n2", corev1.NodeAddress{Type: corev1.NodeInternalIP, Address: "10.0.0.2"}), node("n3"))
	r := start(t, api)
	self := store.Name{Namespace: "ingress", Name: "d-1"}
	s := writer(t, r, StatusConfig{Self: self})
	await(t, "status", func() bool { return addresses(t, api, "shop", "web") == "10.0.0.2 192.0.2.1" })
	s.Clear(t.Context())
	if got := addresses(t, api, "shop", "web"); got == "" {
		t.Error("the addresses went although other replicas serve")
	}
	api.Delete(t, pod("d-2", "", true), pod("d-3", "", true))
	s.Clear(t.Context()) // as another process would
	if got := addresses(t, api, "shop", "web"); got != "" {
		t.Errorf("after the last replica: %q", got)
	}
	if got := nodeAddress(node("n", corev1.NodeAddress{Type: corev1.NodeInternalIP, Address: "10.0.0.1"}, corev1.NodeAddress{Type: corev1.NodeExternalIP, Address: "192.0.2.1"}), true); got != "10.0.0.1" {
		t.Errorf("internal address %q", got)
	}
}

// candidate takes part in an election until stop is called.
func candidate(t *testing.T, api *kubetest.Server, name string, ttl time.Duration, change ...func(*Election)) (e *Election, stop func()) {
	t.Helper()
	c, err := Connect(Access{Host: api.URL})
	if err != nil {
		t.Fatal(err)
	}
	e = &Election{Cluster: c, Lease: store.Name{Namespace: "ingress", Name: "leader"}, Identity: name, TTL: ttl, Logger: slog.New(slog.DiscardHandler)}
	for _, f := range change {
		f(e)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := e.Run(ctx, func(ctx context.Context) { <-ctx.Done() }); err != nil {
			t.Error(err)
		}
	}()
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			cancel()
			<-done
			c.Close()
		}
	}
	t.Cleanup(stop)
	return e, stop
}

// TestOneLeads: the second takes over at once when the first leaves, and a
// third when the second falls silent.
func TestOneLeads(t *testing.T) {
	t.Parallel()
	api := kubetest.New(t)
	const ttl = time.Second
	a, stopA := candidate(t, api, "a", ttl)
	await(t, "leader", a.Leading)
	b, _ := candidate(t, api, "b", ttl)
	seen := api.Requests("get", "leases")
	await(t, "attempts of b", func() bool { return api.Requests("get", "leases") > seen+4 })
	if b.Leading() || !a.Leading() {
		t.Errorf("a leads %v, b leads %v", a.Leading(), b.Leading())
	}
	stopA()
	if a.Leading() {
		t.Error("a leads after its end")
	}
	await(t, "second leader", b.Leading)

	api.Forbid("update", "leases") // b falls silent
	await(t, "b to give up", func() bool { return !b.Leading() })
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: "ingress", Name: "leader"}}
	api.Get(t, lease)
	if got := deref(lease.Spec.HolderIdentity); got != "b" {
		t.Errorf("holder %q", got)
	}
	api.Allow("update", "leases")
	await(t, "leader again", b.Leading)
}

// TestLeadershipEndsBeforeItsTerm: a leader that cannot renew stops writing
// before another one may begin.
func TestLeadershipEndsBeforeItsTerm(t *testing.T) {
	t.Parallel()
	api := kubetest.New(t)
	a, _ := candidate(t, api, "a", time.Second)
	await(t, "leader", a.Leading)
	api.Outage()
	await(t, "a to give up", func() bool { return !a.Leading() })
	api.Recover()
	await(t, "leader again", a.Leading)
}

func TestEvents(t *testing.T) {
	t.Parallel()
	api := kubetest.New(t)
	long := ingress("shop", "web")
	api.Put(t, long, ingress("shop", strings.Repeat("n", 250)))
	r := start(t, api)
	leading := true
	e := &Events{
		Cluster: r.Cluster, Store: r.store, Component: "daemun-controller", Instance: "d-1",
		Leading: func() bool { return leading }, Current: func() []ir.Problem { return nil }, Logger: slog.New(slog.DiscardHandler),
	}
	e.Open()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })

	about := func(name, code string, severity ir.Severity) ir.Problem {
		return ir.Problem{Code: code, Severity: severity, Object: ir.Ref{Kind: "Ingress", Namespace: "shop", Name: name}, Field: "spec", Message: "is wrong " + strings.Repeat("x", 2000)}
	}
	wrong := about("web", "DMN0301", ir.SeverityWarning)
	e.Problems([]ir.Problem{wrong, wrong, about("web", "DMN0308", ir.SeverityNotice), about("gone", "DMN0301", ir.SeverityError), {Message: "of a flag"}})
	e.Problems([]ir.Problem{about(strings.Repeat("n", 250), "DMN0205", ir.SeverityError)})
	e.Accepted(store.Name{Namespace: "shop", Name: "web"})
	await(t, "Events", func() bool { return api.Count("events") == 3 && len(e.queue) == 0 })
	await(t, "the same again", func() bool { return api.Requests("patch", "events") == 1 })

	leading = false
	e.Problems([]ir.Problem{about("web", "DMN0401", ir.SeverityError)})
	if len(e.queue) > 0 {
		t.Error("a follower speaks")
	}
	kinds := api.Texts("events", "reason")
	slices.Sort(kinds)
	if got := fmt.Sprint(kinds); got != "[AnnotationParsingFailed RuleProblem Sync]" {
		t.Errorf("reasons %s", got)
	}
	for _, m := range api.Texts("events", "message") {
		if len(m) > eventMessage {
			t.Errorf("a message has %d bytes", len(m))
		}
	}
}

// TestEventsPerObject: one object with very many problems leaves room for
// others, and its errors come before its warnings.
func TestEventsPerObject(t *testing.T) {
	t.Parallel()
	e := &Events{Leading: func() bool { return true }}
	e.Open()
	problem := func(name string, n int, s ir.Severity) ir.Problem {
		return ir.Problem{Code: "DMN0201", Severity: s, Object: ir.Ref{Kind: "Ingress", Namespace: "shop", Name: name}, Message: fmt.Sprint(n)}
	}
	var list []ir.Problem
	for n := range 2 * eventQueue {
		list = append(list, problem("many", n, ir.SeverityWarning))
	}
	list = append(list, problem("many", -1, ir.SeverityError), problem("other", 0, ir.SeverityWarning))
	e.Problems(list)
	if len(e.queue) != eventsPerObject+2 || e.Dropped() != 0 {
		t.Fatalf("%d Events, %d dropped", len(e.queue), e.Dropped())
	}
	if first := <-e.queue; first.message != "-1 [DMN0201]" {
		t.Errorf("first %q", first.message)
	}
	var last event
	for range eventsPerObject + 1 {
		last = <-e.queue
	}
	if want := fmt.Sprintf("and %d more problems: daemun get problems -n shop", 2*eventQueue+1-eventsPerObject); last.message != want {
		t.Errorf("last %q, want %q", last.message, want)
	}
}
