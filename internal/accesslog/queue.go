package accesslog

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"
)

const (
	// chunkSize is the most that one Write gets; a pipe holds as much.
	chunkSize  = 64 << 10
	keptChunks = 16
	// gatherTime is how long lines are gathered for one Write. Nobody who
	// looks at a terminal notices; a busy Daemun saves a system call per line.
	gatherTime = 3 * time.Millisecond
	// lastWrite is how long the end waits for a destination that is blocked.
	lastWrite = time.Second
)

// chunk is some whole lines.
type chunk struct {
	bytes []byte
	lines uint64
}

// queue holds lines between the requests and the one writer.
type queue struct {
	writer io.Writer
	// wake says that there is something to write, urgent that a chunk is full.
	// Both have capacity one; a lost signal means that one is waiting.
	wake, urgent chan struct{}

	mu      sync.Mutex
	current chunk
	full    []chunk
	free    [][]byte
	held    int // octets in current, full and the chunks being written
	limit   int
}

func newQueue(w io.Writer, limit int) *queue {
	return &queue{writer: w, limit: limit, wake: make(chan struct{}, 1), urgent: make(chan struct{}, 1)}
}

// put copies the line; false means there is no room. The lock is held for a
// copy of a few hundred octets, never for a Write.
func (q *queue) put(line []byte) bool {
	q.mu.Lock()
	if q.held+len(line) > q.limit {
		q.mu.Unlock()
		return false
	}
	first := q.held == 0 || (len(q.current.bytes) == 0 && len(q.full) == 0)
	filled := false
	if len(q.current.bytes)+len(line) > chunkSize && len(q.current.bytes) > 0 {
		q.full = append(q.full, q.current)
		q.current = chunk{}
		filled = true
	}
	if q.current.bytes == nil {
		q.current.bytes = q.takeFree()
	}
	q.current.bytes = append(q.current.bytes, line...)
	q.current.lines++
	q.held += len(line)
	q.mu.Unlock()
	if first {
		signal(q.wake)
	}
	if filled {
		signal(q.urgent)
	}
	return true
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// takeFree returns a used buffer or a new one that grows. The caller holds mu.
func (q *queue) takeFree() []byte {
	if n := len(q.free); n > 0 {
		b := q.free[n-1]
		q.free = q.free[:n-1]
		return b
	}
	return make([]byte, 0, chunkSize/8)
}

// takeAll moves everything that waits into chunks.
func (q *queue) takeAll(chunks []chunk) []chunk {
	q.mu.Lock()
	defer q.mu.Unlock()
	chunks = append(chunks, q.full...)
	clear(q.full)
	q.full = q.full[:0]
	if len(q.current.bytes) > 0 {
		chunks = append(chunks, q.current)
		q.current = chunk{}
	}
	return chunks
}

// done returns the room of a written chunk.
func (q *queue) done(c chunk) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.held -= len(c.bytes)
	// One MiB is kept for the next burst; what a larger one needed is let go.
	if len(q.free) < keptChunks && cap(c.bytes) <= 2*chunkSize {
		q.free = append(q.free, c.bytes[:0])
	}
}

// Run writes queued lines until ctx ends, then what is left. It must be called
// once. A destination that stays blocked then does not hold up the end: its
// lines are given up after a second and the error says how many.
func (l *Log) Run(ctx context.Context) error {
	written := make(chan struct{})
	go func() { // ends with ctx, or when a blocked Write returns
		defer close(written)
		l.writeLoop(ctx)
	}()
	select {
	case <-written:
		return nil
	case <-ctx.Done():
	}
	t := time.NewTimer(lastWrite)
	defer t.Stop()
	select {
	case <-written:
		return nil
	case <-t.C:
		l.queue.mu.Lock()
		defer l.queue.mu.Unlock()
		return fmt.Errorf("access log: the destination accepts nothing; %d octets of log are lost", l.queue.held)
	}
}

func (l *Log) writeLoop(ctx context.Context) {
	q := l.queue
	var chunks []chunk
	gather := time.NewTimer(gatherTime)
	defer gather.Stop()
	for ended := false; !ended; {
		ended = q.wait(ctx, gather)
		chunks = q.takeAll(chunks[:0])
		for _, c := range chunks {
			l.write(c)
		}
		clear(chunks)
	}
}

// wait returns when there is something to write, true at the end of ctx.
func (q *queue) wait(ctx context.Context, gather *time.Timer) (ended bool) {
	select {
	case <-ctx.Done():
		return true
	case <-q.wake:
	}
	gather.Reset(gatherTime)
	select {
	case <-ctx.Done():
		return true
	case <-gather.C:
	case <-q.urgent:
	}
	return false
}

// write hands one chunk to the destination. What it did not take is dropped
// (H6.23): a full disk must not keep the lines of today for tomorrow.
func (l *Log) write(c chunk) {
	if _, err := l.queue.writer.Write(c.bytes); err != nil {
		l.dropped.Add(c.lines)
		l.err.Store(&err)
	} else {
		l.written.Add(c.lines)
		if l.err.Load() != nil {
			l.err.Store(nil)
		}
	}
	l.queue.done(c)
}
