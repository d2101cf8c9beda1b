package standalone

import (
	"maps"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"daemun/internal/store"
)

// Manifests that come from "kubectl get all -o yaml" hold, beside a Deployment,
// the ReplicaSets, Pods and slices that a cluster made of it. Here they are made
// anew, so the copies must not count a second time.

// runs are the kinds whose controllers make objects here.
var runs = map[string]bool{"Deployment": true, "ReplicaSet": true, "StatefulSet": true, "DaemonSet": true, "Job": true}

// isCopy says whether another object of the manifests makes this one.
func (s *state) isCopy(o store.Object) bool {
	switch o := o.(type) {
	case *corev1.Pod, *appsv1.ReplicaSet:
	case *discoveryv1.EndpointSlice:
		return s.isCopiedSlice(o)
	default:
		return false
	}
	owner := metav1.GetControllerOf(o)
	if owner == nil || !runs[owner.Kind] {
		return false
	}
	if s.objects[store.Key{Kind: owner.Kind, Namespace: o.GetNamespace(), Name: owner.Name}] != nil {
		return true
	}
	// The ReplicaSet between a Deployment and its Pod may have been left out.
	hash := o.GetLabels()[appsv1.DefaultDeploymentUniqueLabelKey]
	deployment, ok := strings.CutSuffix(owner.Name, "-"+hash)
	return ok && hash != "" && owner.Kind == "ReplicaSet" &&
		s.objects[store.Key{Kind: "Deployment", Namespace: o.GetNamespace(), Name: deployment}] != nil
}

// isCopiedSlice: the cluster's slices of a Service with a selector, or of an
// Endpoints object that is there too.
func (s *state) isCopiedSlice(o *discoveryv1.EndpointSlice) bool {
	name := store.Name{Namespace: o.Namespace, Name: o.Labels[discoveryv1.LabelServiceName]}
	switch o.Labels[discoveryv1.LabelManagedBy] {
	case sliceController:
		svc, _ := s.objects[store.Key{Kind: "Service", Namespace: name.Namespace, Name: name.Name}].(*corev1.Service)
		return svc != nil && len(svc.Spec.Selector) > 0
	case mirrorController:
		return s.endpointsOf(name) != nil
	}
	return false
}

// passSlices shows the slices of the manifests that are no copies: the new
// ones, or all when another object may have decided about them.
func (s *state) passSlices() {
	list := s.arrived
	if s.changed["Service"] || s.changed["Endpoints"] {
		list = slices.Collect(maps.Values(manifestsOf[*discoveryv1.EndpointSlice](s)))
	}
	for _, o := range list {
		if s.isCopy(o) {
			s.gone = append(s.gone, keyOf(o))
		} else {
			s.pass = append(s.pass, o)
		}
	}
}

// exported says that an object was read from a cluster, which chose what its
// manifest left open: its node, its address.
func exported(o metav1.Object) bool { return o.GetUID() != "" || o.GetResourceVersion() != "" }
