// Package daemon wires a mode of Daemun together and is the only place that
// starts its long-lived goroutines.
//
// It turns one configuration value into a running program: open the sockets,
// build the parts, start them in order, and stop them in the reverse order. It
// holds no rules of its own; whatever decides something lives in the part.
package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"

	"daemun/internal/console"
	"daemun/internal/explain"
	"daemun/internal/ir"
	"daemun/internal/manifest"
	"daemun/internal/metrics"
	"daemun/internal/process"
	"daemun/internal/standalone"
	"daemun/internal/store"
)

// settleTimeout is how long `up` waits for the first Pods before it says ready
// all the same: a Pod that takes longer must not hold back the others.
const settleTimeout = 20 * time.Second

// tellStart is the time between two looks at how many Pods are ready.
const tellStart = 200 * time.Millisecond

// lameDuck is how long programs go on after no new connection leads to them:
// time to take those that are on their way.
const lameDuck = 100 * time.Millisecond

// UpConfig is everything `daemun up` can be told.
type UpConfig struct {
	// Paths are manifest files and folders; "-" is Stdin.
	Paths []string
	Stdin io.Reader
	Quiet bool

	GatewayConfig
	ReadyFile string

	// StateDir keeps logs and volumes; empty is a folder of its own under the
	// user's cache directory.
	StateDir string
	// Images maps image names to executables.
	Images map[string]string
	// NoNamespaces turns private mount namespaces off.
	NoNamespaces bool

	// Networks are the address ranges; zero ones are the usual, or the next
	// that no other Daemun of this machine has.
	Networks standalone.Networks
	Network  NetworkConfig
	Webhook  WebhookConfig
	// Published are TCP and UDP ports that lead to Services.
	Published PublishedConfig
}

// Up runs manifests on this machine until ctx ends, then drains and stops
// every process it started; kill cuts that short. The error is one clear line
// when it cannot start.
func Up(ctx context.Context, c UpConfig, kill <-chan struct{}) error {
	d, err := newUp(ctx, c)
	if err != nil {
		return err
	}
	return d.run(ctx, kill)
}

// up is one running standalone Daemun: a gateway in front of manifests and the
// cluster on this machine.
type up struct {
	UpConfig
	*gateway

	console  *console.Up
	loader   *manifest.Loader
	cluster  *standalone.Cluster
	networks *standalone.Reservation
	services *serviceNetwork
	runtime  *process.Runtime
	started  time.Time
}

// newUp builds all parts and opens the sockets; nothing runs yet.
func newUp(ctx context.Context, c UpConfig) (*up, error) {
	d := &up{UpConfig: c, started: time.Now(), loader: manifest.New(c.Paths, c.Stdin), console: console.NewUp(c.Stderr, c.Quiet)}
	first, err := d.loader.Load()
	if err != nil {
		return nil, err
	}
	d.gateway = newGateway(c.GatewayConfig, d.edges())
	d.publishedDirty = make(chan struct{}, 1)
	if err := d.openSockets(ctx); err != nil {
		return nil, err
	}
	if err := d.newCluster(); err != nil {
		d.services.close()
		d.published.close()
		d.networks.Close()
		d.closeSockets()
		return nil, err
	}
	d.cluster.Apply(withClasses(first, true))
	return d, nil
}

func (d *up) edges() edges {
	return edges{
		say:    d.console.Say,
		locate: d.loader.Locate,
		sources: []problemSource{
			d.loader.Problems, func() []ir.Problem { return d.cluster.Problems() }, func() []ir.Problem { return append(d.services.problems(), d.published.problems()...) },
		},
		changed:   d.console.Problems,
		starting:  "Pods are not ready yet",
		namespace: "standalone", class: d.Translate.IngressClass, pod: "daemun",
		zone:              cmp.Or(d.Network.ClusterDomain, standalone.DefaultZone),
		layer4:            func() metrics.Layer4 { return d.services.layer4() },
		explainConnection: d.explainConnection,
		names:             func() metrics.DNS { return d.services.names() },
		logPath:           func(pod store.Name, container string) string { return d.cluster.LogPath(pod, container) },
	}
}

// explainConnection answers for one connection to a Service.
func (d *up) explainConnection(r explain.ConnectionRequest) (*explain.Connection, error) {
	return explain.TraceConnection(r, explain.NetworkSource{
		Network: d.services.loop.Network(), Decide: d.services.l4.Decide, Zone: cmp.Or(d.Network.ClusterDomain, standalone.DefaultZone),
		NameServer: d.services.nameServer(),
		View:       d.store.View(), Problems: d.problems.list(), Place: placeOf(d.locate),
	})
}

// openSockets comes first of all: a port that is taken is the most common
// reason not to start, and nothing else should have happened by then.
func (d *up) openSockets(ctx context.Context) error {
	err := d.openTraffic(ctx)
	if err == nil {
		err = d.openAdmin()
	}
	if err == nil {
		err = d.openWebhook(d.Webhook, d.webhookFiles, nil)
	}
	if err == nil {
		d.published, err = d.openPublished(d.Published)
	}
	if err == nil {
		err = d.openServices(ctx)
	}
	if err != nil {
		d.published.close()
		d.closeSockets()
	}
	return err
}

// openServices takes the addresses and opens what serves them.
func (d *up) openServices(ctx context.Context) (err error) {
	if d.networks, err = d.Networks.Reserve(); err != nil {
		return err
	}
	if d.networks.Moved != "" {
		d.console.Say(d.networks.Moved)
	}
	if d.services, err = d.openNetwork(ctx, d.Network, d.networks.Networks); err != nil {
		d.networks.Close()
	}
	return err
}

func (d *up) newCluster() error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the daemun program itself: %w", err)
	}
	if err := d.openStateDir(); err != nil {
		return err
	}
	d.runtime = process.NewRuntime(process.Config{Exe: self, NoNamespaces: d.NoNamespaces})
	d.cluster = standalone.New(standalone.Config{
		Store: d.store, Runtime: d.runtime, StateDir: d.StateDir, Images: d.Images, Self: self,
		PodNetwork: d.networks.Pods, ServiceNetwork: d.networks.Services,
		NodeNetwork: d.networks.Nodes, LoadBalancerNetwork: d.networks.LoadBalancers,
		DNS:      standalone.DNS{Zone: d.Network.ClusterDomain, Server: d.services.standard, Fallback: d.services.address},
		InForce:  d.inForce,
		LameDuck: lameDuck, Logger: d.logger, Output: d.output,
	})
	return nil
}

// openStateDir makes the state directory. Without one of the user's choice it
// is in the cache folder, or, for users that have none, a new temporary one.
func (d *up) openStateDir() (err error) {
	if d.StateDir == "" {
		if cache, err := os.UserCacheDir(); err == nil {
			d.StateDir = filepath.Join(cache, "daemun")
			if os.MkdirAll(d.StateDir, 0o700) == nil {
				return nil
			}
		}
		if d.StateDir, err = os.MkdirTemp("", "daemun-"); err != nil {
			return fmt.Errorf("state directory: %w; choose one with --state-dir", err)
		}
		return nil
	}
	if d.StateDir, err = filepath.Abs(d.StateDir); err == nil {
		err = os.MkdirAll(d.StateDir, 0o700)
	}
	if err != nil {
		return fmt.Errorf("state directory: %w; choose another with --state-dir", err)
	}
	return nil
}

// inForce waits until the data side goes by what the store says now.
func (d *up) inForce(ctx context.Context) {
	v := d.store.View()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for d.loop.EndpointsRevision() < v.EndpointsRevision || d.services.loop.Revision() < v.NetworkRevision || d.published.revision(v.NetworkRevision) < v.NetworkRevision {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// output shows a line of a container; its name only where a Pod has several.
func (d *up) output(pod store.Name, container, _ string, line []byte) {
	if p := d.store.View().Pods[pod]; p != nil && len(p.Spec.InitContainers)+len(p.Spec.Containers) == 1 {
		container = ""
	}
	d.console.Output(pod, container, line)
}

// run starts everything in order, waits for the end, and stops in the reverse
// order: traffic first, then the processes that serve it.
func (d *up) run(ctx context.Context, kill <-chan struct{}) error {
	defer d.networks.Close()
	defer d.runtime.Close()
	workloads := newGroup(context.WithoutCancel(ctx))
	traffic := newGroup(context.WithoutCancel(ctx))
	workloads.start("pods", func(ctx context.Context) error { return d.cluster.Run(ctx, kill) })
	if err := errors.Join(d.loop.Build(), d.services.loop.Build(), d.published.build()); err != nil {
		d.services.close()
		d.published.close()
		d.closeSockets()
		return errors.Join(err, workloads.stop())
	}
	d.startAdmin(traffic)
	d.startTraffic(traffic)
	d.services.start(traffic)
	d.published.start(traffic)
	traffic.start("manifests", func(ctx context.Context) error { return d.loader.Watch(ctx, d.apply) })
	err := d.follow(ctx, workloads, traffic)

	d.say("stopping: finishing requests (again Ctrl-C: at once)")
	d.drain(d.DrainTimeout, kill)
	err = errors.Join(err, workloads.stop(), traffic.stop())
	return err
}

// follow announces readiness and waits until ctx or a member ends.
func (d *up) follow(ctx context.Context, workloads, traffic *group) error {
	settled := d.cluster.Settled()
	late := time.NewTimer(settleTimeout)
	defer late.Stop()
	tick := time.NewTicker(tellStart)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-workloads.ctx.Done():
			return nil // the group holds the error
		case <-traffic.ctx.Done():
			return nil
		case <-tick.C:
			if settled != nil {
				ready, _, all := d.countPods()
				d.console.Starting(ready, all)
			}
			continue
		case <-settled:
		case <-late.C:
		}
		tick.Stop()
		if settled != nil {
			settled = nil
			late.Stop()
			if err := d.announce(); err != nil {
				return err
			}
		}
	}
}

// apply takes over a change of the files.
func (d *up) apply(ch manifest.Change) {
	if ch.Empty() { // there will be no new table
		d.problems.moved()
		return
	}
	d.cluster.Apply(withClasses(ch, false))
	d.problems.refresh()
}

// announce says that everything is up: the URLs for people, the ready file for
// scripts.
func (d *up) announce() error {
	d.ready.Store(true)
	a := d.addresses()
	a.DNS = d.services.address.String()
	d.console.URLs(console.URLs{
		Config: d.loop.State().Config, HTTP: a.HTTP, HTTPS: a.HTTPS, DNS: a.DNS, Admin: a.Admin, Pods: d.podsLine(),
		Network: d.services.loop.Network(), Zone: cmp.Or(d.Network.ClusterDomain, standalone.DefaultZone),
	})
	return writeReadyFile(d.ReadyFile, a)
}

// countPods counts those that are ready, those that are done as Jobs are, and
// all.
func (d *up) countPods() (ready, ended, all int) {
	pods := d.store.View().Pods
	for _, p := range pods {
		if p.Status.Phase == corev1.PodSucceeded {
			ended++
			continue
		}
		for _, c := range p.Status.Conditions {
			if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
				ready++
			}
		}
	}
	return ready, ended, len(pods)
}

// podsLine counts the Pods for the first screen: "3 Pods ready in 0.4s".
func (d *up) podsLine() string {
	ready, ended, all := d.countPods()
	took := time.Since(d.started).Round(10 * time.Millisecond)
	done := ""
	if ended > 0 {
		done = fmt.Sprintf(", %d completed", ended)
	}
	running := all - ended
	switch {
	case ready < running:
		return fmt.Sprintf("%d of %d Pods ready%s after %s", ready, running, done, took)
	case running == 1:
		return fmt.Sprintf("1 Pod ready%s in %s", done, took)
	}
	return fmt.Sprintf("%d Pods ready%s in %s", running, done, took)
}
