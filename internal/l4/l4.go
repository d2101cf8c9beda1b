// Package l4 carries the traffic of the Service network: it turns an
// ir.Network into sockets on the addresses of Services, and new connections
// and datagrams there into ones to the endpoints that the rules choose.
//
//	s, err := l4.New(l4.Config{HostAddresses: []netip.Addr{loopback}})
//	s.Update(network)        // sockets are open when it returns
//	go func() { errs <- s.Run(ctx) }()
//	s.Update(next)           // whenever something changed
//	s.Shutdown(ctx)
//
// Everything is done with ordinary sockets on addresses of this machine, above
// all 127.0.0.0/8: no privileges, no rules in the kernel. A frontend without
// endpoints is a closed socket, so the kernel refuses its clients; clients that
// a policy drops are dropped by a program on the socket, before the handshake;
// the endpoint sees the client's address because the connection to it is bound
// to that address.
//
// The package knows no objects and nothing above TCP and UDP, except for the
// health check port, which answers each request with one page. Decide is the
// same rules without sockets, for people who ask.
//
// A few loops, one per processor, move everything; each is one goroutine that
// belongs to Run. A connection has no goroutine of its own and holds no buffer
// while it is idle.
package l4

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"daemun/internal/ir"
)

// Config says how to serve. The zero value is usable.
type Config struct {
	// HostAddresses answer on node ports beside the nodes' own addresses;
	// traffic there arrives at the first node.
	HostAddresses []netip.Addr
	// DialFilter may refuse an endpoint at every connection; nil allows all.
	DialFilter func(netip.AddrPort) error
	// Ended hears of each connection and flow that has ended, and of clients
	// that got none. It is called by the loops and must not wait; nil is nobody.
	Ended func(*Session)
	// Full turns away who comes new while it is true; nil never does. What is
	// open goes on.
	Full *atomic.Bool
	// Logger takes rare events; nil discards them.
	Logger *slog.Logger
	// MaxFrontends bounds listening sockets, so that connections have
	// descriptors left; those over it stay closed, with a problem. 0 is half of
	// the open files.
	MaxFrontends int
	// MaxConnections bounds open TCP connections; one more ends one that has
	// idled for a minute, or is reset. 0 is a quarter of the open files, as each
	// takes two.
	MaxConnections int
	// MaxFlows bounds open UDP flows; one more ends the oldest idle one. 0 is
	// an eighth of the open files, at most 65536.
	MaxFlows int
	// MaxAffinities bounds remembered clients; 0 is 65536.
	MaxAffinities int
	// DialTimeout is the time that an endpoint has to take a connection; 0 is
	// 10 s.
	DialTimeout time.Duration
	// FlowTimeout ends a UDP flow without datagrams, UnrepliedTimeout one that
	// never had an answer; 0 are 120 s and 30 s, as in Linux.
	FlowTimeout, UnrepliedTimeout time.Duration

	// Inherited are sockets of another process: the first Update takes those of
	// its frontends in place of new ones, and closes the rest.
	Inherited []Socket

	now    func() time.Time
	attach func(fd int, program []unix.SockFilter) error
	loops  int
}

func (c Config) withDefaults() Config {
	files := openFiles()
	for _, d := range []struct {
		value *int
		or    int
	}{
		{&c.MaxFrontends, max(files/2, 1)},
		{&c.MaxConnections, max(files/4, 1)},
		{&c.MaxFlows, min(max(files/8, 1), 65536)},
		{&c.MaxAffinities, 65536},
		{&c.loops, min(runtime.GOMAXPROCS(0), maxLoops)},
	} {
		if *d.value <= 0 {
			*d.value = d.or
		}
	}
	for _, d := range []struct {
		value *time.Duration
		or    time.Duration
	}{
		{&c.DialTimeout, 10 * time.Second},
		{&c.FlowTimeout, 120 * time.Second},
		{&c.UnrepliedTimeout, 30 * time.Second},
	} {
		if *d.value <= 0 {
			*d.value = d.or
		}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.now == nil {
		c.now = time.Now
	}
	if c.attach == nil {
		c.attach = attachFilter
	}
	return c
}

// maxLoops bounds what idle loops cost on large machines.
const maxLoops = 16

// Server serves one Service network. Update is for one goroutine; everything
// else may be called from any.
type Server struct {
	config      Config
	logger      *slog.Logger
	descriptors *descriptors
	loops       []*loop
	affinity    *affinities
	tcp, udp    atomic.Int64               // open connections and flows
	streams     atomic.Pointer[ir.Streams] // nil: of a Service network
	noFilter    atomic.Bool                // dropping needs a privilege that we lack

	// ended gets a token when the last connection of a stopping server ends.
	ended    chan struct{}
	draining atomic.Bool
	// shared: the sockets are another process's, too, and closing one here must
	// not end it there. given: they may be.
	shared, given atomic.Bool

	// mu guards what Update writes.
	mu        sync.Mutex
	network   *ir.Network
	places    *places
	services  map[name]*service
	order     []*service // of network.Services, by index
	frontends map[key]*frontend
	checks    map[netip.AddrPort]*healthCheck
	placed    int // frontends that got a loop, to spread them
	serial    uint64
	listening int
	unopened  map[*frontend]struct{} // should be open and are not
	contended map[*service]struct{}  // have claims that others hold
	scratch   map[key]bool
	problems  []ir.Problem
	closed    bool
	inherited inheritance

	once    sync.Once
	stop    chan struct{} // closed when the loops have been told to end
	running sync.WaitGroup
}

// New makes a server that serves nothing yet. It fails when the process has no
// descriptors left. Shutdown releases what it holds.
func New(c Config) (*Server, error) {
	c = c.withDefaults()
	s := &Server{
		config: c, logger: c.Logger, descriptors: newDescriptors(), affinity: newAffinities(c.MaxAffinities),
		ended: make(chan struct{}, 1), stop: make(chan struct{}),
		places: placesOf(nil), services: map[name]*service{}, frontends: map[key]*frontend{}, checks: map[netip.AddrPort]*healthCheck{},
		unopened: map[*frontend]struct{}{}, contended: map[*service]struct{}{}, scratch: map[key]bool{},
	}
	s.inherited.inherit(c.Inherited)
	s.shared.Store(len(c.Inherited) > 0)
	for i := range c.loops {
		l, err := newLoop(s)
		if err != nil {
			s.inherited.discard()
			s.end()
			return nil, err
		}
		l.next = i
		s.loops = append(s.loops, l)
	}
	return s, nil
}

// Run moves traffic, and with inherited sockets is the only one to do so, until Shutdown has ended, or cuts it all when ctx ends
// first. It must be called at most once.
func (s *Server) Run(ctx context.Context) error {
	s.shared.Store(false)
	s.verify()
	for _, l := range s.loops {
		s.running.Go(l.run)
	}
	retry := time.NewTicker(retryEvery)
	defer retry.Stop()
	for running := true; running; {
		select {
		case <-ctx.Done():
			s.closeFrontends()
			s.cut()
			s.end()
			running = false
		case <-s.stop:
			running = false
		case <-retry.C:
			s.verify()
			s.retry()
		}
	}
	s.running.Wait()
	return nil
}

// retryEvery is how often a frontend is tried again that could not be opened:
// the other program on its address may have ended.
const retryEvery = 5 * time.Second

// Shutdown stops taking connections and flows at once, waits until the open
// connections have ended by themselves, and cuts those that are left when ctx
// ends; then it returns the error of ctx.
func (s *Server) Shutdown(ctx context.Context) error {
	if s.given.Load() {
		s.shared.Store(true)
	}
	s.closeFrontends()
	s.draining.Store(true)
	var err error
	for err == nil && s.tcp.Load() > 0 {
		select {
		case <-s.ended:
		case <-s.stop: // Run's context ended first
			return errors.New("l4: stopped")
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	s.cut()
	s.end()
	return err
}

// connectionEnded tells a waiting Shutdown.
func (s *Server) connectionEnded() {
	if s.tcp.Add(-1) == 0 && s.draining.Load() {
		select {
		case s.ended <- struct{}{}:
		default:
		}
	}
}

// closeFrontends closes all listening sockets for good. When it returns no
// loop is within an accept.
func (s *Server) closeFrontends() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, f := range s.frontends {
		f.loop.mu.Lock()
		f.close()
		f.loop.mu.Unlock()
	}
	for _, h := range s.checks {
		h.close()
	}
	clear(s.frontends)
	clear(s.checks)
	clear(s.services)
	clear(s.unopened)
	clear(s.contended)
	s.inherited.discard()
	s.listening = 0
}

// cut ends all connections.
func (s *Server) cut() {
	for _, l := range s.loops {
		l.mu.Lock()
		for _, list := range []*connList{&l.dialing, &l.open} {
			for list.first != nil { // loops no longer add: nothing is accepted
				list.first.cut()
			}
		}
		l.cutChecks()
		l.cutGreetings()
		l.mu.Unlock()
	}
}

// end stops the loops and releases what they hold.
func (s *Server) end() {
	s.once.Do(func() {
		for _, l := range s.loops {
			l.mu.Lock()
			l.stopped = true
			for _, p := range l.pipes {
				p.discard()
			}
			l.pipes = nil
			closeSocket(l.reserve)
			l.reserve = -1
			l.mu.Unlock()
			_ = l.file.Close() // wakes the loop
		}
		close(s.stop)
	})
}

// unfiltered notes that a program could not be attached. Other errors than the
// lack of a privilege concern one program: it is too long for this kernel.
func (s *Server) unfiltered(err error) {
	if errors.Is(err, unix.EPERM) {
		s.noFilter.Store(true)
		return
	}
	s.logger.Warn("a filter was not attached; its rules run after accept", "err", err)
}
