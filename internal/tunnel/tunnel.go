// Package tunnel carries the octets of upgraded connections between two
// sockets.
//
//	g := tunnel.NewGroup(tunnel.Config{})
//	t, ok := g.Begin(tunnel.Pair{Client: client, Upstream: upstream, Idle: time.Minute, Age: 24 * time.Hour, Ended: ended})
//	…
//	func ended(t *tunnel.Tunnel) { // both sockets are closed
//		in, out := t.Octets()
//	}
//
// It turns two connections into one Tunnel, which ends when either side does,
// when neither sends anything for too long, or when it is old. All it knows of
// what is inside are the frames of WebSockets, so that it can say goodbye
// between two of them; it knows nothing of HTTP or routes. The client's side may
// be TLS that began elsewhere.
//
// There is no goroutine for each tunnel and, while it is idle, no buffer: a
// loop for each processor waits for the sockets of many and passes on what
// comes. A loop has its goroutine and its epoll descriptor as long as it has
// tunnels, so there is nothing to be stopped; the end of a tunnel is told on a
// goroutine that ends with the call.
package tunnel

import (
	"log/slog"
	"net"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Config is what a Group works with. The zero value is usable.
type Config struct {
	// Logger tells of panics; nil says nothing.
	Logger *slog.Logger
	// Panicked is called for each; nil counts nothing.
	Panicked func()
}

// Group shares its tunnels among its loops. It is safe for concurrent use.
type Group struct {
	config Config
	loops  []*loop
	next   atomic.Uint32
}

// maxLoops bounds the loops of a group: they move octets about as fast as the
// kernel takes them.
const maxLoops = 64

// NewGroup returns a group without tunnels.
func NewGroup(c Config) *Group {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	g := &Group{config: c, loops: make([]*loop, min(runtime.GOMAXPROCS(0), maxLoops))}
	for i := range g.loops {
		g.loops[i] = &loop{group: g}
	}
	return g
}

// Pair is what becomes a tunnel.
type Pair struct {
	Client, Upstream *net.TCPConn
	// Secure is TLS over Client with a Line between; nil for plain octets.
	Secure Secure
	// FromClient and FromUpstream were read already and are passed on first.
	FromClient, FromUpstream []byte
	// Idle is how long neither side may send anything, Age how long the tunnel
	// may live, WriteIdle how long a side may take nothing of what waits for
	// it.
	Idle, Age, WriteIdle time.Duration
	// Ended is called when both sockets are closed, on a goroutine of its own
	// and perhaps before Begin returns; nil tells nobody.
	Ended func(*Tunnel)
}

// Begin takes the sockets of both connections over and closes the connections.
// When it cannot it reports false, and the caller still has them as they were.
func (g *Group) Begin(p Pair) (*Tunnel, bool) {
	if p.Secure != nil && lineOf(p.Secure) == nil {
		return nil, false
	}
	client, ok := duplicate(p.Client)
	if !ok {
		return nil, false
	}
	upstream, ok := duplicate(p.Upstream)
	if !ok {
		closeSocket(client)
		return nil, false
	}
	l := g.loops[int(g.next.Add(1))%len(g.loops)]
	t := &Tunnel{loop: l, idle: p.Idle, age: p.Age, writeIdle: p.WriteIdle, tell: p.Ended}
	t.sides[clientSide] = side{tunnel: t, fd: client, secure: p.Secure}
	t.sides[upstreamSide] = side{tunnel: t, fd: upstream}
	// The runtime's poller forgets them before ours learns of them, so that
	// nothing is woken twice.
	if p.Secure != nil {
		lineOf(p.Secure).side = &t.sides[clientSide]
	}
	_ = p.Client.Close()
	_ = p.Upstream.Close()
	l.add(t, p.FromClient, p.FromUpstream)
	return t, true
}

// duplicate returns a descriptor for the socket of c.
func duplicate(c *net.TCPConn) (fd int, ok bool) {
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, false
	}
	fd = -1
	if raw.Control(func(old uintptr) {
		if n, err := unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0); err == nil {
			fd = n
		}
	}) != nil {
		return -1, false
	}
	return fd, fd >= 0
}

// Octets are those that came from the client and those that it got. Ask when
// the tunnel has ended.
func (t *Tunnel) Octets() (fromClient, toClient int64) {
	return t.sides[upstreamSide].passed, t.sides[clientSide].passed
}

// Leave asks the tunnel to say goodbye to its client at the next end of a
// frame. It ends when the client has answered, or soon after.
func (t *Tunnel) Leave() {
	t.loop.mu.Lock()
	defer t.loop.mu.Unlock()
	if t.ended {
		return
	}
	t.loop.now = time.Now()
	t.leaving = true
	if t.move(t.loop); !t.ended {
		t.loop.wakeBy(t.due())
	}
}

// Leaving reports that Leave was called.
func (t *Tunnel) Leaving() bool {
	t.loop.mu.Lock()
	defer t.loop.mu.Unlock()
	return t.leaving
}

// Cut ends the tunnel at once.
func (t *Tunnel) Cut() {
	t.loop.mu.Lock()
	defer t.loop.mu.Unlock()
	t.end()
}
