// Package standalone is the cluster on one machine: it turns workload
// manifests into running Pods, gives Pods and Services their addresses, probes
// containers and keeps EndpointSlices.
//
// Objects come in as manifest.Change, and go out through the store: what a
// cluster's API server would show (Services with addresses, Pods with status,
// EndpointSlices), beside the objects that pass through untouched. It knows
// nothing of Ingress semantics or the data plane.
package standalone

import (
	"context"
	"log/slog"
	"net/netip"

	corev1 "k8s.io/api/core/v1"

	"daemun/internal/ir"
	"daemun/internal/manifest"
	"daemun/internal/process"
	"daemun/internal/store"
)

// Config is what a Cluster needs. Networks default to the documented ranges.
type Config struct {
	Store    *store.Store
	Runtime  *process.Runtime
	StateDir string
	// Images maps an image name (with or without tag) to an executable;
	// daemun/echo is built in.
	Images map[string]string
	// Self is the path of the Daemun binary, for built-in images.
	Self string

	PodNetwork          netip.Prefix // 127.244.0.0/16
	ServiceNetwork      netip.Prefix // 127.96.0.0/16
	NodeNetwork         netip.Prefix // 127.18.0.0/24
	LoadBalancerNetwork netip.Prefix // 127.200.0.0/16

	Logger *slog.Logger
	// Output receives each log line of each container.
	Output func(pod store.Name, container, stream string, line []byte)
}

// Cluster is a running standalone cluster.
type Cluster struct{}

// New returns a cluster that does nothing until Run.
func New(c Config) *Cluster { panic("unimplemented") }

// Apply takes a change of the manifests. It does not wait for Pods: derived
// objects follow in the store. It may be called before and during Run.
func (c *Cluster) Apply(ch manifest.Change) { panic("unimplemented") }

// Run runs the Pods until ctx ends, then stops all of them within their grace
// periods (or at once when kill is closed) and returns.
func (c *Cluster) Run(ctx context.Context, kill <-chan struct{}) error { panic("unimplemented") }

// Settled is closed once every Pod of the first Apply is ready, completed or
// waiting for something that time alone will not mend (an image that cannot be
// resolved, a crash loop).
func (c *Cluster) Settled() <-chan struct{} { panic("unimplemented") }

// Problems returns the present problems, sorted.
func (c *Cluster) Problems() []ir.Problem { panic("unimplemented") }

// LogPath returns the log file of a container of a Pod.
func (c *Cluster) LogPath(pod store.Name, container string) string { panic("unimplemented") }

// Plan expands manifests without running anything: Services with addresses,
// the Pods that would run, assumed ready, and their EndpointSlices. It serves
// lint and offline explain.
func Plan(objects []store.Object, c Config) ([]store.Object, []ir.Problem) { panic("unimplemented") }

// Slices builds the EndpointSlices of one Service from the Pods of its
// namespace, after the rules of services §3.
func slices(svc *corev1.Service, pods []*corev1.Pod) { panic("unimplemented") }
