package proxy

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"daemun/internal/ir"
	"daemun/internal/proxyproto"
)

// from returns a rig with one route whose settings believe as f says; clients
// seem to connect from 10.0.0.1, their requests are what the backend answers.
func from(t *testing.T, f ir.Forwarded, change func(*ir.Host, *ir.Route)) *rig {
	t.Helper()
	cfg := oneRoute(change)
	cfg.Settings.Forwarded = f
	r := newRig(t, cfg)
	r.endpoints(newScript(t, func(_ int, c *client) {
		for {
			head := c.head()
			if head == "" {
				return
			}
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(head), head)
		}
	}).addr())
	peer := "10.0.0.1:5000"
	r.remote.Store(&peer)
	return r
}

var tens = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}

// TestH4_7_Forwarded: what a backend is told about the client, by what the
// client's side says and who is believed.
func TestH4_7_Forwarded(t *testing.T) {
	t.Parallel()
	const said = "X-Forwarded-For: 6.6.6.6, 192.0.2.7, 10.1.1.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 8443\r\nX-Forwarded-Host: shop.test:8443\r\n"
	believe := ir.Forwarded{Believe: true, Trusted: tens}
	others := ir.Forwarded{Believe: true, Trusted: []netip.Prefix{netip.MustParsePrefix("172.16.0.0/12")}}
	custom := ir.Forwarded{Believe: true, Trusted: tens, ForField: "cf-connecting-ip", HostField: "x-host"}
	for _, tt := range []struct {
		name  string
		trust ir.Forwarded
		said  string
		want  []string // fields, in lower case names
		never []string
	}{
		{
			"nobody is believed",
			ir.Forwarded{},
			said,
			[]string{"X-Real-IP: 10.0.0.1", "X-Forwarded-For: 10.0.0.1", "X-Forwarded-Proto: http", "X-Scheme: http", "Host: a.test", "X-Forwarded-Host: a.test", "X-Original-Forwarded-For: 6.6.6.6, 192.0.2.7, 10.1.1.1", "X-Original-Forwarded-Host: shop.test:8443"},
			[]string{"X-Forwarded-Port: 8443"},
		},
		{
			"a trusted peer", believe, said,
			[]string{"X-Real-IP: 192.0.2.7", "X-Forwarded-For: 192.0.2.7", "X-Forwarded-Proto: https", "X-Forwarded-Scheme: https", "X-Scheme: https", "X-Forwarded-Port: 8443", "Host: shop.test:8443", "X-Forwarded-Host: shop.test:8443"},
			nil,
		},
		{
			"another peer", others, said,
			[]string{"X-Real-IP: 10.0.0.1", "X-Forwarded-For: 10.0.0.1", "X-Forwarded-Proto: http", "Host: a.test", "X-Forwarded-Host: a.test"},
			[]string{"X-Forwarded-Port: 8443"},
		},
		{
			"everybody is trusted",
			ir.Forwarded{Believe: true},
			said,
			[]string{"X-Real-IP: 6.6.6.6", "X-Forwarded-For: 6.6.6.6"},
			nil,
		},
		{
			"the address only",
			ir.Forwarded{BelieveAddress: true, Trusted: tens},
			said,
			[]string{"X-Real-IP: 192.0.2.7", "X-Forwarded-For: 192.0.2.7", "X-Forwarded-Proto: http", "Host: a.test"},
			[]string{"X-Forwarded-Port: 8443"},
		},
		{
			"the chain goes on",
			ir.Forwarded{Believe: true, Append: true, Trusted: tens},
			said,
			[]string{"X-Real-IP: 192.0.2.7", "X-Forwarded-For: 6.6.6.6, 192.0.2.7, 10.1.1.1, 10.0.0.1"},
			nil,
		},
		{
			"a chain that begins here",
			ir.Forwarded{Believe: true, Append: true, Trusted: tens},
			"",
			[]string{"X-Real-IP: 10.0.0.1", "X-Forwarded-For: 10.0.0.1"},
			[]string{"X-Original"},
		},
		{
			"the chain of another peer is dropped",
			ir.Forwarded{Believe: true, Append: true, Trusted: others.Trusted},
			said,
			[]string{"X-Forwarded-For: 10.0.0.1"},
			nil,
		},
		{
			"several fields", believe, "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-For: 10.1.1.1\r\n",
			[]string{"X-Real-IP: 192.0.2.7"},
			nil,
		},
		{
			"fields of other names", custom, "CF-Connecting-IP: 192.0.2.9\r\nX-Host: shop.test\r\n" + said,
			[]string{"X-Real-IP: 192.0.2.9", "Host: shop.test", "X-Original-Forwarded-For: 192.0.2.9", "X-Original-Forwarded-Host: shop.test"},
			nil,
		},
		{
			"fields of other names of another peer",
			ir.Forwarded{Believe: true, Trusted: others.Trusted, ForField: "cf-connecting-ip"},
			"CF-Connecting-IP: 192.0.2.9\r\n",
			[]string{"X-Real-IP: 10.0.0.1"},
			[]string{"\r\nCF-Connecting-IP"},
		},
		{
			"rubbish", believe, "X-Forwarded-For: what\r\nX-Forwarded-Proto: a b\r\nX-Forwarded-Port: 1e3\r\nX-Forwarded-Host: a/b\r\n",
			[]string{"X-Real-IP: 10.0.0.1", "X-Forwarded-Proto: http", "Host: a.test"},
			[]string{"X-Forwarded-Port: 1e3"},
		},
		{
			"Connection names them", believe, "Connection: X-Forwarded-For, CF-Connecting-IP\r\n" + said,
			[]string{"X-Real-IP: 192.0.2.7"},
			nil,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := from(t, tt.trust, nil)
			c := r.dial()
			for range 2 { // nothing stays from one request to the next
				c.send("GET / HTTP/1.1\r\nHost: a.test\r\n" + tt.said + "\r\n")
				resp, head := c.answer("GET")
				if resp.StatusCode != 200 {
					t.Fatalf("status %d", resp.StatusCode)
				}
				for _, want := range tt.want {
					if strings.Count(head, "\r\n"+want+"\r\n") != 1 {
						t.Errorf("no %q in %q", want, head)
					}
				}
				for _, never := range tt.never {
					if strings.Contains(head, never) {
						t.Errorf("%q in %q", never, head)
					}
				}
				c.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
				if _, head := c.answer("GET"); !strings.Contains(head, "X-Real-IP: 10.0.0.1\r\n") {
					t.Errorf("the next request: %q", head)
				}
			}
		})
	}
}

// TestH4_7_HTTP2: the streams of one connection come from different clients.
func TestH4_7_HTTP2(t *testing.T) {
	t.Parallel()
	r := from(t, ir.Forwarded{Believe: true, Trusted: tens}, nil)
	two := r.http2Client()
	for _, client := range []string{"192.0.2.1", "192.0.2.2", ""} {
		req := r.newRequest("GET", "a.test", "/", "")
		want := "10.0.0.1"
		if client != "" {
			req.Header.Set("X-Forwarded-For", client)
			want = client
		}
		resp, head := r.ask(two, req)
		if resp.StatusCode != http.StatusOK || !strings.Contains(head, "X-Real-IP: "+want+"\r\n") {
			t.Errorf("%q: %d %q", client, resp.StatusCode, head)
		}
	}
}

// TestH4_7_PoliciesGoByTheClient: lists and redirects act on what is believed.
func TestH4_7_PoliciesGoByTheClient(t *testing.T) {
	t.Parallel()
	r := from(t, ir.Forwarded{Believe: true, Trusted: tens}, func(h *ir.Host, r *ir.Route) {
		h.TLSRedirect, r.SSLRedirect = true, true
		r.Access = &ir.Access{Allow: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}
	})
	c := r.dial()
	for _, tt := range []struct {
		said   string
		status int
		to     string
	}{
		{"X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\n", 200, ""},
		{"X-Forwarded-For: 198.51.100.1\r\nX-Forwarded-Proto: https\r\n", 403, ""},
		{"X-Forwarded-For: 192.0.2.7, 198.51.100.1\r\nX-Forwarded-Proto: https\r\n", 403, ""},
		{"X-Forwarded-Proto: http\r\nX-Forwarded-Host: other.test:80, x\r\n", 308, "https://other.test/p"},
	} {
		c.send("GET /p HTTP/1.1\r\nHost: a.test\r\n" + tt.said + "\r\n")
		if resp, _ := c.answer("GET"); resp.StatusCode != tt.status || resp.Header.Get("Location") != tt.to {
			t.Errorf("%q: %d %q", tt.said, resp.StatusCode, resp.Header.Get("Location"))
		}
	}
}

// TestH4_7_NobodyIsThisMachine: the status page goes by who connects.
func TestH4_7_NobodyIsThisMachine(t *testing.T) {
	t.Parallel()
	r := from(t, ir.Forwarded{Believe: true}, nil)
	c := r.dial()
	c.send("GET /nginx_status HTTP/1.1\r\nHost: x.test\r\nX-Forwarded-For: 127.0.0.1\r\n\r\n")
	if resp, _ := c.answer("GET"); resp.StatusCode != 403 {
		t.Errorf("status %d", resp.StatusCode)
	}
}

// TestH4_7_WhoIsBelievedIsNotThisMachine: a proxy on this machine, whose word is
// taken, does not lead its clients to the status page.
func TestH4_7_WhoIsBelievedIsNotThisMachine(t *testing.T) {
	t.Parallel()
	cfg := oneRoute(nil)
	cfg.Settings.Forwarded = ir.Forwarded{Believe: true, Trusted: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	c := newRig(t, cfg).dial()
	for said, want := range map[string]int{"": 200, "X-Forwarded-For: 192.0.2.1\r\n": 403, "X-Forwarded-For: 127.0.0.9\r\n": 200} {
		c.send("GET /nginx_status HTTP/1.1\r\nHost: x.test\r\n" + said + "\r\n")
		if resp, _ := c.answer("GET"); resp.StatusCode != want {
			t.Errorf("%q: %d, want %d", said, resp.StatusCode, want)
		}
	}
}

// TestProxiedConnections: the port and the scheme are those that the balancer
// was asked at.
func TestProxiedConnections(t *testing.T) {
	t.Parallel()
	for to, want := range map[string]string{"198.51.100.1:443": "https", "198.51.100.1:8080": "http"} {
		r := from(t, ir.Forwarded{}, nil)
		r.proxied.Store(&proxyproto.Header{Source: netip.MustParseAddrPort("192.0.2.7:999"), Destination: netip.MustParseAddrPort(to)})
		c := r.dial()
		_, head := c.get("/")
		_, port, _ := strings.Cut(to, ":")
		for _, field := range []string{"X-Real-IP: 192.0.2.7", "X-Forwarded-Port: " + port, "X-Forwarded-Proto: " + want} {
			if !strings.Contains(head, "\r\n"+field+"\r\n") {
				t.Errorf("%s: no %q in %q", to, field, head)
			}
		}
	}
}

// TestProxiedConnectionsOfTrustedPeers: what came to the https port of the balancer
// is https, whatever the peer says; else the peer is believed.
func TestProxiedConnectionsOfTrustedPeers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ to, said, want string }{
		{"198.51.100.1:443", "http", "https"},
		{"198.51.100.1:443", "https", "https"},
		{"198.51.100.1:8080", "https", "https"},
		{"198.51.100.1:8080", "http", "http"},
	} {
		r := from(t, ir.Forwarded{Believe: true, Trusted: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}, nil)
		r.proxied.Store(&proxyproto.Header{Source: netip.MustParseAddrPort("192.0.2.7:999"), Destination: netip.MustParseAddrPort(tt.to)})
		c := r.dial()
		c.send("GET / HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-Proto: " + tt.said + "\r\n\r\n")
		if _, head := c.answer("GET"); !strings.Contains(head, "\r\nX-Forwarded-Proto: "+tt.want+"\r\n") {
			t.Errorf("to %s, said to be %s: want %s in %q", tt.to, tt.said, tt.want, head)
		}
	}
}

// TestBelievingAllocatesNothing for addresses of IPv4.
func TestBelievingAllocatesNothing(t *testing.T) {
	r, _ := up(t, lean, nil)
	r.config.Settings.KeepAliveRequests = 1 << 30
	r.config.Settings.Forwarded = ir.Forwarded{Believe: true, Append: true, Trusted: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	r.publish()
	noAllocs(t, r, "GET /x HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-For: 192.0.2.7, 127.0.0.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 443\r\nX-Forwarded-Host: b.test\r\n\r\n")
}
