package l4

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"daemun/internal/ir"
)

// TestEqualChance: new connections spread over all endpoints.
func TestEqualChance(t *testing.T) {
	t.Parallel()
	w := way{set: []endpoint{{node: 0}, {node: 1}, {node: 2}}}
	var counts [3]int
	for range 30000 {
		counts[w.choose(endpoint{}).node]++
	}
	for _, n := range counts {
		if n < 9000 || n > 11000 { // twelve standard deviations
			t.Errorf("%v", counts)
		}
	}
}

func TestAffinity(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	var endpoints []ir.ServiceEndpoint
	for i := range byte(8) {
		endpoints = append(endpoints, l.ready(l.endpoint(port(l.podB(i)))))
	}
	affine := func(d time.Duration, endpoints []ir.ServiceEndpoint) *ir.Network {
		sv := l.service(ir.TCP, endpoints...)
		sv.Affinity = ir.Duration(d)
		return l.network(sv)
	}
	clock := newClock()
	s := l.start(Config{now: clock.now}, affine(time.Minute, endpoints))
	first := l.outcome(l.outside(), port(l.cluster()))
	same := func(when string, to netip.AddrPort) {
		if got := l.outcome(l.outside(), to); got[:3] != first[:3] {
			t.Errorf("%s: %s, want as %s", when, got, first)
		}
	}
	for range 16 {
		// Each connection begins the time anew. A loop that is busy may use the
		// time of the connection before.
		clock.add(25 * time.Second)
		same("within the time", port(l.cluster()))
	}
	for _, to := range []netip.AddrPort{port(l.external()), port(l.balancer()), nodeP(l.nodeA()), nodeP(l.nodeB())} {
		same("another address of the port", to)
	}
	var rest []ir.ServiceEndpoint
	for _, e := range endpoints {
		if fmt.Sprintf("%d sees", e.Addr.As4()[3])[:3] != first[:3] {
			rest = append(rest, e)
		}
	}
	s.Update(affine(time.Minute, rest))
	other := l.outcome(l.outside(), port(l.cluster()))
	if other[:3] == first[:3] {
		t.Errorf("still at %s", other)
	}
	first = other
	for range 8 {
		same("after the endpoint left", port(l.cluster()))
	}
	moved := func() bool {
		for range 60 {
			if l.outcome(l.outside(), port(l.cluster()))[:3] != first[:3] {
				return true
			}
		}
		return false
	}
	s.Update(affine(0, endpoints))
	if !moved() {
		t.Error("affinity is off and the client still bound")
	}
}

func TestAffinityTable(t *testing.T) {
	t.Parallel()
	a := newAffinities(2)
	port, other := &portState{1}, &portState{2}
	now := time.Now()
	to := func(i byte) netip.AddrPort { return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, i}), 1) }
	c := to(9).Addr()
	a.keep(port, c, to(1), now.Add(time.Second))
	a.keep(other, c, to(2), now.Add(time.Second))
	if a.held(port, c, now) != to(1) || a.held(other, c, now) != to(2) {
		t.Error("ports share clients")
	}
	if a.held(port, c, now.Add(time.Second)).IsValid() {
		t.Error("held for too long")
	}
	a.keep(port, c, to(1), now.Add(2*time.Second)) // the other is the oldest now
	a.keep(port, to(8).Addr(), to(3), now.Add(3*time.Second))
	if a.held(other, c, now).IsValid() || a.held(port, c, now) != to(1) {
		t.Error("not the oldest was forgotten")
	}
	a.expire(now.Add(2 * time.Second))
	if len(a.byKey) != 1 || a.held(port, to(8).Addr(), now) != to(3) {
		t.Errorf("%d left", len(a.byKey))
	}
}
