package l4

import (
	"net/netip"
	"slices"
	"time"

	"daemun/internal/ir"
)

// Tune sets how the connections and flows that begin from now on are treated,
// and when all of them have idled for too long. Without it connections may idle
// for ever, and one endpoint is tried. s must not be changed afterwards.
func (s *Server) Tune(t *ir.Streams) { s.streams.Store(t) }

// another is what it takes to try a further endpoint for a connection. It is
// nil where one is all.
type another struct {
	plan   *plan
	client netip.Addr
	began  time.Time
	tried  []netip.AddrPort
}

// another of an arrival remembers the first endpoint.
func (p *plan) another(l *loop, client netip.Addr, first netip.AddrPort) *another {
	t := l.server.streams.Load()
	if t == nil || t.Tries == 1 || len(p.rules.service.Endpoints) < 2 {
		return nil
	}
	return &another{plan: p, client: client, began: l.now, tried: []netip.AddrPort{first}}
}

// next is a further endpoint; false means that there is none to try.
func (a *another) next(l *loop) (to endpoint, sources [2]netip.Addr, ok bool) {
	t := l.server.streams.Load()
	if a == nil || t == nil || t.Tries > 0 && len(a.tried) >= t.Tries || t.RetryFor > 0 && l.now.Sub(a.began) >= t.RetryFor.D() {
		return to, sources, false
	}
	to, sources, refused := a.plan.pick(l, a.client, a.tried...)
	if refused != admitted || slices.Contains(a.tried, to.to) {
		return to, sources, false
	}
	a.tried = append(a.tried, to.to)
	return to, sources, true
}

// redial gives a connection whose endpoint cannot be reached to another one;
// false means that there is none, and that nothing has changed.
func (c *conn) redial(l *loop) bool {
	for {
		to, sources, ok := c.another.next(l)
		if !ok {
			return false
		}
		fd, e := openTo(to, sources)
		if e == 0 {
			c.exchange(l, fd, to.to, sources[0])
			return true
		}
		l.count.dialFailed.Add(1)
	}
}

// exchange puts a new socket in the place of the one to the endpoint.
func (c *conn) exchange(l *loop, fd int, to netip.AddrPort, source netip.Addr) {
	s := &c.sides[endpointSide]
	l.forget(&s.reg)
	closeSocket(s.reg.fd)
	*s = side{reg: registration{owner: c, fd: fd, side: endpointSide}}
	c.mayBeItself = to.Addr() == source || to.Addr() == usualSource(to.Addr())
	c.deadline = l.now.Add(l.server.config.DialTimeout)
	c.session.leadsTo(to)
	l.listMu.Lock()
	l.dialing.remove(c)
	l.dialing.pushFront(c) // the list is by deadline
	l.listMu.Unlock()
	if e := l.poll(&s.reg, connEvents); e != 0 {
		c.deadline = l.now // ended at the next tick
	}
}

// looksPerIdle is how often a connection is looked at within its idle time: it
// ends late by a part of that.
const looksPerIdle = 8

// expireIdle ends the connections that have idled. They are looked at in turn,
// so that passing octets on costs nothing but the time of it.
func (l *loop) expireIdle() {
	t := l.server.streams.Load()
	if t == nil || t.Idle <= 0 {
		return
	}
	every := t.Idle.D() / looksPerIdle
	for {
		l.listMu.Lock()
		c := l.open.last
		due := c != nil && l.now.Sub(c.looked) >= every
		if due {
			c.looked = l.now
			l.open.remove(c)
			l.open.pushFront(c)
		}
		l.listMu.Unlock()
		switch {
		case !due:
			return
		case l.now.Sub(c.used) >= t.Idle.D():
			l.count.idled.Add(1)
			c.cut()
		}
	}
}

const (
	// leastIdle is how long nothing has been passed on over a connection that
	// gives way to a new one: longer than most protocols are silent that ask
	// whether the other one is still there.
	leastIdle = time.Minute
	// shedLooks bounds the connections that are looked at for a new one.
	shedLooks = 64
)

// shedIdle ends the connection that has idled longest, of some that were not
// looked at for the longest time, and reports whether there was one (H6.13). It
// looks at those of its own loop only, as no other one may touch a connection.
func (l *loop) shedIdle() bool {
	l.ageConnections() // which ends at the first that is not new, as those are that were looked at
	var longest *conn
	l.listMu.Lock()
	for looked, first := 0, l.open.first; first != nil; {
		c := l.open.last
		c.looked = l.now
		l.open.remove(c)
		l.open.pushFront(c)
		if longest == nil || c.used.Before(longest.used) {
			longest = c
		}
		if looked++; looked == shedLooks || c == first {
			break
		}
	}
	l.listMu.Unlock()
	if longest == nil || l.now.Sub(longest.used) < leastIdle {
		return false
	}
	l.count.idled.Add(1)
	longest.cut()
	return true
}

// flowTimes are how long flows may idle, with and without an answer.
func (s *Server) flowTimes() (replied, unreplied time.Duration) {
	if t := s.streams.Load(); t != nil && t.Idle > 0 {
		return t.Idle.D(), min(s.config.UnrepliedTimeout, t.Idle.D())
	}
	return s.config.FlowTimeout, s.config.UnrepliedTimeout
}

// answered reports that a flow has had all its answers.
func (w *flow) answered(l *loop) bool {
	t := l.server.streams.Load()
	return t != nil && t.Responses != nil && w.got >= w.asked*uint64(*t.Responses)
}
