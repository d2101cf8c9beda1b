package kube

import (
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"daemun/internal/store"
)

// lastApplied is kubectl's copy of the whole object.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// trim drops from an object what nobody here reads: bookkeeping of the API
// server, above all. Two versions that differ in nothing else are then equal,
// and an update between them is none.
func trim(o store.Object, k *kind) {
	o.GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind(k.version))
	o.SetManagedFields(nil)
	o.SetOwnerReferences(nil)
	o.SetFinalizers(nil)
	o.SetGenerateName("")
	o.SetGeneration(0)
	o.SetResourceVersion("")
	if a := o.GetAnnotations(); a != nil {
		delete(a, lastApplied) // the reflector has handed the object over
		if len(a) == 0 {
			o.SetAnnotations(nil)
		}
	}
	switch o := o.(type) {
	case *networkingv1.Ingress:
		o.Status = networkingv1.IngressStatus{}
	case *corev1.Service:
		o.Status.Conditions = nil
	case *corev1.Namespace:
		o.Spec, o.Status = corev1.NamespaceSpec{}, corev1.NamespaceStatus{}
	case *discoveryv1.EndpointSlice:
		trimSlice(o)
	}
}

// trimSlice keeps of an EndpointSlice what chooses endpoints and names their
// Pods. Its annotations hold the time of the last change: kept, they would
// make every resync a change.
func trimSlice(s *discoveryv1.EndpointSlice) {
	s.Annotations = nil
	labels := map[string]string{}
	for _, name := range []string{discoveryv1.LabelServiceName, discoveryv1.LabelManagedBy, corev1.IsHeadlessService} {
		if v, ok := s.Labels[name]; ok {
			labels[name] = v
		}
	}
	s.Labels = labels
	for i := range s.Endpoints {
		e := &s.Endpoints[i]
		e.DeprecatedTopology = nil
		if ref := e.TargetRef; ref != nil {
			e.TargetRef = &corev1.ObjectReference{Kind: ref.Kind, Namespace: ref.Namespace, Name: ref.Name}
		}
	}
}

// addressesOf are the addresses in the status of an Ingress.
func addressesOf(o store.Object) []networkingv1.IngressLoadBalancerIngress {
	if in, ok := o.(*networkingv1.Ingress); ok {
		return in.Status.LoadBalancer.Ingress
	}
	return nil
}

// stub remembers that an object exists without its data.
func stub(o store.Object) store.Object {
	return &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: o.GetNamespace(), Name: o.GetName()}}
}

func isStub(o store.Object) bool {
	_, ok := o.(*metav1.PartialObjectMetadata)
	return ok
}
