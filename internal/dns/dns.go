// Package dns answers for the names of the Service network: it turns an
// ir.Network into records that are ready to be copied, and DNS questions into
// answers; names outside its zone it asks of upstream resolvers.
//
//	server := dns.New(dns.Config{Zone: "cluster.local", Upstreams: resolvers})
//	bound, err := server.Listen(ctx, netip.MustParseAddrPort("127.0.0.1:5353"))
//	server.Update(network)
//	err = server.Run(ctx)
//
// It knows no Kubernetes types, no store and no HTTP. One goroutine calls
// Update; questions read one atomic pointer and never lock, so an answer is
// always of one Network. The goroutines (one per UDP socket, one per TCP
// connection, one per question that is with an upstream) belong to Run, which
// waits for them.
package dns

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"daemun/internal/ir"
)

// PodRecords says which names below pod.ZONE exist.
type PodRecords int

// The modes of Pod records.
const (
	// PodsVerified: a-b-c-d.NAMESPACE.pod.ZONE exists if a Pod of that
	// namespace has the address.
	PodsVerified PodRecords = iota
	// PodsInsecure: every well-formed address exists in every namespace.
	PodsInsecure
	// PodsDisabled: none exists.
	PodsDisabled
)

// Config says what to answer and what to ask. The zero value of every field is
// its default.
type Config struct {
	// Zone is the cluster domain; what is empty or no DNS name is
	// "cluster.local".
	Zone string
	// TTL of the records, and of negative answers; 0 is 5 s.
	TTL  time.Duration
	Pods PodRecords
	// Upstreams are asked for names outside the zone, the first one first.
	// Without any, such questions are refused.
	Upstreams []netip.AddrPort
	// StubDomains have resolvers of their own; the longest suffix wins. The
	// zone itself cannot be given away.
	StubDomains map[string][]netip.AddrPort
	// Own are addresses that lead to this server besides those it listens on
	// (the cluster IP of the DNS Service): never forwarded to, and the
	// addresses of ns.dns.ZONE.
	Own []netip.AddrPort

	// CacheEntries bounds the answers of upstreams that are kept; 0 is 10,000,
	// negative is none. CacheBytes bounds their octets; 0 is 16 MiB.
	CacheEntries, CacheBytes int
	// MaxForwards bounds the questions that are with upstreams; 0 is 1,000.
	// Further ones are answered SERVFAIL.
	MaxForwards int
	// TryTimeout is how long one upstream has, ForwardTimeout how long all of
	// them have; 0 is 1.5 s and 4.5 s: clients give up after 5 s.
	TryTimeout, ForwardTimeout time.Duration
	// MaxConnections bounds open TCP connections; 0 is 1,024. A quarter of
	// them may come from one address.
	MaxConnections int
	// IdleTimeout is how long a TCP client may take for its next query, and
	// for taking an answer; 0 is 10 s.
	IdleTimeout time.Duration
	// Flag is the command-line flag that chooses another port, named in
	// errors ("--dns-port").
	Flag string
	// Logger gets rare events; nil is silence.
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.Zone == "" {
		c.Zone = "cluster.local"
	}
	c.TTL = orDuration(c.TTL, 5*time.Second)
	c.TryTimeout = orDuration(c.TryTimeout, 1500*time.Millisecond)
	c.ForwardTimeout = orDuration(c.ForwardTimeout, 4500*time.Millisecond)
	c.IdleTimeout = orDuration(c.IdleTimeout, 10*time.Second)
	c.CacheEntries = orInt(c.CacheEntries, 10_000)
	c.CacheBytes = orInt(c.CacheBytes, 16<<20)
	c.MaxForwards = orInt(c.MaxForwards, 1000)
	c.MaxConnections = orInt(c.MaxConnections, 1024)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func orDuration(d, otherwise time.Duration) time.Duration {
	if d <= 0 {
		return otherwise
	}
	return d
}

func orInt(n, otherwise int) int {
	if n == 0 {
		return otherwise
	}
	return n
}

// Server answers DNS questions. All methods but Update are safe for concurrent
// use.
type Server struct {
	config  Config
	builder *builder
	// zone is nil before the first Update. What it points to is never written.
	zone    atomic.Pointer[zone]
	forward *forwarder
	own     atomic.Pointer[[]netip.AddrPort] // leads here
	// token marks queries of this server to upstreams, so that it knows them
	// when they come back.
	token [tokenSize]byte

	loopTold  atomic.Bool
	panicTold atomic.Int64 // Unix second of the last panic that was logged
	now       func() time.Time
	began     time.Time

	closing context.Context // ends with Close or with Run
	close   context.CancelFunc
	tasks   sync.WaitGroup // everything that Run waits for

	mu       sync.Mutex
	running  bool
	closed   bool
	udp      []*udpSocket
	tcp      []*tcpListener
	counters []*counters
	streams  *streams
	buffers  sync.Pool // of *tcpBuffer
}

// New makes a Server that does not listen yet.
func New(c Config) *Server {
	c = c.withDefaults()
	s := &Server{config: c, now: time.Now, began: time.Now()}
	// The time since 1.24 in which crypto/rand could fail is over: it crashes.
	_, _ = rand.Read(s.token[:])
	s.closing, s.close = context.WithCancel(context.Background())
	own := slices.Clone(c.Own)
	s.own.Store(&own)
	s.builder = newBuilder(c)
	if _, ok := wireName(c.Zone); !ok {
		c.Logger.Error("dns: the cluster domain is no DNS name; names below cluster.local are served instead", "domain", c.Zone)
	}
	s.forward = newForwarder(s)
	s.streams = newStreams(c.MaxConnections)
	return s
}

// Update makes n what is answered from. It must be called from one goroutine
// at a time; its cost is that of the Services that are not the same pointers as
// in the Network before.
func (s *Server) Update(n *ir.Network) {
	if n == nil {
		return
	}
	s.zone.Store(s.builder.update(s.zone.Load(), n))
}

// Run answers until ctx ends or Close is called; it must be called once. When
// it returns nothing of the Server is left.
func (s *Server) Run(ctx context.Context) error {
	if err := s.start(); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, s.close)
	defer stop()
	<-s.closing.Done()
	s.closeSockets()
	s.tasks.Wait()
	return nil
}

func (s *Server) start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running {
		return errors.New("dns: Run called twice")
	}
	s.running = true
	if s.closed {
		return nil
	}
	for _, u := range s.udp {
		s.startUDP(u)
	}
	for _, l := range s.tcp {
		s.startTCP(l)
	}
	s.tasks.Go(func() { s.forward.watch(s.closing) })
	return nil
}

// Close closes all sockets and makes Run return.
func (s *Server) Close() error {
	s.close()
	s.closeSockets()
	return nil
}

func (s *Server) closeSockets() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, u := range s.udp {
		u.conn.Close()
	}
	for _, l := range s.tcp {
		l.ln.Close()
	}
	s.streams.closeAll()
}
