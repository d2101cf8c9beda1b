package l4

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// acceptBatch is how many connections one event takes from a listening
	// socket: others wait, too. The rest is reported again.
	acceptBatch = 16
	// backlog is how many clients may wait for us; the kernel lowers it to
	// net.core.somaxconn.
	backlog = 4096
)

// accept takes new connections from a frontend: as many as came last time,
// because to find out that there is none more costs as much as a socket. What
// is left is reported again.
func (f *frontend) accept(l *loop) {
	for got := 1; ; got++ {
		fd, client, e := acceptFrom(f.reg.fd)
		switch e {
		case 0:
			f.admit(l, fd, client)
			if got > f.burst {
				f.burst = min(2*got, acceptBatch)
				return
			}
		case unix.ECONNABORTED, unix.EINTR:
			// That client has gone.
			if got > f.burst {
				return
			}
		case unix.EAGAIN:
			f.burst = got / 2
			return
		default:
			l.pause(&f.reg, e)
			return
		}
	}
}

// admit decides about one accepted connection.
func (f *frontend) admit(l *loop, fd int, client netip.AddrPort) {
	if f.filtered {
		// The connection has inherited the program, which has done its work,
		// and would cost time with each packet.
		_ = attachFilter(fd, nil)
	}
	l.count.accepted.Add(1)
	if l.server.isFull() {
		l.count.refused[refusedForMemory].Add(1) // first: whoever sees the end finds it counted
		resetSocket(fd)
		f.beginSession(l, client, netip.AddrPort{}).end(l.server, true)
		return
	}
	if f.plan.takesHeader() {
		f.greet(l, fd, client)
		return
	}
	f.connect(l, fd, &arrival{client: client})
}

// isFull says that nobody new is let in (H6.19).
func (s *Server) isFull() bool { return s.config.Full != nil && s.config.Full.Load() }

// connect gives a connection an endpoint, or ends it.
func (f *frontend) connect(l *loop, fd int, a *arrival) {
	c := &l.count
	p := f.plan
	to, sources, refused := p.pick(l, a.client.Addr())
	s := f.beginSession(l, a.client, to.to)
	tooMany := !a.counted && l.server.tcp.Add(1) > int64(l.server.config.MaxConnections)
	if refused == admitted && tooMany && !l.shedIdle() {
		refused = refusedByLimit
	}
	if refused != admitted {
		c.refused[refused].Add(1)
		l.server.connectionEnded() // first: whoever sees the end finds it counted
		resetSocket(fd)
		s.end(l.server, true)
		return
	}
	conn := &conn{session: s, opening: p.opening(fd, a), another: p.another(l, a.client.Addr(), to.to)}
	e := l.dial(fd, to, sources, conn)
	for more := true; e != 0 && more; { // a refusal of this machine comes at once
		c.dialFailed.Add(1)
		if to, sources, more = conn.another.next(l); more {
			s.leadsTo(to.to)
			e = l.dial(fd, to, sources, conn)
		}
	}
	if e == 0 {
		return
	}
	resetSocket(fd)
	s.end(l.server, true)
	l.server.connectionEnded()
	if noRoom(e) {
		l.pause(&f.reg, e)
	}
}

// pick chooses an endpoint for a new connection or flow of a client, and the
// addresses that the endpoint may see, the right one first.
// Those that were tried in vain come only where there is no other.
func (p *plan) pick(l *loop, client netip.Addr, tried ...netip.AddrPort) (endpoint, [2]netip.Addr, refusal) {
	var sources [2]netip.Addr
	if p.kind == LoadBalancer && len(p.rules.service.SourceRanges) > 0 && !allowed(p.rules.service, p.rules.places, p.address, client) {
		return endpoint{}, sources, refusedBySource
	}
	r := p.rules
	from := r.places.of(client)
	nodes := r.arrivals(p.kind, p.at, from)
	if len(nodes) == 0 {
		if len(r.all) == 0 {
			return endpoint{}, sources, refusedNoEndpoint
		}
		return endpoint{}, sources, refusedByPolicy
	}
	var held endpoint
	sticky := r.service.Affinity > 0
	if sticky {
		held = endpoint{to: l.server.affinity.held(p.port, client, l.now)}
	}
	node := nodes[0]
	if len(nodes) > 1 {
		node = p.receiver(nodes, held, from)
	}
	w := r.way(p.kind, node, from)
	switch w.verdict {
	case Reject:
		return endpoint{}, sources, refusedNoEndpoint
	case Drop:
		return endpoint{}, sources, refusedByPolicy
	}
	e := w.choose(held)
	if len(tried) > 0 {
		e = w.chooseOther(tried)
	}
	if filter := l.server.config.DialFilter; filter != nil && filter(e.to) != nil {
		return endpoint{}, sources, refusedByFilter
	}
	if sticky {
		l.server.affinity.keep(p.port, client, e.to, l.now.Add(r.service.Affinity.D()))
	}
	sources[0] = r.places.addressOf(node, e.to.Addr())
	if w.keep {
		sources[0], sources[1] = client, sources[0]
	}
	return e, sources, admitted
}

// receiver is the balancer in front: it chooses a node at random, and stays
// with the one of the endpoint that an affine client holds.
func (p *plan) receiver(nodes []int, held endpoint, from place) int {
	if held.to.IsValid() && p.rules.service.ExternalLocal {
		for _, n := range nodes {
			if w := p.rules.way(p.kind, n, from); w.has(held.to) {
				return n
			}
		}
	}
	return nodes[rand.IntN(len(nodes))]
}

func (w *way) has(to netip.AddrPort) bool {
	for i := range w.set {
		if w.set[i].to == to {
			return true
		}
	}
	return false
}

// choose returns the held endpoint if it is in the set, otherwise any with
// equal chance. The set is not empty.
func (w *way) choose(held endpoint) endpoint {
	if held.to.IsValid() {
		for i := range w.set {
			if w.set[i].to == held.to {
				return w.set[i]
			}
		}
	}
	if len(w.set) == 1 {
		return w.set[0]
	}
	return w.set[rand.IntN(len(w.set))]
}

// chooseOther returns any endpoint that is not among some; where all are, any.
func (w *way) chooseOther(tried []netip.AddrPort) endpoint {
	begin := rand.IntN(len(w.set))
	for i := range w.set {
		if e := w.set[(begin+i)%len(w.set)]; !slices.Contains(tried, e.to) {
			return e
		}
	}
	return w.set[begin]
}

// openTo begins to connect a new socket.
func openTo(to endpoint, sources [2]netip.Addr) (fd int, e unix.Errno) {
	fd, e = sourceSocket(unix.SOCK_STREAM, to.to.Addr(), sources[:]...)
	if e != 0 {
		return -1, e
	}
	if e := connectTo(fd, to.to); e != 0 && e != unix.EINPROGRESS {
		closeSocket(fd)
		return -1, e
	}
	return fd, 0
}

// dial begins the connection to an endpoint and gives both to a loop. On
// failure the client's socket is still the caller's.
func (l *loop) dial(client int, to endpoint, sources [2]netip.Addr, c *conn) unix.Errno {
	fd, e := openTo(to, sources)
	if e != 0 {
		return e
	}
	target := l.server.loops[l.next]
	l.next = (l.next + 1) % len(l.server.loops)
	c.loop, c.deadline = target, l.now.Add(l.server.config.DialTimeout)
	c.mayBeItself = to.to.Addr() == sources[0] || to.to.Addr() == usualSource(to.to.Addr())
	c.sides[clientSide].reg = registration{owner: c, fd: client, side: clientSide}
	c.sides[endpointSide].reg = registration{owner: c, fd: fd, side: endpointSide}
	target.listMu.Lock()
	target.dialing.pushFront(c)
	target.listMu.Unlock()
	// The last that this loop does with it: from now on it is the target's.
	// The client is watched when the endpoint has answered.
	if e := target.poll(&c.sides[endpointSide].reg, connEvents); e != 0 {
		target.listMu.Lock()
		target.dialing.remove(c)
		target.listMu.Unlock()
		closeSocket(fd)
		return e
	}
	return 0
}

// noRoom says that the process or the machine is short of something that time
// may give back.
func noRoom(e unix.Errno) bool {
	return e == unix.EMFILE || e == unix.ENFILE || e == unix.ENOBUFS || e == unix.ENOMEM || e == unix.ENOSPC
}

// pause stops taking connections from a listening socket until the next tick:
// its clients wait in the queue, nothing spins. One of them is told that there
// is no room (H11.10), so that a shortage that lasts does not look like silence.
func (l *loop) pause(r *registration, e unix.Errno) {
	if r.paused || r.fd < 0 {
		return
	}
	l.count.acceptErrors.Add(1)
	if len(l.paused) == 0 {
		l.server.logger.Warn("accept failed, slowing down", "err", e)
	}
	if l.reserve >= 0 && (e == unix.EMFILE || e == unix.ENFILE) {
		closeSocket(l.reserve)
		if fd, _, e := acceptFrom(r.fd); e == 0 {
			l.count.refused[refusedByLimit].Add(1)
			resetSocket(fd)
		}
		l.reserve = openReserve()
	}
	r.paused = true
	l.paused = append(l.paused, r)
	l.watch(r, 0)
}

// resume takes connections again after a pause. A shortage that lasts brings
// the next pause after one more attempt.
func (l *loop) resume() {
	paused := l.paused
	l.paused = nil
	for _, r := range paused {
		if r.paused { // not closed meanwhile
			r.paused = false
			l.watch(r, listenEvents)
		}
	}
}

// openReserve opens a descriptor to be given up in need; -1 when there is none.
func openReserve() int {
	fd, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1 // the next shortage is met without
	}
	return fd
}

// expireDials ends the attempts that have had their time.
func (l *loop) expireDials() {
	for {
		l.listMu.Lock()
		c := l.dialing.last
		l.listMu.Unlock()
		if c == nil || c.deadline.After(l.now) {
			return
		}
		l.count.dialFailed.Add(1)
		if !c.redial(l) {
			c.reset(endpointSide)
		}
	}
}

// keepAliveIdle is when a silent peer is asked whether it is still there, and
// keepAliveEvery how often after that.
const (
	keepAliveIdle  = 5 * time.Minute
	keepAliveEvery = 30 * time.Second
)

// ageConnections gives connections what they need when they last longer than a
// tick: short ones go without six system calls.
func (l *loop) ageConnections() {
	l.listMu.Lock()
	defer l.listMu.Unlock()
	for c := l.open.first; c != nil && !c.aged; c = c.next {
		c.aged = true
		for i := range c.sides {
			setKeepAlive(c.sides[i].reg.fd)
		}
	}
}

func setKeepAlive(fd int) {
	setInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
	setInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, int32(keepAliveIdle/time.Second))
	setInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, int32(keepAliveEvery/time.Second))
}
