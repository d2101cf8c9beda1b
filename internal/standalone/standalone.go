// Package standalone is the cluster on one machine: it turns workload
// manifests into running Pods, gives Pods and Services their addresses and
// programs the files in which they look names up, probes containers and keeps
// EndpointSlices.
//
// Objects come in as manifest.Change, and go out through the store: what a
// cluster's API server would show (Services with addresses, Pods with status,
// EndpointSlices), beside the objects that pass through untouched. It knows
// nothing of Ingress semantics or the data plane.
//
// One goroutine, that of Run, owns the state and decides; each running Pod has
// a worker that reports to it. All workers end before Run returns.
package standalone

import (
	"cmp"
	"context"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/types"

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

	DNS DNS

	// InForce returns when everything that the store says at the time of the
	// call is what traffic goes by, or when ctx ends. Nil is at once.
	InForce func(ctx context.Context)
	// LameDuck is the time between a Pod's leaving its endpoints and SIGTERM
	// for its programs, so that no request is on its way to a program that
	// closes its connections. A cluster leaves this to preStop hooks. Zero is
	// none.
	LameDuck time.Duration

	Logger *slog.Logger
	// Output receives each log line of each container.
	Output func(pod store.Name, container, stream string, line []byte)
}

func (c *Config) setDefaults() {
	for _, n := range []struct {
		at    *netip.Prefix
		value string
	}{
		{&c.PodNetwork, "127.244.0.0/16"},
		{&c.ServiceNetwork, "127.96.0.0/16"},
		{&c.NodeNetwork, "127.18.0.0/24"},
		{&c.LoadBalancerNetwork, "127.200.0.0/16"},
	} {
		if !n.at.IsValid() {
			*n.at = netip.MustParsePrefix(n.value)
		}
	}
	c.DNS.Zone = cmp.Or(strings.Trim(c.DNS.Zone, "."), DefaultZone)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
}

// Cluster is a running standalone cluster. Its methods are safe for concurrent
// use; Run is called once.
type Cluster struct {
	cfg  Config
	host *host

	wake     chan struct{} // capacity 1: the mailbox below has something
	settled  chan struct{}
	problems atomic.Pointer[[]ir.Problem]

	turn    sync.Mutex // held during a step; Apply before Run and Run take turns
	state   *state
	running bool
	applied bool
	quiet   bool            // settled is closed
	stop    context.Context // of Run
	kill    context.Context
	workers sync.WaitGroup

	mu      sync.Mutex // guards the mailbox
	inbox   []manifest.Change
	reports map[types.UID]report
}

// New returns a cluster that does nothing until Run.
func New(c Config) *Cluster { return newCluster(c, processes{c.Runtime}) }

func newCluster(c Config, rt starter) *Cluster {
	c.setDefaults()
	cl := &Cluster{
		cfg: c, wake: make(chan struct{}, 1), settled: make(chan struct{}),
		reports: map[types.UID]report{},
	}
	cl.state = newState(&cl.cfg)
	cl.recall()
	cl.host = &host{cfg: &cl.cfg, rt: rt, view: c.Store.View, report: cl.deliver, published: cl.published}
	return cl
}

// recall takes over what an earlier run remembered.
func (c *Cluster) recall() {
	if c.cfg.StateDir == "" {
		return
	}
	m, err := recall(c.cfg.StateDir)
	if err != nil {
		c.cfg.Logger.Warn("the remembered numbers of Services cannot be read; some may differ from last time", "error", err)
	}
	c.state.services.memory = m
}

// Apply takes a change of the manifests. It does not wait for Pods: derived
// objects follow in the store. It may be called before and during Run. Before
// Run everything that needs no running Pod is in the store when it returns.
func (c *Cluster) Apply(ch manifest.Change) {
	c.mu.Lock()
	c.inbox = append(c.inbox, ch)
	c.mu.Unlock()
	c.turn.Lock()
	defer c.turn.Unlock()
	if !c.running {
		c.step()
		return
	}
	c.signal()
}

// deliver is the workers' end of the mailbox: the latest report of a Pod
// counts.
func (c *Cluster) deliver(uid types.UID, r report) {
	c.mu.Lock()
	c.reports[uid] = r
	c.mu.Unlock()
	c.signal()
}

// published returns when the step under way, if any, is in the store.
func (c *Cluster) published() {
	c.turn.Lock()
	defer c.turn.Unlock()
}

func (c *Cluster) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Run runs the Pods until ctx ends, then stops all of them within their grace
// periods (or at once when kill is closed) and returns.
func (c *Cluster) Run(ctx context.Context, kill <-chan struct{}) error {
	// Pods outlive ctx by their grace periods: they have contexts of their own.
	stop, stopAll := context.WithCancel(context.Background())
	defer stopAll()
	killed, killAll := context.WithCancel(context.Background())
	defer killAll()
	c.turn.Lock()
	c.stop, c.kill, c.running = stop, killed, true
	c.step()
	c.turn.Unlock()
	again := time.NewTimer(0)
	defer again.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-c.wake:
			c.turnOnce(again)
		case <-again.C:
			c.turnOnce(again)
		}
	}
	return c.shutDown(kill, stopAll, killAll)
}

func (c *Cluster) turnOnce(again *time.Timer) {
	c.turn.Lock()
	defer c.turn.Unlock()
	c.step()
	again.Stop()
	if !c.state.again.IsZero() {
		again.Reset(time.Until(c.state.again))
	}
}

// shutDown stops all Pods in parallel and goes on showing their state.
func (c *Cluster) shutDown(kill <-chan struct{}, stopAll, killAll context.CancelFunc) error {
	c.turn.Lock()
	c.stop = nil // nothing is started any more
	c.turn.Unlock()
	stopAll()
	ended := make(chan struct{})
	go func() { // ends with the last worker
		c.workers.Wait()
		close(ended)
	}()
	for {
		select {
		case <-kill:
			killAll()
			kill = nil
		case <-c.wake:
			c.turn.Lock()
			c.wind()
			c.turn.Unlock()
		case <-ended:
			c.turn.Lock()
			defer c.turn.Unlock()
			c.wind()
			c.running = false
			return nil
		}
	}
}

// Settled is closed once every Pod of the first Apply is ready, completed or
// waiting for something that time alone will not mend (an image that cannot be
// resolved, a crash loop).
func (c *Cluster) Settled() <-chan struct{} { return c.settled }

// Problems returns the present problems, sorted. The slice must not be written.
func (c *Cluster) Problems() []ir.Problem {
	if p := c.problems.Load(); p != nil {
		return *p
	}
	return nil
}

// LogPath returns the log file of a container of a Pod, empty for a Pod that
// does not exist.
func (c *Cluster) LogPath(pod store.Name, container string) string {
	p := c.cfg.Store.View().Pods[pod]
	if p == nil {
		return ""
	}
	return logPath(c.cfg.StateDir, p.UID, container)
}
