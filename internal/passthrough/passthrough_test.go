package passthrough

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"daemun/internal/ir"
	"daemun/internal/listen"
	"daemun/internal/metrics"
	"daemun/internal/table"
	"daemun/internal/upstream"
)

// places is how many connections the rig's listener has room for.
const places = 64

const backendID ir.BackendID = "d/s/443"

// rig is a TLS listener before a server whose host own.test has a backend that
// ends TLS itself; *.wild.test is another such host.
type rig struct {
	*Server
	listener *listen.Listener
	config   *ir.Config
	tables   atomic.Pointer[table.Table]
	up       *upstream.Registry
}

func newRig(t *testing.T, change func(r *ir.Route), backend netip.AddrPort) *rig {
	t.Helper()
	route := func() *ir.Route {
		r := &ir.Route{Path: "/", PathType: "Prefix", Match: ir.MatchPrefix, Pattern: "/", Backend: backendID}
		change(r)
		return r
	}
	r := &rig{up: upstream.NewRegistry(upstream.Config{}), config: &ir.Config{
		Hosts: []*ir.Host{
			{Name: ""},
			{Name: "*.wild.test", Passthrough: true, Routes: []*ir.Route{route()}},
			{Name: "ended.wild.test", Routes: []*ir.Route{route()}},
			{Name: "own.test", Passthrough: true, Routes: []*ir.Route{route()}},
			{Name: "rootless.test", Passthrough: true},
		},
		Settings: ir.Settings{Passthrough: true},
	}}
	r.publish()
	set := ir.EndpointSet{Backend: backendID}
	if backend.IsValid() {
		set.Endpoints = []ir.Endpoint{{Addr: backend}}
	}
	r.up.Update(set)
	r.Server = New(Config{Table: &r.tables})
	l, err := listen.Listen(t.Context(), listen.Config{Address: "127.0.0.1:0", TLS: listen.NewCertificates(), Passthrough: r.Server, Limit: listen.NewLimit(places), ShedIdle: r.ShedIdle})
	if err != nil {
		t.Fatal(err)
	}
	r.listener = l
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Serve(ctx, ended{}) }()
	t.Cleanup(func() {
		cancel()
		_ = r.Shutdown(ctx)
		if err := <-done; err != nil {
			t.Error(err)
		}
		r.up.Close()
	})
	return r
}

func (r *rig) publish() {
	r.tables.Store(table.Compile(nil, 1, r.config, table.Handles{
		Backend: r.up.Backend, Route: func(*ir.Host, *ir.Route) *metrics.Route { return nil },
	}))
}

// ended serves connections whose TLS was ended by the listener.
type ended struct{}

func (ended) ServeConn(c net.Conn, _ listen.ConnInfo) {
	defer c.Close()
	// What is not read before the end is answered with a reset.
	if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
		_, _ = io.WriteString(c, "ended here")
	}
}

// backend answers requests over TLS of its own.
func backend(t *testing.T) netip.AddrPort {
	t.Helper()
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "backend of "+r.TLS.ServerName)
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().(*net.TCPAddr).AddrPort()
}

func (r *rig) dial(t *testing.T) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", r.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	return c
}

// ask does a handshake for a name and a request; the answer ends with the
// connection.
func ask(c net.Conn, name string) (string, error) {
	s := tls.Client(c, &tls.Config{ServerName: name, InsecureSkipVerify: true})
	if _, err := io.WriteString(s, "GET / HTTP/1.0\r\n\r\n"); err != nil {
		return "", err
	}
	b, err := io.ReadAll(s)
	return string(b), err
}

// TestPassthrough: the host of the name decides, as for requests; whoever is
// not passed through is served as ever.
func TestPassthrough(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(*ir.Route) {}, backend(t))
	for name, want := range map[string]string{
		"own.test": "backend of own.test", "OWN.test": "backend of OWN.test", "a.wild.test": "backend of a.wild.test",
		"ended.wild.test": "ended here", "other.test": "ended here", "": "ended here",
	} {
		got, err := ask(r.dial(t), name)
		if err != nil || len(got) < len(want) || got[len(got)-len(want):] != want {
			t.Errorf("%q: %q, %v", name, got, err)
		}
	}
	if s := r.Stats(); s.Carried != 3 || s.Refused != 0 || s.Failed != 0 {
		t.Errorf("%+v", s)
	}
}

// slow sends each octet on its own.
type slow struct{ net.Conn }

func (s slow) Write(b []byte) (int, error) {
	for i := range b {
		if _, err := s.Conn.Write(b[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(b), nil
}

// TestH7_2_HelloInPieces reaches the same backend.
func TestH7_2_HelloInPieces(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(*ir.Route) {}, backend(t))
	for name, want := range map[string]string{"own.test": "backend of own.test", "other.test": "ended here"} {
		got, err := ask(slow{r.dial(t)}, name)
		if err != nil || len(got) < len(want) || got[len(got)-len(want):] != want {
			t.Errorf("%q: %q, %v", name, got, err)
		}
	}
}

// TestClosed: what may not be passed through, or to nobody, is closed and never
// ended here.
func TestClosed(t *testing.T) {
	t.Parallel()
	to := backend(t)
	for name, tt := range map[string]struct {
		change func(*ir.Route)
		to     netip.AddrPort
		host   string
		block  *ir.Block
	}{
		"a broken guard":   {func(r *ir.Route) { r.Denied = 503 }, to, "own.test", nil},
		"an address list":  {func(r *ir.Route) { r.Access = &ir.Access{Allow: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}} }, to, "own.test", nil},
		"blocked":          {func(*ir.Route) {}, to, "own.test", &ir.Block{Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}},
		"nobody":           {func(*ir.Route) {}, netip.AddrPort{}, "own.test", nil},
		"no path /":        {func(*ir.Route) {}, to, "rootless.test", nil},
		"nobody listening": {func(*ir.Route) {}, closedPort(t), "own.test", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, tt.change, tt.to)
			r.config.Settings.Block = tt.block
			r.publish()
			if got, err := ask(r.dial(t), tt.host); err == nil {
				t.Errorf("got %q", got)
			}
		})
	}
}

func closedPort(t *testing.T) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).AddrPort()
}

// TestBrokenHello closes the connection; plain HTTP gets its page.
func TestBrokenHello(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(*ir.Route) {}, backend(t))
	broken := r.dial(t)
	_, _ = broken.Write([]byte{22, 3, 1, 0, 4, 2, 0, 0, 0})
	if b, _ := io.ReadAll(broken); len(b) != 0 {
		t.Errorf("got %q", b)
	}
	plain := r.dial(t)
	_, _ = io.WriteString(plain, "GET / HTTP/1.1\r\nHost: own.test\r\n\r\n")
	if b, err := io.ReadAll(plain); err != nil || len(b) < 12 || string(b[:12]) != "HTTP/1.1 400" {
		t.Errorf("got %q, %v", b, err)
	}
}

// TestShutdown waits for who is there, and cuts when time is over.
func TestShutdown(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(*ir.Route) {}, backend(t))
	c := tls.Client(r.dial(t), &tls.Config{ServerName: "own.test", InsecureSkipVerify: true})
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Shutdown(ctx) }()
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	if _, err := c.Read(make([]byte, 1)); err != nil {
		t.Fatal(err) // it is still carried
	}
	cancel()
	if err := <-done; err == nil {
		t.Error("nothing was cut")
	}
	if _, err := io.ReadAll(c); err == nil {
		t.Error("a clean end")
	}
}
