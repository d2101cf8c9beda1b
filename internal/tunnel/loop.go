package tunnel

import (
	"errors"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// loop moves the octets of its tunnels. It waits in the runtime's poller, by
// way of its own epoll descriptor, and so holds no thread while idle.
type loop struct {
	group *Group

	// mu guards the following, the tunnels of the loop included. The goroutine
	// of the loop holds it for each batch of events, others for single
	// operations. Nothing under it waits: all descriptors are non-blocking.
	mu      sync.Mutex
	epoll   int      // with file
	file    *os.File // owns epoll; nil without tunnels
	slots   []slot
	free    []int32 // of slots
	count   int     // of tunnels
	pending []*Tunnel
	spare   []*Tunnel // the other array of pending
	now     time.Time // of the batch
	due     time.Time // when the tunnels are looked at; zero without any
	swept   time.Time // when they were last
	piece   []byte    // where octets pass through; nil without tunnels
	buffers [][]byte  // to keep what a socket does not take

	events [64]unix.EpollEvent // of the goroutine
}

// slot is a place for a tunnel. An event may arrive after its tunnel ended and
// the place was given to another; the generation tells.
type slot struct {
	tunnel     *Tunnel
	generation int32
}

// socketEvents: sockets are watched for everything, edge-triggered: what is known of them is
// remembered instead of asked for again.
const socketEvents = unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET

// add begins to carry a tunnel. A loop that cannot watch it ends it.
func (l *loop) add(t *Tunnel, fromClient, fromUpstream []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now = time.Now()
	t.start, t.last = l.now, l.now
	l.count++
	t.at = l.place(t)
	if l.begin() != nil || l.watch(t) != 0 {
		t.end()
		return
	}
	if t.first(l, fromClient, fromUpstream); !t.ended {
		l.wakeBy(t.due())
	}
}

// place gives a tunnel a free slot.
func (l *loop) place(t *Tunnel) int32 {
	if n := len(l.free); n > 0 {
		at := l.free[n-1]
		l.free = l.free[:n-1]
		l.slots[at].tunnel = t
		return at
	}
	l.slots = append(l.slots, slot{tunnel: t})
	return int32(len(l.slots) - 1)
}

// begin starts the goroutine unless it runs.
func (l *loop) begin() error {
	if l.file != nil {
		return nil
	}
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	if err := unix.SetNonblock(epoll, true); err != nil {
		closeSocket(epoll)
		return os.NewSyscallError("fcntl", err)
	}
	file := os.NewFile(uintptr(epoll), "epoll")
	raw, err := file.SyscallConn()
	if err != nil {
		file.Close()
		return err
	}
	l.epoll, l.file, l.piece = epoll, file, make([]byte, pieceSize)
	l.due, l.swept = time.Time{}, l.now
	go l.run(file, raw)
	return nil
}

// watch registers both sockets; their first events say how they are now.
func (l *loop) watch(t *Tunnel) unix.Errno {
	for i := range t.sides {
		e := unix.EpollEvent{Events: socketEvents, Fd: t.at<<1 | int32(i), Pad: l.slots[t.at].generation}
		if errno := epollAdd(l.epoll, t.sides[i].fd, &e); errno != 0 {
			return errno
		}
	}
	return 0
}

// run returns when the loop has no tunnels left, with file closed.
func (l *loop) run(file *os.File, raw syscall.RawConn) {
	epoll, ready, asked := 0, 0, 0
	poll := func(fd uintptr) bool {
		epoll = int(fd)
		asked++
		ready = epollPoll(epoll, l.events[:])
		return ready > 0
	}
	more := false
	for batch := 0; ; batch++ {
		ready, asked = 0, 0
		if more {
			ready = epollPoll(epoll, l.events[:]) // there is something to do whatever it finds
		} else if err := raw.Read(poll); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return // never: nobody else closes it
		}
		if asked == 1 && batch%16 == 0 {
			// It did not wait. A loop that never does must not keep a processor
			// from the goroutines of others.
			runtime.Gosched()
		}
		var left bool
		if left, more = l.batch(ready); !left {
			file.Close()
			return
		}
	}
}

// batch deals with what was polled and what is due. left is false when the
// goroutine is to end, more says that something waits for the next batch.
func (l *loop) batch(ready int) (left, more bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now = time.Now()
	for i := range l.events[:ready] {
		e := &l.events[i]
		s := &l.slots[e.Fd>>1]
		if s.generation == e.Pad && s.tunnel != nil {
			l.deliver(s.tunnel, int(e.Fd&1), e.Events)
		}
	}
	l.pending, l.spare = l.spare[:0], l.pending
	for i, t := range l.spare {
		l.spare[i] = nil
		t.queued = false
		if !t.ended {
			l.deliver(t, clientSide, 0)
		}
	}
	if !l.now.Before(l.due) {
		l.sweep()
	}
	if l.count > 0 {
		return true, len(l.pending) > 0
	}
	l.file, l.piece, l.slots, l.free, l.buffers, l.pending, l.spare = nil, nil, nil, nil, nil, nil, nil
	return false, false
}

// deliver tells a tunnel of an event. A panic costs that tunnel only (H6.20).
func (l *loop) deliver(t *Tunnel, which int, events uint32) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		if l.group.config.Panicked != nil {
			l.group.config.Panicked()
		}
		l.group.config.Logger.Error("panic in a tunnel", "panic", p, "stack", string(debug.Stack()))
		t.end()
	}()
	t.ready(l, which, events)
}

// later has a tunnel moved again in the next batch.
func (l *loop) later(t *Tunnel) {
	if !t.queued {
		t.queued = true
		l.pending = append(l.pending, t)
	}
}

// between is the least time between two looks at all tunnels: it costs some
// nanoseconds for each.
const between = 100 * time.Millisecond

// wakeBy has the tunnels looked at no later than then, or a little later.
func (l *loop) wakeBy(then time.Time) {
	if soonest := l.swept.Add(between); then.Before(soonest) {
		then = soonest
	}
	if l.due.IsZero() || then.Before(l.due) {
		l.due = then
		_ = l.file.SetReadDeadline(then)
	}
}

// sweep ends what has waited too long, and says goodbye to what is old.
func (l *loop) sweep() {
	l.swept, l.due = l.now, time.Time{}
	next := l.now.Add(time.Hour)
	for i := range l.slots {
		t := l.slots[i].tunnel
		if t == nil {
			continue
		}
		t.expire(l)
		if due := t.due(); !t.ended && due.Before(next) {
			next = due
		}
	}
	l.wakeBy(next)
}

// forget frees the place of a tunnel that has ended.
func (l *loop) forget(t *Tunnel) {
	s := &l.slots[t.at]
	s.tunnel = nil
	s.generation++
	l.free = append(l.free, t.at)
	if l.count--; l.count == 0 && l.file != nil {
		l.due = time.Time{}
		_ = l.file.SetReadDeadline(time.Unix(1, 0)) // the goroutine ends, unless another comes before
	}
}

// spareBuffers is how many buffers a loop keeps for what is to come.
const spareBuffers = 16

func (l *loop) takeBuffer() []byte {
	if n := len(l.buffers); n > 0 {
		b := l.buffers[n-1]
		l.buffers = l.buffers[:n-1]
		return b
	}
	return make([]byte, pieceSize)
}

func (l *loop) giveBuffer(s *side) {
	if cap(s.buffer) == pieceSize && len(l.buffers) < spareBuffers {
		l.buffers = append(l.buffers, s.buffer)
	}
	s.buffer, s.out = nil, nil
}
