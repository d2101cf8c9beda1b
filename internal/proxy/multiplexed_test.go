package proxy

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"daemun/internal/http1"
	ownhttp2 "daemun/internal/http2"
	"daemun/internal/ir"
)

// newHTTP2Backend is a backend of net/http that speaks HTTP/2 only.
func newHTTP2Backend(t testing.TB, secure bool, handle http.HandlerFunc) netip.AddrPort {
	t.Helper()
	s := httptest.NewUnstartedServer(handle)
	if secure {
		s.EnableHTTP2 = true
		s.StartTLS()
	} else {
		s.Config.Protocols = new(http.Protocols)
		s.Config.Protocols.SetUnencryptedHTTP2(true)
		s.Start()
	}
	t.Cleanup(s.Close)
	return s.Listener.Addr().(*net.TCPAddr).AddrPort()
}

// reflect answers with what it got.
func reflect(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor != 2 {
		http.Error(w, r.Proto, http.StatusHTTPVersionNotSupported)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	w.Header().Set("X-Host", r.Host)
	w.Header().Set("X-Scheme", r.Header.Get("X-Scheme"))
	w.Header().Set("X-Te", r.Header.Get("Te"))
	w.Header().Set("X-Length", fmt.Sprint(r.ContentLength))
	w.Header().Set("X-Trailer", r.Trailer.Get("X-Sum"))
	if r.URL.Path == "/trailers" {
		w.Header().Set("Trailer", "X-Sum")
		defer w.Header().Set("X-Sum", "7")
		w.(http.Flusher).Flush()
	}
	_, _ = w.Write(body)
}

func http2Route(p ir.Protocol) *ir.Config {
	return oneRoute(func(_ *ir.Host, r *ir.Route) { r.Protocol = p })
}

func TestHTTP2Upstream(t *testing.T) {
	for _, p := range []ir.Protocol{ir.ProtocolGRPC, ir.ProtocolGRPCS, ir.ProtocolH2C} {
		t.Run(string(p), func(t *testing.T) {
			r := newRig(t, http2Route(p))
			r.endpoints(newHTTP2Backend(t, p == ir.ProtocolGRPCS, reflect))
			two := r.http2Client()
			for _, body := range []string{"", "hello", strings.Repeat("x", 300<<10)} {
				method := "GET"
				if body != "" {
					method = "POST"
				}
				resp, got := r.ask(two, r.newRequest(method, "a.test", "/", body))
				if resp.StatusCode != 200 || got != body || resp.Header.Get("X-Host") != "a.test" {
					t.Errorf("%s of %d octets: %d, %d octets, %v", method, len(body), resp.StatusCode, len(got), resp.Header)
				}
			}
			resp, _ := r.ask(two, r.newRequest("GET", "a.test", "/trailers", ""))
			if resp.Trailer.Get("X-Sum") != "7" {
				t.Errorf("trailers %v", resp.Trailer)
			}
		})
	}
}

// TestHTTP2UpstreamForHTTP1: the client's protocol is its own affair.
func TestHTTP2UpstreamForHTTP1(t *testing.T) {
	r := newRig(t, http2Route(ir.ProtocolH2C))
	r.endpoints(newHTTP2Backend(t, false, reflect))
	c := r.dial()
	for _, tc := range []struct{ request, want string }{
		{"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", ""},
		{"HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\n", ""},
		{"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello", "hello"},
		{"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 3\r\n\r\n", "hello"},
		{"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("y", 100000), strings.Repeat("y", 100000)},
		{"POST /trailers HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "abc"},
	} {
		c.send(tc.request)
		method, _, _ := strings.Cut(tc.request, " ")
		resp, body := c.answer(method)
		if resp.StatusCode != 200 || body != tc.want {
			t.Errorf("%.40q: status %d, %d octets", tc.request, resp.StatusCode, len(body))
		}
		if strings.Contains(tc.request, "POST /trailers") && resp.Trailer.Get("X-Sum") != "7" {
			t.Errorf("trailers %v", resp.Trailer)
		}
	}
	if n := r.server.Stats().Accepted; n != 1 {
		t.Errorf("%d connections", n)
	}
}

// TestHTTP2UpstreamShares: requests at the same time are streams of one
// connection.
func TestHTTP2UpstreamShares(t *testing.T) {
	var mu sync.Mutex
	from := map[string]bool{}
	gate := make(chan struct{})
	var waiting atomic.Int32
	r := newRig(t, http2Route(ir.ProtocolGRPC))
	r.endpoints(newHTTP2Backend(t, false, func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/first" {
			return
		}
		mu.Lock()
		from[req.RemoteAddr] = true
		mu.Unlock()
		if waiting.Add(1) == 20 {
			close(gate)
		}
		<-gate
	}))
	client := r.http2Client()
	r.ask(client, r.newRequest("GET", "a.test", "/first", "")) // connects
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			resp, err := client.Do(r.newRequest("GET", "a.test", "/", ""))
			if err != nil {
				t.Error(err)
				return
			}
			resp.Body.Close()
		})
	}
	all.Wait()
	if len(from) != 1 {
		t.Errorf("%d connections to the backend", len(from))
	}
}

// TestHTTP2UpstreamGoAway: a backend that sends GOAWAY costs no request.
func TestHTTP2UpstreamGoAway(t *testing.T) {
	r := newRig(t, http2Route(ir.ProtocolGRPC))
	r.endpoints(newHTTP2Backend(t, false, func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Connection", "close") // net/http sends GOAWAY for that
		_, _ = io.Copy(w, req.Body)
	}))
	client := r.http2Client()
	r.ask(client, r.newRequest("GET", "a.test", "/", "")) // connects
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 50 {
				resp, err := client.Do(r.newRequest("POST", "a.test", "/", "body"))
				if err != nil {
					t.Error(err)
					return
				}
				body, _ := io.ReadAll(resp.Body)
				resp.Body.Close()
				if resp.StatusCode != 200 || string(body) != "body" {
					t.Errorf("status %d, %q", resp.StatusCode, body)
				}
			}
		})
	}
	all.Wait()
}

// TestGRPCErrors: a gRPC client gets a status and no page.
func TestGRPCErrors(t *testing.T) {
	cfg := http2Route(ir.ProtocolGRPC)
	r := newRig(t, cfg)
	caller := r.http2Client()
	call := func(path string, more ...string) *http.Response {
		req := r.newRequest("POST", "a.test", path, "")
		req.Header.Set("Content-Type", "application/grpc+proto")
		for i := 0; i < len(more); i += 2 {
			req.Header.Set(more[i], more[i+1])
		}
		resp, body := r.ask(caller, req)
		if resp.StatusCode != 200 || body != "" || !strings.HasPrefix(resp.Header.Get("Content-Type"), "application/grpc") {
			t.Errorf("status %d, body %q, %v", resp.StatusCode, body, resp.Header)
		}
		return resp
	}
	if got := call("/").Header.Get("Grpc-Status"); got != "14" {
		t.Errorf("no endpoint: grpc-status %s", got)
	}
	silent := make(chan struct{})
	defer close(silent)
	r.endpoints(newHTTP2Backend(t, false, func(_ http.ResponseWriter, req *http.Request) {
		select {
		case <-silent:
		case <-req.Context().Done():
		}
	}))
	start := time.Now()
	if got := call("/", "Grpc-Timeout", "50m").Header.Get("Grpc-Status"); got != "4" {
		t.Errorf("late: grpc-status %s", got)
	}
	if took := time.Since(start); took < 50*time.Millisecond {
		t.Errorf("given up after %v", took)
	}
	r.endpoints(newScript(t, func(_ int, c *client) { _, _ = io.WriteString(c, "HTTP/1.1 400 what is this\r\n\r\n") }).addr())
	if got := call("/").Header.Get("Grpc-Status"); got != "14" {
		t.Errorf("no HTTP/2: grpc-status %s", got)
	}
}

func TestGRPCTimeout(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"1S": time.Second, "20m": 20 * time.Millisecond, "3H": 3 * time.Hour, "5M": 5 * time.Minute, "7u": 7 * time.Microsecond, "9n": 9,
		"99999999H": 24 * time.Hour, "": -1, "S": -1, "1": -1, "123456789S": -1, "-1S": -1, "1x": -1,
	} {
		got, ok := grpcTimeout([]byte(text))
		if !ok {
			got = -1
		}
		if got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

// TestHTTP2UpstreamCancel: nobody works for a client that is gone.
func TestHTTP2UpstreamCancel(t *testing.T) {
	began, ended := make(chan struct{}), make(chan struct{})
	r := newCleartextRig(t, http2Route(ir.ProtocolGRPC))
	r.endpoints(newHTTP2Backend(t, false, func(_ http.ResponseWriter, req *http.Request) {
		close(began)
		<-req.Context().Done()
		close(ended)
	}))
	c := r.dialHTTP2()
	c.get(1)
	<-began
	_ = c.WriteRSTStream(1, 8)
	<-ended
}

// TestHTTP2UpstreamBidirectional: both directions of a call flow at once, and
// the least rate of bodies is not one of calls: a client that waits for answers
// sends little (H6.7).
func TestHTTP2UpstreamBidirectional(t *testing.T) {
	r := newRig(t, http2Route(ir.ProtocolGRPC))
	r.server.bodyGrace, r.server.bodyRate = 0, 1<<40
	r.endpoints(newHTTP2Backend(t, false, func(w http.ResponseWriter, req *http.Request) {
		_ = http.NewResponseController(w).Flush()
		buf := make([]byte, 100)
		for {
			n, err := req.Body.Read(buf)
			if n > 0 {
				_, _ = w.Write(buf[:n])
				_ = http.NewResponseController(w).Flush()
			}
			if err != nil {
				return
			}
		}
	}))
	client := r.http2Client()
	in, out := io.Pipe()
	req := r.newRequest("POST", "a.test", "/", "")
	req.Body = in
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	for i := range 20 {
		message := fmt.Sprintf("message %d", i)
		if _, err := io.WriteString(out, message); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(message))
		if _, err := io.ReadFull(resp.Body, got); err != nil || string(got) != message {
			t.Fatalf("got %q, %v", got, err)
		}
	}
	out.Close()
	if rest, err := io.ReadAll(resp.Body); err != nil || len(rest) > 0 {
		t.Errorf("rest %q, %v", rest, err)
	}
}

// BenchmarkGRPCCall is a unary call, HTTP/2 on both sides, without TLS.
func BenchmarkGRPCCall(b *testing.B) {
	r := newCleartextRig(b, http2Route(ir.ProtocolGRPC))
	r.server.http2.Total = 1 << 30
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			limits := ownhttp2.DefaultLimits()
			limits.Total = 1 << 30
			source := &http1.Reader{}
			source.Reset(nc)
			c := ownhttp2.NewServer(nc, source, ownhttp2.Config{Limits: limits, Handler: callee{}, Idle: time.Hour, HeadTime: time.Hour, WriteIdle: time.Hour})
			go c.Serve()
		}
	}()
	r.endpoints(l.Addr().(*net.TCPAddr).AddrPort())
	c := r.dialHTTP2()
	_ = c.SetDeadline(time.Time{})
	const streams = 8
	var block []byte
	for _, f := range [][2]string{{":method", "POST"}, {":scheme", "http"}, {":authority", "a.test"}, {":path", "/"}, {"content-type", "application/grpc"}} {
		c.section.Reset()
		_ = c.enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1], Sensitive: true})
		block = append(block, c.section.Bytes()...)
	}
	in := bufio.NewReaderSize(c.Conn, 64<<10)
	var requests bytes.Buffer
	out := http2.NewFramer(&requests, nil)
	head, message := make([]byte, 9), make([]byte, 69)
	b.ReportAllocs()
	id, done := uint32(1), 0
	for b.Loop() {
		if done++; done%streams != 0 {
			continue
		}
		requests.Reset()
		for range streams {
			_ = out.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block, EndHeaders: true})
			_ = out.WriteData(id, true, message)
			id += 2
		}
		_ = out.WriteWindowUpdate(0, uint32(len(message)*streams))
		if _, err := c.Conn.Write(requests.Bytes()); err != nil {
			b.Fatal(err)
		}
		for ended := 0; ended < streams; {
			if _, err := io.ReadFull(in, head); err != nil {
				b.Fatal(err)
			}
			if _, err := in.Discard(int(head[0])<<16 | int(head[1])<<8 | int(head[2])); err != nil {
				b.Fatal(err)
			}
			if head[3] == byte(http2.FrameHeaders) && head[4]&1 != 0 {
				ended++
			}
		}
	}
}

// callee answers calls with the message they brought.
type callee struct{}

func (callee) Busy(bool) {}

func (callee) ServeStream(s *ownhttp2.Stream) {
	body, err := io.ReadAll(s)
	if err != nil {
		return
	}
	_ = s.WriteAll([]byte("HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\n\r\n"), body, []byte("grpc-status: 0\r\n\r\n"))
}
