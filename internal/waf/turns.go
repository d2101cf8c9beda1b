package waf

import (
	"sync/atomic"
	"time"
)

const (
	// maxWait is how long a request waits for its turn.
	maxWait = 10 * time.Second
	// maxWaiting bounds those that wait, as each keeps its body meanwhile.
	maxWaiting = 1024
)

// turns bounds how many run at once: rules take processors, and what they have
// begun goes on even when the client has left.
type turns struct {
	running chan struct{}
	wait    time.Duration
	waiting atomic.Int64
	refused atomic.Uint64
}

func newTurns(n int, wait time.Duration) *turns {
	return &turns{running: make(chan struct{}, n), wait: wait}
}

// take waits for a turn and reports whether there is one; give ends it.
func (t *turns) take() bool {
	select {
	case t.running <- struct{}{}:
		return true
	default:
	}
	defer t.waiting.Add(-1)
	if t.waiting.Add(1) > maxWaiting {
		t.refused.Add(1)
		return false
	}
	timer := time.NewTimer(t.wait)
	defer timer.Stop()
	select {
	case t.running <- struct{}{}:
		return true
	case <-timer.C:
		t.refused.Add(1)
		return false
	}
}

func (t *turns) give() { <-t.running }
