// Package kube is the edge to a real Kubernetes: it keeps a store in step with
// an API server, and writes back what only an API server can hold: the
// addresses of Ingresses, Events, and the Lease of the leader.
//
//	c, err := kube.Connect(kube.Access{Kubeconfig: path})
//	src := kube.NewSource(kube.SourceConfig{Cluster: c, Store: s, Scope: kube.Scope{}})
//	go src.Run(ctx)
//	<-src.Synced() // the store holds everything the API server has
//
// It turns lists and watches into store updates. It knows nothing of routes,
// tables or sockets, and it is the only package that uses client-go, of which
// it takes the REST client and the reflector, not the generated clients: those
// link every API group there is. Whoever calls Run owns the goroutines; Run
// returns when all have ended.
package kube

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"strings"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
)

// Access says how to reach the API server. The zero value is that of a Pod: its
// service account; outside of a cluster, what kubectl would use.
type Access struct {
	// Kubeconfig is a file; Context one of its contexts, or empty.
	Kubeconfig, Context string
	// Host is the URL of an API server that is used instead of the one that
	// the service account or the file names.
	Host string
	// Authority is a file with the certificates that may sign the API
	// server's, together with Host.
	Authority string
	// UserAgent names this program to the API server.
	UserAgent string
}

// Cluster is a connection to an API server. It is safe for concurrent use.
type Cluster struct {
	// Host is the URL of the API server, for messages.
	Host string

	core, networking, discovery, coordination rest.Interface

	client     *http.Client
	scheme     *runtime.Scheme
	parameters runtime.ParameterCodec
}

// Connect prepares a connection. It reads files, but does not contact the API
// server.
func Connect(a Access) (*Cluster, error) {
	config, err := a.config()
	if err != nil {
		return nil, err
	}
	config.UserAgent = a.UserAgent
	// The API server protects itself (priority and fairness, 429); the limit
	// of the client would only delay a status or an event.
	config.QPS = -1
	config.ContentType = runtime.ContentTypeProtobuf
	config.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	return connect(config)
}

func connect(config *rest.Config) (*Cluster, error) {
	c := &Cluster{Host: config.Host, scheme: runtime.NewScheme()}
	for _, add := range []func(*runtime.Scheme) error{
		corev1.AddToScheme, networkingv1.AddToScheme, discoveryv1.AddToScheme, coordinationv1.AddToScheme,
	} {
		if err := add(c.scheme); err != nil {
			return nil, err
		}
	}
	metav1.AddToGroupVersion(c.scheme, schema.GroupVersion{Version: "v1"})
	c.parameters = runtime.NewParameterCodec(c.scheme)
	codecs := serializer.NewCodecFactory(c.scheme).WithoutConversion()
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("API server %s: %w", config.Host, err)
	}
	c.client = client
	for _, group := range []struct {
		version schema.GroupVersion
		client  *rest.Interface
	}{
		{corev1.SchemeGroupVersion, &c.core},
		{networkingv1.SchemeGroupVersion, &c.networking},
		{discoveryv1.SchemeGroupVersion, &c.discovery},
		{coordinationv1.SchemeGroupVersion, &c.coordination},
	} {
		own := rest.CopyConfig(config)
		own.GroupVersion, own.APIPath, own.NegotiatedSerializer = &group.version, "/apis", codecs
		if group.version.Group == "" {
			own.APIPath = "/api"
		}
		if *group.client, err = rest.RESTClientForConfigAndClient(own, client); err != nil {
			return nil, fmt.Errorf("API server %s: %w", config.Host, err)
		}
	}
	return c, nil
}

// config finds the API server and the credentials.
func (a Access) config() (*rest.Config, error) {
	if a.Kubeconfig == "" && a.Host != "" {
		return a.hostConfig()
	}
	if a.Kubeconfig == "" && a.Context == "" {
		config, err := rest.InClusterConfig()
		if !errors.Is(err, rest.ErrNotInCluster) {
			return config, err
		}
	}
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = a.Kubeconfig
	overrides := &clientcmd.ConfigOverrides{CurrentContext: a.Context}
	overrides.ClusterInfo.Server = a.Host
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, overrides).ClientConfig()
	switch {
	case clientcmd.IsEmptyConfig(err):
		return nil, errors.New("no cluster to connect to: this is no Pod, and there is no kubeconfig; name one with --kubeconfig")
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w; name another kubeconfig with --kubeconfig", err)
	case err != nil:
		return nil, fmt.Errorf("kubeconfig: %w", err)
	}
	return config, nil
}

// hostConfig is for an API server by its URL, with the service account's token
// where there is one.
func (a Access) hostConfig() (*rest.Config, error) {
	config := &rest.Config{Host: a.Host}
	if in, err := rest.InClusterConfig(); err == nil {
		config.BearerTokenFile, config.BearerToken, config.TLSClientConfig = in.BearerTokenFile, in.BearerToken, in.TLSClientConfig
	}
	if a.Authority != "" {
		if _, err := os.Stat(a.Authority); err != nil {
			return nil, fmt.Errorf("--certificate-authority: %w", err)
		}
		config.CAFile, config.CAData = a.Authority, nil
	}
	if strings.HasPrefix(a.Host, "http://") {
		config.TLSClientConfig = rest.TLSClientConfig{}
	}
	return config, nil
}

// RedirectLogs sends what client-go logs to logger. It is meant to be called
// once, by the program: the log of client-go is the one thing all connections
// share.
func RedirectLogs(logger *slog.Logger) {
	klog.SetSlogLogger(logger)
}

// Close closes the idle connections. Requests under way are not cut.
func (c *Cluster) Close() { c.client.CloseIdleConnections() }
