package proxy

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"daemun/internal/ir"
)

// TestBlocked: what every host refuses comes before redirects and whatever the
// Ingress allows.
func TestBlocked(t *testing.T) {
	t.Parallel()
	cfg := oneRoute(func(h *ir.Host, r *ir.Route) {
		h.AppRoot = "/app"
		r.Access = &ir.Access{Allow: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}}
	})
	cfg.Settings.Block = &ir.Block{
		Networks: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, UserAgents: []string{"~*bot"}, Referers: []string{"http://spam.test/"},
	}
	r := newRig(t, cfg)
	r.endpoints(newScript(t, answering(ok)).addr())
	c := r.dial()
	for fields, want := range map[string]int{
		"": 302, "User-Agent: curl\r\n": 302, "User-Agent: a BOT\r\n": 403, "Referer: http://spam.test/\r\n": 403, "Referer: http://spam.test/x\r\n": 302,
	} {
		c.send("GET / HTTP/1.1\r\nHost: a.test\r\n" + fields + "\r\n")
		if resp, _ := c.answer("GET"); resp.StatusCode != want {
			t.Errorf("%q: %d, want %d", fields, resp.StatusCode, want)
		}
	}
	peer := "192.0.2.9:1"
	r.remote.Store(&peer)
	if resp, _ := r.dial().get("/x"); resp.StatusCode != 403 {
		t.Errorf("by address: %d", resp.StatusCode)
	}
	if n := r.server.Stats().Refusals["blocked"]; n != 3 {
		t.Errorf("counted %d", n)
	}
}

// TestServerField: the name of the program, or that of the backend, or none.
func TestServerField(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		tokens, backends bool
		want, own        string
	}{
		{false, false, "", ""}, {false, true, "", ""}, {true, false, "daemun", "daemun"}, {true, true, "their/1", "daemun"},
	} {
		r, _ := up(t, answering("HTTP/1.1 200 OK\r\nServer: their/1\r\nContent-Length: 2\r\n\r\nok"), nil)
		r.config.Settings.ServerField, r.config.Settings.BackendServerField = tt.tokens, tt.backends
		r.publish()
		c := r.dial()
		resp, _ := c.get("/")
		if got := strings.Join(resp.Header.Values("Server"), "|"); got != tt.want {
			t.Errorf("%+v: %q", tt, got)
		}
		c.send("GET / HTTP/1.1\r\nHost: unknown.test\r\n\r\n")
		resp, _ = c.answer("GET")
		if got := strings.Join(resp.Header.Values("Server"), "|"); got != tt.own {
			t.Errorf("%+v: own answer %q", tt, got)
		}
	}
}

// TestRequestSettings: ids, the original URI and names with underscores.
func TestRequestSettings(t *testing.T) {
	t.Parallel()
	const said = "X-Original-URI: /evil\r\napi_key: k\r\nX_Real_IP: 6.6.6.6\r\ncontent_length: 7\r\n"
	for _, tt := range []struct {
		name        string
		change      func(*ir.Settings)
		want, never []string
	}{
		{"usual", func(*ir.Settings) {}, []string{"X-Request-ID: ", "X-Original-URI: /evil"}, []string{"api_key", "X_Real", "content_length"}},
		{"no ids", func(s *ir.Settings) { s.NoRequestID = true }, nil, []string{"X-Request-ID"}},
		{"original URI", func(s *ir.Settings) { s.OriginalURI = true }, []string{"X-Original-URI: /p?q\r\n"}, []string{"/evil"}},
		{"underscores", func(s *ir.Settings) { s.RequestHeads.KeepUnderscores = true }, []string{"api_key: k\r\n"}, []string{"X_Real", "content_length"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := from(t, ir.Forwarded{}, nil)
			tt.change(&r.config.Settings)
			r.publish()
			c := r.dial()
			c.send("GET /p?q HTTP/1.1\r\nHost: a.test\r\n" + said + "\r\n")
			_, head := c.answer("GET")
			for _, want := range tt.want {
				if strings.Count(head, "\r\n"+want) != 1 {
					t.Errorf("no %q in %q", want, head)
				}
			}
			for _, never := range tt.never {
				if strings.Contains(head, never) {
					t.Errorf("%q in %q", never, head)
				}
			}
		})
	}
}

// TestHeaderBuffers: a setting for larger heads holds for both protocols.
func TestHeaderBuffers(t *testing.T) {
	t.Parallel()
	r, _ := up(t, answering(ok), nil)
	long := strings.Repeat("x", 20<<10)
	for _, want := range []int{431, 200} {
		c := r.dial()
		c.send(fmt.Sprintf("GET / HTTP/1.1\r\nHost: a.test\r\nA: %s\r\nB: %s\r\n\r\n", long, long))
		if resp, _ := c.answer("GET"); resp.StatusCode != want {
			t.Errorf("HTTP/1: %d, want %d", resp.StatusCode, want)
		}
		r.config.Settings.RequestHeads = ir.RequestHeads{Line: 32 << 10, Head: 128 << 10}
		r.publish()
	}
	req := r.newRequest("GET", "a.test", "/", "")
	req.Header.Set("A", long)
	req.Header.Set("B", long)
	if resp, _ := r.ask(r.http2Client(), req); resp.StatusCode != 200 {
		t.Errorf("HTTP/2: %d", resp.StatusCode)
	}
}

// TestPassthroughHostOverOtherTLS: H7.4.
func TestPassthroughHostOverOtherTLS(t *testing.T) {
	t.Parallel()
	r, _ := up(t, answering(ok), func(h *ir.Host, _ *ir.Route) { h.Passthrough = true })
	for secure, want := range map[bool]int{true: 421, false: 200} {
		r.tls.Store(secure)
		if resp, _ := r.dial().get("/"); resp.StatusCode != want {
			t.Errorf("TLS %v: %d, want %d", secure, resp.StatusCode, want)
		}
	}
}
