package l4

import (
	"net/netip"
	"sync"
	"time"
)

// affinities remembers which endpoint a client of a Service port has. It is
// bounded: the client that has not come for longest is forgotten first.
type affinities struct {
	limit int

	mu     sync.Mutex
	byKey  map[affinityKey]*affinity
	oldest affinity // the ends of the ring of all, oldest first
}

type affinityKey struct {
	port   uint64
	client netip.Addr
}

type affinity struct {
	prev, next *affinity
	key        affinityKey
	to         netip.AddrPort
	until      time.Time
}

func newAffinities(limit int) *affinities {
	a := &affinities{limit: limit, byKey: map[affinityKey]*affinity{}}
	a.oldest.prev, a.oldest.next = &a.oldest, &a.oldest
	return a
}

// held returns the endpoint of a client; the zero value when it has none.
func (a *affinities) held(port *portState, client netip.Addr, now time.Time) netip.AddrPort {
	a.mu.Lock()
	defer a.mu.Unlock()
	e := a.byKey[affinityKey{port.affinity, client}]
	if e == nil || !now.Before(e.until) {
		return netip.AddrPort{}
	}
	return e.to
}

// keep gives a client an endpoint until then.
func (a *affinities) keep(port *portState, client netip.Addr, to netip.AddrPort, until time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	k := affinityKey{port.affinity, client}
	e := a.byKey[k]
	switch {
	case e != nil:
		e.unlink()
	case len(a.byKey) >= a.limit:
		e = a.oldest.next
		e.unlink()
		delete(a.byKey, e.key)
		e.key = k
		a.byKey[k] = e
	default:
		e = &affinity{key: k}
		a.byKey[k] = e
	}
	e.to, e.until = to, until
	e.prev, e.next = a.oldest.prev, &a.oldest
	e.prev.next, e.next.prev = e, e
}

// expire forgets from the oldest on those whose time has passed. One with a
// long time keeps those behind it a while longer; the bound holds all the same.
func (a *affinities) expire(now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for e := a.oldest.next; e != &a.oldest && !now.Before(e.until); e = a.oldest.next {
		e.unlink()
		delete(a.byKey, e.key)
	}
}

func (e *affinity) unlink() {
	e.prev.next, e.next.prev = e.next, e.prev
}
