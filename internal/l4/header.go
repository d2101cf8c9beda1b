package l4

import (
	"errors"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"daemun/internal/proxyproto"
)

// arrival is a client that is to get an endpoint.
type arrival struct {
	// client is who it is, by its connection or by a header that is believed.
	client netip.AddrPort
	// to is where it connected to, by that header; zero asks the socket.
	to netip.AddrPort
	// rest are octets of the client that came along with the header.
	rest []byte
	// counted: the connection is among the open ones already.
	counted bool
}

// opening is what an endpoint gets before the octets that are still in the
// client's socket.
type opening struct {
	octets []byte
	// own is how many of them, at the end, are the client's.
	own int
}

// opening of an arrival is nil where there is nothing to say first. The header
// is of version 1, as nginx gives it.
func (p *plan) opening(fd int, a *arrival) *opening {
	if !p.givesHeader() {
		if len(a.rest) == 0 {
			return nil
		}
		return &opening{a.rest, len(a.rest)}
	}
	to := a.to
	if !to.IsValid() {
		to = localName(fd)
	}
	b := proxyproto.AppendV1(make([]byte, 0, proxyproto.MaxV1+len(a.rest)), a.client, to)
	return &opening{append(b, a.rest...), len(a.rest)}
}

func (p *plan) takesHeader() bool { return p.rules.service.Ports[p.rules.port].TakesHeader }
func (p *plan) givesHeader() bool { return p.rules.service.Ports[p.rules.port].GivesHeader }

// localName is where the peer of a socket connected to.
func localName(fd int) netip.AddrPort {
	name, err := unix.Getsockname(fd)
	if err != nil {
		return netip.AddrPort{}
	}
	switch n := name.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(n.Addr), uint16(n.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(n.Addr), uint16(n.Port))
	}
	return netip.AddrPort{}
}

// greeting is a connection whose header has not arrived whole. It has no
// endpoint yet: who sends something else never reaches one (H4.8).
type greeting struct {
	frontend *frontend
	reg      registration
	peer     netip.AddrPort
	have     []byte
	until    time.Time
	closed   bool
}

// greet waits for the header of a new connection.
func (f *frontend) greet(l *loop, fd int, peer netip.AddrPort) {
	if l.server.tcp.Add(1) > int64(l.server.config.MaxConnections) && !l.shedIdle() {
		f.turnAway(l, fd, peer, refusedByLimit)
		return
	}
	g := &greeting{frontend: f, peer: peer, until: l.now.Add(f.plan.rules.service.HeaderTimeout.D())}
	g.reg = registration{owner: g, fd: fd}
	if l.poll(&g.reg, unix.EPOLLIN|unix.EPOLLRDHUP) != 0 {
		f.turnAway(l, fd, peer, refusedByLimit)
		return
	}
	if l.greetings == nil {
		l.greetings = map[*greeting]struct{}{}
	}
	l.greetings[g] = struct{}{}
}

// turnAway ends a counted connection that gets no endpoint.
func (f *frontend) turnAway(l *loop, fd int, peer netip.AddrPort, why refusal) {
	l.count.refused[why].Add(1)
	f.beginSession(l, peer, netip.AddrPort{}).end(l.server, true)
	resetSocket(fd)
	l.server.connectionEnded()
}

func (g *greeting) ready(l *loop, _ int, _ uint32) {
	if g.closed {
		return
	}
	n, e := readFrom(g.reg.fd, l.copied[:min(len(l.copied), proxyproto.Max)])
	if e == unix.EAGAIN {
		return
	}
	if e != 0 || n == 0 {
		g.refuse(l)
		return
	}
	g.have = append(g.have, l.copied[:n]...)
	h, size, err := proxyproto.Parse(g.have)
	switch {
	case errors.Is(err, proxyproto.ErrIncomplete):
		return
	case err != nil:
		g.refuse(l)
		return
	}
	a := arrival{client: g.peer, rest: g.have[size:], counted: true}
	if h.Known() && g.believed() {
		a.client, a.to = h.Source, h.Destination
	}
	g.leave(l)
	// The loop that takes the connection watches the socket from then on.
	_ = unix.EpollCtl(l.epoll, unix.EPOLL_CTL_DEL, g.reg.fd, nil)
	g.frontend.connect(l, g.reg.fd, &a)
}

// believed says whether the peer may name another client. Who is not has to
// send a header all the same, and stays who it is.
func (g *greeting) believed() bool {
	trusted := g.frontend.plan.rules.service.HeaderTrusted
	peer := g.peer.Addr().Unmap()
	return len(trusted) == 0 || slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(peer) })
}

// leave ends the wait; the socket is the caller's.
func (g *greeting) leave(l *loop) {
	g.closed = true
	l.forget(&g.reg)
	delete(l.greetings, g)
}

// refuse ends a connection without a header.
func (g *greeting) refuse(l *loop) {
	g.leave(l)
	g.frontend.turnAway(l, g.reg.fd, g.peer, refusedByHeader)
}

// expireGreetings ends those whose header has had its time. They are few, and
// their times may differ.
func (l *loop) expireGreetings() {
	for g := range l.greetings {
		if !g.until.After(l.now) {
			g.refuse(l)
		}
	}
}

func (l *loop) cutGreetings() {
	for g := range l.greetings {
		g.refuse(l)
	}
}
