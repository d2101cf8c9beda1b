package proxy

import (
	"errors"
	"time"
)

// errLate ends a request that takes longer than its route allows (H6.10).
var errLate = errors.New("request takes too long")

// refuseCrowd is the bound of the requests that a backend has in flight
// (H6.16).
func (x *exchange) refuseCrowd() bool {
	var ok bool
	x.place.Leave() // of an answer that an error page stands in for
	if x.place, ok = x.backend.Enter(); ok {
		return false
	}
	x.c.server.counters.other[refusedInFlight].Add(1)
	x.comeAgain = true
	x.answer(503)
	return true
}

// refuseOverload sheds load while memory is short (H6.19).
func (x *exchange) refuseOverload() bool {
	if !x.c.server.refusing.Load() {
		return false
	}
	x.c.server.counters.other[refusedOverload].Add(1)
	x.comeAgain = true
	x.refuse(503)
	return true
}

// bound notes when the request has to be over, and reports whether that time
// has come already.
func (x *exchange) bound() (late bool) {
	if most := x.match.Route.IR.RequestTimeout; most > 0 {
		x.deadline = x.noLater(x.start.Add(most.D()))
		if x.deadline.IsZero() {
			x.deadline = x.start.Add(most.D())
		}
		if x.c.stream != nil {
			_ = x.c.stream.SetWriteDeadline(x.deadline.Add(lastWrite)) // the answer may come a moment later
		}
		return x.overdue()
	}
	return false
}

// unbound takes the deadline away: a tunnel has times of its own.
func (x *exchange) unbound() {
	if !x.deadline.IsZero() {
		x.deadline = time.Time{}
		_ = x.c.nc.SetWriteDeadline(time.Time{})
	}
}

// late reports that the deadline of the request has passed.
func (x *exchange) late(now time.Time) bool { return !x.deadline.IsZero() && !now.Before(x.deadline) }

// overdue is late now; without a deadline it does not look at the clock.
func (x *exchange) overdue() bool { return !x.deadline.IsZero() && x.late(time.Now()) }

// noLater is limit, or the deadline of the request if that comes first.
func (x *exchange) noLater(limit time.Time) time.Time {
	if !x.deadline.IsZero() && x.deadline.Before(limit) {
		return x.deadline
	}
	return limit
}

// within is d, or what is left until the deadline of the request if that is
// less.
func (x *exchange) within(d time.Duration) time.Duration {
	if x.deadline.IsZero() {
		return d
	}
	return max(min(d, time.Until(x.deadline)), time.Millisecond)
}
