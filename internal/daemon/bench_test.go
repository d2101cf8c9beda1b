package daemon

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"daemun/internal/control"
	"daemun/internal/dns"
	"daemun/internal/ir"
	"daemun/internal/l4"
	"daemun/internal/manifest"
	"daemun/internal/store"
	"daemun/internal/translate"
)

// benchGateway is a gateway over n Ingresses, without sockets: all that one
// change goes through from the store to the published table.
func benchGateway(b *testing.B, n int) *gateway {
	options := translate.DefaultOptions()
	options.WithoutClass = true
	synced := &syncedIngresses{}
	var g *gateway
	g = newGateway(GatewayConfig{Stdout: io.Discard, Stderr: io.Discard, Translate: options}, edges{
		locate:    func(store.Key, string) (manifest.Position, bool) { return manifest.Position{}, false },
		changed:   func(added, gone []ir.Problem) {},
		tableLive: func(s control.State) { synced.update(s.Served, g.store.View(), func(store.Name) {}) },
	})
	b.Cleanup(g.upstreams.Close)
	g.store.Update(func(tx *store.Tx) {
		for i := range n {
			tx.Put(benchIngress(i, 0))
		}
		for i := range n / 2 {
			tx.Put(benchService(i))
			tx.Put(benchSlice(i))
		}
	})
	benchBuild(b, g)
	return g
}

func benchBuild(b *testing.B, g *gateway) {
	if err := g.loop.Build(); err != nil {
		b.Fatal(err)
	}
}

func benchMeta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: "default", Name: name, CreationTimestamp: metav1.NewTime(time.Unix(1e9, 0))}
}

func benchIngress(i, version int) *networkingv1.Ingress {
	prefix := networkingv1.PathTypePrefix
	backend := networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: fmt.Sprintf("service-%d", i/2), Port: networkingv1.ServiceBackendPort{Number: 80}}}
	return &networkingv1.Ingress{
		ObjectMeta: benchMeta(fmt.Sprintf("ingress-%d", i)),
		Spec: networkingv1.IngressSpec{Rules: []networkingv1.IngressRule{{
			Host: fmt.Sprintf("host-%d.test", i),
			IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{Paths: []networkingv1.HTTPIngressPath{
				{Path: fmt.Sprintf("/v%d", version), PathType: &prefix, Backend: backend},
			}}},
		}}},
	}
}

func benchService(i int) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: benchMeta(fmt.Sprintf("service-%d", i)),
		Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "http", Port: 80, Protocol: corev1.ProtocolTCP}}},
	}
}

func benchSlice(i int) *discoveryv1.EndpointSlice {
	name, port, protocol := "http", int32(8080), corev1.ProtocolTCP
	m := benchMeta(fmt.Sprintf("service-%d-x", i))
	m.Labels = map[string]string{discoveryv1.LabelServiceName: fmt.Sprintf("service-%d", i)}
	return &discoveryv1.EndpointSlice{
		ObjectMeta: m, AddressType: discoveryv1.AddressTypeIPv4,
		Ports:     []discoveryv1.EndpointPort{{Name: &name, Port: &port, Protocol: &protocol}},
		Endpoints: []discoveryv1.Endpoint{{Addresses: []string{fmt.Sprintf("10.0.%d.%d", i/200, 1+i%200)}}},
	}
}

// BenchmarkChange measures what one change costs from the store to the
// published table, with all that follows a table.
func BenchmarkChange(b *testing.B) {
	for _, n := range []int{1000, 10000} {
		changes := []struct {
			name   string
			change func(tx *store.Tx, i int)
		}{
			{"ingress-changed", func(tx *store.Tx, i int) { tx.Put(benchIngress(n/2, i)) }},
			{"ingress-added", func(tx *store.Tx, i int) { tx.Put(benchIngress(n+i, 0)) }},
			{"service-changed", func(tx *store.Tx, i int) { tx.Put(benchService(n / 4)) }},
		}
		for _, c := range changes {
			b.Run(fmt.Sprintf("%s/%d", c.name, n), func(b *testing.B) {
				g := benchGateway(b, n)
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					i++
					g.store.Update(func(tx *store.Tx) { c.change(tx, i) })
					benchBuild(b, g)
				}
			})
		}
	}
}

// BenchmarkNetworkChange measures what one changed Service costs the Service
// network, from the store to the zone.
func BenchmarkNetworkChange(b *testing.B) {
	const n = 5000
	serviceOf := func(i, version int) *corev1.Service {
		s := benchService(i)
		s.Spec.ClusterIP = fmt.Sprintf("127.10.%d.%d", i/200, 1+i%200)
		s.Spec.ClusterIPs = []string{s.Spec.ClusterIP}
		s.Spec.Ports[0].Port = int32(80 + version%100)
		return s
	}
	st := store.New()
	layer4, err := l4.New(l4.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = layer4.Shutdown(context.Background()) })
	names := dns.New(dns.Config{Zone: "cluster.local", Logger: slog.New(slog.DiscardHandler)})
	loop := control.NewNetworkLoop(control.NetworkConfig{Store: st, Logger: slog.New(slog.DiscardHandler), Apply: func(n *ir.Network) {
		layer4.Update(n)
		names.Update(n)
	}})
	st.Update(func(tx *store.Tx) {
		for i := range n {
			tx.Put(serviceOf(i, 0))
		}
	})
	build := func() {
		if err := loop.Build(); err != nil {
			b.Fatal(err)
		}
	}
	build()
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		st.Update(func(tx *store.Tx) { tx.Put(serviceOf(n/2, i)) })
		build()
	}
}
