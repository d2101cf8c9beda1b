package proxy

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"daemun/internal/ir"
	"daemun/internal/listen"
	"daemun/internal/metrics"
	"daemun/internal/policy"
	"daemun/internal/proxyproto"
	"daemun/internal/table"
	"daemun/internal/tunnel"
	"daemun/internal/upstream"
)

// patience bounds every wait of a test; reaching it is a failure.
const patience = 20 * time.Second

// rig is a Server behind a real listener with scripted upstreams.
type rig struct {
	t         testing.TB
	server    *Server
	upstreams *upstream.Registry
	tables    atomic.Pointer[table.Table]
	listener  net.Listener
	tls       atomic.Bool                // connections count as TLS
	wrap      atomic.Pointer[tls.Config] // and really are
	remote    atomic.Pointer[string]     // where clients seem to come from
	proxied   atomic.Pointer[proxyproto.Header]
	config    *ir.Config
	counts    *metrics.Registry // may be nil
	policies  *policy.State     // of passwords, set before publish
}

func newRig(t testing.TB, cfg *ir.Config) *rig {
	t.Helper()
	return newRigWith(t, cfg, Config{}, nil)
}

// newRigWith takes the rest of the proxy's configuration, and what routes count
// in.
func newRigWith(t testing.TB, cfg *ir.Config, c Config, counts *metrics.Registry) *rig {
	t.Helper()
	r := &rig{t: t, config: cfg, upstreams: upstream.NewRegistry(upstream.Config{}), counts: counts, policies: policy.NewState(policy.Config{Verifier: slowVerifier})}
	r.publish()
	c.Table = &r.tables
	r.server = New(c)
	var err error
	if r.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			nc, err := r.listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				r.serve(nc, func() func() {
					serving.Add(1)
					return serving.Done
				})
			})
		}
	})
	t.Cleanup(func() {
		r.listener.Close()
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = r.server.Shutdown(ctx)
		serving.Wait()
		r.upstreams.Close()
	})
	return r
}

func (r *rig) serve(nc net.Conn, hold func() func()) {
	info := listen.ConnInfo{Hold: hold, Remote: nc.RemoteAddr().(*net.TCPAddr).AddrPort(), Local: nc.LocalAddr().(*net.TCPAddr).AddrPort()}
	info.Peer = info.Remote
	if remote := r.remote.Load(); remote != nil {
		info.Remote = netip.MustParseAddrPort(*remote)
		info.Peer = info.Remote
	}
	if proxied := r.proxied.Load(); proxied != nil {
		info.Proxied, info.Remote = *proxied, proxied.Source
	}
	if r.tls.Load() {
		state := tls.ConnectionState{}
		info.TLS = &state // the proxy only asks whether there is one
	}
	if config := r.wrap.Load(); config != nil {
		secure := tls.Server(&tunnel.Line{Conn: nc}, config)
		if err := secure.Handshake(); err != nil {
			r.t.Error(err)
		}
		nc = secure
		if info.TLS != nil {
			state := secure.ConnectionState()
			info.TLS = &state
			if len(config.Certificates) > 0 && config.Certificates[0].Leaf != nil {
				info.Names = config.Certificates[0].Leaf.DNSNames
			}
		}
	}
	r.server.ServeConn(nc, info)
}

func (r *rig) publish() {
	r.tables.Store(table.Compile(r.tables.Load(), 1, r.config, table.Handles{
		Backend:  r.upstreams.Backend,
		Policies: r.policies,
		Route: func(h *ir.Host, route *ir.Route) *metrics.Route {
			if r.counts == nil {
				return nil
			}
			return r.counts.Route(metrics.RouteKey{Host: h.Name, Service: route.Service, Path: route.Path})
		},
	}))
}

// endpoints sets the addresses of the backend "d/s/80".
func (r *rig) endpoints(addrs ...netip.AddrPort) {
	set := ir.EndpointSet{Backend: backendID}
	for _, a := range addrs {
		set.Endpoints = append(set.Endpoints, ir.Endpoint{Addr: a})
	}
	r.upstreams.Update(set)
}

const backendID ir.BackendID = "d/s/80"

func defaultPolicies() ir.Policies {
	return ir.Policies{
		Protocol: ir.ProtocolHTTP, MaxBody: 1 << 20, ConnectTimeout: ir.Duration(5 * time.Second),
		SendTimeout: ir.Duration(60 * time.Second), ReadTimeout: ir.Duration(60 * time.Second),
		Retry: ir.Retry{On: ir.RetryError | ir.RetryTimeout, Tries: 3}, AccessLog: true,
	}
}

// oneRoute is a configuration with host a.test, one route "/", and the
// catch-all block; change may alter them.
func oneRoute(change func(h *ir.Host, r *ir.Route)) *ir.Config {
	route := &ir.Route{
		Path: "/", PathType: "Prefix", Match: ir.MatchPrefix, Pattern: "/", Ingress: ir.Ref{Kind: "Ingress", Namespace: "d", Name: "i"},
		Service: "s", ServicePort: "80", Backend: backendID, Policies: defaultPolicies(),
	}
	host := &ir.Host{Name: "a.test", Routes: []*ir.Route{route}}
	if change != nil {
		change(host, route)
	}
	other := &ir.Route{Path: "/", Match: ir.MatchPrefix, Pattern: "/", Implicit: true, Policies: defaultPolicies()}
	return &ir.Config{
		Hosts:    []*ir.Host{{Name: "", Routes: []*ir.Route{other}}, host},
		Backends: []*ir.Backend{{ID: backendID, Namespace: "d", Service: "s", Port: "80"}},
		Settings: ir.DefaultSettings(),
	}
}

// client is a raw connection to the rig.
type client struct {
	t testing.TB
	net.Conn
	br *bufio.Reader
}

func (r *rig) dial() *client {
	r.t.Helper()
	nc, err := net.Dial("tcp", r.listener.Addr().String())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(patience))
	return newClient(r.t, nc)
}

func newClient(t testing.TB, nc net.Conn) *client { return &client{t, nc, bufio.NewReader(nc)} }

func (c *client) send(s string) {
	c.t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		c.t.Fatal(err)
	}
}

// answer reads one response with its body.
func (c *client) answer(method string) (*http.Response, string) {
	c.t.Helper()
	resp, err := http.ReadResponse(c.br, &http.Request{Method: method})
	if err != nil {
		c.t.Fatalf("read response: %v", err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatalf("read body: %v", err)
	}
	return resp, string(body)
}

// rest reads until the connection ends.
func (c *client) rest() string {
	c.t.Helper()
	b, err := io.ReadAll(c.br)
	if err != nil {
		c.t.Fatalf("read to the end: %v (got %q)", err, b)
	}
	return string(b)
}

func (c *client) get(path string) (*http.Response, string) {
	c.t.Helper()
	c.send("GET " + path + " HTTP/1.1\r\nHost: a.test\r\n\r\n")
	return c.answer("GET")
}

// script is an upstream: handle gets each connection with its number from 0.
type script struct {
	net.Listener
	conns atomic.Int64
}

func newScript(t testing.TB, handle func(n int, c *client)) *script {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &script{Listener: l}
	var running sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	running.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, nc)
			mu.Unlock()
			_ = nc.SetDeadline(time.Now().Add(patience))
			n := int(s.conns.Add(1)) - 1
			running.Go(func() {
				defer nc.Close()
				handle(n, &client{t, nc, bufio.NewReader(nc)})
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, nc := range open {
			nc.Close()
		}
		mu.Unlock()
		running.Wait()
	})
	return s
}

func (s *script) addr() netip.AddrPort { return s.Addr().(*net.TCPAddr).AddrPort() }

// head reads a message head, up to and with the empty line; "" at the end.
func (c *client) head() string {
	var b bytes.Buffer
	for {
		line, err := c.br.ReadString('\n')
		b.WriteString(line)
		if err != nil {
			return ""
		}
		if line == "\r\n" {
			return b.String()
		}
	}
}

// echo answers every request with what it got: head and body.
func echo(_ int, c *client) {
	for {
		req, err := http.ReadRequest(c.br)
		if err != nil {
			return
		}
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nX-Method: %s\r\n\r\n", len(body), req.Method)
		if req.Method != "HEAD" {
			_, _ = c.Write(body)
		}
	}
}

// answering replies to every head with the same octets.
func answering(octets string) func(int, *client) {
	return func(_ int, c *client) {
		for c.head() != "" {
			if _, err := io.WriteString(c, octets); err != nil {
				return
			}
		}
	}
}

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// eventually waits until done reports true.
func eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	late := time.After(patience)
	for !done() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("never happened: %s", what)
		}
	}
}

func lines(s ...string) string { return strings.Join(s, "\r\n") + "\r\n\r\n" }
