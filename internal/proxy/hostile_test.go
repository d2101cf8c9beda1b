package proxy

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"daemun/internal/accesslog"
	"daemun/internal/ir"
	"daemun/internal/table"
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

// TestH6_20_PanicIsLogged: a request that ended in a panic is in the log, and
// nothing of it stays behind.
func TestH6_20_PanicIsLogged(t *testing.T) {
	t.Parallel()
	s := newScript(t, answering(ok))
	r := newLogged(t, oneRoute(nil))
	r.endpoints(s.addr())
	r.tables.Store(&table.Table{Settings: r.tables.Load().Settings}) // has no hosts at all
	c := r.dial()
	c.send("GET /mine HTTP/1.1\r\nHost: a.test\r\n\r\n")
	if resp, _ := c.answer("GET"); resp.StatusCode != 500 {
		t.Errorf("status %d", resp.StatusCode)
	}
	c.Close()
	if got := r.lines(); len(got) != 1 || !strings.Contains(got[0], `"GET /mine HTTP/1.1" 500 `) {
		t.Errorf("log %q", got)
	}
}

// TestH11_9_TruncationShowsOverTLS: a response that only the end of the
// connection ends must not end in an orderly way when it broke off.
func TestH11_9_TruncationShowsOverTLS(t *testing.T) {
	t.Parallel()
	keys := httptest.NewTLSServer(nil)
	config := keys.TLS.Clone()
	keys.Close()
	r, _ := up(t, func(_ int, c *client) {
		c.head()
		c.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
	}, nil)
	r.wrap.Store(config)
	nc, err := tls.Dial("tcp", r.listener.Addr().String(), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if _, err := io.WriteString(nc, "GET / HTTP/1.0\r\nHost: a.test\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(nc); err == nil {
		t.Errorf("%q ended in an orderly way", got)
	}
}

// TestH2_11_LastAnswerSurvivesPipelining: when the connection ends after the
// last request it may carry, what the client has sent beyond that does not
// destroy the answer.
func TestH2_11_LastAnswerSurvivesPipelining(t *testing.T) {
	t.Parallel()
	s := newScript(t, answering(ok))
	cfg := oneRoute(nil)
	cfg.Settings.KeepAliveRequests = 1
	r := newRig(t, cfg)
	r.endpoints(s.addr())
	for range 20 {
		c := r.dial()
		c.send(strings.Repeat("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", 2000)) // more than one buffer
		if resp, body := c.answer("GET"); body != "ok" || !resp.Close {
			t.Fatalf("got %q close %v", body, resp.Close)
		}
		c.rest()
	}
}

// TestDateOnEveryAnswer: RFC 9110 §6.6.1 wants a Date on what is forwarded
// without one, and no second one.
func TestDateOnEveryAnswer(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ response, want string }{
		"without": {ok, ""},
		"with":    {"HTTP/1.1 200 OK\r\nDate: Tue, 15 Nov 1994 08:12:31 GMT\r\nContent-Length: 2\r\n\r\nok", "Tue, 15 Nov 1994 08:12:31 GMT"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, _ := up(t, answering(tt.response), nil)
			resp, _ := r.dial().get("/")
			got := resp.Header.Values("Date")
			if len(got) != 1 || tt.want != "" && got[0] != tt.want {
				t.Fatalf("Date %q", got)
			}
			if at, err := http.ParseTime(got[0]); err != nil || tt.want == "" && time.Since(at) > time.Minute {
				t.Errorf("Date %q: %v", got, err)
			}
		})
	}
}

// TestH8_1_StatusPage: the fixed locations of the catch-all block.
func TestH8_1_StatusPage(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, remote, host string
		status             int
		want               string
	}{
		{"from this machine", "127.0.0.1:9", "b.test", 200, "Active connections: 1 \nserver accepts handled requests\n 1 1 1 \nReading: 0 Writing: 1 Waiting: 0 \n"},
		{"over IPv6", "[::1]:9", "b.test", 200, "Active connections: 1 \n"},
		{"from elsewhere", "192.0.2.1:9", "b.test", 403, "<title>403 Forbidden</title>"},
		{"a host of its own", "127.0.0.1:9", "a.test", 200, "ok"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, _ := up(t, answering(ok), nil)
			r.remote.Store(&tt.remote)
			c := r.dial()
			c.send("GET /nginx_status HTTP/1.1\r\nHost: " + tt.host + "\r\n\r\n")
			resp, body := c.answer("GET")
			if resp.StatusCode != tt.status || !strings.Contains(body, tt.want) {
				t.Errorf("got %d %q, want %d %q", resp.StatusCode, body, tt.status, tt.want)
			}
		})
	}
}

// TestH6_8_ClientTakesNothing: a client that stops reading is cut off, on every
// way that a response takes, and the upstream connection with it.
func TestH6_8_ClientTakesNothing(t *testing.T) {
	t.Parallel()
	for name, head := range map[string]string{
		"length":  "Content-Length: 1000000000\r\n\r\n", // the kernel copies it
		"chunked": "Transfer-Encoding: chunked\r\n\r\n3b9aca00\r\n",
		"close":   "\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ended := make(chan struct{})
			r, _ := up(t, func(_ int, c *client) {
				defer close(ended)
				c.head()
				c.send("HTTP/1.1 200 OK\r\n" + head)
				_, _ = io.Copy(c.Conn, endlessZeros{})
			}, nil)
			r.server.writeIdle = 50 * time.Millisecond
			c := r.dial()
			c.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
			select {
			case <-ended:
			case <-time.After(patience):
				t.Fatal("the upstream still sends")
			}
			eventually(t, "the connection ends", func() bool { s := r.server.Stats(); return s.Active+s.Idle == 0 })
			if st := r.upstreams.Backend(backendID).Status()[0]; st.Idle+int(st.Active) != 0 {
				t.Errorf("left behind: %+v", st)
			}
		})
	}
}
