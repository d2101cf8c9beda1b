package listen

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"daemun/internal/ir"
	"daemun/internal/policy"
	"daemun/internal/proxyproto"
)

// Entrance says which connections listeners take, and what is expected before
// the first octet of a client: the header of the PROXY protocol, or nothing.
// Update publishes other wishes, which count from the next connection on. It is
// safe for concurrent use.
type Entrance struct {
	current atomic.Pointer[entrance]
	clients atomic.Pointer[perClient] // nil before there is a bound
}

// entrance is nil where everybody may come as they are.
type entrance struct {
	ir.Entrance
	timeout time.Duration    // for the header; 0 is no header
	trusted *policy.Networks // nil: everybody
	clients *perClient       // nil: as many connections as each client likes
	// exempt: who is trusted speaks for many clients.
	exempt bool
}

// Update publishes the settings of cfg.
func (p *Entrance) Update(cfg *ir.Config) {
	s := &cfg.Settings
	if s.ProxyProtocol == nil && len(s.Entrance.Addresses) == 0 && !s.Entrance.IPv4Only && s.Entrance.PerClient == 0 {
		p.current.Store(nil)
		return
	}
	next := &entrance{Entrance: s.Entrance}
	if s.ProxyProtocol != nil {
		next.timeout = s.ProxyProtocol.Timeout.D()
	}
	if trusted := cfg.Settings.Forwarded.Trusted; len(trusted) > 0 {
		next.trusted = policy.NewNetworks(trusted)
	}
	if s.Entrance.PerClient > 0 {
		if p.clients.Load() == nil { // Update is called by one goroutine at a time
			p.clients.Store(newPerClient())
		}
		next.clients = p.clients.Load()
		next.exempt = s.Forwarded.Believe || s.Forwarded.BelieveAddress
	}
	p.current.Store(next)
}

// Greeting is what a client without anybody to speak for begins with.
func (p *Entrance) Greeting() string {
	if want := p.load(); want != nil && want.timeout > 0 {
		return "PROXY UNKNOWN\r\n"
	}
	return ""
}

// load returns what is expected now; nil is nothing.
func (p *Entrance) load() *entrance {
	if p == nil {
		return nil
	}
	return p.current.Load()
}

func (p *entrance) trusts(peer netip.Addr) bool { return p.trusted == nil || p.trusted.Contains(peer) }

// count takes the place of a connection among those of its client. The place
// is given back by leave, which is nil for who is not counted.
func (p *entrance) count(info *ConnInfo) (leave func(), ok bool) {
	if p.clients == nil || p.exempt && info.Remote == info.Peer && p.trusts(info.Peer.Addr()) {
		return nil, true
	}
	clients, client := p.clients, clientOf(info.Remote.Addr())
	if !clients.enter(client, p.PerClient) {
		return nil, false
	}
	return func() { clients.leave(client) }, true
}

var errNotHere = errors.New("connections to this address are not taken")

// enter lets a connection in that fulfils the wishes.
func (l *Listener) enter(ctx context.Context, c *net.TCPConn, want *entrance, info *ConnInfo) error {
	at := info.Local.Addr()
	switch {
	case want.IPv4Only && !at.Is4(), len(want.Addresses) > 0 && !slices.Contains(want.Addresses, at):
		return errNotHere
	case want.timeout == 0:
		return nil
	}
	return l.identify(ctx, c, want, info)
}

// identify reads the header of the PROXY protocol. It is mandatory: nobody
// guesses what a connection begins with (H4.8). Who is not trusted with it has
// to send one all the same, as with ingress-nginx, and stays who it is.
func (l *Listener) identify(ctx context.Context, c *net.TCPConn, want *entrance, info *ConnInfo) error {
	_ = c.SetReadDeadline(time.Now().Add(want.timeout)) // absolute (H6.17)
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	h, err := readHeader(c)
	if err != nil {
		return err
	}
	_ = c.SetReadDeadline(time.Time{})
	if !want.trusts(info.Peer.Addr()) {
		return nil // nor about where it connected to: port 443 there is https to backends
	}
	if info.Proxied = h; h.Known() {
		info.Remote = h.Source
	}
	return nil
}

// firstHeader is how much is looked at at once: most headers are shorter.
const firstHeader = 256

// readHeader takes exactly the octets of the header from the socket, so that
// what follows stays there and whoever serves the connection has the socket
// itself, without octets stitched in front.
func readHeader(c *net.TCPConn) (proxyproto.Header, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return proxyproto.Header{}, err
	}
	b, have := make([]byte, firstHeader), 0
	for {
		n, err := peek(raw, b[have:])
		if err != nil {
			return proxyproto.Header{}, err
		}
		h, size, err := proxyproto.Parse(b[:have+n])
		if err != nil && !errors.Is(err, proxyproto.ErrIncomplete) {
			return h, err
		}
		take := n // all that was seen belongs to an incomplete header
		if err == nil {
			take = size - have
		}
		if _, err := io.ReadFull(c, b[have:have+take]); err != nil {
			return h, err
		}
		if err == nil {
			return h, nil
		}
		if have += n; have == len(b) {
			b = append(b, make([]byte, min(len(b), proxyproto.Max-len(b)))...)
		}
	}
}

// peek waits for octets and copies them without taking them.
func peek(raw interface {
	Read(f func(fd uintptr) bool) error
}, b []byte,
) (n int, err error) {
	waitErr := raw.Read(func(fd uintptr) bool {
		for {
			n, _, err = unix.Recvfrom(int(fd), b, unix.MSG_PEEK|unix.MSG_DONTWAIT)
			if err != unix.EINTR {
				return err != unix.EAGAIN
			}
		}
	})
	switch {
	case waitErr != nil:
		return 0, waitErr
	case err != nil:
		return 0, err
	case n == 0:
		return 0, io.ErrUnexpectedEOF
	}
	return n, nil
}
