package upstream

import (
	"testing"
	"time"

	"daemun/internal/ir"
)

// release opens n connections at once and gives them back in order.
func release(t *testing.T, e *Endpoint, n int) (conns []*Conn) {
	t.Helper()
	for range n {
		conns = append(conns, dial(t, e, Plain))
	}
	for _, c := range conns {
		c.Release()
	}
	return conns
}

// TestSurplusStaysForAMoment: connections beyond the limit are not closed while
// the next requests may need them, and then the oldest ones are.
func TestSurplusStaysForAMoment(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	r, b := newBackendFor(t, Config{IdleMax: 2}, ir.Endpoint{Addr: s.addr()})
	r.trimming.Store(true) // so that nobody else trims
	e := b.Pick(nil)
	before := time.Now()
	conns := release(t, e, 5)
	if e.trim(before); e.idleCount() != 5 || b.surplus() != 3 {
		t.Fatalf("%d idle, surplus %d, want 5 and 3", e.idleCount(), b.surplus())
	}
	e.trim(time.Now().Add(surplusTime))
	if e.idleCount() != 2 || b.surplus() != 0 {
		t.Fatalf("%d idle, surplus %d, want 2 and none", e.idleCount(), b.surplus())
	}
	for _, want := range []*Conn{conns[4], conns[3], nil} {
		if c := e.Idle(Plain); c != want {
			t.Error("not the youngest were kept")
		} else if c != nil {
			c.Discard()
		}
	}
}

// TestSurplusIsTrimmed by itself, and again.
func TestSurplusIsTrimmed(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	_, b := newBackendFor(t, Config{IdleMax: 1}, ir.Endpoint{Addr: s.addr()})
	for range 2 {
		release(t, b.Pick(nil), 3)
		eventually(t, func() bool { return b.Status()[0].Idle == 1 })
	}
}

// TestSurplusIsBounded: there is none of it where no connection is to be kept,
// and not more than surplusMost.
func TestSurplusIsBounded(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for most, want := range map[int]bool{-1: false, 1: false, 2: true} {
		r, b := newBackendFor(t, Config{IdleMax: most}, ir.Endpoint{Addr: s.addr()})
		r.trimming.Store(true)
		e := b.Pick(nil)
		c := dial(t, e, Plain)
		b.idle.Store(1 + surplusMost)
		if c.Release(); e.idleCount() == 1 != want {
			t.Errorf("limit %d: %d idle", most, e.idleCount())
		}
	}
}

// TestSurplusIsLookedAtAgain: what was not idle for long enough when surplus was
// looked at is looked at once more.
func TestSurplusIsLookedAtAgain(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	r, b := newBackendFor(t, Config{IdleMax: 1}, ir.Endpoint{Addr: s.addr()})
	r.mu.Lock()
	r.trimming.Store(true) // the timer is set, to long after the test
	r.trimmer = time.AfterFunc(time.Hour, r.trim)
	r.mu.Unlock()
	e := b.Pick(nil)
	conns := release(t, e, 3)
	e.mu.Lock()
	for _, c := range conns {
		c.idleSince = time.Now().Add(time.Hour)
	}
	e.mu.Unlock()
	if r.trim(); !r.trimming.Load() || e.idleCount() != 3 {
		t.Errorf("looks again: %v, %d idle", r.trimming.Load(), e.idleCount())
	}
}

// TestIdleIsWatched: the first idle connection sets the timer that closes it, the
// next ones need not.
func TestIdleIsWatched(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	r, b := newBackendFor(t, Config{}, ir.Endpoint{Addr: s.addr()})
	dial(t, b.Pick(nil), Plain).Release()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !b.watched.Load() || !r.sweeping {
		t.Errorf("watched: %v, the timer is set: %v", b.watched.Load(), r.sweeping)
	}
}
