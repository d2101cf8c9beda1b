package proxy

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"daemun/internal/ir"
)

// bounded gives a request less time than anything else has.
func bounded(_ *ir.Host, r *ir.Route) { r.RequestTimeout = ir.Duration(300 * time.Millisecond) }

// TestH6_10_WholeRequest: whatever goes on, the request ends at its time, with
// 504 or with a response that breaks off.
func TestH6_10_WholeRequest(t *testing.T) {
	t.Parallel()
	t.Run("backend is silent", func(t *testing.T) {
		t.Parallel()
		r, _ := up(t, func(_ int, c *client) { _, _ = io.Copy(io.Discard, c.br) }, bounded)
		c := r.dial()
		if resp, _ := c.get("/"); resp.StatusCode != 504 {
			t.Errorf("status %d", resp.StatusCode)
		}
	})
	t.Run("response trickles", func(t *testing.T) {
		t.Parallel()
		for _, framing := range []string{"Transfer-Encoding: chunked\r\n\r\n", "Content-Length: 100000\r\n\r\n", "Content-Length: 100000000\r\n\r\n"} {
			r, _ := up(t, func(_ int, c *client) {
				c.head()
				c.trickle("HTTP/1.1 200 OK\r\n"+framing, "1\r\nx\r\n")
			}, bounded)
			c := r.dial()
			c.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
			resp, err := http.ReadResponse(c.br, nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err = io.Copy(io.Discard, resp.Body); err == nil && resp.StatusCode != 504 { // late already
				t.Error("the response looks complete")
			}
		}
	})
	t.Run("request trickles", func(t *testing.T) {
		t.Parallel()
		r, _ := up(t, echo, bounded)
		c := r.dial()
		go c.trickle("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n") // ends with the connection
		if resp, _ := c.answer("POST"); resp.StatusCode != 504 {
			t.Errorf("status %d", resp.StatusCode)
		}
		c.Close()
	})
	t.Run("client takes nothing", func(t *testing.T) {
		t.Parallel()
		r, _ := up(t, func(_ int, c *client) {
			c.head()
			_, _ = io.Copy(c, io.MultiReader(strings.NewReader("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n"), zeros{}))
		}, bounded)
		c := r.dial()
		_ = c.Conn.(*net.TCPConn).SetReadBuffer(4 << 10)
		c.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
		eventually(t, "the request ends", func() bool {
			st := r.server.Stats()
			return st.Requests == 1 && st.Active == 0
		})
	})
	t.Run("the next request has its own time", func(t *testing.T) {
		t.Parallel()
		r, _ := up(t, answering(ok), func(_ *ir.Host, r *ir.Route) { r.RequestTimeout = ir.Duration(time.Hour) })
		c := r.dial()
		for range 3 {
			if resp, _ := c.get("/"); resp.StatusCode != 200 {
				t.Errorf("status %d", resp.StatusCode)
			}
		}
	})
	t.Run("a tunnel is not bounded", func(t *testing.T) {
		t.Parallel()
		late := make(chan struct{})
		r, _ := up(t, func(_ int, c *client) {
			c.head()
			c.send(upgradeAnswer)
			<-late
			c.send("late")
		}, bounded)
		var c *client
		eventually(t, "a tunnel", func() bool { // a busy machine may be late
			c = r.dial()
			c.send(upgradeRequest)
			resp, _ := c.answer("GET")
			return resp.StatusCode == 101
		})
		timer := time.AfterFunc(600*time.Millisecond, func() { close(late) })
		defer timer.Stop()
		b := make([]byte, 4)
		if _, err := io.ReadFull(c.br, b); err != nil || string(b) != "late" {
			t.Errorf("%q, %v", b, err)
		}
	})
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// trickle writes a piece every 20 ms until the connection ends.
func (c *client) trickle(begin, piece string) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	_, err := io.WriteString(c, begin)
	for err == nil {
		<-tick.C
		_, err = io.WriteString(c, piece)
	}
}

// TestH6_16_RequestsInFlight: who comes when a backend has as many requests as it
// may is asked to come again; a place is free when its request has ended.
func TestH6_16_RequestsInFlight(t *testing.T) {
	t.Parallel()
	arrived, release := make(chan struct{}, 4), make(chan struct{})
	r, _ := up(t, func(_ int, c *client) {
		for c.head() != "" {
			arrived <- struct{}{}
			<-release
			c.send(ok)
		}
	}, nil)
	r.config.Backends = []*ir.Backend{{ID: backendID, Balance: &ir.Balance{MaxRequests: 1}}}
	r.upstreams.Configure(r.config.Backends[0])
	first, second := r.dial(), r.dial()
	first.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
	<-arrived
	if resp, _ := second.get("/"); resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("the second got %d, %v", resp.StatusCode, resp.Header)
	}
	if n := r.server.Stats().Refusals["requests-in-flight"]; n != 1 {
		t.Errorf("%d counted", n)
	}
	close(release)
	if resp, _ := first.answer("GET"); resp.StatusCode != 200 {
		t.Errorf("the first got %d", resp.StatusCode)
	}
	eventually(t, "the place is free", func() bool {
		resp, _ := second.get("/")
		return resp.StatusCode == 200
	})
}

// TestH6_19_Refuse: while memory is short requests are refused, health pages are
// not, and idle connections go.
func TestH6_19_Refuse(t *testing.T) {
	t.Parallel()
	r, _ := up(t, answering(ok), nil)
	idle := r.dial()
	if resp, _ := idle.get("/"); resp.StatusCode != 200 {
		t.Fatalf("status %d", resp.StatusCode)
	}
	eventually(t, "an idle connection", func() bool { return r.server.Stats().Idle == 1 })
	r.server.Refuse(true)
	r.server.ShedAllIdle()
	if rest := idle.rest(); rest != "" {
		t.Errorf("the idle connection got %q", rest)
	}
	c := r.dial()
	if resp, _ := c.get("/"); resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" || !resp.Close {
		t.Errorf("refused with %d, %v", resp.StatusCode, resp.Header)
	}
	if n := r.server.Stats().Refusals["overload"]; n != 1 {
		t.Errorf("%d counted", n)
	}
	c = r.dial()
	c.send("GET /healthz HTTP/1.1\r\nHost: b.test\r\n\r\n")
	if resp, _ := c.answer("GET"); resp.StatusCode != 200 {
		t.Errorf("health is %d", resp.StatusCode)
	}
	r.server.Refuse(false)
	if resp, _ := r.dial().get("/"); resp.StatusCode != 200 {
		t.Errorf("afterwards %d", resp.StatusCode)
	}
}
