package standalone

import (
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"daemun/internal/store"
)

// kindOf names an object's kind by its Go type, because typed objects need not
// carry their kind; for other types what the object says of itself counts.
func kindOf(o store.Object) string {
	switch o.(type) {
	case *corev1.Pod:
		return "Pod"
	case *corev1.Service:
		return "Service"
	case *corev1.Node:
		return "Node"
	case *corev1.Endpoints:
		return "Endpoints"
	case *corev1.ConfigMap:
		return "ConfigMap"
	case *corev1.Secret:
		return "Secret"
	case *corev1.Namespace:
		return "Namespace"
	case *corev1.ReplicationController:
		return "ReplicationController"
	case *discoveryv1.EndpointSlice:
		return "EndpointSlice"
	case *networkingv1.Ingress:
		return "Ingress"
	case *networkingv1.IngressClass:
		return "IngressClass"
	}
	return workloadKind(o)
}

func workloadKind(o store.Object) string {
	switch o.(type) {
	case *appsv1.Deployment:
		return "Deployment"
	case *appsv1.ReplicaSet:
		return "ReplicaSet"
	case *appsv1.StatefulSet:
		return "StatefulSet"
	case *appsv1.DaemonSet:
		return "DaemonSet"
	case *batchv1.Job:
		return "Job"
	case *batchv1.CronJob:
		return "CronJob"
	}
	return o.GetObjectKind().GroupVersionKind().Kind
}

func keyOf(o store.Object) store.Key {
	return store.Key{Kind: kindOf(o), Namespace: o.GetNamespace(), Name: o.GetName()}
}
