package dns

import "net/netip"

// shares divide what waits for upstreams between the addresses of clients: one
// that asks for names whose servers are slow takes no places of others. An
// address may take one more as long as it has less than is free: alone it gets
// one half, with another one a third, and as soon as questions have ended that
// were out before, something is left for the next. Its owner guards it.
type shares struct {
	mostFlights, mostWaiters int
	flights, waiters         int
	of                       map[netip.Addr]*share
}

// share is what one address has.
type share struct{ flights, waiters int }

func newShares(mostFlights, mostWaiters int) shares {
	return shares{mostFlights: mostFlights, mostWaiters: mostWaiters, of: map[netip.Addr]*share{}}
}

// take adds one that waits, and the flight that it begins, if it does; false
// means that the address has its share.
func (s *shares) take(from netip.Addr, begins bool) bool {
	has := s.of[from]
	if has == nil {
		has = &share{}
	}
	if has.waiters >= s.mostWaiters-s.waiters || begins && has.flights >= s.mostFlights-s.flights {
		return false
	}
	s.of[from] = has
	s.waiters++
	has.waiters++
	if begins {
		s.flights++
		has.flights++
	}
	return true
}

// give takes off what take has added.
func (s *shares) give(from netip.Addr, began bool) {
	has := s.of[from]
	s.waiters--
	has.waiters--
	if began {
		s.flights--
		has.flights--
	}
	if has.waiters == 0 { // who began a flight waits for it
		delete(s.of, from)
	}
}
