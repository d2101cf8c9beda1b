package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"daemun/internal/ir"
)

const patience = 20 * time.Second

// server accepts connections and hands them to the test.
type server struct {
	net.Listener
	conns chan net.Conn
}

func newServer(t *testing.T) *server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{l, make(chan net.Conn, 100)}
	var accepting sync.WaitGroup
	accepting.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.conns <- c
		}
	})
	t.Cleanup(func() {
		l.Close()
		accepting.Wait()
		close(s.conns)
		for c := range s.conns {
			c.Close()
		}
	})
	return s
}

func (s *server) addr() netip.AddrPort { return s.Addr().(*net.TCPAddr).AddrPort() }

func newBackendFor(t *testing.T, c Config, endpoints ...ir.Endpoint) (*Registry, *Backend) {
	t.Helper()
	r := NewRegistry(c)
	t.Cleanup(r.Close)
	r.Update(ir.EndpointSet{Backend: "ns/svc/80", Endpoints: endpoints})
	return r, r.Backend("ns/svc/80")
}

func dial(t *testing.T, e *Endpoint, transport Transport) *Conn {
	t.Helper()
	c, err := e.Dial(t.Context(), transport, patience)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func addrs(n int) (all []ir.Endpoint) {
	for i := range n {
		all = append(all, ir.Endpoint{Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}), uint16(8080+i))})
	}
	return all
}

func TestPick(t *testing.T) { // counts allocations, so it runs alone
	_, b := newBackendFor(t, Config{}, addrs(3)...)
	var got []string
	for range 4 {
		got = append(got, b.Pick(nil).Address())
	}
	want := []string{"10.0.0.1:8080", "10.0.0.2:8081", "10.0.0.3:8082", "10.0.0.1:8080"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	var tried []*Endpoint
	seen := make(map[string]bool)
	for range 3 {
		b.Pick(nil) // another request in between
		e := b.Pick(tried)
		tried = append(tried, e)
		seen[e.Address()] = true
	}
	if len(seen) != 3 {
		t.Errorf("tried %v, want each endpoint once", seen)
	}
	if b.Pick(tried) == nil {
		t.Error("nothing left although there are endpoints")
	}
	if n := testing.AllocsPerRun(100, func() { b.Pick(tried[:2]) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
	_, none := newBackendFor(t, Config{})
	if none.Pick(nil) != nil {
		t.Error("picked from nothing")
	}
	if b.LogName() != "ns-svc-80" {
		t.Errorf("log name %q", b.LogName())
	}
}

func TestPoolIsNewestFirst(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	_, b := newBackendFor(t, Config{}, ir.Endpoint{Addr: s.addr()})
	e := b.Pick(nil)
	first, second := dial(t, e, Plain), dial(t, e, Plain)
	first.Release()
	second.Release()
	if n := b.Status()[0].Idle; n != 2 {
		t.Fatalf("%d idle, want 2", n)
	}
	if e.Idle(TLS) != nil {
		t.Error("a plain connection was given out for TLS")
	}
	if c := e.Idle(Plain); c != second || !c.Reused() {
		t.Error("not the newest one")
	}
	if c := e.Idle(Plain); c != first {
		t.Error("not the other one")
	}
	if e.Idle(Plain) != nil {
		t.Error("one too many")
	}
	first.Discard()
	second.Discard()
}

func TestPoolDropsDeadAndDirty(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(net.Conn){
		"closed": func(c net.Conn) { c.Close() },
		"octets": func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			_, b := newBackendFor(t, Config{}, ir.Endpoint{Addr: s.addr()})
			e := b.Pick(nil)
			c := dial(t, e, Plain)
			spoil(<-s.conns)
			eventually(t, func() bool { return !c.quiet() || name == "octets" })
			c.Release()
			eventually(t, func() bool {
				got := e.Idle(Plain)
				if got != nil {
					got.Release()
				}
				return got == nil
			})
		})
	}
}

func eventually(t *testing.T, done func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	late := time.After(patience)
	for !done() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatal("never happened")
		}
	}
}

func ended(t *testing.T, c net.Conn) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(patience))
	if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("connection not closed: %v", err)
	}
	c.Close()
}

func TestLimitsOfReuse(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]Config{
		"requests": {MaxRequests: 1},
		"age":      {MaxAge: 1},
		"idle max": {IdleMax: -1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			_, b := newBackendFor(t, config, ir.Endpoint{Addr: s.addr()})
			dial(t, b.Pick(nil), Plain).Release()
			ended(t, <-s.conns)
			if n := b.Status()[0].Idle; n != 0 {
				t.Errorf("%d idle", n)
			}
		})
	}
}

func TestSweepClosesIdle(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	_, b := newBackendFor(t, Config{IdleTimeout: 20 * time.Millisecond}, ir.Endpoint{Addr: s.addr()})
	for range 2 { // the timer comes back after it had nothing to do
		dial(t, b.Pick(nil), Plain).Release()
		ended(t, <-s.conns)
		eventually(t, func() bool { return b.Status()[0].Idle == 0 && !b.watched.Load() })
	}
}

// H11.7: idle connections of an endpoint that left close at once, busy ones
// after their request; those of the others stay.
func TestEndpointLeaves(t *testing.T) {
	t.Parallel()
	stays, leaves := newServer(t), newServer(t)
	r, b := newBackendFor(t, Config{}, ir.Endpoint{Addr: stays.addr()}, ir.Endpoint{Addr: leaves.addr()})
	e1, e2 := b.Pick(nil), b.Pick(nil)
	kept, idle, busy := dial(t, e1, Plain), dial(t, e2, Plain), dial(t, e2, Plain)
	kept.Release()
	idle.Release()
	r.Update(ir.EndpointSet{Backend: b.ID(), Endpoints: []ir.Endpoint{{Addr: stays.addr()}}})
	ended(t, <-leaves.conns)
	last := <-leaves.conns
	if _, err := io.WriteString(busy, "x"); err != nil {
		t.Errorf("busy connection: %v", err)
	}
	if _, err := io.ReadFull(last, make([]byte, 1)); err != nil {
		t.Errorf("busy connection: %v", err)
	}
	busy.Release()
	ended(t, last)
	if c := e1.Idle(Plain); c != kept {
		t.Error("the connection of the endpoint that stayed is gone")
	}
	kept.Release()
	if b.Pick(nil) != e1 || b.Len() != 1 {
		t.Error("the endpoint that stayed is another one")
	}
	r.Retain(func(ir.BackendID) bool { return false })
	ended(t, <-stays.conns)
	if r.Backend(b.ID()) == b {
		t.Error("the backend was not dropped")
	}
}

type names map[string][]netip.Addr

func (n names) LookupNetIP(_ context.Context, network, host string) ([]netip.Addr, error) {
	if a := n[network+" "+host]; len(a) > 0 {
		return a, nil
	}
	return nil, errors.New("no such host")
}

func TestDialNames(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	loopback := []netip.Addr{netip.MustParseAddr("127.0.0.1")}
	endpoint := ir.Endpoint{Host: "x.test", Port: s.addr().Port()}
	refusing := errors.New("not there")
	tests := []struct {
		name   string
		config Config
		want   error
	}{
		{"resolves", Config{Resolver: names{"ip4 x.test": loopback}, AllowLoopbackNames: true}, nil},
		{"mapped", Config{Resolver: names{"ip6 x.test": {netip.MustParseAddr("::ffff:127.0.0.1")}}, AllowLoopbackNames: true}, nil},
		{"loopback", Config{Resolver: names{"ip4 x.test": loopback}}, ErrUnresolved},
		{"unknown", Config{Resolver: names{}}, ErrUnresolved},
		{"of a Service", Config{Resolver: names{}, Services: func(string) []netip.Addr { return loopback }}, nil},
		{"of no Service", Config{Resolver: names{"ip4 x.test": loopback}, AllowLoopbackNames: true, Services: func(string) []netip.Addr { return nil }}, nil},
		{"of a Service, filtered", Config{Services: func(string) []netip.Addr { return loopback }, DialFilter: func(netip.AddrPort) error { return refusing }}, refusing},
		{"filtered", Config{Resolver: names{"ip4 x.test": loopback}, AllowLoopbackNames: true, DialFilter: func(netip.AddrPort) error { return refusing }}, refusing},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, b := newBackendFor(t, tt.config, endpoint)
			c, err := b.Pick(nil).Dial(t.Context(), Plain, patience)
			if !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
			if c != nil {
				c.Discard()
			}
		})
	}
}

// TestIPv4Names is disable-ipv6-dns.
func TestIPv4Names(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	mapped := []netip.Addr{netip.MustParseAddr("::ffff:127.0.0.1")}
	r, b := newBackendFor(t, Config{Resolver: names{"ip6 x.test": mapped}, AllowLoopbackNames: true}, ir.Endpoint{Host: "x.test", Port: s.addr().Port()})
	for _, only := range []bool{true, false} {
		r.IPv4Names(only)
		c, err := b.Pick(nil).Dial(t.Context(), Plain, patience)
		if errors.Is(err, ErrUnresolved) != only {
			t.Errorf("IPv4 only %v: %v", only, err)
		}
		if c != nil {
			c.Discard()
		}
	}
}

// §4.9: no name is sent to a TLS upstream and its certificate is not checked;
// sessions are resumed.
func TestDialTLS(t *testing.T) {
	t.Parallel()
	states := make(chan tls.ConnectionState, 2)
	srv := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { states <- *r.TLS }))
	defer srv.Close()
	_, b := newBackendFor(t, Config{}, ir.Endpoint{Addr: srv.Listener.Addr().(*net.TCPAddr).AddrPort()})
	for i := range 2 {
		c := dial(t, b.Pick(nil), TLS)
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Reader.Fill(); err != nil {
			t.Fatal(err)
		}
		state := <-states
		if state.ServerName != "" {
			t.Errorf("name %q was sent", state.ServerName)
		}
		if state.DidResume != (i == 1) {
			t.Errorf("connection %d resumed: %v", i, state.DidResume)
		}
		c.Discard()
	}
}

func TestArmRead(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	_, b := newBackendFor(t, Config{}, ir.Endpoint{Addr: s.addr()})
	c := dial(t, b.Pick(nil), Plain)
	defer c.Discard()
	now := time.Now()
	far := now.Add(time.Minute)
	c.ArmRead(now, far)
	first := c.readBy
	if first.Sub(now) != tick {
		t.Errorf("armed for %v", first.Sub(now))
	}
	if c.ArmRead(now.Add(tick/4), far); c.readBy != first {
		t.Error("moved although it was near enough")
	}
	if c.ArmRead(now.Add(tick*3/4), far); c.readBy == first {
		t.Error("not moved although little was left")
	}
	if near := now.Add(tick); c.readBy.After(near) {
		if c.ArmRead(now.Add(tick*3/4), near); c.readBy != near {
			t.Error("armed past the limit")
		}
	}
}

// Endpoints that stay are the identical ones, wherever they stand in the list,
// and each that goes is told once, even of a list that had it twice.
func TestReplaceKeepsEndpoints(t *testing.T) {
	t.Parallel()
	at := func(numbers ...uint16) (list []ir.Endpoint) {
		for _, n := range numbers {
			list = append(list, ir.Endpoint{Addr: netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), n)})
		}
		return list
	}
	_, b := newBackendFor(t, Config{}, at(1, 2, 2, 3)...)
	before := b.endpoints()
	left := b.replace(at(3, 4, 1))
	after := b.endpoints()
	if len(after) != 3 || after[0] != before[3] || after[2] != before[0] || slices.Contains(before, after[1]) {
		t.Errorf("before %v, after %v", before, after)
	}
	if len(left) != 1 || left[0] != before[1] {
		t.Errorf("left %v, want %v", left, before[1])
	}
}

// TestKeepChangesHowConnectionsAreKept for those that are given back later.
func TestKeepChangesHowConnectionsAreKept(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	r := NewRegistry(Config{})
	defer r.Close()
	r.Update(ir.EndpointSet{Backend: "d/s/80", Endpoints: []ir.Endpoint{{Addr: l.Addr().(*net.TCPAddr).AddrPort()}}})
	b := r.Backend("d/s/80")
	for _, c := range []struct {
		pool *ir.Pool
		idle int
	}{
		{&ir.Pool{Connections: 0, Requests: 10, Age: ir.Duration(time.Hour), Idle: ir.Duration(time.Hour)}, 0},
		{&ir.Pool{Connections: 1, Requests: 1, Age: ir.Duration(time.Hour), Idle: ir.Duration(time.Hour)}, 0},
		{nil, 1},
	} {
		r.Keep(c.pool)
		up, err := b.Pick(nil).Dial(t.Context(), Plain, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		up.Release()
		if got := b.Status()[0].Idle; got != c.idle {
			t.Errorf("%+v: %d idle connections, want %d", c.pool, got, c.idle)
		}
	}
}
