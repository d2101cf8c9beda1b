// Package daemon wires a mode of Daemun together and is the only place that
// starts its long-lived goroutines.
//
// It turns one configuration value into a running program: open the sockets,
// build the parts, start them in order, and stop them in the reverse order. It
// holds no rules of its own; whatever decides something lives in the part.
package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"

	"daemun/internal/accesslog"
	"daemun/internal/admin"
	"daemun/internal/console"
	"daemun/internal/control"
	"daemun/internal/explain"
	"daemun/internal/htpasswd"
	"daemun/internal/listen"
	"daemun/internal/manifest"
	"daemun/internal/metrics"
	"daemun/internal/policy"
	"daemun/internal/process"
	"daemun/internal/proxy"
	"daemun/internal/standalone"
	"daemun/internal/store"
	"daemun/internal/table"
	"daemun/internal/translate"
	"daemun/internal/upstream"
)

// settleTimeout is how long `up` waits for the first Pods before it says ready
// all the same: a Pod that takes longer must not hold back the others.
const settleTimeout = 20 * time.Second

// lameDuck is ample for a change of endpoints to be in force.
const lameDuck = 50 * time.Millisecond

// UpConfig is everything `daemun up` can be told.
type UpConfig struct {
	// Paths are manifest files and folders; "-" is Stdin.
	Paths []string
	Stdin io.Reader
	// Stdout receives the access log, Stderr everything said to people.
	Stdout, Stderr io.Writer
	Quiet          bool

	ListenAddress string
	HTTPPort      int // 0: any free port
	HTTPSPort     int
	AdminAddress  string // "host:port"
	ReadyFile     string

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

	Translate    translate.Options
	DrainTimeout time.Duration
	Version      string
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

// up is one running standalone Daemun.
type up struct {
	UpConfig
	logger  *slog.Logger
	console *console.Up

	store     *store.Store
	loader    *manifest.Loader
	cluster   *standalone.Cluster
	networks  *standalone.Reservation
	runtime   *process.Runtime
	loop      *control.Loop
	table     atomic.Pointer[table.Table]
	upstreams *upstream.Registry
	metrics   *metrics.Registry
	log       *accesslog.Log
	proxy     *proxy.Server
	certs     *listen.Certificates
	problems  *problemBoard

	http, https *listen.Listener
	admin       net.Listener
	started     time.Time
	ready       atomic.Bool
	draining    atomic.Bool
}

// newUp builds all parts and opens the sockets; nothing runs yet.
func newUp(ctx context.Context, c UpConfig) (*up, error) {
	d := &up{UpConfig: c, started: time.Now(), store: store.New(), loader: manifest.New(c.Paths, c.Stdin)}
	d.console = console.NewUp(c.Stderr, c.Quiet)
	d.logger = slog.New(slog.NewTextHandler(c.Stderr, nil))
	first, err := d.loader.Load()
	if err != nil {
		return nil, err
	}
	if err := d.openSockets(ctx); err != nil {
		return nil, err
	}
	if err := d.newCluster(); err != nil {
		d.closeSockets()
		return nil, err
	}
	d.newDataSide()
	d.problems = &problemBoard{
		locate:  d.loader.Locate,
		sources: []problemSource{d.loader.Problems, d.cluster.Problems},
		changed: d.console.Problems,
	}
	d.cluster.Apply(withClasses(first, true))
	return d, nil
}

func (d *up) newCluster() error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the daemun program itself: %w", err)
	}
	if err := d.openStateDir(); err != nil {
		return err
	}
	if d.networks, err = d.Networks.Reserve(); err != nil {
		return err
	}
	if d.networks.Moved != "" {
		d.console.Say(d.networks.Moved)
	}
	d.runtime = process.NewRuntime(process.Config{Exe: self, NoNamespaces: d.NoNamespaces})
	d.cluster = standalone.New(standalone.Config{
		Store: d.store, Runtime: d.runtime, StateDir: d.StateDir, Images: d.Images, Self: self,
		PodNetwork: d.networks.Pods, ServiceNetwork: d.networks.Services,
		NodeNetwork: d.networks.Nodes, LoadBalancerNetwork: d.networks.LoadBalancers,
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

func (d *up) newDataSide() {
	d.log = accesslog.New(accesslog.Config{Writer: d.Stdout})
	d.metrics = metrics.New(d.metricsConfig())
	d.upstreams = upstream.NewRegistry(upstream.Config{DialFilter: d.dialFilter()})
	d.proxy = proxy.New(proxy.Config{Table: &d.table, Log: d.log, Logger: d.logger})
	d.loop = control.New(control.Config{
		Store: d.store, Translator: translate.New(d.Translate), Upstreams: d.upstreams,
		Handles: table.Handles{Backend: d.upstreams.Backend, Route: d.routeMetrics, Policies: policy.NewState(policy.Config{Verifier: htpasswd.New})},
		Table:   &d.table, Logger: d.logger,
		Certificates: d.certs.Update,
		Published: func(s control.State) {
			d.retainMetrics(s.Config)
			d.problems.publish(s.Problems)
		},
	})
}

// dialFilter knows the sockets that are open and the addresses this machine
// has now.
func (d *up) dialFilter() func(netip.AddrPort) error {
	var own []netip.AddrPort
	for _, a := range []net.Addr{d.http.Addr(), d.https.Addr(), d.admin.Addr()} {
		own = append(own, a.(*net.TCPAddr).AddrPort())
	}
	var local []netip.Addr
	found, err := net.InterfaceAddrs()
	if err != nil {
		d.logger.Warn("the addresses of this machine are not known; requests may be sent to Daemun's own ports through them", "err", err)
	}
	for _, a := range found {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			local = append(local, p.Addr())
		}
	}
	return newDialFilter(own, local)
}

// output shows a line of a container; its name only where a Pod has several.
func (d *up) output(pod store.Name, container, _ string, line []byte) {
	if p := d.store.View().Pods[pod]; p != nil && len(p.Spec.InitContainers)+len(p.Spec.Containers) == 1 {
		container = ""
	}
	d.console.Output(pod, container, line)
}

// openSockets comes first of all: a port that is taken is the most common
// reason not to start, and nothing else should have happened by then.
func (d *up) openSockets(ctx context.Context) (err error) {
	defer func() {
		if err != nil {
			d.closeSockets()
		}
	}()
	d.certs = listen.NewCertificates()
	common := listen.Config{Limit: listen.NewLimit(listen.DefaultMaxConnections()), ShedIdle: func() bool { return d.proxy.ShedIdle() }, Logger: d.logger}
	plain, secure := common, common
	plain.Address, plain.Flag = address(d.ListenAddress, d.HTTPPort), "--http-port"
	secure.Address, secure.Flag, secure.TLS = address(d.ListenAddress, d.HTTPSPort), "--https-port", d.certs
	if d.http, err = listen.Listen(ctx, plain); err != nil {
		return err
	}
	if d.https, err = listen.Listen(ctx, secure); err != nil {
		return err
	}
	if d.admin, err = net.Listen("tcp", d.AdminAddress); err != nil {
		return fmt.Errorf("%w; choose another with --admin-address", err)
	}
	return nil
}

func (d *up) closeSockets() {
	if d.http != nil {
		d.http.Close()
	}
	if d.https != nil {
		d.https.Close()
	}
	if d.admin != nil {
		d.admin.Close()
	}
}

func address(host string, port int) string { return net.JoinHostPort(host, fmt.Sprint(port)) }

// run starts everything in order, waits for the end, and stops in the reverse
// order: traffic first, then the processes that serve it.
func (d *up) run(ctx context.Context, kill <-chan struct{}) error {
	defer d.networks.Close()
	defer d.runtime.Close()
	workloads := newGroup(context.WithoutCancel(ctx))
	traffic := newGroup(context.WithoutCancel(ctx))
	workloads.start("pods", func(ctx context.Context) error { return d.cluster.Run(ctx, kill) })
	if err := d.loop.Build(); err != nil {
		return errors.Join(err, workloads.stop())
	}
	d.startTraffic(traffic)
	err := d.follow(ctx, workloads, traffic)

	d.draining.Store(true)
	d.console.Say("stopping: finishing requests (again Ctrl-C: at once)")
	d.drain(kill)
	err = errors.Join(err, workloads.stop(), traffic.stop())
	return err
}

// follow announces readiness and waits until ctx or a member ends.
func (d *up) follow(ctx context.Context, workloads, traffic *group) error {
	settled := d.cluster.Settled()
	late := time.NewTimer(settleTimeout)
	defer late.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-workloads.ctx.Done():
			return nil // the group holds the error
		case <-traffic.ctx.Done():
			return nil
		case <-settled:
		case <-late.C:
		}
		if settled != nil {
			settled = nil
			late.Stop()
			if err := d.announce(); err != nil {
				return err
			}
		}
	}
}

func (d *up) startTraffic(g *group) {
	g.start("access log", d.log.Run)
	g.start("control loop", d.loop.Run)
	g.start("http", func(ctx context.Context) error { return d.http.Serve(ctx, d.proxy) })
	g.start("https", func(ctx context.Context) error { return d.https.Serve(ctx, d.proxy) })
	g.start("admin", d.serveAdmin)
	g.start("manifests", func(ctx context.Context) error {
		return d.loader.Watch(ctx, d.apply)
	})
	g.start("problems", d.watchProblems)
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

// watchProblems notices problems of workloads, which come and go without a new
// table.
func (d *up) watchProblems(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			d.problems.refresh()
		}
	}
}

func (d *up) drain(kill <-chan struct{}) {
	d.http.Close()
	d.https.Close()
	ctx, cancel := context.WithTimeout(context.Background(), d.DrainTimeout)
	defer cancel()
	go func() { // ends with ctx
		select {
		case <-kill:
			cancel()
		case <-ctx.Done():
		}
	}()
	if err := d.proxy.Shutdown(ctx); err != nil {
		d.console.Say("connections cut after the drain time: " + err.Error())
	}
	d.upstreams.Close()
}

func (d *up) serveAdmin(ctx context.Context) error {
	s := &http.Server{
		Handler: admin.Handler(d.adminConfig()), ReadHeaderTimeout: 10 * time.Second,
		ErrorLog: slog.NewLogLogger(d.logger.Handler(), slog.LevelWarn), BaseContext: func(net.Listener) context.Context { return ctx },
	}
	stop := context.AfterFunc(ctx, func() { s.Close() })
	defer stop()
	if err := s.Serve(d.admin); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (d *up) adminConfig() admin.Config {
	return admin.Config{
		Version: d.Version, View: d.store.View, State: d.loop.State, Table: d.table.Load,
		Problems: d.problems.list, Backend: d.upstreams.Backend, Ready: d.readiness,
		Metrics: d.metrics.Handler(), Certificates: d.certs.Info, Address: d.ListenAddress,
		LogPath: d.cluster.LogPath,
		Explain: d.explain,
	}
}

func (d *up) explain(r explain.Request) (*explain.Answer, error) {
	return explain.Explain(r, explain.Source{
		Table: d.table.Load(), View: d.store.View(), Problems: d.problems.list(), Prefix: d.Translate.AnnotationsPrefix, Place: placeOf(d.loader),
	})
}

func (d *up) readiness() error {
	switch {
	case d.draining.Load():
		return errors.New("shutting down")
	case !d.ready.Load():
		return errors.New("starting: Pods are not ready yet")
	}
	return nil
}

// addresses are what --ready-file holds.
type addresses struct {
	HTTP  string `json:"http"`
	HTTPS string `json:"https"`
	Admin string `json:"admin"`
}

// announce says that everything is up: the URLs for people, the ready file for
// scripts.
func (d *up) announce() error {
	d.ready.Store(true)
	a := addresses{HTTP: d.http.Addr().String(), HTTPS: d.https.Addr().String(), Admin: d.admin.Addr().String()}
	d.console.URLs(console.URLs{Config: d.loop.State().Config, HTTP: a.HTTP, HTTPS: a.HTTPS, Admin: a.Admin, Pods: d.podsLine()})
	if d.ReadyFile == "" {
		return nil
	}
	b, err := json.Marshal(a)
	if err != nil {
		return err
	}
	if err := writeAtomic(d.ReadyFile, append(b, '\n')); err != nil {
		return fmt.Errorf("ready file: %w", err)
	}
	return nil
}

// podsLine counts the Pods for the first screen: "3 Pods ready in 0.4s".
func (d *up) podsLine() string {
	pods := d.store.View().Pods
	ready, ended := 0, 0
	for _, p := range pods {
		if p.Status.Phase == corev1.PodSucceeded {
			ended++ // a Job that is done
			continue
		}
		for _, c := range p.Status.Conditions {
			if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
				ready++
			}
		}
	}
	took := time.Since(d.started).Round(10 * time.Millisecond)
	done := ""
	if ended > 0 {
		done = fmt.Sprintf(", %d completed", ended)
	}
	running := len(pods) - ended
	switch {
	case ready < running:
		return fmt.Sprintf("%d of %d Pods ready%s after %s", ready, running, done, took)
	case running == 1:
		return fmt.Sprintf("1 Pod ready%s in %s", done, took)
	}
	return fmt.Sprintf("%d Pods ready%s in %s", running, done, took)
}

// writeAtomic makes a file appear with all of its contents at once.
func writeAtomic(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".daemun-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if _, err := f.Write(b); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
