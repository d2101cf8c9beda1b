package http1

import (
	"errors"
	"io"
	"net"
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
	// First is the buffer that the first octets are read into, in octets; 0
	// means 4 KiB. A larger one takes head and body with one Read.
	First int

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

// awaiter is a connection that can wait without reading.
type awaiter interface {
	// Await blocks until a Read would not wait, or the read deadline passes.
	Await() error
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
	if r.wait.bind(r.conn) {
		return r.waitReadable()
	}
	if w, ok := r.conn.(awaiter); ok {
		if err := w.Await(); err != nil {
			return err
		}
		_, err := r.Fill()
		return err
	}
	// One octet is enough to wake up; the layer below (TLS) has the rest of
	// its record in memory, so the next Fill costs no system call.
	if _, err := io.ReadFull(r.conn, r.one[:]); err != nil {
		return err
	}
	r.buf = takeBuffer(sizeFor(r.First))
	r.buf.b[0] = r.one[0]
	r.r, r.w = 0, 1
	return nil
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
		r.buf, r.r, r.w = takeBuffer(sizeFor(r.First)), 0, 0
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

// moveOn takes another buffer: a larger one when the unread octets fill this
// one, one of the same size when it is held octets that leave no room.
func (r *Reader) moveOn() error {
	old, size := r.buf, r.buf.size
	if r.held == 0 {
		limit := r.Max
		if limit == 0 {
			limit = defaultMaxBuffer
		}
		if size++; len(old.b) >= min(limit, largestBuffer) {
			return ErrBufferFull
		}
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

// Held returns the octets of the last Hold while they are in the buffer that is
// being read into, n of them; nil when they are not.
func (r *Reader) Held(n int) []byte {
	if r.pinned != nil || n > r.held {
		return nil
	}
	return r.buf.b[r.held-n : r.held]
}

// room is how many octets from the next unread one on have their place in the
// buffer as it is.
func (r *Reader) room() int {
	if r.buf == nil {
		return 0
	}
	return len(r.buf.b) - r.r
}

// extend holds the next octets as well, most of them at most, right behind
// those that are held. It reads once when none are buffered.
func (r *Reader) extend(most int) (int, error) {
	if r.r == r.w {
		n, err := r.conn.Read(r.buf.b[r.w:])
		if r.w += n; n == 0 {
			return 0, err
		}
	}
	n := min(most, r.w-r.r)
	r.r += n
	r.held = r.r
	return n, nil
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
