package kube

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// requestBuilder reads single objects of the core group; an empty namespace is
// for kinds without one.
type requestBuilder struct {
	cluster   *Cluster
	namespace string
}

func (r *requestBuilder) get(ctx context.Context, resource, name string, into runtime.Object) error {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	err := r.cluster.core.Get().NamespaceIfScoped(r.namespace, r.namespace != "").Resource(resource).Name(name).Do(ctx).Into(into)
	if err != nil {
		return fmt.Errorf("get %s %s: %w", resource, name, err)
	}
	return nil
}

func (r *requestBuilder) list(ctx context.Context, resource string, o metav1.ListOptions, into runtime.Object) error {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	err := r.cluster.core.Get().NamespaceIfScoped(r.namespace, r.namespace != "").Resource(resource).VersionedParams(&o, r.cluster.parameters).Do(ctx).Into(into)
	if err != nil {
		return fmt.Errorf("list %s: %w", resource, err)
	}
	return nil
}
