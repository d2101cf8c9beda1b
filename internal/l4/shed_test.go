package l4

import (
	"fmt"
	"testing"
	"time"

	"daemun/internal/ir"
)

// TestH6_13_IdleConnectionsMakeRoom: a newcomer to a full server takes the place
// of the one that has idled longest; what is used, or has not idled for long,
// stays.
func TestH6_13_IdleConnectionsMakeRoom(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	a := l.endpoint(port(l.podA(0)))
	clock := newClock()
	s := l.start(Config{MaxConnections: 3, now: clock.now, loops: 1}, l.network(l.service(ir.TCP, l.ready(a))))
	open := make([]*client, 3)
	for i := range open {
		open[i] = l.dial(l.podA(1), port(l.cluster()))
		if _, _, err := open[i].hello(); err != nil {
			t.Fatal(err)
		}
	}
	talks := func(c *client) {
		t.Helper()
		fmt.Fprintln(c, "hello")
		if text, err := c.r.ReadString('\n'); text != "hello\n" {
			t.Fatal(text, err)
		}
	}
	if got := l.outcome(l.podA(1), port(l.cluster())); got != "reset" {
		t.Errorf("nobody has idled: %s", got)
	}
	clock.add(leastIdle)
	talks(open[0])
	clock.add(time.Second)
	talks(open[2])
	newcomer := l.dial(l.podA(1), port(l.cluster()))
	if _, _, err := newcomer.hello(); err != nil {
		t.Errorf("the newcomer: %v", err)
	}
	if _, err := open[1].r.ReadByte(); failure(err) != "reset" {
		t.Errorf("the idle one: %v", err)
	}
	talks(open[0])
	talks(open[2])
	talks(newcomer)
	if got := l.outcome(l.podA(1), port(l.cluster())); got != "reset" {
		t.Errorf("another newcomer: %s", got)
	}
	if st := s.Stats(); st.Idled != 1 || st.OpenConnections != 3 || st.Refused.Limit != 2 {
		t.Errorf("%+v", st)
	}
}
