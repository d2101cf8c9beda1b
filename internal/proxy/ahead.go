package proxy

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"daemun/internal/http1"
	"daemun/internal/ir"
	"daemun/internal/spool"
	"daemun/internal/upstream"
)

// readAhead takes a response body from the upstream faster than the client
// does (proxy-buffering): a goroutine fills a queue, and gives the connection
// back when it has all.
type readAhead struct {
	queue *spool.Queue // nil: the body goes to the client as it comes
	ended chan struct{}
	stop  atomic.Bool
	// done: the client's side got the end.
	done bool

	lock sync.Mutex // guards the following
	// released: the goroutine has given the connection back, which is others'
	// from then on.
	released bool
}

// interrupt ends a read of the goroutine, unless the connection is not its own
// any more.
func (a *readAhead) interrupt(up *upstream.Conn) {
	a.lock.Lock()
	defer a.lock.Unlock()
	if !a.released && up != nil {
		_ = up.SetReadDeadline(longAgo)
	}
}

func (a *readAhead) isReleased() bool {
	a.lock.Lock()
	defer a.lock.Unlock()
	return a.released
}

// startAhead begins to read ahead, unless all of the body is here or the backend
// says that it must not wait (X-Accel-Buffering: no). endAhead must follow.
func (x *exchange) startAhead(up *upstream.Conn, f framing, b *ir.ResponseBuffering) {
	if f == frameNone {
		return
	}
	if left := x.respBody.Remaining(); left >= 0 && left <= int64(len(up.Reader.Buffered())) {
		return
	}
	if v, ok := x.resp.Get(http1.FieldXAccelBuffering); ok && bytes.EqualFold(v, []byte("no")) {
		return
	}
	a := &readAhead{queue: x.c.server.spool.Queue(b.Memory, b.Disk), ended: make(chan struct{})}
	x.ahead = a
	fill := &filler{
		ahead: a, up: up, body: &x.respBody, timeout: x.match.Route.IR.ReadTimeout.D(),
		gone: x.watch(), limit: x.deadline, release: x.mayRelease(), use: x.c.use,
	}
	server := x.c.server
	go func() {
		err := errors.New("panic while reading a response ahead")
		defer close(a.ended)
		defer func() {
			if r := recover(); r != nil {
				server.counters.panics.Add(1)
				server.logger.Error("panic while reading a response ahead", "panic", r)
			}
			a.queue.End(err)
		}()
		err = fill.run(server)
	}()
}

// watch returns what another goroutine may ask whether the client is there.
func (x *exchange) watch() func() bool {
	if st := x.c.stream; st != nil {
		return st.Gone
	}
	own := peer{raw: x.c.peer.raw}
	return own.gone
}

// mayRelease reports that the connection can be used again after the response,
// whatever else happens.
func (x *exchange) mayRelease() bool {
	return !x.streaming && !x.cutShort && x.resp.KeepAlive && x.match.Route.IR.ConnectionField != "close"
}

// endAhead ends the goroutine, if there is one, and reports whether it has given
// the connection back.
func (x *exchange) endAhead(up *upstream.Conn) (released bool) {
	a := x.ahead
	if a == nil {
		return false
	}
	if !a.done {
		a.stop.Store(true)
		a.queue.Close()
		a.interrupt(up)
	}
	<-a.ended
	a.queue.Close()
	x.ahead = nil
	return a.released
}

// filler is the work of the goroutine.
type filler struct {
	ahead   *readAhead
	up      *upstream.Conn
	body    *http1.BodyReader
	timeout time.Duration
	limit   time.Time // of a gRPC call, zero without one
	gone    func() bool
	release bool
	use     func(*upstream.Conn)
}

// run fills the queue and returns how the body ended.
func (r *filler) run(s *Server) error {
	p := s.pieces.Get().(*piece)
	defer s.pieces.Put(p)
	for {
		n, err := r.read(p.b[:pieceSize])
		if err != nil && err != io.EOF {
			return err
		}
		if _, err := r.ahead.queue.Write(p.b[:n]); err != nil {
			return err
		}
		if r.body.Done() {
			r.finish()
			return nil
		}
	}
}

// finish gives the connection back, unless trailers are still to be read from
// its memory.
func (r *filler) finish() {
	if !r.release || len(r.body.Trailers()) > 0 || r.up.Stream() != nil {
		return
	}
	r.ahead.lock.Lock()
	defer r.ahead.lock.Unlock()
	r.use(nil)
	r.ahead.released = true
	r.up.Release()
}

func (r *filler) read(p []byte) (int, error) {
	now := time.Now()
	limit := now.Add(r.timeout)
	if !r.limit.IsZero() && r.limit.Before(limit) {
		limit = r.limit
	}
	for {
		r.up.ArmRead(now, limit)
		if r.ahead.stop.Load() { // endAhead came before our deadline and was undone by it
			return 0, errStopped
		}
		n, err := r.body.Read(p)
		switch {
		case n > 0, err == nil, err == io.EOF:
			return n, err
		case !isTimeout(err):
			return 0, err
		}
		switch now = time.Now(); {
		case r.ahead.stop.Load():
			return 0, errStopped
		case !now.Before(limit):
			return 0, errTooLong
		case r.gone():
			return 0, errClientGone
		}
	}
}

// nextAhead is readResponse for a body that is read ahead.
func (x *exchange) nextAhead(p []byte) (int, error) {
	n, err := x.ahead.queue.Read(p)
	if err == io.EOF {
		x.ahead.done = true
	}
	return n, err
}

// ready reports that a read of the response would not wait.
func (x *exchange) ready(up *upstream.Conn) bool {
	if x.ahead != nil {
		return x.ahead.queue.Ready()
	}
	return readable(up)
}

// responseDone reports that the client's side has read all of the response.
func (x *exchange) responseDone() bool {
	if x.ahead != nil {
		return x.ahead.done
	}
	return x.respBody.Done()
}

// responseLeft is what is left of a body whose length is known and which is not
// read by another goroutine, else -1.
func (x *exchange) responseLeft() int64 {
	if x.ahead != nil {
		return -1
	}
	return x.respBody.Remaining()
}
