package http2

import "time"

// tools are the parts of a stream that later streams use again.
type tools struct {
	readable, writable    chan struct{} // of capacity 1: something changed
	readAlarm, writeAlarm alarm         // of the goroutines that read and write
	encoded               []byte        // of the one that writes
	text                  []byte        // memory of heads and trailers
	in                    []byte        // received and not read: in[at:]
	heads                 []responseHead
}

const (
	keptStreams = 8       // streams whose tools a connection at rest keeps
	keptHead    = 2 << 10 // the largest buffers among them
	firstHead   = 512
)

// newStream makes a stream.
func (c *Conn) newStream() *Stream {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.newStreamLocked()
}

func (c *Conn) newStreamLocked() *Stream {
	s := &Stream{c: c, credit: c.limits.StreamWindow, declared: -1}
	if n := len(c.free); n > 0 {
		s.tools = c.free[n-1]
		c.free = c.free[:n-1]
		return s
	}
	s.tools = &tools{readable: make(chan struct{}, 1), writable: make(chan struct{}, 1), encoded: make([]byte, 0, firstHead)}
	return s
}

// keepTools keeps the tools of a stream that is not used any more. The lock is
// held.
func (c *Conn) keepTools(s *Stream) {
	t := s.tools
	if c.err == nil && len(c.free) < max(keptStreams, len(c.streams)) && max(cap(t.text), cap(t.encoded), cap(t.in)) <= keptHead {
		t.text, t.in, t.heads = t.text[:0], t.in[:0], t.heads[:0]
		c.free = append(c.free, t)
	} else {
		t.stop()
	}
	if len(c.streams) == 0 {
		c.keepToolsOf(keptStreams)
	}
}

// dropTools lets go of what a connection that has ended kept.
func (c *Conn) dropTools() {
	c.mu.Lock()
	c.keepToolsOf(0)
	c.mu.Unlock()
}

// keepToolsOf lets go of all but the tools of n streams. The lock is held.
func (c *Conn) keepToolsOf(n int) {
	for len(c.free) > n {
		last := len(c.free) - 1
		c.free[last].stop()
		c.free[last], c.free = nil, c.free[:last]
	}
}

func (t *tools) stop() {
	t.readAlarm.stop()
	t.writeAlarm.stop()
}

// alarm ends waits for a signal by sending one. It is left to run when a wait is
// over: setting it anew for each would cost more than the ring now and then
// that nobody waits for, after which one looks once more at what one waits for.
type alarm struct {
	timer *time.Timer
	at    time.Time
}

// set makes the alarm send a signal at by or before.
func (a *alarm) set(c chan struct{}, now, by time.Time) {
	switch {
	case a.timer == nil:
		a.timer = time.AfterFunc(by.Sub(now), func() { signal(c) })
	case a.at.After(now) && !a.at.After(by):
		return
	default:
		a.timer.Reset(by.Sub(now))
	}
	a.at = by
}

func (a *alarm) stop() {
	if a.timer != nil {
		a.timer.Stop()
	}
}

// await waits for a signal until by; zero is for ever. It reports false when
// the time is over.
func await(c chan struct{}, a *alarm, by time.Time) bool {
	select {
	case <-c:
		return true
	default:
	}
	if !by.IsZero() {
		now := time.Now()
		if !now.Before(by) {
			return false
		}
		a.set(c, now, by)
	}
	<-c
	return true
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
