package http1

import (
	"errors"
	"io"
	"net"
	"syscall"
)

// ErrBufferFull is returned by Fill when the buffer has its largest size and
// no free octet. For a head within its limits it cannot happen as long as
// Max is at least Limits.Head.
var ErrBufferFull = errors.New("http1: buffer full")

const (
	defaultMaxBuffer = 64 << 10
	// leastFree is the room a Read should find behind octets that may not be
	// moved, so that a body behind a long head is not read in crumbs.
	leastFree = 1 << 10
)

// Reader is a buffered reader over a connection. Its buffer is taken from a
// pool when octets arrive and given back by Release, so that idle connections
// hold none. The zero value is ready for Reset; give it Reset(nil) at the end.
type Reader struct {
	// Max is the largest buffer in octets, rounded up to a power of two; 0
	// means 64 KiB, and no buffer is larger than 1 MiB.
	Max int

	conn net.Conn
	buf  *buffer // nil: nothing is buffered
	r, w int     // buf.b[r:w] is unread
	// Held octets stay where they are until Unhold: buf.b[:held], or all of
	// pinned when reading had to go on in another buffer.
	held   int
	pinned *buffer

	wait waiter
	one  [1]byte
}

// Reset makes r read from conn, dropping what was buffered and held.
func (r *Reader) Reset(conn net.Conn) {
	r.Unhold()
	r.r, r.w = 0, 0
	r.Release()
	r.conn, r.wait = conn, waiter{}
}

// Buffered returns the unread octets in place. They stay valid until the next
// Fill, Wait, Read or Release.
func (r *Reader) Buffered() []byte {
	if r.buf == nil {
		return nil
	}
	return r.buf.b[r.r:r.w]
}

// Wait blocks until at least one octet is buffered, the peer closes (io.EOF)
// or the read deadline passes. It gives an empty buffer back before, so a
// waiting connection holds none.
func (r *Reader) Wait() error {
	if r.r < r.w {
		return nil
	}
	r.Release()
	if r.buf != nil { // held octets are in it
		_, err := r.Fill()
		return err
	}
	if raw := r.wait.raw(r.conn); raw != nil {
		return r.waitRaw(raw)
	}
	// One octet is enough to wake up; the layer below (TLS) has the rest of
	// its record in memory, so the next Fill costs no system call.
	if _, err := io.ReadFull(r.conn, r.one[:]); err != nil {
		return err
	}
	r.buf = takeBuffer(0)
	r.buf.b[0] = r.one[0]
	r.r, r.w = 0, 1
	return nil
}

// waiter reads from a plain socket only when it is readable, which is the only
// moment when a buffer is needed.
type waiter struct {
	conn  syscall.RawConn
	asked bool
	read  func(fd uintptr) bool // made once, to not allocate with each Wait
	buf   *buffer
	n     int
	err   error
}

// raw returns conn's socket, nil if conn is not exactly a socket: a wrapper may
// embed one and have octets of its own to deliver first.
func (w *waiter) raw(conn net.Conn) syscall.RawConn {
	if w.asked {
		return w.conn
	}
	w.asked = true
	var sc syscall.Conn
	switch c := conn.(type) {
	case *net.TCPConn:
		sc = c
	case *net.UnixConn:
		sc = c
	default:
		return nil
	}
	if raw, err := sc.SyscallConn(); err == nil {
		w.conn, w.read = raw, w.readable
	}
	return w.conn
}

func (r *Reader) waitRaw(raw syscall.RawConn) error {
	w := &r.wait
	w.buf, w.n, w.err = nil, 0, nil
	err := raw.Read(w.read)
	if err == nil {
		err = w.err
	}
	if err == nil && w.n == 0 {
		err = io.EOF
	}
	if err != nil {
		w.buf.put()
		w.buf = nil
		return err
	}
	r.buf, r.r, r.w = w.buf, 0, w.n
	w.buf = nil
	return nil
}

// readable tries to read and reports false to be called again when there is
// something.
func (w *waiter) readable(fd uintptr) bool {
	buf := takeBuffer(0)
	for {
		n, err := syscall.Read(int(fd), buf.b)
		switch err {
		case nil:
			w.buf, w.n = buf, n
			return true
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			buf.put()
			return false
		default:
			buf.put()
			w.err = &net.OpError{Op: "read", Net: "tcp", Err: err}
			return true
		}
	}
}

// Fill does one Read into free space and returns the number of new octets. A
// full buffer is replaced by one twice as large, up to Max, then ErrBufferFull.
// Unread octets may be moved, held ones are not. At the end of the connection
// it returns io.EOF.
func (r *Reader) Fill() (int, error) {
	if err := r.makeRoom(); err != nil {
		return 0, err
	}
	n, err := r.conn.Read(r.buf.b[r.w:])
	r.w += n
	if n > 0 {
		return n, nil // an error comes again with the next Read
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return 0, err
}

func (r *Reader) makeRoom() error {
	if r.buf == nil {
		r.buf, r.r, r.w = takeBuffer(0), 0, 0
		return nil
	}
	need := 1
	if r.held > 0 {
		need = leastFree
	}
	if r.r == r.w {
		r.r, r.w = r.held, r.held
	}
	if len(r.buf.b)-r.w >= need {
		return nil
	}
	if unread := r.w - r.r; r.r > r.held && len(r.buf.b)-r.held-unread >= need {
		copy(r.buf.b[r.held:], r.buf.b[r.r:r.w])
		r.r, r.w = r.held, r.held+unread
		return nil
	}
	return r.moveOn()
}

// moveOn takes another buffer: a larger one, or one of the same size when the
// lack of room is due to held octets.
func (r *Reader) moveOn() error {
	old, size := r.buf, r.buf.size
	if r.held == 0 || r.w-r.r+leastFree > len(old.b) {
		size++
	}
	limit := r.Max
	if limit == 0 {
		limit = defaultMaxBuffer
	}
	if size > old.size && len(old.b) >= min(limit, largestBuffer) {
		if r.w < len(old.b) {
			return nil
		}
		return ErrBufferFull
	}
	r.buf = takeBuffer(size)
	r.w = copy(r.buf.b, old.b[r.r:r.w])
	r.r = 0
	if r.held > 0 {
		r.pinned, r.held = old, 0
	} else {
		old.put()
	}
	return nil
}

// Discard drops the first n octets of Buffered.
func (r *Reader) Discard(n int) { r.r += n }

// Hold takes the first n octets of Buffered like Discard but leaves them in
// place and untouched until Unhold, so that a head parsed from them stays valid
// while the body is read. What was held before is let go.
func (r *Reader) Hold(n int) {
	r.Unhold()
	r.r += n
	r.held = r.r
}

// Unhold lets go of what Hold kept.
func (r *Reader) Unhold() {
	r.held = 0
	r.pinned.put()
	r.pinned = nil
}

// Release gives the buffer back unless it has unread or held octets.
func (r *Reader) Release() {
	if r.r < r.w || r.held > 0 {
		return
	}
	r.buf.put()
	r.buf, r.r, r.w = nil, 0, 0
}

// Read takes buffered octets first; without any it reads from the connection
// straight into p.
func (r *Reader) Read(p []byte) (int, error) {
	if r.r < r.w {
		n := copy(p, r.buf.b[r.r:r.w])
		r.r += n
		return n, nil
	}
	return r.conn.Read(p)
}
