package proxy

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"daemun/internal/ir"
	"daemun/internal/listen"
)

// post is a request with a body of n octets, none like its neighbour.
func post(n int, more string) (request, body string) {
	body = strings.Repeat("0123456789abcdefghijklmnopqrstuvwxyz", n/36+1)[:n]
	return "POST /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: " + strconv.Itoa(n) + "\r\n" + more + "\r\n" + body, body
}

// TestBodiesArriveWhole sends bodies of all sizes that are treated differently,
// in pieces and at once, over connections that carry several: each is read in
// place, moved, or streamed, depending on the one before.
func TestBodiesArriveWhole(t *testing.T) {
	t.Parallel()
	sizes := []int{1, 3 << 10, smallBody, 5 << 10, smallBody, smallBody, smallBody + 1, 70 << 10, 0, smallBody, 200 << 10, 12}
	for name, config := range map[string]*tls.Config{"plain": nil, "TLS": listen.NewCertificates().Config()} {
		for how, buffering := range map[string]bool{"buffered": true, "streamed": false} {
			for _, piece := range []int{700, 4 << 10, 17 << 10, 1 << 20} {
				t.Run(name+" "+how+" "+strconv.Itoa(piece), func(t *testing.T) {
					t.Parallel()
					r, _ := up(t, echo, func(_ *ir.Host, route *ir.Route) { route.RequestBuffering = buffering })
					r.wrap.Store(config)
					c := r.dial()
					if config != nil {
						c = newClient(t, tls.Client(c.Conn, &tls.Config{InsecureSkipVerify: true}))
					}
					for _, size := range sizes {
						request, body := post(size, "")
						sent := sendInPieces(c.Conn, request, piece)
						resp, got := c.answer("POST")
						if err := <-sent; err != nil {
							t.Fatal(err)
						}
						if resp.StatusCode != http.StatusOK || got != body {
							t.Fatalf("size %d: status %d, %d octets came back", size, resp.StatusCode, len(got))
						}
					}
				})
			}
		}
	}
}

func sendInPieces(nc net.Conn, s string, size int) <-chan error {
	done := make(chan error, 1)
	go func() {
		for len(s) > 0 {
			n := min(size, len(s))
			if _, err := io.WriteString(nc, s[:n]); err != nil {
				done <- err
				return
			}
			s = s[n:]
		}
		done <- nil
	}()
	return done
}

// TestRequestBehindABody: what follows a body that stays in place is the next
// request.
func TestRequestBehindABody(t *testing.T) {
	t.Parallel()
	r, _ := up(t, echo, nil)
	c := r.dial()
	first, firstBody := post(900, "")
	second, secondBody := post(10<<10, "")
	sent := sendInPieces(c.Conn, first+second+first, 1<<20)
	for _, want := range []string{firstBody, secondBody, firstBody} {
		if resp, got := c.answer("POST"); resp.StatusCode != http.StatusOK || got != want {
			t.Fatalf("status %d, %d octets, want %d", resp.StatusCode, len(got), len(want))
		}
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
}

// TestBodyIsSentAgain after an endpoint has closed, also one that leaves from
// where it was read to.
func TestBodyIsSentAgain(t *testing.T) {
	t.Parallel()
	for _, size := range []int{100, 8 << 10, smallBody} {
		closing := newScript(t, func(_ int, c *client) {
			_ = c.head() // and no answer
		})
		r := newRig(t, oneRoute(func(_ *ir.Host, route *ir.Route) { route.Retry.On |= ir.RetryNonIdempotent }))
		r.endpoints(closing.addr(), newScript(t, echo).addr())
		c := r.dial()
		for range 2 {
			request, body := post(size, "")
			c.send(request)
			if resp, got := c.answer("POST"); resp.StatusCode != http.StatusOK || got != body {
				t.Errorf("size %d: status %d, %d octets", size, resp.StatusCode, len(got))
			}
		}
	}
}

// TestUploadAllocs pins that a body that is sent with its head costs no memory
// in steady state.
func TestUploadAllocs(t *testing.T) {
	length, _ := post(smallBody, "")
	chunked := "POST /x HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n2000\r\n" + strings.Repeat("x", smallBody/2) + "\r\n0\r\n\r\n"
	for name, request := range map[string]string{"length": length, "chunks": chunked} {
		for how, buffering := range map[string]bool{"buffered": true, "streamed": false} {
			if name == "chunks" && !buffering {
				continue // the backend of this test knows no chunks
			}
			t.Run(name+" "+how, func(t *testing.T) {
				trip := uploading(t, posting(t, buffering).dial().Conn, request)
				if n := testing.AllocsPerRun(500, trip); n > 0 && !raceDetector {
					t.Errorf("%v allocations per request", n)
				}
			})
		}
	}
}

// TestSecureUploadAllocs is the same over TLS, which allocates some octets for
// each record that it reads.
func TestSecureUploadAllocs(t *testing.T) {
	r := posting(t, true)
	r.wrap.Store(listen.NewCertificates().Config())
	request, _ := post(smallBody, "")
	trip := uploading(t, tls.Client(r.dial().Conn, &tls.Config{InsecureSkipVerify: true}), request)
	const rounds, most = 500, 1 << 10
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range rounds {
		trip()
	}
	runtime.ReadMemStats(&after)
	if each := (after.TotalAlloc - before.TotalAlloc) / rounds; each > most && !raceDetector {
		t.Errorf("%d octets are allocated per request", each)
	}
}

// uploading makes a round trip, and has made some.
func uploading(t *testing.T, nc net.Conn, request string) (trip func()) {
	t.Helper()
	_ = nc.SetDeadline(time.Time{})
	send, buf := []byte(request), make([]byte, 16<<10)
	trip = func() {
		if _, err := nc.Write(send); err != nil {
			t.Error(err)
		}
		if _, err := nc.Read(buf); err != nil {
			t.Error(err)
		}
	}
	for range 20 {
		trip()
	}
	return trip
}

// posting is a rig whose backend reads each body to its end and answers.
func posting(tb testing.TB, buffering bool) *rig {
	tb.Helper()
	cfg := oneRoute(func(_ *ir.Host, r *ir.Route) { r.RequestBuffering, r.MaxBody = buffering, 1<<20 })
	cfg.Settings.KeepAliveRequests = 1 << 30
	r := newRig(tb, cfg)
	r.endpoints(newScript(tb, swallow).addr())
	return r
}

// swallow is a backend that takes bodies of known length and allocates nothing.
func swallow(_ int, c *client) {
	_ = c.SetDeadline(time.Time{})
	buf, answer := make([]byte, 64<<10), []byte(ok)
	have := 0
	for {
		n, err := c.Conn.Read(buf[have:])
		if err != nil {
			return
		}
		have += n
		if !wholeRequest(buf[:have]) {
			continue
		}
		have = 0
		if _, err := c.Conn.Write(answer); err != nil {
			return
		}
	}
}

// wholeRequest reports that b is a request with all of its body.
func wholeRequest(b []byte) bool {
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 {
		return false
	}
	_, rest, ok := bytes.Cut(b[:end], []byte("Content-Length: "))
	if !ok {
		return true
	}
	length := 0
	for _, d := range rest {
		if d < '0' || d > '9' {
			break
		}
		length = length*10 + int(d-'0')
	}
	return len(b) >= end+4+length
}

// BenchmarkUpload is a round trip with 16 KiB up.
func BenchmarkUpload(b *testing.B) {
	r := posting(b, false)
	c := r.dial()
	_ = c.SetDeadline(time.Time{})
	text, _ := post(smallBody, "")
	request, buf := []byte(text), make([]byte, 16<<10)
	b.ReportAllocs()
	before := cpu()
	for b.Loop() {
		if _, err := c.Conn.Write(request); err != nil {
			b.Fatal(err)
		}
		if _, err := c.Conn.Read(buf); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64((cpu()-before).Microseconds())/float64(b.N), "cpu-µs/op")
}
