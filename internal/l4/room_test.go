package l4

import (
	"os"
	"testing"

	"daemun/internal/ir"
)

// TestFlowsOfOtherLoops: a loop without flows ends none of another loop to make
// room for its own, and what it could not take it does not count.
func TestFlowsOfOtherLoops(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	a, _ := l.udpEndpoint(port(l.podA(0)))
	s := l.start(Config{MaxFlows: 1, loops: 2}, l.network(l.service(ir.UDP, l.ready(a))))
	c := l.udpDial(l.podA(1), port(l.cluster()))
	if got := ask(c, "x"); got != "64 sees 65: x" {
		t.Fatal(got)
	}
	others := 0
	for _, o := range s.loops {
		o.mu.Lock()
		if o.flows.oldest() == nil {
			others++
			for range 2 {
				if o.roomForFlow() {
					t.Error("room for a second flow")
				}
			}
		}
		o.mu.Unlock()
	}
	if st := s.Stats(); others != 1 || st.OpenFlows != 1 || st.FlowsEvicted != 0 {
		t.Errorf("%d other loops, %+v", others, st)
	}
	if got := ask(c, "y"); got != "64 sees 65: y" {
		t.Errorf("the flow: %s", got)
	}
}

// TestFailedListenLeavesNothing: an address that another program has costs no
// descriptor, however often it is tried. It counts all descriptors, so it runs
// alone.
func TestFailedListenLeavesNothing(t *testing.T) {
	l := newLab(t)
	l.listen(port(l.cluster()))
	s, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer shutdownNow(s)
	taken := l.network(l.service(ir.TCP, l.ready(port(l.podA(0)))))
	descriptors := func() int {
		s.Update(l.network())
		open, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(open)
	}
	before := descriptors()
	const times = 20
	for range times {
		if s.Update(taken); len(s.Problems()) == 0 {
			t.Fatal("no problem although the address is taken")
		}
		s.Update(l.network())
	}
	if after := descriptors(); after >= before+times {
		t.Errorf("%d descriptors, %d before", after, before)
	}
}
