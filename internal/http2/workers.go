package http2

import (
	"sync"
	"time"
)

// workerIdle is how long a goroutine waits at least for the next stream of its
// connection, and twice that at most.
const workerIdle = time.Second

// worker is a goroutine that serves one stream after the other: a fresh one
// would have to grow its stack first, a fifth of the work for a small request.
type worker struct {
	next  chan *Stream // nil: go
	round int
}

// workers are those that wait. The one that waits shortest is taken first, so
// that no more are kept than there is work for.
type workers struct {
	mu      sync.Mutex
	waiting []*worker // in the order in which they began to
	round   int       // counts the times that dismiss has run
	timer   *time.Timer
	runs    bool // timer does
	ended   bool
}

// take returns a worker that waits, nil if none does.
func (ws *workers) take() *worker {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	n := len(ws.waiting)
	if n == 0 {
		return nil
	}
	w := ws.waiting[n-1]
	ws.waiting = ws.waiting[:n-1]
	return w
}

// wait puts a worker to those that wait; it reports false when there will be no
// more streams.
func (ws *workers) wait(w *worker) bool {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.ended {
		return false
	}
	w.round = ws.round
	ws.waiting = append(ws.waiting, w)
	if !ws.runs {
		ws.runs = true
		if ws.timer == nil {
			ws.timer = time.AfterFunc(workerIdle, ws.dismiss)
		} else {
			ws.timer.Reset(workerIdle)
		}
	}
	return true
}

// dismiss lets those go that have waited for a whole round.
func (ws *workers) dismiss() {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	n := 0
	for n < len(ws.waiting) && ws.waiting[n].round < ws.round {
		ws.waiting[n].next <- nil
		n++
	}
	ws.waiting = append(ws.waiting[:0], ws.waiting[n:]...)
	clear(ws.waiting[len(ws.waiting) : len(ws.waiting)+n])
	ws.round++
	if ws.runs = len(ws.waiting) > 0; ws.runs {
		ws.timer.Reset(workerIdle)
	}
}

// end lets all go.
func (ws *workers) end() {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	ws.ended = true
	for _, w := range ws.waiting {
		w.next <- nil
	}
	ws.waiting = nil
	if ws.timer != nil {
		ws.timer.Stop()
	}
}

// work is the life of a worker.
func (c *Conn) work(w *worker, s *Stream) {
	defer c.running.Done()
	for s != nil {
		c.serveStream(s)
		if !c.workers.wait(w) {
			return
		}
		s = <-w.next
	}
}
