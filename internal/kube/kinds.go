package kube

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"daemun/internal/store"
)

// kind is one kind of object as the API server has it.
type kind struct {
	name, resource string
	version        metav1.GroupVersionKind
	client         func(*Cluster) rest.Interface
	example        store.Object
	list           func() runtime.Object
	// clusterWide: the kind has no namespace.
	clusterWide bool
	// sparing keeps the data of an object only while something refers to it.
	sparing bool
	// fields excludes what is never of use.
	fields string
}

func coreClient(c *Cluster) rest.Interface       { return c.core }
func networkingClient(c *Cluster) rest.Interface { return c.networking }
func discoveryClient(c *Cluster) rest.Interface  { return c.discovery }

func coreKind(name string) metav1.GroupVersionKind {
	return metav1.GroupVersionKind{Version: "v1", Kind: name}
}

func networkingKind(name string) metav1.GroupVersionKind {
	return metav1.GroupVersionKind{Group: "networking.k8s.io", Version: "v1", Kind: name}
}

func ingressKind() kind {
	return kind{
		name: "Ingress", resource: "ingresses", version: networkingKind("Ingress"), client: networkingClient,
		example: &networkingv1.Ingress{}, list: func() runtime.Object { return &networkingv1.IngressList{} },
	}
}

func classKind() kind {
	return kind{
		name: "IngressClass", resource: "ingressclasses", version: networkingKind("IngressClass"), client: networkingClient, clusterWide: true,
		example: &networkingv1.IngressClass{}, list: func() runtime.Object { return &networkingv1.IngressClassList{} },
	}
}

func serviceKind() kind {
	return kind{
		name: "Service", resource: "services", version: coreKind("Service"), client: coreClient,
		example: &corev1.Service{}, list: func() runtime.Object { return &corev1.ServiceList{} },
	}
}

func sliceKind() kind {
	return kind{
		name: "EndpointSlice", resource: "endpointslices", client: discoveryClient,
		version: metav1.GroupVersionKind{Group: "discovery.k8s.io", Version: "v1", Kind: "EndpointSlice"},
		example: &discoveryv1.EndpointSlice{}, list: func() runtime.Object { return &discoveryv1.EndpointSliceList{} },
	}
}

// secretKind leaves out what no Ingress can refer to: the releases of Helm,
// which are large, and tokens and passwords that are none of our business.
func secretKind() kind {
	return kind{
		name: "Secret", resource: "secrets", version: coreKind("Secret"), client: coreClient, sparing: true,
		example: &corev1.Secret{}, list: func() runtime.Object { return &corev1.SecretList{} },
		fields: "type!=helm.sh/release.v1,type!=kubernetes.io/service-account-token,type!=kubernetes.io/dockerconfigjson," +
			"type!=kubernetes.io/dockercfg,type!=bootstrap.kubernetes.io/token",
	}
}

func configMapKind() kind {
	return kind{
		name: "ConfigMap", resource: "configmaps", version: coreKind("ConfigMap"), client: coreClient, sparing: true,
		example: &corev1.ConfigMap{}, list: func() runtime.Object { return &corev1.ConfigMapList{} },
		fields: "metadata.name!=kube-root-ca.crt", // one in every namespace
	}
}

func namespaceKind() kind {
	return kind{
		name: "Namespace", resource: "namespaces", version: coreKind("Namespace"), client: coreClient, clusterWide: true,
		example: &corev1.Namespace{}, list: func() runtime.Object { return &corev1.NamespaceList{} },
	}
}

// selection is the part of a kind that one watch covers.
type selection struct {
	namespace      string // empty: all
	fields, labels string
}

// listWatch returns the requests of a reflector. heard is called with the
// outcome of each.
func (c *Cluster) listWatch(k *kind, s selection, heard func(error)) *cache.ListWatch {
	request := func(o *metav1.ListOptions) *rest.Request {
		o.FieldSelector, o.LabelSelector = s.fields, s.labels
		// The reflector retries, and wants to know.
		return k.client(c).Get().MaxRetries(0).NamespaceIfScoped(s.namespace, !k.clusterWide && s.namespace != "").
			Resource(k.resource).VersionedParams(o, c.parameters)
	}
	return &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			list := k.list()
			err := request(&o).Do(ctx).Into(list)
			heard(err)
			return list, err
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			o.Watch = true
			w, err := request(&o).Watch(ctx)
			heard(err)
			return w, err
		},
	}
}
