package l4

import (
	"sync/atomic"
	"testing"

	"daemun/internal/ir"
)

// TestH6_19_Full: while memory is short nobody new is let in, and each is
// counted; what is open goes on, and afterwards everything is as before.
func TestH6_19_Full(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	var full atomic.Bool
	a := l.endpoint(port(l.podA(0)))
	s := l.start(Config{Full: &full}, l.network(l.service(ir.TCP, l.ready(a))))
	open := l.dial(l.podA(1), port(l.cluster()))
	if _, _, err := open.hello(); err != nil {
		t.Fatal(err)
	}
	full.Store(true)
	if got := l.outcome(l.podA(1), port(l.cluster())); got != "reset" {
		t.Errorf("a new client: %s", got)
	}
	if st := s.Stats(); st.Refused.Memory != 1 || st.OpenConnections != 1 {
		t.Errorf("%+v", st)
	}
	if _, err := open.Write([]byte("still\n")); err != nil {
		t.Error(err)
	}
	if line, err := open.r.ReadString('\n'); line != "still\n" {
		t.Errorf("the open connection: %q, %v", line, err)
	}
	full.Store(false)
	if got := l.outcome(l.podA(1), port(l.cluster())); got != "64 sees 65" {
		t.Errorf("afterwards: %s", got)
	}
}

// TestH6_19_FullOfDatagrams is the same for flows.
func TestH6_19_FullOfDatagrams(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	var full atomic.Bool
	a, _ := l.udpEndpoint(port(l.podA(0)))
	s := l.start(Config{Full: &full}, l.network(l.service(ir.UDP, l.ready(a))))
	open, late := l.udpDial(l.podA(1), port(l.cluster())), l.udpDial(l.podA(1), port(l.cluster()))
	if got := ask(open, "x"); got != "64 sees 65: x" {
		t.Fatal(got)
	}
	full.Store(true)
	if _, err := late.Write([]byte("lost")); err != nil {
		t.Fatal(err)
	}
	l.until("the datagram is counted", func() bool { return s.Stats().Refused.Memory == 1 })
	if got := ask(open, "y"); got != "64 sees 65: y" {
		t.Errorf("the open flow: %s", got)
	}
	full.Store(false)
	if got := ask(late, "z"); got != "64 sees 65: z" {
		t.Errorf("afterwards: %s", got)
	}
}
