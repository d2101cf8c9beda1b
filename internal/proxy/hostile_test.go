package proxy

import (
	"bytes"
	"context"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"daemun/internal/accesslog"
	"daemun/internal/ir"
)

// logged is a rig that keeps its access log.
type logged struct {
	*rig
	log *accesslog.Log
	out bytes.Buffer
}

func newLogged(t *testing.T, cfg *ir.Config) *logged {
	t.Helper()
	l := &logged{}
	l.log = accesslog.New(accesslog.Config{Writer: &l.out})
	l.rig = newRigWith(t, cfg, Config{Log: l.log}, nil)
	return l
}

// lines waits until no connection is open and returns the log.
func (l *logged) lines() []string {
	l.t.Helper()
	eventually(l.t, "all connections end", func() bool { s := l.server.Stats(); return s.Active+s.Idle+s.Tunnels == 0 })
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := l.log.Run(ctx); err != nil {
		l.t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(l.out.String()), "\n")
}

// TestH6_5_LateHeadIsLoggedAsSent: the buffer in which a head began is another
// connection's when the head outgrew it and then timed out. What the log says
// must be from the octets of this connection.
func TestH6_5_LateHeadIsLoggedAsSent(t *testing.T) {
	t.Parallel()
	s := newScript(t, answering(ok))
	cfg := oneRoute(nil)
	cfg.Settings.HeaderTimeout = ir.Duration(300 * time.Millisecond)
	r := newLogged(t, cfg)
	r.endpoints(s.addr())
	const mine, other = "GET /mine HTTP/1.1\r\nHost: a.test\r\nX-Request-ID: mine\r\nA: ", "GET /othr HTTP/1.1\r\nHost: a.test\r\nX-Request-ID: othr\r\n\r\n"
	var late []*client
	for range 8 {
		c := r.dial()
		c.send(mine + strings.Repeat("x", 4096-len(mine))) // exactly one buffer, and the end is missing
		late = append(late, c)
	}
	var busy sync.WaitGroup
	stop := make(chan struct{})
	for range 8 {
		c := r.dial()
		busy.Go(func() {
			defer c.Close()
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := io.WriteString(c, other); err != nil {
					return
				}
				if _, err := c.br.ReadString('k'); err != nil { // the body is "ok", the head holds "OK"
					return
				}
			}
		})
	}
	for _, c := range late {
		if resp, _ := c.answer("GET"); resp.StatusCode != 408 {
			t.Errorf("status %d, want 408", resp.StatusCode)
		}
		c.Close()
	}
	close(stop)
	busy.Wait()
	n := 0
	for _, line := range r.lines() {
		if strings.Contains(line, `" 408 `) {
			n++
			if !strings.Contains(line, `"GET /mine HTTP/1.1" 408 `) || !strings.HasSuffix(line, " mine") {
				t.Errorf("line %s", line)
			}
		}
	}
	if n != len(late) {
		t.Errorf("%d lines with 408, want %d", n, len(late))
	}
}

// TestH6_9_UpstreamTakesNoBody: an upstream that neither reads nor answers is
// given up, however long the body is that still waits.
func TestH6_9_UpstreamTakesNoBody(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	defer close(release)
	r, _ := up(t, func(_ int, c *client) { c.head(); <-release }, func(_ *ir.Host, r *ir.Route) {
		r.MaxBody, r.SendTimeout, r.ReadTimeout = 0, ir.Duration(100*time.Millisecond), ir.Duration(100*time.Millisecond)
	})
	c := r.dial()
	c.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000000000\r\n\r\n")
	go func() { _, _ = io.Copy(c.Conn, endlessZeros{}) }()
	if resp, _ := c.answer("POST"); resp.StatusCode != 504 || !resp.Close {
		t.Errorf("status %d close %v, want 504 and close", resp.StatusCode, resp.Close)
	}
}

type endlessZeros struct{}

func (endlessZeros) Read(p []byte) (int, error) { return len(p), nil }
