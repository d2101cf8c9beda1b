package proxy

import (
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"daemun/internal/ir"
)

func limited(change func(*ir.Limits)) func(*ir.Host, *ir.Route) {
	return func(_ *ir.Host, r *ir.Route) {
		r.Limits = &ir.Limits{ID: "d/i", Burst: 5}
		change(r.Limits)
	}
}

// TestRequestLimit pins §5.7 on the wire: six at once, then 503, and the order
// of the limits among the steps.
func TestRequestLimit(t *testing.T) {
	t.Parallel()
	one := limited(func(l *ir.Limits) { l.PerMinute = 1 })
	for _, tt := range []struct {
		name   string
		change func(*ir.Host, *ir.Route)
		status int // of the first six
		after  int // of the seventh
	}{
		{"requests", one, 200, 503},
		{"exempt", limited(func(l *ir.Limits) { l.PerMinute, l.Exempt = 1, []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }), 200, 200},
		{"before the lists and passwords", func(h *ir.Host, r *ir.Route) { one(h, r); basicAuth(h, r) }, 401, 503},
		{"before the default backend", func(h *ir.Host, r *ir.Route) { one(h, r); r.Backend = "" }, 404, 503},
		{"behind redirects", func(h *ir.Host, r *ir.Route) { one(h, r); r.ForceSSLRedirect = true }, 308, 308},
		{"preflight is free", func(h *ir.Host, r *ir.Route) { one(h, r); r.CORS = corsPolicy("*") }, 200, 503},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, _ := up(t, answering(ok), tt.change)
			c := r.dial()
			for i := range 7 {
				c.send("OPTIONS / HTTP/1.1\r\nHost: a.test\r\nOrigin: https://b.test\r\n\r\n")
				if tt.name == "preflight is free" {
					if resp, _ := c.answer("OPTIONS"); resp.StatusCode != 204 {
						t.Errorf("preflight %d: %d", i, resp.StatusCode)
					}
					c.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
				}
				want := tt.status
				if i == 6 {
					want = tt.after
				}
				if resp, _ := c.answer("GET"); resp.StatusCode != want {
					t.Errorf("request %d: %d, want %d", i, resp.StatusCode, want)
				}
			}
			other := "10.0.0.9:1"
			r.remote.Store(&other)
			if resp, _ := r.dial().get("/"); resp.StatusCode != tt.status {
				t.Errorf("another client gets %d", resp.StatusCode)
			}
		})
	}
}

// TestConnectionLimit: a request counts from its head to its end, upgraded
// connections to theirs.
func TestConnectionLimit(t *testing.T) {
	t.Parallel()
	arrived, release := make(chan struct{}, 4), make(chan struct{})
	r, _ := up(t, func(_ int, c *client) {
		for {
			head := c.head()
			if head == "" {
				return
			}
			if strings.HasPrefix(head, "GET /slow") {
				arrived <- struct{}{}
				<-release
			}
			if _, err := io.WriteString(c, ok); err != nil {
				return
			}
		}
	}, limited(func(l *ir.Limits) { l.Connections = 1 }))
	r.config.Settings.LimitConnectionStatus = 429
	r.publish()
	slow, other := r.dial(), r.dial()
	slow.send("GET /slow HTTP/1.1\r\nHost: a.test\r\n\r\n")
	<-arrived
	if resp, _ := other.get("/"); resp.StatusCode != 429 {
		t.Errorf("the second gets %d", resp.StatusCode)
	}
	close(release)
	if resp, _ := slow.answer("GET"); resp.StatusCode != 200 {
		t.Errorf("the first gets %d", resp.StatusCode)
	}
	eventually(t, "the place is free", func() bool {
		resp, _ := other.get("/")
		return resp.StatusCode == 200
	})
}

// TestPaced: a response with a bandwidth arrives whole, in any framing.
func TestPaced(t *testing.T) {
	t.Parallel()
	body := strings.Repeat("0123456789abcdef", 4<<10) // 64 KiB
	for name, answer := range map[string]string{
		"length":  "HTTP/1.1 200 OK\r\nContent-Length: 65536\r\n\r\n" + body,
		"chunked": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10000\r\n" + body + "\r\n0\r\n\r\n",
		"close":   "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, _ := up(t, func(_ int, c *client) {
				c.head()
				_, _ = io.WriteString(c, answer)
			}, func(_ *ir.Host, r *ir.Route) { r.Bandwidth = &ir.Bandwidth{Rate: 56 << 10} })
			if _, got := r.dial().get("/"); got != body {
				t.Errorf("got %d octets", len(got))
			}
		})
	}
}

// TestPacedHoldsBack: what is over the bandwidth is not there, and a client that
// leaves ends the wait.
func TestPacedHoldsBack(t *testing.T) {
	t.Parallel()
	r, _ := up(t, answering("HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n"+strings.Repeat("x", 2000)), func(_ *ir.Host, r *ir.Route) {
		r.Bandwidth = &ir.Bandwidth{Rate: 1, After: 999}
	})
	c := r.dial()
	c.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
	c.head()
	_ = c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if got, _ := io.ReadAll(c.br); len(got) < 1000 || len(got) > 1010 {
		t.Errorf("%d octets came at once, want 1000", len(got))
	}
	c.Close()
	eventually(t, "the connection ends", func() bool { st := r.server.Stats(); return st.Active+st.Idle == 0 })
}

func TestLimitAllocs(t *testing.T) {
	cfg := oneRoute(limited(func(l *ir.Limits) { l.PerSecond, l.Connections = 1<<30, 10 }))
	cfg.Settings.KeepAliveRequests = 1 << 30
	r := newRig(t, cfg)
	r.endpoints(newScript(t, lean).addr())
	noAllocs(t, r, "GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n")
}
