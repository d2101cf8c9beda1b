package l4

import (
	"fmt"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"

	"daemun/internal/ir"
)

// key identifies a frontend.
type key struct {
	transport ir.Transport
	at        netip.AddrPort
}

func (k key) String() string { return fmt.Sprintf("%s %s", k.transport, k.at) }

// frontend is one address, port and transport that a Service answers on. It
// outlives changes of its Service as long as some Service claims the address.
type frontend struct {
	loop *loop
	key  key

	// Written by Update only.
	owner     *service
	err       error // why it is not open, though it should be
	listening bool  // as isOpen, but without the loop's mutex

	// Guarded by loop.mu.
	reg      registration // fd is -1 while closed
	plan     *plan
	filtered bool // a program is or was attached
	burst    int  // connections to take after the first of an event
	flows    map[netip.AddrPort]*flow
}

// plan is what a frontend does with new connections. It is never written
// after it was made.
type plan struct {
	rules   *rules
	kind    Kind
	at      int // node of a NodePort
	address netip.Addr
	port    *portState
}

// portState is what of a Service port outlives its changes.
type portState struct {
	// affinity tells the affine clients of this port from those of others.
	affinity uint64
}

func (f *frontend) ready(l *loop, _ int, _ uint32) {
	if f.reg.fd < 0 {
		return
	}
	if f.key.transport == ir.UDP {
		f.receive(l)
		return
	}
	f.accept(l)
}

// apply makes the socket what the plan wants: closed when every client is
// refused, open otherwise, with a program when some are dropped.
func (f *frontend) apply(p *plan) (open bool, err error) {
	l := f.loop
	l.mu.Lock()
	defer l.mu.Unlock()
	f.plan = p
	if len(p.rules.all) == 0 {
		f.close()
		return false, nil
	}
	f.dropStale(l)
	filter := p.filter()
	if f.reg.fd >= 0 {
		f.setFilter(f.reg.fd, filter)
		return true, nil
	}
	err = f.open(l, filter)
	return err == nil, err
}

// open makes the socket. The program is attached before the first client can
// come.
func (f *frontend) open(l *loop, filter *sourceFilter) error {
	if fd := l.server.inherited.take(f); fd >= 0 {
		return f.goOn(l, fd, filter)
	}
	kind := unix.SOCK_STREAM
	if f.key.transport == ir.UDP {
		kind = unix.SOCK_DGRAM
	}
	fd, e := newSocket(f.key.at.Addr().Is4(), kind)
	if e != 0 {
		return os.NewSyscallError("socket", e)
	}
	f.filtered = false
	f.setFilter(fd, filter)
	if err := f.listen(l, fd); err != nil {
		f.reg.fd = -1
		closeSocket(fd)
		return err
	}
	return nil
}

// goOn opens with the socket of another process, whatever program that has
// attached.
func (f *frontend) goOn(l *loop, fd int, filter *sourceFilter) error {
	f.filtered = true
	f.setFilter(fd, filter)
	f.reg = registration{owner: f, fd: fd}
	if e := l.poll(&f.reg, listenEvents); e != 0 {
		f.reg.fd = -1
		closeSocket(fd)
		return os.NewSyscallError("epoll_ctl", e)
	}
	return nil
}

func (f *frontend) listen(l *loop, fd int) error {
	stream := f.key.transport == ir.TCP
	if stream {
		// Connections of a frontend outlive its socket, and must not stand in
		// the way of the next one. Accepted sockets inherit the other.
		setInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
		setInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	}
	if !f.key.at.Addr().Is4() {
		setInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1)
	}
	if e := bindTo(fd, f.key.at); e != 0 {
		return os.NewSyscallError("bind", e)
	}
	if stream {
		if err := unix.Listen(fd, backlog); err != nil {
			return os.NewSyscallError("listen", err)
		}
	}
	f.reg = registration{owner: f, fd: fd}
	if e := l.poll(&f.reg, listenEvents); e != 0 {
		return os.NewSyscallError("epoll_ctl", e)
	}
	return nil
}

// close ends listening. Connections go on; flows end, for nobody could answer
// with the frontend's address any more.
func (f *frontend) close() {
	if f.reg.fd < 0 {
		return
	}
	for _, flow := range f.flows {
		flow.end(f.loop)
	}
	f.loop.closeListening(&f.reg)
}

func (f *frontend) isOpen() bool { return f.reg.fd >= 0 }

// setFilter attaches the program of a filter. Where that is refused (some
// kernels want CAP_NET_ADMIN) or the program would be too long, the same rules
// run after accept.
func (f *frontend) setFilter(fd int, filter *sourceFilter) {
	if filter == nil {
		if f.filtered {
			_ = attachFilter(fd, nil)
		}
		return
	}
	f.filtered = true
	program, ok := filter.compile(f.key.at.Addr().Is4())
	if !ok {
		_ = attachFilter(fd, nil) // an old one must not go on
		return
	}
	if err := f.loop.server.config.attach(fd, program); err != nil {
		_ = attachFilter(fd, nil)
		f.loop.server.unfiltered(err)
	}
}

// filter returns who is dropped; nil when nobody is.
func (p *plan) filter() *sourceFilter {
	f := &sourceFilter{rest: true}
	s, is4 := p.rules.service, p.address.Is4()
	if p.kind == LoadBalancer {
		for _, r := range s.SourceRanges {
			if r.Addr().Is4() != is4 {
				continue
			}
			f.ranges = append(f.ranges, r.Masked())
			if p.rules.places.anyNodeIn(r) {
				f.ranges = append(f.ranges, netip.PrefixFrom(p.address, p.address.BitLen()))
			}
		}
	}
	if p.kind == ClusterIP && s.InternalLocal || p.kind != ClusterIP && s.ExternalLocal || len(p.rules.receivers) == 0 {
		p.addPolicy(f)
	}
	if f.open() {
		return nil
	}
	return f
}

// addPolicy adds the clients that have no endpoint where they arrive.
func (p *plan) addPolicy(f *sourceFilter) {
	passes := func(from place) bool {
		for _, node := range p.rules.arrivals(p.kind, p.at, from) {
			if w := p.rules.way(p.kind, node, from); w.verdict == Forward {
				return true
			}
		}
		return false
	}
	places := p.rules.places
	for a, i := range places.byAddr {
		f.rules = append(f.rules, sourceRule{netip.PrefixFrom(a, a.BitLen()), passes(place{node: i})})
	}
	for _, bits := range places.bits { // longest first, as places.of looks
		for network, i := range places.pods {
			if network.Bits() == bits {
				f.rules = append(f.rules, sourceRule{network, passes(place{node: i, pod: true})})
			}
		}
	}
	f.rest = passes(place{node: outside})
}
