package proxy

import (
	"cmp"
	"time"
)

// mostHeld is how many requests of a server may wait for the rate of a zone at
// one time; more are refused.
const mostHeld = 8 << 10

// holdStep is how soon the end of a client that waits is noticed.
const holdStep = 250 * time.Millisecond

// limitByZones counts the request in the zones of the route. As in nginx what
// runs is counted behind the wait for the rate.
func (x *exchange) limitByZones() bool {
	z := x.policies.Zones
	wait, ok := z.Ask(&x.counted, x, x.start)
	switch {
	case !ok:
		x.answer(x.requestStatus())
	case wait > 0 && x.holdBack(wait):
	case !z.Run(&x.counted, x):
		x.answer(x.runningStatus())
	default:
		return false
	}
	return true
}

// holdBack lets the request wait. It returns true when that has ended the request:
// too many wait, or the client is gone.
func (x *exchange) holdBack(wait time.Duration) (over bool) {
	s := x.c.server
	defer s.held.Add(-1)
	if s.held.Add(1) > mostHeld {
		x.answer(x.requestStatus())
		return true
	}
	for until := time.Now().Add(wait); wait > 0; wait = time.Until(until) {
		timer := time.NewTimer(min(wait, holdStep))
		<-timer.C
		if x.c.gone() {
			x.status, x.keep = 499, false
			return true
		}
	}
	return false
}

// requestStatus and runningStatus answer requests over a limit.
func (x *exchange) requestStatus() int {
	own := 0
	if z := x.policies.Zones; z != nil {
		own = z.RequestStatus
	}
	return cmp.Or(own, x.table.Settings.LimitRequestStatus)
}

func (x *exchange) runningStatus() int {
	own := 0
	if z := x.policies.Zones; z != nil {
		own = z.RunningStatus
	}
	return cmp.Or(own, x.table.Settings.LimitConnectionStatus)
}
