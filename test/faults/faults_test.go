package faults

import (
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"daemun/internal/daemuntest"
)

// TestFaults breaks a program with as many processors as there are.
func TestFaults(t *testing.T) {
	t.Parallel()
	all(newLab(t, daemuntest.Options{}))
}

// TestFaultsOnOneProcessor: nothing depends on goroutines running side by side.
func TestFaultsOnOneProcessor(t *testing.T) {
	t.Parallel()
	if !*each {
		t.Skip("make faults does this")
	}
	all(newLab(t, daemuntest.Options{Env: []string{"GOMAXPROCS=1"}}))
}

func all(l *lab) {
	l.kind("slow clients", l.slow)
	l.kind("bounds", l.caps)
	l.kind("broken upstreams", l.upstreams)
	l.kind("clients that leave", l.leavers)
	l.kind("exhaustion", l.exhaustion)
	l.kind("frames", l.frames)
}

// slow are clients that take their time. The times are short while they try.
func (l *lab) slow() {
	short := map[string]string{"client-header-timeout": "1", "client-body-timeout": "1"}
	l.fault("slow head", func(t *testing.T) {
		l.with(t, short, func() {
			var held []*client
			for range 20 {
				c := l.dial(t)
				c.send("GET / HTTP/1.1\r\nHost: web.test\r\nX-Slow: ")
				held = append(held, c)
			}
			for _, c := range held {
				for range 5 {
					c.send("x")
				}
				c.want(t, 408)
				c.ends(t)
			}
		})
	})
	l.fault("slow post", func(t *testing.T) {
		l.with(t, short, func() {
			var held []*client
			for range 20 {
				c := l.dial(t)
				c.send("POST /upload HTTP/1.1\r\nHost: web.test\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("x", 40000))
				held = append(held, c)
			}
			for _, c := range held {
				c.want(t, 408)
				c.ends(t)
			}
		})
	})
	l.fault("slow read", func(t *testing.T) {
		for range 20 {
			c := l.dial(t)
			_ = c.Conn.(*net.TCPConn).SetReadBuffer(4 << 10)
			c.send(get("web.test", "/bytes?8000000", ""))
			if _, err := c.br.ReadByte(); err != nil {
				t.Error(err)
			}
			defer c.reset()
		}
	})
	l.fault("silence", func(t *testing.T) {
		l.with(t, short, func() {
			for range 20 {
				defer l.dial(t).ends(t)
			}
		})
	})
}

// caps are bounds and their exact answers.
func (l *lab) caps() {
	long := strings.Repeat("x", 20<<10)
	for _, tt := range []struct {
		name, send string
		status     int
	}{
		{"long target", get("web.test", "/"+long, ""), 414},
		{"long field", get("web.test", "/", "X: "+long+"\r\n"), 431},
		{"long head", get("web.test", "/", strings.Repeat("X: "+long[:8000]+"\r\n", 5)), 431},
		{"many fields", get("web.test", "/", strings.Repeat("X: y\r\n", 101)), 431},
		{"long body", "POST / HTTP/1.1\r\nHost: short.test\r\nContent-Length: 32769\r\n\r\n", 413},
		{"long body in chunks", "POST / HTTP/1.1\r\nHost: short.test\r\nTransfer-Encoding: chunked\r\n\r\n8001\r\n" + long + long[:0x8001-len(long)] + "\r\n", 413},
		{"chunk without an end", "POST / HTTP/1.1\r\nHost: web.test\r\nTransfer-Encoding: chunked\r\n\r\n1;" + long + "\r\n", 400},
		{"both framings", "POST / HTTP/1.1\r\nHost: web.test\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", 400},
	} {
		l.fault(tt.name, func(t *testing.T) {
			for range 5 {
				c := l.dial(t)
				c.send(tt.send)
				c.want(t, tt.status)
				c.ends(t)
			}
		})
	}
}

// upstreams are backends that break off, lie or hang.
func (l *lab) upstreams() {
	for _, tt := range []struct {
		path   string
		status int // 0: the answer breaks off
	}{
		{"/half-head", 502},
		{"/half-body", 0},
		{"/half-chunk", 0},
		{"/both-framings", 502},
		{"/two-lengths", 502},
		{"/bad-chunk", 0},
		{"/endless-head", 502},
		{"/endless-interim", 502},
		{"/no-http", 502},
		{"/second-answer", 200},
		{"/reset", 502},
	} {
		l.fault("upstream "+tt.path[1:], func(t *testing.T) {
			for range 5 {
				c := l.dial(t)
				c.send(get("web.test", tt.path, "Connection: close\r\n"))
				status, body, err := c.answerPastInterim()
				switch {
				case tt.status == 0 && err == nil:
					t.Errorf("%d %q does not look broken off", status, body)
				case tt.status != 0 && (err != nil || status != tt.status || strings.Contains(body, "evil")):
					t.Errorf("got %d %.80q, %v; want %d", status, body, err, tt.status)
				}
				c.ends(t)
			}
		})
	}
	l.fault("upstream is late", func(t *testing.T) {
		for _, path := range []string{"/never", "/stall"} {
			var held []*client
			for range 5 {
				c := l.dial(t)
				c.send(get("short.test", path, "Connection: close\r\n"))
				held = append(held, c)
			}
			for _, c := range held {
				status, _, err := c.answer()
				if path == "/never" && status != 504 || path == "/stall" && err == nil {
					t.Errorf("%s: %d %v", path, status, err)
				}
				c.ends(t)
			}
		}
	})
	l.fault("upstream resets reused connections", func(t *testing.T) {
		for range 5 {
			c := l.dial(t)
			c.send(get("web.test", "/", "")) // leaves a connection in the pool
			c.want(t, 200)
			c.send(get("web.test", "/reset", ""))
			c.want(t, 502)
			c.send(get("web.test", "/", "Connection: close\r\n"))
			c.want(t, 200)
		}
	})
	l.fault("upstream answers early", func(t *testing.T) {
		for range 5 {
			c := l.dial(t)
			c.send("POST /early-then-gone HTTP/1.1\r\nHost: short.test\r\nContent-Length: 20000\r\n\r\nbegin")
			c.want(t, 200)
			c.ends(t)
		}
	})
}

// answerPastInterim is answer behind responses of 1xx.
func (c *client) answerPastInterim() (status int, body string, err error) {
	for {
		if status, body, err = c.answer(); err != nil || status >= 200 {
			return status, body, err
		}
	}
}

// leavers are clients that go in the midst of something.
func (l *lab) leavers() {
	for _, tt := range []struct {
		name, send string
		hangs      bool // the backend has the request
	}{
		{"nothing", "", false},
		{"half a head", "GET / HTTP/1.1\r\nHo", false},
		{"half a body", "POST /upload HTTP/1.1\r\nHost: web.test\r\nContent-Length: 1000000\r\n\r\n" + strings.Repeat("x", 100000), false},
		{"half a streamed body", "POST /upload HTTP/1.1\r\nHost: short.test\r\nContent-Length: 20000\r\n\r\nhalf", false},
		{"half a chunk", "POST /upload HTTP/1.1\r\nHost: web.test\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\nhalf", false},
		{"a request", get("web.test", "/never", ""), true},
		{"half a response", get("web.test", "/stall", ""), true},
		{"a long response", get("web.test", "/bytes?8000000", ""), false},
		{"many requests", strings.Repeat(get("web.test", "/", ""), 50), false},
	} {
		for _, how := range []string{"closes", "resets"} {
			l.fault("client "+how+" after "+tt.name, func(t *testing.T) {
				var held []*client
				for range 5 {
					c := l.dial(t)
					c.send(tt.send)
					held = append(held, c)
				}
				if tt.hangs {
					daemuntest.Eventually(t, patience, "requests at the backend", func() error {
						if n := l.backend.waiting.Load(); n < 5 {
							return fmt.Errorf("%d", n)
						}
						return nil
					})
				}
				for _, c := range held {
					if how == "resets" {
						c.reset()
					}
					c.Close()
				}
			})
		}
	}
}

// exhaustion takes away what the machine gives.
func (l *lab) exhaustion() {
	l.fault("no descriptors", l.noDescriptors)
	l.fault("no room for files", func(t *testing.T) {
		failures := l.metric(t, "daemun_body_file_failures_total")
		l.bounded(t, unix.RLIMIT_FSIZE, 128<<10, func() {
			for range 5 {
				c := l.dial(t)
				c.send(fmt.Sprintf("POST /upload HTTP/1.1\r\nHost: web.test\r\nContent-Length: %d\r\n\r\n", 8<<20))
				_, _ = io.CopyN(c, zeros{}, 8<<20)
				c.want(t, 500)
				c.ends(t)
			}
		})
		l.risen(t, "daemun_body_file_failures_total", failures)
		c := l.dial(t)
		c.send(fmt.Sprintf("POST /upload HTTP/1.1\r\nHost: web.test\r\nConnection: close\r\nContent-Length: %d\r\n\r\n", 8<<20))
		_, _ = io.CopyN(c, zeros{}, 8<<20)
		c.want(t, 200)
	})
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// noDescriptors: accepting pauses and counts, who is connected is served, no
// route is lost meanwhile, and everybody is served when there are some again.
func (l *lab) noDescriptors(t *testing.T) {
	refused := l.metric(t, "daemun_connections_refused_total")
	known := l.dial(t)
	request := get("moved.test", "/", "")
	known.send(request[:20]) // who is idle is closed for newcomers
	var held []*client
	defer func() {
		for _, c := range held {
			c.Close()
		}
	}()
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", l.d.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	l.bounded(t, unix.RLIMIT_NOFILE, uint64(len(open)+6), func() {
		for range 10 { // busy, so that they cannot be closed for newcomers
			c := l.dial(t)
			c.send(get("web.test", "/never", ""))
			held = append(held, c)
		}
		l.risen(t, "daemun_connections_refused_total", refused)
		known.send(request[20:])
		known.want(t, 301)
		known.Close()
	})
	for _, c := range held {
		c.Close()
	}
	c := l.dial(t)
	c.send(get("moved.test", "/", "Connection: close\r\n"))
	c.want(t, 301)
}

// TestLogsToAFullDisk: what cannot be written is dropped and counted, and
// requests are served.
func TestLogsToAFullDisk(t *testing.T) {
	t.Parallel()
	l := newLab(t, daemuntest.Options{Wrap: []string{"sh", "-c", `exec "$@" >/dev/full`, "sh"}})
	dropped := l.metric(t, "daemun_accesslog_dropped_lines_total")
	l.fault("logs", func(t *testing.T) {
		for range 20 {
			l.honest(t)
		}
		l.recovered(t)
	})
	l.risen(t, "daemun_accesslog_dropped_lines_total", dropped)
}
