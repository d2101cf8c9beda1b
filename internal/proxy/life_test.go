package proxy

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"daemun/internal/ir"
	"daemun/internal/table"
)

const (
	upgradeRequest = "GET /ws HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	upgradeAnswer  = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)

// mirror agrees to the upgrade and sends back what it gets.
func mirror(_ int, c *client) {
	head := c.head()
	if !strings.Contains(head, "Connection: upgrade\r\nUpgrade: websocket\r\n") {
		return
	}
	c.send(upgradeAnswer + "welcome ")
	_, _ = io.Copy(c, c.br)
}

func (c *client) expect(want string) {
	c.t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c.br, got); err != nil || string(got) != want {
		c.t.Fatalf("got %q, %v; want %q", got, err, want)
	}
}

func TestUpgrade(t *testing.T) {
	t.Parallel()
	r, _ := up(t, mirror, nil)
	c := r.dial()
	c.send(upgradeRequest + "early ")
	if h := c.head(); !strings.HasPrefix(h, "HTTP/1.1 101 ") || !strings.Contains(h, "Upgrade: websocket\r\n") {
		t.Fatalf("got %q", h)
	}
	c.expect("welcome early ")
	if st := r.server.Stats(); st.Tunnels != 1 {
		t.Errorf("stats %+v, want one tunnel", st)
	}
	c.send("late")
	c.expect("late")
	large := strings.Repeat("0123456789abcdef", 1<<14)
	go func() { _, _ = io.WriteString(c.Conn, large) }()
	c.expect(large)
	c.Close()
	eventually(t, "the tunnel ends", func() bool { return r.server.Stats().Tunnels == 0 })
}

func TestUpgradeIdle(t *testing.T) {
	t.Parallel()
	r, _ := up(t, mirror, func(_ *ir.Host, r *ir.Route) { r.ReadTimeout = ir.Duration(50 * time.Millisecond) })
	c := r.dial()
	c.send(upgradeRequest)
	c.head()
	c.expect("welcome ")
	if left := c.rest(); left != "" {
		t.Errorf("got %q", left)
	}
}

func TestUpgradeRefused(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		request, answer string
		status          int
	}{
		"not agreed":      {upgradeRequest, ok, 200},
		"wrong key":       {upgradeRequest, strings.Replace(upgradeAnswer, "s3p", "xxx", 1), 502},
		"wrong protocol":  {upgradeRequest, strings.Replace(upgradeAnswer, "Upgrade: websocket", "Upgrade: other", 1), 502},
		"h2c not offered": {strings.Replace(upgradeRequest, "websocket", "h2c", 1), ok, 200},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			heads := make(chan string, 8)
			r, _ := up(t, func(_ int, c *client) {
				for h := c.head(); h != ""; h = c.head() {
					heads <- h
					if _, err := io.WriteString(c, tt.answer); err != nil {
						return
					}
				}
			}, nil)
			c := r.dial()
			c.send(tt.request + "GET / HTTP/1.1\r\nHost: b.test\r\n\r\n") // what follows is the next request
			if resp, _ := c.answer("GET"); resp.StatusCode != tt.status {
				t.Errorf("status %d, want %d", resp.StatusCode, tt.status)
			}
			if resp, _ := c.answer("GET"); resp.StatusCode != 404 {
				t.Errorf("second status %d, want 404", resp.StatusCode)
			}
			if h := <-heads; strings.Contains(h, "h2c") {
				t.Errorf("h2c was offered: %q", h)
			}
		})
	}
}

func TestTimeouts(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, send string
		status     int // 0: silent end
	}{
		{"nothing sent", "", 0},
		{"half a head", "GET / HTTP/1.1\r\nHo", 408},
		{"half a small body", "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhe", 408},
		{"half a large body", "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 500000\r\n\r\nhe", 408},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newScript(t, func(_ int, c *client) { _, _ = io.ReadAll(c.br) })
			cfg := oneRoute(nil)
			cfg.Settings.HeaderTimeout, cfg.Settings.BodyTimeout = ir.Duration(50*time.Millisecond), ir.Duration(50*time.Millisecond)
			r := newRig(t, cfg)
			r.endpoints(s.addr())
			c := r.dial()
			c.send(tt.send)
			if tt.status == 0 {
				if got := c.rest(); got != "" {
					t.Errorf("got %q", got)
				}
				return
			}
			if resp, _ := c.answer("GET"); resp.StatusCode != tt.status || !resp.Close {
				t.Errorf("status %d close %v", resp.StatusCode, resp.Close)
			}
		})
	}
}

// H1.15: what follows a refused request is never looked at.
func TestNothingAfterRefusal(t *testing.T) {
	t.Parallel()
	r, s := up(t, answering(ok), nil)
	c := r.dial()
	c.send("GET / HTTP/1.1\r\nHost : a.test\r\n\r\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
	if resp, _ := c.answer("GET"); resp.StatusCode != 400 || !resp.Close {
		t.Errorf("status %d close %v", resp.StatusCode, resp.Close)
	}
	if left := c.rest(); left != "" {
		t.Errorf("got %q", left)
	}
	if n := s.conns.Load(); n != 0 {
		t.Errorf("%d upstream connections", n)
	}
	if got := r.server.Stats().Refusals["field-name"]; got != 1 {
		t.Errorf("refusals %v", r.server.Stats().Refusals)
	}
}

func TestShutdown(t *testing.T) {
	t.Parallel()
	got, answer := make(chan struct{}), make(chan struct{})
	r, _ := up(t, func(_ int, c *client) {
		for h := c.head(); h != ""; h = c.head() {
			if strings.HasPrefix(h, "GET /slow") {
				close(got)
				<-answer
			}
			c.send(ok)
		}
	}, nil)
	idle, busy := r.dial(), r.dial()
	idle.get("/")
	busy.send("GET /slow HTTP/1.1\r\nHost: a.test\r\n\r\n")
	<-got
	done := make(chan error, 1)
	go func() { done <- r.server.Shutdown(context.Background()) }()
	if left := idle.rest(); left != "" {
		t.Errorf("idle connection got %q", left)
	}
	close(answer)
	resp, body := busy.answer("GET")
	if body != "ok" || !resp.Close {
		t.Errorf("busy connection: %q close %v", body, resp.Close)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestShutdownCutsTunnels(t *testing.T) {
	t.Parallel()
	r, _ := up(t, mirror, nil)
	c := r.dial()
	c.send(upgradeRequest)
	c.head()
	c.expect("welcome ")
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.server.Shutdown(ctx) }()
	c.send("still there")
	c.expect("still there")
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if _, err := c.br.ReadByte(); err == nil {
		t.Error("the tunnel lives on")
	}
}

func TestTableSwapKeepsConnections(t *testing.T) {
	t.Parallel()
	r, s := up(t, answering(ok), nil)
	c := r.dial()
	c.get("/")
	next := oneRoute(func(_ *ir.Host, r *ir.Route) { r.Denied = 403 })
	r.config = next
	r.publish()
	if resp, _ := c.get("/"); resp.StatusCode != 403 || resp.Close {
		t.Errorf("status %d close %v", resp.StatusCode, resp.Close)
	}
	if s.conns.Load() != 1 {
		t.Error("more than one upstream connection")
	}
}

// H6.20: a panic costs one request, not the process.
func TestPanicIsContained(t *testing.T) {
	t.Parallel()
	r, _ := up(t, answering(ok), nil)
	good := r.tables.Load()
	c := r.dial()
	c.get("/")
	r.tables.Store(&table.Table{Settings: good.Settings}) // has no hosts at all
	if resp, _ := c.get("/"); resp.StatusCode != 500 || !resp.Close {
		t.Errorf("status %d close %v", resp.StatusCode, resp.Close)
	}
	r.tables.Store(good)
	if resp, _ := r.dial().get("/"); resp.StatusCode != 200 {
		t.Errorf("status %d afterwards", resp.StatusCode)
	}
	if n := r.server.Stats().Panics; n != 1 {
		t.Errorf("%d panics counted", n)
	}
}
