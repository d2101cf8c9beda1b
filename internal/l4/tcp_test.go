package l4

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"syscall"
	"testing"

	"daemun/internal/ir"
)

// TestRowsOfSourceAddresses asks each kind of client at each kind of address
// what it gets and what the endpoint sees.
func TestRowsOfSourceAddresses(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	a, b := l.endpoint(port(l.podA(0))), l.endpoint(port(l.podB(0)))
	only := map[string][]ir.ServiceEndpoint{"a": {l.ready(a)}, "b": {l.ready(b)}}
	clients := map[string]netip.Addr{"podA": l.podA(5), "nodeA": l.nodeA(), "nodeB": l.nodeB(), "outside": l.outside(), "podB": l.podB(5)}
	for _, row := range []struct {
		name, where, from string
		to                netip.AddrPort
		internal, ext     bool
		want              string
	}{
		{"Pod to ClusterIP keeps its address", "b", "podA", port(l.cluster()), false, false, "128 sees 69"},
		{"node to ClusterIP keeps its address", "a", "nodeA", port(l.cluster()), false, false, "64 sees 1"},
		{"outside to ClusterIP", "b", "outside", port(l.cluster()), false, false, "128 sees 50"},
		{"internal Local", "a", "podA", port(l.cluster()), true, false, "64 sees 69"},
		{"internal Local on the other node", "a", "podB", port(l.cluster()), true, false, "dropped"},
		{"internal Local, node process", "a", "nodeB", port(l.cluster()), true, false, "dropped"},
		{"internal Local, outside counts as on the first", "a", "outside", port(l.cluster()), true, false, "64 sees 50"},
		{"internal Local, outside, nothing on the first", "b", "outside", port(l.cluster()), true, false, "dropped"},
		{"internal Local does not touch node ports", "a", "podB", nodeP(l.nodeB()), true, false, "64 sees 2"},

		{"node port Cluster shows the receiving node", "a", "outside", nodeP(l.nodeB()), false, false, "64 sees 2"},
		{"Pod to node port Cluster", "b", "podA", nodeP(l.nodeA()), false, false, "128 sees 1"},
		{"node port Local keeps the client", "a", "outside", nodeP(l.nodeA()), false, true, "64 sees 50"},
		{"node port Local without endpoint", "a", "outside", nodeP(l.nodeB()), false, true, "dropped"},
		{"Pod to its own node's port, Local", "b", "podA", nodeP(l.nodeA()), false, true, "128 sees 69"},
		{"Pod to the other node's port, Local, endpoint there", "b", "podA", nodeP(l.nodeB()), false, true, "128 sees 69"},
		{"Pod to the other node's port, Local, none there", "a", "podA", nodeP(l.nodeB()), false, true, "dropped"},
		{"node process to its own port, Local", "b", "nodeA", nodeP(l.nodeA()), false, true, "128 sees 1"},
		{"node process to the other's port, Local", "a", "nodeA", nodeP(l.nodeB()), false, true, "dropped"},

		{"balancer Local picks the node with endpoints", "b", "outside", port(l.balancer()), false, true, "128 sees 50"},
		{"Pod to balancer, Local", "b", "podA", port(l.balancer()), false, true, "128 sees 69"},
		{"node process to balancer, Local", "b", "nodeA", port(l.balancer()), false, true, "128 sees 1"},
		{"Pod to balancer, Cluster", "b", "podA", port(l.balancer()), false, false, "128 sees 1"},
		{"external address, Cluster", "b", "outside", port(l.external()), false, false, "128 sees 1"},
		{"external address, Local, endpoint on the first", "a", "outside", port(l.external()), false, true, "64 sees 50"},
		{"external address, Local, none on the first", "b", "outside", port(l.external()), false, true, "dropped"},
		{"Pod to external address, Local", "b", "podA", port(l.external()), false, true, "128 sees 69"},
	} {
		s := l.service(ir.TCP, only[row.where]...)
		s.InternalLocal, s.ExternalLocal = row.internal, row.ext
		n := l.network(s)
		server := l.start(Config{}, n)
		from := clients[row.from]
		if got := l.wanted(from, row.to, row.want); got != dropped(row.want) {
			t.Errorf("%s: %s, want %s", row.name, got, row.want)
		}
		d := server.Decide(ir.TCP, row.to, from)
		if drop := row.want == "dropped"; drop != (d.Verdict == Drop) {
			t.Errorf("%s: Decide says %s (%s)", row.name, d.Verdict, d.Reason)
		} else if !drop && len(d.Ways) == 1 && d.Ways[0].Source.As4()[3] != lastOf(row.want) {
			t.Errorf("%s: Decide says source %s", row.name, d.Ways[0].Source)
		}
		server.Update(l.network())
	}
}

// lastOf is the source in "128 sees 69".
func lastOf(want string) byte {
	n := 0
	for _, c := range want[len("64 sees "):] {
		if c >= '0' && c <= '9' {
			n = 10*n + int(c-'0')
		}
	}
	return byte(n)
}

func TestHairpinKeepsTheSource(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	a := l.endpoint(port(l.podA(0)))
	l.start(Config{}, l.network(l.service(ir.TCP, l.ready(a))))
	if got := l.outcome(l.podA(0), port(l.cluster())); got != "64 sees 64" {
		t.Error(got)
	}
}

func TestHostAddressAnswersOnNodePorts(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	b := l.endpoint(port(l.podB(0)))
	l.start(Config{HostAddresses: []netip.Addr{l.at(60)}}, l.network(l.service(ir.TCP, l.ready(b))))
	if got := l.outcome(l.outside(), nodeP(l.at(60))); got != "128 sees 1" {
		t.Error(got)
	}
}

// TestRelay moves many octets both ways at once, in pieces of all sizes.
func TestRelay(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	a := l.endpoint(port(l.podA(0)))
	s := l.start(Config{}, l.network(l.service(ir.TCP, l.ready(a))))
	c := l.dial(l.podA(1), port(l.cluster()))
	if _, _, err := c.hello(); err != nil {
		t.Fatal(err)
	}
	data := make([]byte, 8<<20)
	for i := range data {
		data[i] = byte(rand.Uint32())
	}
	go func() {
		for rest := data; len(rest) > 0; {
			n := min(len(rest), 1+rand.IntN(1<<rand.IntN(20)))
			if _, err := c.Write(rest[:n]); err != nil {
				return
			}
			rest = rest[n:]
		}
		c.CloseWrite()
	}()
	got, err := io.ReadAll(c.r)
	if err != nil || !bytes.Equal(got, data) {
		t.Fatalf("%d octets, %v", len(got), err)
	}
	if st := s.Stats(); st.BytesToEndpoints != uint64(len(data)) {
		t.Errorf("counted %d", st.BytesToEndpoints)
	}
}

// TestHalfClose: the end of one direction leaves the other open.
func TestHalfClose(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	a := l.serve(port(l.podA(0)), func(c *net.TCPConn) {
		defer c.Close()
		b, _ := io.ReadAll(c) // until the client's end
		c.Write(append([]byte("all of: "), b...))
	})
	l.start(Config{}, l.network(l.service(ir.TCP, l.ready(a))))
	c := l.dial(l.podA(1), port(l.cluster()))
	c.Write([]byte("words"))
	c.CloseWrite()
	if got, err := io.ReadAll(c.r); err != nil || string(got) != "all of: words" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestEndpointSpeaksFirstAndCloses(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	heard := make(chan string, 1)
	a := l.serve(port(l.podA(0)), func(c *net.TCPConn) {
		defer c.Close()
		c.Write([]byte("bye"))
		c.CloseWrite()
		b, _ := io.ReadAll(c)
		heard <- string(b)
	})
	l.start(Config{}, l.network(l.service(ir.TCP, l.ready(a))))
	c := l.dial(l.podA(1), port(l.cluster()))
	if got, err := io.ReadAll(c.r); err != nil || string(got) != "bye" {
		t.Errorf("%q, %v", got, err)
	}
	c.Write([]byte("late"))
	c.Close()
	if got := <-heard; got != "late" {
		t.Errorf("endpoint heard %q", got)
	}
}

// TestResetIsPassedOn in both directions, also after a half close.
func TestResetIsPassedOn(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	seen := make(chan error, 4)
	a := l.serve(port(l.podA(0)), func(c *net.TCPConn) {
		defer c.Close()
		b := make([]byte, 1)
		if _, err := c.Read(b); err != nil {
			seen <- err
			return
		}
		switch b[0] {
		case 'r':
			c.SetLinger(0)
		case 'h': // half-closed by us, then the client resets
			c.CloseWrite()
			_, err := c.Read(b)
			seen <- err
		default:
			_, err := c.Read(b)
			seen <- err
		}
	})
	s := l.start(Config{}, l.network(l.service(ir.TCP, l.ready(a))))

	c := l.dial(l.podA(1), port(l.cluster()))
	c.Write([]byte("r"))
	if _, err := c.r.ReadByte(); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("client saw %v", err)
	}
	for _, word := range []string{"x", "h"} {
		c = l.dial(l.podA(1), port(l.cluster()))
		c.Write([]byte(word))
		if word == "h" {
			if _, err := c.r.ReadByte(); err != io.EOF {
				t.Errorf("client saw %v", err)
			}
		}
		c.SetLinger(0)
		c.Close()
		if err := <-seen; !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%s: endpoint saw %v", word, err)
		}
	}
	l.waitIdle(s)
}

// waitIdle returns when no connection is open.
func (l *lab) waitIdle(s *Server) {
	l.Helper()
	l.until("connections end", func() bool { return s.Stats().OpenConnections == 0 })
}

func TestFailedDialResetsTheClient(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	s := l.start(Config{}, l.network(l.service(ir.TCP, l.ready(port(l.podA(0))))))
	if got := l.outcome(l.podA(1), port(l.cluster())); got != "reset" {
		t.Error(got)
	}
	if st := s.Stats(); st.DialFailures != 1 {
		t.Errorf("%+v", st)
	}
	l.waitIdle(s)
}

func TestConnectionLimit(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	a := l.endpoint(port(l.podA(0)))
	s := l.start(Config{MaxConnections: 2}, l.network(l.service(ir.TCP, l.ready(a))))
	for range 2 {
		l.dial(l.podA(1), port(l.cluster())).hello()
	}
	if got := l.outcome(l.podA(1), port(l.cluster())); got != "reset" {
		t.Error(got)
	}
	if st := s.Stats(); st.Refused.Limit != 1 || st.OpenConnections != 2 {
		t.Errorf("%+v", st)
	}
}

func TestDialFilterRefuses(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	a := l.endpoint(port(l.podA(0)))
	s := l.start(Config{DialFilter: func(to netip.AddrPort) error {
		if to == a {
			return errors.New("no")
		}
		return nil
	}}, l.network(l.service(ir.TCP, l.ready(a))))
	if got := l.outcome(l.podA(1), port(l.cluster())); got != "reset" {
		t.Error(got)
	}
	if st := s.Stats(); st.Refused.DialFilter != 1 {
		t.Errorf("%+v", st)
	}
}

// H6.20: a panic costs one connection.
func TestH6_20PanicCostsOneConnection(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	a := l.endpoint(port(l.podA(0)))
	s := l.start(Config{loops: 1}, l.network(l.service(ir.TCP, l.ready(a))))
	kept, lost := l.dial(l.podA(1), port(l.cluster())), l.dial(l.podA(1), port(l.cluster()))
	for _, c := range []*client{kept, lost} {
		if _, _, err := c.hello(); err != nil {
			t.Fatal(err)
		}
	}
	s.loops[0].mu.Lock()
	s.loops[0].copied = nil // what is read next has nowhere to go
	s.loops[0].mu.Unlock()
	lost.Write([]byte("x"))
	if _, err := lost.r.ReadByte(); failure(err) != "reset" {
		t.Errorf("%v", err)
	}
	s.loops[0].mu.Lock()
	s.loops[0].prepare()
	s.loops[0].mu.Unlock()
	kept.Write([]byte("x"))
	if b, err := kept.r.ReadByte(); b != 'x' || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	if st := s.Stats(); st.Panics != 1 {
		t.Errorf("%+v", st)
	}
}
