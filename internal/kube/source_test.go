package kube

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"daemun/internal/kubetest"
	"daemun/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const prefix = "nginx.ingress.kubernetes.io"

func named2(namespace, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: name}
}

func ingress(namespace, name string, change ...func(*networkingv1.Ingress)) *networkingv1.Ingress {
	in := &networkingv1.Ingress{ObjectMeta: named2(namespace, name), Spec: networkingv1.IngressSpec{Rules: []networkingv1.IngressRule{{Host: name + ".test"}}}}
	for _, f := range change {
		f(in)
	}
	return in
}

func withTLS(secret string) func(*networkingv1.Ingress) {
	return func(in *networkingv1.Ingress) { in.Spec.TLS = []networkingv1.IngressTLS{{SecretName: secret}} }
}

func withAnnotation(key, value string) func(*networkingv1.Ingress) {
	return func(in *networkingv1.Ingress) { in.Annotations = map[string]string{key: value} }
}

func service(namespace, name string) *corev1.Service {
	return &corev1.Service{ObjectMeta: named2(namespace, name), Spec: corev1.ServiceSpec{ClusterIP: "10.96.0.1"}}
}

func secret(namespace, name, value string) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: named2(namespace, name), Type: corev1.SecretTypeTLS, Data: map[string][]byte{"tls.crt": []byte(value)}}
}

func slice(namespace, name, service string, addresses ...string) *discoveryv1.EndpointSlice {
	s := &discoveryv1.EndpointSlice{ObjectMeta: named2(namespace, name), AddressType: discoveryv1.AddressTypeIPv4}
	s.Labels = map[string]string{discoveryv1.LabelServiceName: service}
	for _, a := range addresses {
		s.Endpoints = append(s.Endpoints, discoveryv1.Endpoint{Addresses: []string{a}})
	}
	return s
}

func configMap(namespace, name string, data map[string]string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: named2(namespace, name), Data: data}
}

func key(kind, namespace, name string) store.Key {
	return store.Key{Kind: kind, Namespace: namespace, Name: name}
}

// rig is a source that reads from an API server in memory.
type rig struct {
	*Source
	api   *kubetest.Server
	store *store.Store
}

func start(t *testing.T, api *kubetest.Server, change ...func(*SourceConfig)) *rig {
	t.Helper()
	r := launch(t, api, change...)
	await(t, "sync", func() bool {
		select {
		case <-r.Synced():
			return true
		default:
			return false
		}
	})
	return r
}

// launch is start without waiting.
func launch(t *testing.T, api *kubetest.Server, change ...func(*SourceConfig)) *rig {
	t.Helper()
	c, err := Connect(Access{Host: api.URL})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{api: api, store: store.New()}
	config := SourceConfig{Cluster: c, Store: r.store, AnnotationsPrefix: prefix, Logger: slog.New(slog.DiscardHandler)}
	for _, f := range change {
		f(&config)
	}
	r.Source = NewSource(config)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		c.Close()
	})
	return r
}

func (r *rig) view() *store.View { return r.store.View() }

func (r *rig) has(k store.Key) bool {
	v, n := r.view(), store.Name{Namespace: k.Namespace, Name: k.Name}
	switch k.Kind {
	case "Ingress":
		return v.Ingresses[n] != nil
	case "Service":
		return v.Services[n] != nil
	case "Secret":
		return v.Secrets[n] != nil
	case "ConfigMap":
		return v.ConfigMaps[n] != nil
	case "EndpointSlice":
		return v.EndpointSlices[n] != nil
	}
	return false
}

func await(t testing.TB, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); !done(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("no %s", what)
		}
	}
}

// marker makes a change and waits for it: all changes before it have then
// arrived, if they are of its kind.
func (r *rig) marker(t *testing.T, o kubetest.Object) {
	t.Helper()
	r.api.Put(t, o)
	kind := strings.TrimPrefix(fmt.Sprintf("%T", o), "*v1.")
	await(t, "marker", func() bool { return r.has(key(kind, o.GetNamespace(), o.GetName())) })
}

// TestFirstSyncIsComplete: when Synced says so, everything is in the store,
// trimmed.
func TestFirstSyncIsComplete(t *testing.T) {
	t.Parallel()
	api := kubetest.New(t)
	in := ingress("shop", "web", withTLS("cert"), withAnnotation(lastApplied, "{}"))
	in.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "kubectl"}}
	in.Status.LoadBalancer.Ingress = []networkingv1.IngressLoadBalancerIngress{{IP: "192.0.2.1"}}
	ep := slice("shop", "web-1", "web", "10.0.0.1")
	ep.Annotations = map[string]string{"endpoints.kubernetes.io/last-change-trigger-time": "now"}
	ep.Endpoints[0].TargetRef = &corev1.ObjectReference{Kind: "Pod", Namespace: "shop", Name: "p", UID: "u"}
	api.Put(t, in, service("shop", "web"), ep, secret("shop", "cert", "x"), secret("shop", "other", "y"),
		&networkingv1.IngressClass{ObjectMeta: metav1.ObjectMeta{Name: "nginx"}}, configMap("shop", "unused", map[string]string{"a": "b"}))
	r := start(t, api)
	v := r.view()
	got := v.Ingresses[store.Name{Namespace: "shop", Name: "web"}]
	if got == nil || got.ManagedFields != nil || got.Annotations != nil || got.ResourceVersion != "" || len(got.Status.LoadBalancer.Ingress) > 0 || got.UID == "" || got.Kind != "Ingress" {
		t.Errorf("Ingress %+v", got)
	}
	s := v.EndpointSlices[store.Name{Namespace: "shop", Name: "web-1"}]
	if s == nil || s.Annotations != nil || s.Endpoints[0].TargetRef.UID != "" || s.Endpoints[0].TargetRef.Name != "p" {
		t.Errorf("EndpointSlice %+v", s)
	}
	if len(v.Services) != 1 || len(v.IngressClasses) != 1 || len(v.Secrets) != 1 || len(v.ConfigMaps) != 0 {
		t.Errorf("%d Services, %d classes, %d Secrets, %d ConfigMaps", len(v.Services), len(v.IngressClasses), len(v.Secrets), len(v.ConfigMaps))
	}
}

// TestChangesArrive, and those of bookkeeping make no revision.
func TestChangesArrive(t *testing.T) {
	t.Parallel()
	api := kubetest.New(t)
	api.Put(t, ingress("shop", "web"))
	r := start(t, api)
	web := key("Ingress", "shop", "web")
	before := r.view()
	in := ingress("shop", "web")
	in.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "other"}}
	in.Status.LoadBalancer.Ingress = []networkingv1.IngressLoadBalancerIngress{{IP: "192.0.2.1"}}
	api.Put(t, in)
	await(t, "address", func() bool { r.mu.Lock(); defer r.mu.Unlock(); return len(r.addresses[web]) == 1 })
	r.marker(t, ingress("shop", "second"))
	n := store.Name{Namespace: "shop", Name: "web"}
	if r.view().Ingresses[n] != before.Ingresses[n] {
		t.Error("a change of status replaced the Ingress")
	}
	api.Put(t, ingress("shop", "web", withTLS("x")))
	await(t, "change", func() bool { return len(r.view().Ingresses[n].Spec.TLS) == 1 })
	api.Delete(t, ingress("shop", "web"))
	await(t, "deletion", func() bool { return !r.has(web) })
}

// TestOutageKeepsEverything: H11.3, and what happened meanwhile arrives later,
// whether the watch can go on or has expired.
func TestOutageKeepsEverything(t *testing.T) {
	t.Parallel()
	for _, expired := range []bool{false, true} {
		t.Run(fmt.Sprintf("expired=%v", expired), func(t *testing.T) {
			t.Parallel()
			api := kubetest.New(t)
			api.Put(t, ingress("shop", "stays"), ingress("shop", "goes"))
			r := start(t, api)
			api.Outage()
			await(t, "notice of the outage", func() bool { return !r.Unreachable().IsZero() })
			if !r.has(key("Ingress", "shop", "stays")) || !r.has(key("Ingress", "shop", "goes")) {
				t.Error("the outage emptied the store")
			}
			n := store.Name{Namespace: "shop", Name: "stays"}
			before := r.view().Ingresses[n]
			api.Put(t, ingress("shop", "new"))
			api.Delete(t, ingress("shop", "goes"))
			if expired {
				api.Compact()
			}
			api.Recover()
			await(t, "new Ingress", func() bool { return r.has(key("Ingress", "shop", "new")) })
			await(t, "deletion", func() bool { return !r.has(key("Ingress", "shop", "goes")) })
			if r.view().Ingresses[n] != before {
				t.Error("an Ingress that did not change was replaced")
			}
			await(t, "end of the outage", func() bool { return r.Unreachable().IsZero() })
		})
	}
}

// TestSecretsOnlyAsFarAsNeeded: H10.1. The data comes with the Ingress that
// refers to it, at once, and goes with it.
func TestSecretsOnlyAsFarAsNeeded(t *testing.T) {
	t.Parallel()
	api := kubetest.New(t)
	helm := secret("shop", "release", "x")
	helm.Type = "helm.sh/release.v1"
	api.Put(t, secret("shop", "cert", "1"), secret("shop", "users", "2"), helm, secret("default", "fallback", "3"), configMap("shop", "headers", map[string]string{"a": "b"}))
	r := start(t, api, func(c *SourceConfig) { c.Extra = []store.Key{key("Secret", "default", "fallback")} })
	cert, users := key("Secret", "shop", "cert"), key("Secret", "shop", "users")
	if r.has(cert) || r.has(users) || !r.has(key("Secret", "default", "fallback")) {
		t.Errorf("Secrets %v: want those that a flag names", r.view().Secrets)
	}
	web := ingress("shop", "web", withTLS("cert"), withAnnotation(prefix+"/auth-secret", "users"))
	api.Put(t, web)
	await(t, "Ingress", func() bool {
		v := r.view()
		if v.Ingresses[store.Name{Namespace: "shop", Name: "web"}] == nil {
			return false
		}
		if !r.has(cert) || !r.has(users) {
			t.Error("the Ingress came before its Secrets")
		}
		return true
	})
	api.Put(t, secret("shop", "cert", "rotated"))
	await(t, "rotation", func() bool {
		return string(r.view().Secrets[store.Name{Namespace: "shop", Name: "cert"}].Data["tls.crt"]) == "rotated"
	})
	api.Put(t, ingress("shop", "web", withTLS("cert"), withAnnotation(prefix+"/custom-headers", "shop/headers")))
	await(t, "ConfigMap instead of users", func() bool { return r.has(key("ConfigMap", "shop", "headers")) && !r.has(users) })
	api.Delete(t, web)
	await(t, "end of the Secret", func() bool { return !r.has(cert) })
	api.Put(t, ingress("shop", "again", withTLS("cert")))
	await(t, "Secret again", func() bool { return r.has(cert) })
}

// TestIngressDoesNotWaitForEver: a Secret that cannot be read is a problem of
// its own.
func TestIngressDoesNotWaitForEver(t *testing.T) {
	t.Parallel()
	api := kubetest.New(t)
	api.Put(t, secret("shop", "cert", "1"))
	r := start(t, api)
	api.Forbid("list", "secrets")
	api.Put(t, ingress("shop", "web", withTLS("cert")))
	await(t, "Ingress", func() bool { return r.has(key("Ingress", "shop", "web")) })
	if r.has(key("Secret", "shop", "cert")) {
		t.Error("the Secret was read without permission")
	}
	api.Allow("list", "secrets")
	await(t, "Secret", func() bool { return r.has(key("Secret", "shop", "cert")) })
}

func TestOneNamespace(t *testing.T) {
	t.Parallel()
	api := kubetest.New(t)
	api.Put(t, ingress("shop", "in"), ingress("other", "out"), service("infra", "front"), service("infra", "not"),
		slice("infra", "front-1", "front"), slice("infra", "not-1", "not"), secret("infra", "cert", "x"), configMap("infra", "settings", nil))
	api.Forbid("list", "namespaces")
	r := start(t, api, func(c *SourceConfig) {
		c.Scope.Namespace = "shop"
		c.Extra = []store.Key{key("Service", "infra", "front"), key("Secret", "infra", "cert"), key("ConfigMap", "infra", "settings")}
	})
	for k, want := range map[store.Key]bool{
		key("Ingress", "shop", "in"): true, key("Ingress", "other", "out"): false,
		key("Service", "infra", "front"): true, key("Service", "infra", "not"): false,
		key("EndpointSlice", "infra", "front-1"): true, key("EndpointSlice", "infra", "not-1"): false,
		key("Secret", "infra", "cert"): true, key("ConfigMap", "infra", "settings"): true,
	} {
		if r.has(k) != want {
			t.Errorf("%v: %v, want %v", k, !want, want)
		}
	}
	if !r.InScope("shop") || r.InScope("infra") {
		t.Error("scope")
	}
}

func TestNamespacesByLabel(t *testing.T) {
	t.Parallel()
	api := kubetest.New(t)
	namespace := func(name, team string) *corev1.Namespace {
		return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"team": team}}}
	}
	api.Put(t, namespace("shop", "a"), namespace("blog", "b"), ingress("shop", "web"), ingress("blog", "web"), secret("infra", "cert", "x"))
	r := start(t, api, func(c *SourceConfig) {
		c.Scope.Selector = "team=a"
		c.Extra = []store.Key{key("Secret", "infra", "cert")}
	})
	shop, blog := key("Ingress", "shop", "web"), key("Ingress", "blog", "web")
	if !r.has(shop) || r.has(blog) || !r.has(key("Secret", "infra", "cert")) || !r.InScope("shop") || r.InScope("blog") {
		t.Errorf("%v", r.view().Ingresses)
	}
	api.Put(t, namespace("blog", "a"))
	await(t, "namespace", func() bool { return r.has(blog) })
	api.Put(t, namespace("shop", "b"))
	await(t, "end of a namespace", func() bool { return !r.has(shop) })
}

// TestWithoutPermissionForClasses the annotation still chooses; without one
// for anything else nothing is complete.
func TestWithoutPermissionForClasses(t *testing.T) {
	t.Parallel()
	api := kubetest.New(t)
	api.Forbid("list", "ingressclasses")
	api.Put(t, ingress("shop", "web"))
	r := start(t, api)
	await(t, "problem", func() bool { return len(r.Problems()) == 1 })
	if p := r.Problems()[0]; p.Code != CodeForbidden || !strings.Contains(p.Message, "ingressclasses in all namespaces") {
		t.Errorf("%v", p)
	}

	api = kubetest.New(t)
	api.Forbid("list", "services")
	r = launch(t, api)
	await(t, "problem", func() bool { return len(r.Problems()) == 1 })
	select {
	case <-r.Synced():
		t.Error("complete without Services")
	default:
	}
	api.Allow("list", "services")
	await(t, "sync", func() bool {
		select {
		case <-r.Synced():
			return len(r.Problems()) == 0
		default:
			return false
		}
	})
}

// TestH11_2_SuddenLossIsHeldBack after a new list, above 100 routes.
func TestH11_2_SuddenLossIsHeldBack(t *testing.T) {
	t.Parallel()
	api := kubetest.New(t)
	const many = 120
	for i := range many {
		api.Put(t, ingress("shop", fmt.Sprint("in-", i)))
	}
	r := start(t, api)
	api.Outage()
	for i := range many - 10 {
		api.Delete(t, ingress("shop", fmt.Sprint("in-", i)))
	}
	api.Compact()
	api.Recover()
	await(t, "problem", func() bool { return len(r.Problems()) == 1 && r.Problems()[0].Code == CodeHeldBack })
	if n := len(r.view().Ingresses); n != many {
		t.Errorf("%d Ingresses, want %d", n, many)
	}
	api.Put(t, ingress("shop", "in-0")) // it is there after all
	r.marker(t, ingress("shop", "marker"))
	r.releaseHeld(time.Now())
	r.queue.flush()
	if n := len(r.view().Ingresses); n != many+1 {
		t.Errorf("%d Ingresses before the time is up, want %d", n, many+1)
	}
	r.releaseHeld(time.Now().Add(holdTime + time.Second))
	await(t, "end of the others", func() bool { return len(r.view().Ingresses) == 12 }) // 10, the one, the marker
	if !r.has(key("Ingress", "shop", "in-0")) || len(r.Problems()) > 0 {
		t.Errorf("in-0 %v, problems %v", r.has(key("Ingress", "shop", "in-0")), r.Problems())
	}
}

// TestDeletionsOneByOneAreBelieved, however many.
func TestDeletionsOneByOneAreBelieved(t *testing.T) {
	t.Parallel()
	api := kubetest.New(t)
	for i := range 120 {
		api.Put(t, ingress("shop", fmt.Sprint("in-", i)))
	}
	r := start(t, api)
	for i := range 120 {
		api.Delete(t, ingress("shop", fmt.Sprint("in-", i)))
	}
	await(t, "end", func() bool { return len(r.view().Ingresses) == 0 })
}
