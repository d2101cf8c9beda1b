package proxy

import (
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"daemun/internal/ir"
)

// TestNothingIsLeftBehind: after connections that ended in every bad way the
// process has as many descriptors and goroutines as before. It counts for the
// whole process, so it runs alone.
func TestNothingIsLeftBehind(t *testing.T) {
	if _, err := os.ReadDir("/proc/self/fd"); err != nil { // what count relies on
		t.Fatal(err)
	}
	r, _ := up(t, func(_ int, c *client) {
		for h := c.head(); h != ""; h = c.head() {
			switch path := strings.Fields(h)[1]; path {
			case "/ok":
				_, _ = io.WriteString(c, ok)
			case "/more":
				_, _ = io.WriteString(c, ok+ok)
			case "/half":
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
				return
			case "/reset":
				_ = setLinger(c)
				return
			case "/ws":
				_, _ = io.WriteString(c, upgradeAnswer)
				_, _ = io.Copy(io.Discard, c.br)
				return
			case "/flood":
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
				_, _ = io.Copy(c.Conn, endlessZeros{})
				return
			default: // silence
				_, _ = io.Copy(io.Discard, c.br)
				return
			}
		}
	}, func(_ *ir.Host, r *ir.Route) { r.ReadTimeout = ir.Duration(50 * time.Millisecond) })
	round := func() {
		for _, request := range []string{
			"GET /ok", "GET /more", "GET /half", "GET /reset", "GET /silent", "GET /flood", "GET\x00", "HEAD /ok",
			upgradeRequest, "POST /ok HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100000\r\n\r\nfirst",
			"POST /silent HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
		} {
			if !strings.Contains(request, "\r\n") {
				request += " HTTP/1.1\r\nHost: a.test\r\n\r\n"
			}
			for _, patient := range []bool{true, false} {
				c := r.dial()
				_, _ = io.WriteString(c, request)
				if patient {
					_, _ = c.br.ReadByte()
				}
				c.Close()
			}
		}
		eventually(t, "all connections end", func() bool {
			s, b := r.server.Stats(), r.upstreams.Backend(backendID).Status()[0]
			return s.Active+s.Idle+s.Tunnels == 0 && b.Active == 0
		})
	}
	count := func() (descriptors, goroutines int) {
		list, _ := os.ReadDir("/proc/self/fd")
		return len(list), runtime.NumGoroutine()
	}
	round() // pools fill
	descriptors, goroutines := count()
	for range 3 {
		round()
	}
	const pooled = 4 // connections that one round may leave in the pool and the next one not, each with two ends
	eventually(t, "as many descriptors and goroutines as before", func() bool {
		d, g := count()
		return d <= descriptors+2*pooled && g <= goroutines+pooled
	})
}
