package l4

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"daemun/internal/ir"
)

func tuned(l *lab, c Config, t *ir.Streams, n *ir.Network) *Server {
	s := l.start(c, n)
	s.Tune(t)
	return s
}

// TestAnotherEndpointIsTried is proxy-stream-next-upstream: the client does not
// learn of an endpoint that refuses.
func TestAnotherEndpointIsTried(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	a := l.endpoint(port(l.podA(0)))
	s := tuned(l, Config{}, &ir.Streams{Tries: 3}, l.network(l.service(ir.TCP, l.ready(a), l.ready(port(l.podA(2))), l.ready(port(l.podA(3))))))
	for s.Stats().DialFailures == 0 { // until one was refused: each time by a chance of two thirds
		if got := l.outcome(l.podA(1), port(l.cluster())); got != "64 sees 65" {
			t.Fatal(got)
		}
	}
}

// TestEndpointsAreTriedAsOftenAsWanted: all once at most.
func TestEndpointsAreTriedAsOftenAsWanted(t *testing.T) {
	t.Parallel()
	for tries, want := range map[int]uint64{0: 3, 1: 1, 2: 2, 9: 3} {
		l := newLab(t)
		var silent []ir.ServiceEndpoint
		for i := range byte(3) {
			silent = append(silent, l.ready(port(l.podA(2+i))))
		}
		s := tuned(l, Config{}, &ir.Streams{Tries: tries}, l.network(l.service(ir.TCP, silent...)))
		if got := l.outcome(l.podA(1), port(l.cluster())); got != "reset" {
			t.Error(got)
		}
		l.waitIdle(s)
		if got := s.Stats().DialFailures; got != want {
			t.Errorf("%d tries: %d", tries, got)
		}
	}
}

// TestIdleConnectionsEnd is proxy-stream-timeout; what is used stays.
func TestIdleConnectionsEnd(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	a := l.endpoint(port(l.podA(0)))
	clock := newClock()
	s := tuned(l, Config{now: clock.now}, &ir.Streams{Idle: ir.Duration(time.Minute)}, l.network(l.service(ir.TCP, l.ready(a))))
	idle, used := l.dial(l.podA(1), port(l.cluster())), l.dial(l.podA(1), port(l.cluster()))
	idle.hello()
	used.hello()
	talk := func() {
		fmt.Fprintln(used, "hello")
		if text, err := used.r.ReadString('\n'); text != "hello\n" {
			t.Fatal(text, err)
		}
	}
	clock.add(50 * time.Second)
	talk()
	clock.add(50 * time.Second)
	l.until("the idle one ends", func() bool { return s.Stats().Idled == 1 })
	talk()
	if _, err := idle.r.ReadByte(); failure(err) != "reset" {
		t.Error(err)
	}
	clock.add(time.Hour)
	l.until("the other ends", func() bool { return s.Stats().OpenConnections == 0 })
}

// TestResponsesEndFlows is proxy-stream-responses.
func TestResponsesEndFlows(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		responses int
		open      int64
	}{{1, 0}, {2, 1}} {
		l := newLab(t)
		a, _ := l.udpEndpoint(port(l.podA(0)))
		s := tuned(l, Config{}, &ir.Streams{Responses: &tt.responses}, l.network(l.service(ir.UDP, l.ready(a))))
		c := l.udpDial(l.podA(1), port(l.cluster()))
		for range 3 {
			ask(c, "x")
		}
		l.until("the flows", func() bool { return s.Stats().OpenFlows == tt.open })
		if got := s.Stats().Flows; tt.open == 1 && got != 1 {
			t.Errorf("%d flows", got)
		}
	}
	l := newLab(t)
	a, _ := l.udpEndpoint(port(l.podA(0)))
	none := 0
	s := tuned(l, Config{}, &ir.Streams{Responses: &none}, l.network(l.service(ir.UDP, l.ready(a))))
	if _, err := l.udpDial(l.podA(1), port(l.cluster())).Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	l.until("the flow ends with its datagram", func() bool { st := s.Stats(); return st.Flows == 1 && st.OpenFlows == 0 })
}

// TestIdleFlowsEnd: the key holds for them, too.
func TestIdleFlowsEnd(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	a, _ := l.udpEndpoint(port(l.podA(0)))
	clock := newClock()
	s := tuned(l, Config{now: clock.now}, &ir.Streams{Idle: ir.Duration(5 * time.Second)}, l.network(l.service(ir.UDP, l.ready(a))))
	ask(l.udpDial(l.podA(1), netip.AddrPortFrom(l.cluster(), 8000)), "x")
	clock.add(5 * time.Second)
	l.until("the flow ends", func() bool { return s.Stats().OpenFlows == 0 })
}
