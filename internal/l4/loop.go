package l4

import (
	"errors"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// pollable is what owns a descriptor. ready runs on the loop that polls it,
// with the loop's mutex held.
type pollable interface {
	ready(l *loop, side int, events uint32)
}

// registration binds a descriptor to its owner. It lives inside the owner, so
// that polling another descriptor allocates nothing.
type registration struct {
	owner      pollable
	fd         int
	side       int
	generation uint32
	paused     bool // a listening socket that takes nothing until the next tick
}

// descriptors finds the owner of a descriptor. An event may arrive after its
// descriptor was closed and given out again; the generation tells.
type descriptors struct {
	chunks []atomic.Pointer[chunk]
}

const chunkSize = 1024

type chunk [chunkSize]slot

type slot struct {
	generation atomic.Uint32
	current    atomic.Pointer[registration]
}

// maxDescriptors bounds the table whatever the limit of open files is: an
// "unlimited" one is a huge number.
const maxDescriptors = 4 << 20

func newDescriptors() *descriptors {
	n := min(openFiles(), maxDescriptors)
	return &descriptors{chunks: make([]atomic.Pointer[chunk], n/chunkSize+1)}
}

// openFiles is how many descriptors the process may have.
func openFiles() int {
	var r unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &r); err != nil {
		return 1024
	}
	return int(min(r.Cur, 1<<30))
}

// slot may return nil: the descriptor is over the limit of this table.
func (d *descriptors) slot(fd int) *slot {
	if fd < 0 || fd/chunkSize >= len(d.chunks) {
		return nil
	}
	at := &d.chunks[fd/chunkSize]
	c := at.Load()
	if c == nil {
		at.CompareAndSwap(nil, new(chunk))
		c = at.Load()
	}
	return &c[fd%chunkSize]
}

// tick is how often a loop looks at timeouts.
const tick = time.Second

// loop moves everything of the descriptors that it polls, on one goroutine. It
// waits in the runtime's poller, by way of its own epoll descriptor, and so
// holds no thread while idle.
type loop struct {
	server *Server
	epoll  int
	file   *os.File // owns epoll
	raw    syscall.RawConn
	count  counters

	// mu guards the loop's descriptors and all that belongs to them. The
	// goroutine of the loop holds it for each batch of events, others (Update,
	// Shutdown) for single operations. Nothing under it waits: all descriptors
	// are non-blocking.
	mu        sync.Mutex
	now       time.Time // of the batch
	events    [64]unix.EpollEvent
	pending   []*conn // connections that have more to move
	spare     []*conn // the other array of pending
	next      int     // loop that takes the next accepted connection
	paused    []*registration
	reserve   int // a descriptor to give up in need, or -1
	buffers   [][]byte
	pipes     []*pipe
	copied    []byte // where octets pass through that can be passed on at once
	udp       *datagrams
	flows     flowTable
	checks    checkList
	greetings map[*greeting]struct{}
	stopped   bool // the goroutine ends

	// listMu guards the lists of connections: other loops add to them. It is
	// the innermost lock.
	listMu  sync.Mutex
	dialing connList
	open    connList
}

func newLoop(s *Server) (*loop, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := unix.SetNonblock(epoll, true); err != nil {
		unix.Close(epoll)
		return nil, os.NewSyscallError("fcntl", err)
	}
	file := os.NewFile(uintptr(epoll), "epoll")
	raw, err := file.SyscallConn()
	if err != nil {
		file.Close()
		return nil, err
	}
	return &loop{server: s, epoll: epoll, file: file, raw: raw, now: s.config.now(), reserve: openReserve()}, nil
}

// run returns when the loop's file is closed.
func (l *loop) run() {
	var ready, asked int
	poll := func(uintptr) bool {
		asked++
		ready = epollPoll(l.epoll, l.events[:])
		return ready > 0
	}
	l.mu.Lock()
	l.prepare()
	l.mu.Unlock()
	due := time.Now().Add(tick)
	_ = l.file.SetReadDeadline(due) // fails when closed, as Read then does
	for batch := 0; ; batch++ {
		ready, asked = 0, 0
		if len(l.pending) > 0 {
			poll(0) // there is something to do whatever it finds
		} else if err := l.raw.Read(poll); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
		if asked == 1 && batch%16 == 0 {
			// It did not wait. A loop that never does must not keep a processor
			// from the goroutines of other listeners.
			runtime.Gosched()
		}
		l.mu.Lock()
		if l.stopped {
			l.mu.Unlock()
			return
		}
		l.now = l.server.config.now()
		l.dispatch(ready)
		if now := time.Now(); !now.Before(due) {
			due = now.Add(tick)
			_ = l.file.SetReadDeadline(due)
			l.expire()
		}
		l.mu.Unlock()
	}
}

// prepare takes the memory that only running loops need.
func (l *loop) prepare() {
	if l.copied == nil {
		l.copied = make([]byte, pieceSize)
	}
	if l.udp == nil {
		l.udp = newDatagrams()
	}
}

func (l *loop) dispatch(ready int) {
	for i := range l.events[:ready] {
		e := &l.events[i]
		s := l.server.descriptors.slot(int(e.Fd))
		if s == nil {
			continue
		}
		r := s.current.Load()
		if r == nil || r.generation != uint32(e.Pad) {
			continue // of a descriptor that was closed meanwhile
		}
		l.deliver(r.owner, r.side, e.Events)
	}
	l.pending, l.spare = l.spare[:0], l.pending
	for i, c := range l.spare {
		l.spare[i] = nil
		c.queued = false
		l.deliver(c, clientSide, 0)
	}
}

// deliver tells an owner of an event. A panic costs one connection or flow, or
// keeps a frontend from taking more until the next tick (H6.20).
func (l *loop) deliver(to pollable, side int, events uint32) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		l.count.panics.Add(1)
		l.server.logger.Error("layer 4 panicked", "panic", p, "stack", string(debug.Stack()))
		l.contain(to)
	}()
	to.ready(l, side, events)
}

// contain ends what panicked, so that it does not panic again at once.
func (l *loop) contain(p pollable) {
	switch p := p.(type) {
	case *conn:
		if !p.closed {
			p.cut()
		}
	case *flow:
		p.end(l)
	case *checkConn:
		p.close()
	case *greeting:
		if !p.closed {
			p.refuse(l)
		}
	case *frontend:
		l.pause(&p.reg, 0)
	case *healthCheck:
		l.pause(&p.reg, 0)
	}
}

// poll begins to watch a descriptor. An owner that others wrote to before must
// not be touched by them afterwards: its events may come at once.
func (l *loop) poll(r *registration, events uint32) unix.Errno {
	s := l.server.descriptors.slot(r.fd)
	if s == nil {
		return unix.EMFILE
	}
	r.generation = s.generation.Add(1)
	s.current.Store(r)
	e := unix.EpollEvent{Events: events, Fd: int32(r.fd), Pad: int32(r.generation)}
	if errno := epollAdd(l.epoll, r.fd, &e); errno != 0 {
		s.current.Store(nil)
		return errno
	}
	return 0
}

// watch changes the events of a descriptor that is polled.
func (l *loop) watch(r *registration, events uint32) {
	_ = unix.EpollCtl(l.epoll, unix.EPOLL_CTL_MOD, r.fd, &unix.EpollEvent{Events: events, Fd: int32(r.fd), Pad: int32(r.generation)})
}

// forget ends the watch. The caller closes the descriptor next, which takes it
// out of epoll.
func (l *loop) forget(r *registration) {
	if s := l.server.descriptors.slot(r.fd); s != nil && s.current.Load() == r {
		s.current.Store(nil)
	}
}

// closeListening closes the socket of a frontend at once. Closing the
// descriptor alone would not: a poll on another thread, and a child process
// between fork and exec, hold the socket for a moment longer, and until then
// it would accept clients and keep its address.
func (l *loop) closeListening(r *registration) {
	l.forget(r)
	_ = unix.EpollCtl(l.epoll, unix.EPOLL_CTL_DEL, r.fd, nil)
	if !l.server.shared.Load() {
		_ = unix.Shutdown(r.fd, unix.SHUT_RDWR) // ends listening; means nothing to UDP
	}
	closeSocket(r.fd)
	r.fd, r.paused = -1, false
}

// later has a connection moved again in the next batch.
func (l *loop) later(c *conn) {
	if !c.queued {
		c.queued = true
		l.pending = append(l.pending, c)
	}
}

// expire ends what has waited too long.
func (l *loop) expire() {
	l.expireDials()
	l.ageConnections()
	l.expireIdle()
	l.expireFlows()
	l.expireChecks()
	l.expireGreetings()
	l.server.affinity.expire(l.now)
	l.resume()
}
