package listen

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"daemun/internal/ir"
	"daemun/internal/policy"
	"daemun/internal/proxyproto"
)

// Preamble is what listeners expect before the first octet of a client: the
// header of the PROXY protocol, or nothing. Update publishes another wish, which
// counts from the next connection on. It is safe for concurrent use.
type Preamble struct{ current atomic.Pointer[preamble] }

type preamble struct {
	timeout time.Duration
	trusted *policy.Networks // nil: everybody
}

// Update publishes the settings of cfg.
func (p *Preamble) Update(cfg *ir.Config) {
	wish := cfg.Settings.ProxyProtocol
	if wish == nil {
		p.current.Store(nil)
		return
	}
	next := &preamble{timeout: wish.Timeout.D()}
	if trusted := cfg.Settings.Forwarded.Trusted; len(trusted) > 0 {
		next.trusted = policy.NewNetworks(trusted)
	}
	p.current.Store(next)
}

// load returns what is expected now; nil is nothing.
func (p *Preamble) load() *preamble {
	if p == nil {
		return nil
	}
	return p.current.Load()
}

func (p *preamble) trusts(peer netip.Addr) bool { return p.trusted == nil || p.trusted.Contains(peer) }

// readPreamble reads the header of the PROXY protocol. It is mandatory: nobody
// guesses what a connection begins with (H4.8). Who is not trusted with it has
// to send one all the same, as with ingress-nginx, and stays who it is.
func (l *Listener) readPreamble(ctx context.Context, c *net.TCPConn, want *preamble, info *ConnInfo) error {
	_ = c.SetReadDeadline(time.Now().Add(want.timeout)) // absolute (H6.17)
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	h, err := readHeader(c)
	if err != nil {
		return err
	}
	_ = c.SetReadDeadline(time.Time{})
	info.Proxied = h
	if h.Known() && want.trusts(info.Peer.Addr()) {
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
