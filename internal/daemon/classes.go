package daemon

import (
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"daemun/internal/manifest"
	"daemun/internal/store"
)

// builtinClasses are the IngressClasses that `up` brings with it, so that
// manifests written for ingress-nginx or for Daemun run without one of their
// own.
func builtinClasses() []*networkingv1.IngressClass {
	class := func(name, controller string) *networkingv1.IngressClass {
		return &networkingv1.IngressClass{
			TypeMeta:   metav1.TypeMeta{APIVersion: "networking.k8s.io/v1", Kind: "IngressClass"},
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec:       networkingv1.IngressClassSpec{Controller: controller},
		}
	}
	return []*networkingv1.IngressClass{class("daemun", "daemun.dev/ingress"), class("nginx", "k8s.io/ingress-nginx")}
}

// withClasses adds the built-in classes to a change so that manifests win: a
// class the change puts is left alone, one it deletes comes back.
func withClasses(ch manifest.Change, first bool) manifest.Change {
	defined, deleted := map[string]bool{}, map[string]bool{}
	for _, o := range ch.Put {
		if c, ok := o.(*networkingv1.IngressClass); ok {
			defined[c.Name] = true
		}
	}
	kept := ch.Delete[:0:0]
	for _, k := range ch.Delete {
		if k.Kind == "IngressClass" {
			deleted[k.Name] = true
		}
		kept = append(kept, k)
	}
	for _, c := range builtinClasses() {
		if defined[c.Name] || (!first && !deleted[c.Name]) {
			continue
		}
		ch.Put = append(ch.Put, store.Object(c))
		for i, k := range kept {
			if k.Kind == "IngressClass" && k.Name == c.Name {
				kept = append(kept[:i], kept[i+1:]...)
				break
			}
		}
	}
	ch.Delete = kept
	return ch
}
