package listen

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"runtime/debug"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// acceptPause is how long a listener that is full of busy connections
	// leaves new clients in the queue before it turns one away (H6.13).
	acceptPause = time.Second
	// Failed accepts are repeated after a random part of a delay that doubles.
	firstBackoff backoff = backoff(5 * time.Millisecond)
	lastBackoff  backoff = backoff(time.Second)
)

// backoff is the delay after one more accept that has failed.
type backoff time.Duration

// next draws the wait and doubles the delay.
func (b *backoff) next() time.Duration {
	d := time.Duration(*b)
	*b = min(2**b, lastBackoff)
	return d/2 + rand.N(d/2)
}

// Serve accepts connections and runs h in a goroutine for each until Close is
// called or ctx ends, then waits until all handlers have returned. The end of
// ctx also cuts connections that are still in their TLS handshake. It must be
// called once.
func (l *Listener) Serve(ctx context.Context, h Handler) error {
	mine, err := l.beginServe()
	if !mine {
		return err // nil: Close came first
	}
	stop := context.AfterFunc(ctx, l.beginClose)
	defer stop()
	l.acceptLoop(ctx, h)
	if !l.isLeaving() {
		l.drainQueue(ctx, h)
	}
	l.closeSocket()
	l.conns.Wait()
	close(l.done)
	return nil
}

func (l *Listener) isClosing() bool {
	select {
	case <-l.closing:
		return true
	default:
		return false
	}
}

func (l *Listener) acceptLoop(ctx context.Context, h Handler) {
	wait := firstBackoff
	for l.reserve() {
		c, err := l.tcp.AcceptTCP()
		if err == nil {
			wait = firstBackoff
			if l.config.Full != nil && l.config.Full.Load() {
				l.refused.Add(1) // first: whoever sees the end finds it counted
				c.Close()
				l.config.Limit.release()
				continue
			}
			l.start(ctx, h, c, l.config.Limit.release)
			continue
		}
		l.config.Limit.release()
		if l.isClosing() {
			return
		}
		if errors.Is(err, syscall.ECONNABORTED) {
			continue // the client has gone
		}
		l.acceptErrors.Add(1)
		if wait == firstBackoff {
			l.logger.Warn("accept failed, slowing down", "listener", l.Addr().String(), "err", err)
		}
		if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
			l.shedIdle()
			l.spare.use(l.turnAway)
		}
		if !l.pause(wait.next()) {
			return
		}
	}
}

// reserve waits for a place under the limit; false means the listener closes.
// It makes room by closing an idle connection; when there is none and no place
// becomes free in time it turns one client away, so that a full Daemun answers
// new clients with a closed connection and not with silence.
func (l *Listener) reserve() bool {
	for {
		if l.isClosing() {
			return false
		}
		if l.config.Limit.tryAcquire() {
			return true
		}
		// At once: who holds many idle connections must not slow newcomers
		// down to one in each pause.
		shed := l.shedIdle()
		if l.acquireWithin(acceptPause) {
			return true
		}
		if l.isClosing() {
			return false
		}
		if !shed && !l.shedIdle() {
			l.turnAway()
		}
	}
}

func (l *Listener) acquireWithin(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case l.config.Limit.slots <- struct{}{}:
		return true
	case <-l.closing:
	case <-t.C:
	}
	return false
}

func (l *Listener) shedIdle() bool { return l.config.ShedIdle != nil && l.config.ShedIdle() }

// turnAway accepts one waiting client, if there is one, and closes the
// connection.
func (l *Listener) turnAway() {
	l.rawAccept(func(fd int) bool {
		l.refused.Add(1) // first: whoever sees the end finds it counted
		unix.Close(fd)
		return false
	})
}

// pause waits; false means the listener closes.
func (l *Listener) pause(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-l.closing:
		return false
	case <-t.C:
		return true
	}
}

// drainQueue serves what the kernel has completed before the socket closes:
// those clients have been told that they are connected (H11.5). It never
// waits for more. It may exceed the limit by as many as the queue held, which
// the kernel bounds.
func (l *Listener) drainQueue(ctx context.Context, h Handler) {
	l.rawAccept(func(fd int) bool {
		f := os.NewFile(uintptr(fd), "tcp")
		c, err := net.FileConn(f) // works on a duplicate
		f.Close()
		if err != nil {
			l.acceptErrors.Add(1)
			return true
		}
		l.start(ctx, h, c.(*net.TCPConn), func() {})
		return true
	})
}

// rawAccept takes connections from the queue without waiting, until it is
// empty or more returns false. A deadline on the listener would do neither:
// once passed, the net package no longer looks at the queue. It runs on the
// goroutine of Serve, so the socket is open.
func (l *Listener) rawAccept(more func(fd int) bool) {
	raw, err := l.tcp.SyscallConn()
	if err != nil {
		return
	}
	raw.Control(func(s uintptr) {
		for {
			fd, _, err := unix.Accept4(int(s), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
			if err == unix.EINTR || err == unix.ECONNABORTED {
				continue
			}
			if err != nil || !more(fd) {
				return
			}
		}
	})
}

// start runs the connection in its own goroutine and releases its place after,
// unless the handler holds it for longer.
func (l *Listener) start(ctx context.Context, h Handler, c *net.TCPConn, release func()) {
	l.accepted.Add(1)
	l.open.Add(1)
	l.conns.Add(1)
	p := &place{listener: l, release: release}
	go func() {
		defer func() {
			if !p.held {
				p.leave()
			}
		}()
		l.serveConn(ctx, h, c, p)
	}()
}

// place is that of an open connection.
type place struct {
	listener *Listener
	release  func()
	held     bool
}

// hold is ConnInfo.Hold.
func (p *place) hold() func() {
	p.held = true
	return p.leave
}

func (p *place) leave() {
	p.listener.open.Add(-1)
	p.release()
	p.listener.conns.Done()
}

func (l *Listener) serveConn(ctx context.Context, h Handler, c *net.TCPConn, p *place) {
	defer func() {
		if p := recover(); p != nil {
			c.Close()
			l.panics.Add(1)
			l.logger.Error("connection handler panicked", "panic", p, "stack", string(debug.Stack()))
		}
	}()
	info := ConnInfo{Peer: addrPort(c.RemoteAddr()), Local: addrPort(c.LocalAddr()), Hold: p.hold}
	info.Remote = info.Peer
	if want := l.config.Entrance.load(); want != nil {
		if err := l.enter(ctx, c, want, &info); err != nil {
			l.notEntered.Add(1)
			c.Close()
			return
		}
		leave, ok := want.count(&info)
		if !ok {
			l.tooMany.Add(1) // first: whoever sees the end finds it counted
			c.Close()
			return
		}
		if leave != nil {
			defer leave()
		}
	}
	if l.config.TLS == nil {
		l.handled.Add(1)
		h.ServeConn(c, info)
		return
	}
	begin, ok := l.passThrough(ctx, c, &info)
	if !ok {
		return
	}
	t, state := l.handshake(ctx, begin)
	if t == nil {
		return
	}
	info.TLS = state
	info.Names = l.config.TLS.names(state.ServerName)
	l.handled.Add(1)
	h.ServeConn(t, info)
}

// addrPort returns an address without the IPv4-in-IPv6 form that sockets of
// both families report.
func addrPort(a net.Addr) netip.AddrPort {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	ap := t.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}
