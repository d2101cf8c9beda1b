package proxy

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"daemun/internal/ir"
	"daemun/internal/spool"
)

// buffering is a rig whose route reads request bodies whole.
func buffering(t *testing.T, c Config, handles ...func(int, *client)) *rig {
	t.Helper()
	r := newRigWith(t, oneRoute(func(_ *ir.Host, route *ir.Route) {
		route.RequestBuffering, route.MaxBody = true, 0
	}), c, nil)
	var set ir.EndpointSet
	set.Backend = backendID
	for _, handle := range handles {
		set.Endpoints = append(set.Endpoints, ir.Endpoint{Addr: newScript(t, handle).addr()})
	}
	r.upstreams.Update(set)
	return r
}

// received answers with the framing and the length of what it got.
func received(_ int, c *client) {
	for {
		req, err := http.ReadRequest(c.br)
		if err != nil {
			return
		}
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		text := fmt.Sprintf("%d %v %d %s", req.ContentLength, req.TransferEncoding, len(body), req.Trailer.Get("X-Sum"))
		if strings.Trim(string(body), "x") != "" {
			text = "other octets"
		}
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(text), text)
	}
}

// TestBodyIsReadBeforeTheBackendIsAsked: a slow client holds none, and the
// backend learns the length.
func TestBodyIsReadBeforeTheBackendIsAsked(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 5, 20 << 10, 100 << 10, 3 << 20} {
		asked := make(chan struct{})
		var first sync.Once
		r := buffering(t, Config{}, func(n int, c *client) {
			first.Do(func() { close(asked) })
			received(n, c)
		})
		c := r.dial()
		c.send("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n")
		if size > 0 {
			c.send(fmt.Sprintf("%x\r\n%s\r\n", size, strings.Repeat("x", size)))
		}
		select {
		case <-asked:
			t.Fatalf("%d octets: the backend was asked before the end of the body", size)
		default:
		}
		c.send("0\r\n\r\n")
		if _, body := c.answer("POST"); body != fmt.Sprintf("%d [] %d ", size, size) {
			t.Errorf("%d octets: the backend got %q", size, body)
		}
		c.send(fmt.Sprintf("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: %d\r\n\r\n%s", size, strings.Repeat("x", size)))
		if _, body := c.answer("POST"); body != fmt.Sprintf("%d [] %d ", size, size) { // on the same connections
			t.Errorf("%d octets of known length: the backend got %q", size, body)
		}
	}
}

// TestTrailersKeepChunks: they have no other place.
func TestTrailersKeepChunks(t *testing.T) {
	t.Parallel()
	for _, size := range []int{5, 300 << 10} {
		c := buffering(t, Config{}, received).dial()
		c.send(fmt.Sprintf("POST / HTTP/1.1\r\nHost: a.test\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\nX-Sum: 7\r\n\r\n", size, strings.Repeat("x", size)))
		if _, body := c.answer("POST"); body != fmt.Sprintf("-1 [chunked] %d 7", size) {
			t.Errorf("%d octets: the backend got %q", size, body)
		}
	}
}

// TestLongBodyIsSentAgain to the next endpoint, from its beginning.
func TestLongBodyIsSentAgain(t *testing.T) {
	t.Parallel()
	const size = 2 << 20
	refuses := func(_ int, c *client) {
		c.head()
		_, _ = io.CopyN(io.Discard, c.br, size/2)
	}
	r := buffering(t, Config{}, refuses, received)
	c := r.dial()
	for range 4 { // whoever comes first
		c.send(fmt.Sprintf("PUT / HTTP/1.1\r\nHost: a.test\r\nContent-Length: %d\r\n\r\n%s", size, strings.Repeat("x", size)))
		if resp, body := c.answer("PUT"); body != fmt.Sprintf("%d [] %d ", size, size) {
			t.Errorf("%d %q", resp.StatusCode, body)
		}
	}
}

// TestEarlyAnswerLeavesTheConnection: the body has been read, whatever the
// backend takes of it.
func TestEarlyAnswerLeavesTheConnection(t *testing.T) {
	t.Parallel()
	const size = 8 << 20
	r := buffering(t, Config{}, func(_ int, c *client) {
		c.head()
		c.send("HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno")
		_, _ = c.br.ReadByte()
		_, _ = io.Copy(io.Discard, c.br)
	})
	c := r.dial()
	for range 2 {
		c.send(fmt.Sprintf("PUT / HTTP/1.1\r\nHost: a.test\r\nContent-Length: %d\r\n\r\n%s", size, strings.Repeat("x", size)))
		if resp, body := c.answer("PUT"); resp.StatusCode != 403 || body != "no" || resp.Close {
			t.Errorf("%d %q, close %v", resp.StatusCode, body, resp.Close)
		}
	}
}

// TestFullDisk answers 500, before a backend is asked, and counts.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	var told atomic.Bool
	pool := spool.New(spool.Config{Dir: t.TempDir(), Disk: 100 << 10, Failed: func(error) { told.Store(true) }})
	r := buffering(t, Config{Spool: pool}, received)
	c := r.dial()
	c.send("PUT / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 300000\r\n\r\n")
	go func(w io.Writer) { _, _ = io.WriteString(w, strings.Repeat("x", 300000)) }(c) // c is another one below
	if resp, _ := c.answer("PUT"); resp.StatusCode != 500 {
		t.Errorf("status %d", resp.StatusCode)
	}
	if n := pool.Stats().Failures; n != 1 || !told.Load() {
		t.Errorf("%d failures, told %v", n, told.Load())
	}
	eventually(t, "everything is given back", func() bool { s := pool.Stats(); return s.Disk == 0 && s.Memory == 0 })
	c = r.dial()
	c.send(fmt.Sprintf("PUT / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100000\r\n\r\n%s", strings.Repeat("x", 100000)))
	if _, body := c.answer("PUT"); body != "100000 [] 100000 " {
		t.Errorf("a body that fits: %q", body)
	}
}

// TestWithoutAFolderBodiesAreStreamed.
func TestWithoutAFolderBodiesAreStreamed(t *testing.T) {
	t.Parallel()
	pool := spool.New(spool.Config{Dir: filepath.Join(t.TempDir(), "missing")})
	if pool.Probe() == nil {
		t.Fatal("there is a folder")
	}
	c := buffering(t, Config{Spool: pool}, received).dial()
	c.send(fmt.Sprintf("PUT / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 300000\r\n\r\n%s", strings.Repeat("x", 300000)))
	if _, body := c.answer("PUT"); body != "300000 [] 300000 " {
		t.Errorf("%q", body)
	}
}

// TestNothingStaysInTheFolder.
func TestNothingStaysInTheFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pool := spool.New(spool.Config{Dir: dir})
	c := buffering(t, Config{Spool: pool}, received).dial()
	c.send("PUT / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 300000\r\n\r\n" + strings.Repeat("x", 200000))
	eventually(t, "the body is in a file", func() bool { return pool.Stats().Disk > 0 })
	if names, err := os.ReadDir(dir); err != nil || len(names) > 0 {
		t.Errorf("%v, %v", names, err)
	}
	c.Close() // a client that goes
	eventually(t, "everything is given back", func() bool { s := pool.Stats(); return s.Disk == 0 && s.Memory == 0 })
}

// responding is a rig that reads responses ahead.
func responding(t *testing.T, pool *spool.Pool, b *ir.ResponseBuffering, handle func(int, *client)) (*rig, *script) {
	t.Helper()
	r := newRigWith(t, oneRoute(func(_ *ir.Host, route *ir.Route) { route.ResponseBuffering = b }), Config{Spool: pool}, nil)
	s := newScript(t, handle)
	r.endpoints(s.addr())
	return r, s
}

// TestSlowClientDoesNotHoldTheBackend (proxy-buffering): its connection is free
// for others while the client has taken nothing.
func TestSlowClientDoesNotHoldTheBackend(t *testing.T) {
	t.Parallel()
	const size = 32 << 20 // more than sockets hold
	long := strings.Repeat("x", size)
	for _, head := range []string{
		fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", size, long),
		fmt.Sprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", size, long),
	} {
		pool := spool.New(spool.Config{Dir: t.TempDir()})
		r, s := responding(t, pool, &ir.ResponseBuffering{Memory: 64 << 10, Disk: 1 << 30}, func(_ int, c *client) {
			for {
				switch request := c.head(); {
				case request == "":
					return
				case strings.HasPrefix(request, "GET /short"):
					c.send(ok)
				default:
					c.send(head)
				}
			}
		})
		slow := r.dial()
		slow.send("GET /long HTTP/1.1\r\nHost: a.test\r\n\r\n")
		backend := r.upstreams.Backend(backendID)
		eventually(t, "the connection is in its pool", func() bool { return backend.Status()[0].Idle == 1 })
		if _, body := r.dial().get("/short"); body != "ok" || s.conns.Load() != 1 {
			t.Errorf("%q over %d connections", body, s.conns.Load())
		}
		if _, body := slow.answer("GET"); body != long {
			t.Errorf("the slow client got %d octets", len(body))
		}
		eventually(t, "everything is given back", func() bool { st := pool.Stats(); return st.Disk == 0 && st.Memory == 0 })
	}
}

// TestBufferedResponseBeyondTheBounds goes on at the pace of the client.
func TestBufferedResponseBeyondTheBounds(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 20<<20)
	r, _ := responding(t, spool.New(spool.Config{Dir: t.TempDir()}), &ir.ResponseBuffering{Memory: 32 << 10, Disk: 1 << 20}, answering(withBody("", long)))
	c := r.dial()
	for range 2 {
		if _, body := c.get("/"); body != long {
			t.Errorf("%d octets", len(body))
		}
	}
}

// TestBufferedResponseOverHTTP2, with trailers, which keep the connection until
// they are read.
func TestBufferedResponseOverHTTP2(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 1<<20)
	r, _ := responding(t, spool.New(spool.Config{Dir: t.TempDir()}), &ir.ResponseBuffering{Memory: 32 << 10, Disk: 1 << 30},
		answering(fmt.Sprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\nX-Sum: 7\r\n\r\n", len(long), long)))
	client := r.http2Client()
	for range 3 {
		if resp, body := r.ask(client, r.newRequest("GET", "a.test", "/", "")); body != long || resp.Trailer.Get("X-Sum") != "7" {
			t.Errorf("%d octets, trailers %v", len(body), resp.Trailer)
		}
	}
}

// TestClientThatLeavesEndsTheReading ahead.
func TestClientThatLeavesEndsTheReading(t *testing.T) {
	t.Parallel()
	pool := spool.New(spool.Config{Dir: t.TempDir()})
	gone := make(chan struct{})
	r, _ := responding(t, pool, &ir.ResponseBuffering{Memory: 32 << 10}, func(_ int, c *client) {
		defer close(gone)
		c.head()
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
		for {
			if _, err := io.WriteString(c, long); err != nil {
				return
			}
		}
	})
	c := r.dial()
	c.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
	if c.head() == "" {
		t.Fatal("no head")
	}
	c.Close()
	<-gone
	eventually(t, "everything is given back", func() bool { st := pool.Stats(); return st.Memory == 0 })
}

// TestCutBufferedResponseIsSeenToBeCut (H11.9).
func TestCutBufferedResponseIsSeenToBeCut(t *testing.T) {
	t.Parallel()
	r, _ := responding(t, spool.New(spool.Config{Dir: t.TempDir()}), &ir.ResponseBuffering{Memory: 32 << 10}, func(_ int, c *client) {
		c.head()
		c.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + strings.Repeat("x", 500000))
	})
	c := r.dial()
	c.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
	resp, err := http.ReadResponse(c.br, nil)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(resp.Body); err == nil || len(b) > 500000 {
		t.Errorf("%d octets, %v", len(b), err)
	}
}

// TestLargeResponseHead (proxy-buffer-size) for a route that takes it.
func TestLargeResponseHead(t *testing.T) {
	t.Parallel()
	answer := "HTTP/1.1 200 OK\r\nX-Long: " + strings.Repeat("x", 100<<10) + "\r\nContent-Length: 2\r\n\r\nok"
	for most, want := range map[int64]int{0: 502, 128 << 10: 200} {
		r := newRig(t, oneRoute(func(_ *ir.Host, route *ir.Route) { route.ResponseHead = most }))
		r.endpoints(newScript(t, answering(answer)).addr())
		c := r.dial()
		for range 2 {
			if resp, _ := c.get("/"); resp.StatusCode != want {
				t.Errorf("at most %d: status %d, want %d", most, resp.StatusCode, want)
			}
		}
	}
}
