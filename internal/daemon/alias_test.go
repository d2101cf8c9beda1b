package daemon

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"daemun/internal/store"
)

func TestNamesOfServices(t *testing.T) {
	t.Parallel()
	s := store.New()
	put := func(namespace, name string, spec corev1.ServiceSpec) *corev1.Service {
		return &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Spec: spec}
	}
	alias := func(of string) corev1.ServiceSpec {
		return corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: of}
	}
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Namespace: "shop", Name: "peers-1", Labels: map[string]string{discoveryv1.LabelServiceName: "peers"}},
		AddressType: discoveryv1.AddressTypeIPv4,
		Endpoints: []discoveryv1.Endpoint{
			{Addresses: []string{"127.1.0.1"}}, {Addresses: []string{"127.1.0.2"}, Conditions: discoveryv1.EndpointConditions{Ready: new(false)}}, {Addresses: []string{"127.1.0.3"}},
		},
	}
	s.Update(func(tx *store.Tx) {
		tx.Put(put("default", "web", corev1.ServiceSpec{ClusterIP: "127.96.0.1"}))
		tx.Put(put("shop", "web", corev1.ServiceSpec{ClusterIP: "127.96.0.2"}))
		tx.Put(put("shop", "peers", corev1.ServiceSpec{ClusterIP: corev1.ClusterIPNone}))
		tx.Put(put("shop", "alias", alias("web.shop.svc.lab.test.")))
		tx.Put(put("shop", "round", alias("round.shop")))
		tx.Put(put("shop", "away", alias("example.com")))
		tx.Put(slice)
	})
	g := &gateway{store: s}
	g.zone = "lab.test"
	for host, want := range map[string]string{
		"web.shop.svc.lab.test": "[127.96.0.2]", "WEB.shop.svc.lab.test.": "[127.96.0.2]", "web.shop.svc": "[127.96.0.2]", "web.shop": "[127.96.0.2]", "web": "[127.96.0.1]",
		"peers.shop": "[127.1.0.1 127.1.0.3]", "alias.shop.svc": "[127.96.0.2]",
		"round.shop": "[]", "away.shop": "[]", "example.com": "[]", "none": "[]", "web.svc": "[]", "web.lab.test": "[]", "web.shop.lab.test": "[]",
		"web.shop.svc.cluster.local": "[]", "a.web.shop.svc": "[]", "": "[]",
	} {
		if got := fmt.Sprint(g.namedService(host)); got != want {
			t.Errorf("%q: %s, want %s", host, got, want)
		}
	}
	g.zone = ""
	if got := g.namedService("web"); got != nil {
		t.Errorf("in a cluster: %v", got)
	}
}
