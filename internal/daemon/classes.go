package daemon

import (
	"slices"

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

// withClasses adds the built-in classes to a change so that manifests win: at
// first those that no manifest defines, later those whose manifest went away.
func withClasses(ch manifest.Change, first bool) manifest.Change {
	for _, c := range builtinClasses() {
		isClass := func(k store.Key) bool { return k.Kind == "IngressClass" && k.Name == c.Name }
		defined := slices.ContainsFunc(ch.Put, func(o store.Object) bool {
			put, ok := o.(*networkingv1.IngressClass)
			return ok && put.Name == c.Name
		})
		if defined || (!first && !slices.ContainsFunc(ch.Delete, isClass)) {
			continue
		}
		ch.Put = append(slices.Clip(ch.Put), c)
		ch.Delete = slices.DeleteFunc(slices.Clone(ch.Delete), isClass)
	}
	return ch
}
