package standalone

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"daemun/internal/store"
)

func TestBalancerAddresses(t *testing.T) {
	t.Parallel()
	const first, second = "127.200.0.1", "127.200.0.2"
	other := func(class string) func(*corev1.Service) {
		return func(s *corev1.Service) { s.Spec.LoadBalancerClass = &class }
	}
	shared := annotated(annotationSharedIP, "key")
	udp := only("u", corev1.ProtocolUDP, 80)
	at := loadBalancerIP(second)
	selector := func(s *corev1.Service) { s.Spec.Selector = map[string]string{"app": "same"} }
	for name, c := range map[string]struct {
		a, b     *corev1.Service
		wantA    string
		wantB    string
		problems string
	}{
		"field":                {a: svc("a", balanced, at), wantA: second},
		"annotation":           {a: svc("a", balanced, annotated(annotationBalancerIPs, " "+first)), wantA: first},
		"old annotation":       {a: svc("a", balanced, annotated(annotationBalancerIPsOld, first)), wantA: first},
		"annotation preferred": {a: svc("a", balanced, at, annotated(annotationBalancerIPs, first)), wantA: first},
		"own class":            {a: svc("a", balanced, at, other(ownClass)), wantA: second},
		"other class": {
			a:        svc("a", balanced, at, other("example.com/lb")),
			problems: "notice DMN0521 a: spec.loadBalancerClass: example.com/lb is another load balancer's class, so the Service gets no address here; leave the field out or write daemun.dev/load-balancer",
		},
		"outside": {
			a: svc("a", balanced, loadBalancerIP("192.0.2.1")),
			problems: "warning DMN0521 a: spec.loadBalancerIP: 192.0.2.1 is not a usable address of the load-balancer network 127.200.0.0/29; " +
				"leave it out or choose one of that network (or another network with --load-balancer-network); the Service is pending",
		},
		"two of one family": {
			a: svc("a", balanced, annotated(annotationBalancerIPs, "127.200.0.1,127.200.0.2")),
			problems: "warning DMN0521 a: metadata.annotations[metallb.io/loadBalancerIPs]: 127.200.0.1,127.200.0.2 are several addresses; " +
				"a Service gets one, of the load-balancer network 127.200.0.0/29; the Service is pending",
		},
		"no address": {
			a:        svc("a", balanced, loadBalancerIP("any")),
			problems: "warning DMN0521 a: spec.loadBalancerIP: \"any\" is no IP address; leave it out or write an address of 127.200.0.0/29; the Service is pending",
		},
		"taken": {
			a: svc("a", balanced, at), b: svc("b", balanced, at), wantA: second,
			problems: "error DMN0521 b: spec.loadBalancerIP: 127.200.0.2 is in use by Service default/a; choose another, or leave it out; " +
				"to share it, give both the same annotation metallb.io/allow-shared-ip; the Service is pending",
		},
		"shared":         {a: svc("a", balanced, at, shared), b: svc("b", balanced, at, udp, shared), wantA: second, wantB: second},
		"shared, old":    {a: svc("a", balanced, at, shared), b: svc("b", balanced, at, udp, annotated(annotationSharedIPOld, "key")), wantA: second, wantB: second},
		"shared by hash": {a: svc("a", balanced, shared), b: svc("b", balanced, udp, shared), wantA: "*", wantB: "*"},
		"shared, equal selectors": {
			a: svc("a", balanced, at, shared, local, selector), b: svc("b", balanced, at, udp, shared, selector), wantA: second, wantB: second,
		},
		"shared, one port": {
			a: svc("a", balanced, at, shared), b: svc("b", balanced, at, shared), wantA: second,
			problems: "error DMN0521 b: spec.loadBalancerIP: 127.200.0.2 is in use by Service default/a; choose another, or leave it out; " +
				"it cannot be shared, because both have port 80/TCP; the Service is pending",
		},
		"shared, local": {
			a: svc("a", balanced, at, shared), b: svc("b", balanced, at, udp, shared, local), wantA: second,
			problems: "error DMN0521 b: spec.loadBalancerIP: 127.200.0.2 is in use by Service default/a; choose another, or leave it out; " +
				"it cannot be shared with externalTrafficPolicy Local, because the selectors differ; the Service is pending",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, m := testServices(), manifests{}.put(c.a)
			if c.b != nil {
				m.put(c.b)
			}
			out := a.update(m)
			gotA, gotB := ingressIP(out, "a"), ingressIP(out, "b")
			if c.wantA == "*" && gotA != "" {
				c.wantA, c.wantB = gotA, gotA
			}
			if gotA != c.wantA || gotB != c.wantB {
				t.Errorf("a %q, b %q, want %q and %q", gotA, gotB, c.wantA, c.wantB)
			}
			if d := cmp.Diff(c.problems, problemsOf(a)); d != "" {
				t.Error(d)
			}
		})
	}
}

func ingressIP(out map[store.Name]*corev1.Service, name string) string {
	s := out[store.Name{Namespace: "default", Name: name}]
	if s == nil || len(s.Status.LoadBalancer.Ingress) == 0 {
		return ""
	}
	return s.Status.LoadBalancer.Ingress[0].IP
}

// TestExhaustedBalancers: a Service that waits gets what is given back.
func TestExhaustedBalancers(t *testing.T) {
	t.Parallel()
	a, m := testServices(), manifests{}
	for i := range 7 {
		m.put(svc(fmt.Sprint("s", i), balanced))
	}
	before := a.update(m)
	if got := ingressIP(before, "s6"); got != "" {
		t.Fatalf("a seventh address %s in a network of six", got)
	}
	if got := problemsOf(a); got != "error DMN0521 s6: spec.type: all addresses of the load-balancer network are in use (127.200.0.0/29); the Service is pending" {
		t.Error(got)
	}
	after := a.update(m.without("s2"))
	if got, want := ingressIP(after, "s6"), ingressIP(before, "s2"); got != want || problemsOf(a) != "" {
		t.Errorf("after s2 is gone: %q, want %q; %s", got, want, problemsOf(a))
	}
	for _, name := range []string{"s0", "s1", "s3"} {
		if ingressIP(after, name) != ingressIP(before, name) {
			t.Errorf("%s has another address", name)
		}
	}
}

// TestSharingEnds: a Service whose change ends the sharing gets another
// address, or waits for the one it asks for; the other keeps it.
func TestSharingEnds(t *testing.T) {
	t.Parallel()
	shared := annotated(annotationSharedIP, "key")
	udp := only("u", corev1.ProtocolUDP, 80)
	a := testServices()
	m := manifests{}.put(svc("a", balanced, shared), svc("b", balanced, udp, shared))
	before := a.update(m)
	if ingressIP(before, "a") != ingressIP(before, "b") {
		t.Fatal("they do not share")
	}
	after := a.update(m.put(svc("a", balanced, udp, shared)))
	if ingressIP(after, "b") != ingressIP(before, "b") || ingressIP(after, "a") == "" || ingressIP(after, "a") == ingressIP(after, "b") {
		t.Errorf("a %s, b %s, before %s", ingressIP(after, "a"), ingressIP(after, "b"), ingressIP(before, "b"))
	}
	asking := a.update(m.put(svc("a", balanced, udp, shared, loadBalancerIP(ingressIP(before, "b")))))
	if ingressIP(asking, "b") != ingressIP(before, "b") || ingressIP(asking, "a") != "" {
		t.Errorf("asking: a %s, b %s", ingressIP(asking, "a"), ingressIP(asking, "b"))
	}
}
