package proxy

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"daemun/internal/accesslog"
	"daemun/internal/ir"
)

// http2Client makes the clients of r speak HTTP/2 over TLS and returns one.
func (r *rig) http2Client() *http.Client {
	r.t.Helper()
	source := httptest.NewUnstartedServer(nil) // of a certificate
	source.StartTLS()
	r.t.Cleanup(source.Close)
	leaf := source.Certificate()
	certificate := source.TLS.Certificates[0]
	certificate.Leaf = leaf
	r.tls.Store(true)
	r.wrap.Store(&tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{"h2", "http/1.1"}})
	transport := &http.Transport{
		ForceAttemptHTTP2:  true,
		DisableCompression: true,
		TLSClientConfig:    &tls.Config{InsecureSkipVerify: true, ServerName: "a.test"},
	}
	r.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func (r *rig) newRequest(method, host, path, body string) *http.Request {
	r.t.Helper()
	var in io.Reader
	if body != "" {
		in = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(r.t.Context(), method, "https://"+r.listener.Addr().String()+path, in)
	if err != nil {
		r.t.Fatal(err)
	}
	req.Host = host
	return req
}

// ask makes one request and reads the response.
func (r *rig) ask(client *http.Client, req *http.Request) (*http.Response, string) {
	r.t.Helper()
	resp, err := client.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp, string(b)
}

func TestHTTP2RoundTrips(t *testing.T) {
	r := newRig(t, oneRoute(nil))
	r.endpoints(newScript(t, echo).addr())
	client := r.http2Client()
	for _, body := range []string{"", "hello", strings.Repeat("x", 300<<10)} {
		method := "GET"
		if body != "" {
			method = "POST"
		}
		resp, got := r.ask(client, r.newRequest(method, "a.test", "/", body))
		if resp.ProtoMajor != 2 || resp.StatusCode != 200 || got != body {
			t.Errorf("%s of %d octets: %s %d, %d octets", method, len(body), resp.Proto, resp.StatusCode, len(got))
		}
	}
}

// TestHTTP2AnswersAsHTTP1: one core answers, whichever protocol a request came
// in.
func TestHTTP2AnswersAsHTTP1(t *testing.T) {
	cfg := oneRoute(func(h *ir.Host, route *ir.Route) {
		h.AppRoot = "/root"
		denied, moved := *route, *route
		denied.Path, denied.Pattern, denied.Denied = "/denied", "/denied", 403
		moved.Path, moved.Pattern, moved.Redirect = "/moved", "/moved", &ir.Redirect{Code: 301, Location: "/new"}
		h.Routes = append(h.Routes, &denied, &moved)
	})
	r := newRig(t, cfg)
	r.endpoints(newScript(t, func(_ int, c *client) {
		for {
			req, err := http.ReadRequest(c.br)
			if err != nil {
				return
			}
			switch req.URL.Path {
			case "/chunked":
				_, err = io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nServer: x\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\nX-Sum: 1\r\n\r\n")
			case "/close":
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nto the end")
				return
			case "/304":
				_, err = io.WriteString(c, "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n")
			case "/204":
				_, err = io.WriteString(c, "HTTP/1.1 204 No Content\r\n\r\n")
			case "/broken":
				_, err = io.WriteString(c, "HTTP/1.1 200 OK\r\nA : b\r\n\r\n")
			default:
				_, err = fmt.Fprintf(c, "HTTP/1.1 200 Fine\r\nContent-Length: 5\r\nX-A: 1\r\nX-A: 2\r\nSet-Cookie: a=b\r\n\r\n%s", map[bool]string{true: "", false: "hello"}[req.Method == "HEAD"])
			}
			if err != nil {
				return
			}
		}
	}).addr())
	two := r.http2Client()
	one := &http.Client{CheckRedirect: two.CheckRedirect, Transport: &http.Transport{
		DisableCompression: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: "a.test"},
	}}
	defer one.CloseIdleConnections()
	for _, tc := range []struct{ method, host, path string }{
		{"GET", "a.test", "/x"},
		{"HEAD", "a.test", "/x"},
		{"GET", "a.test", "/"},
		{"GET", "a.test", "/denied"},
		{"GET", "a.test", "/moved"},
		{"GET", "a.test", "/chunked"},
		{"GET", "a.test", "/close"},
		{"GET", "a.test", "/304"},
		{"GET", "a.test", "/204"},
		{"GET", "a.test", "/broken"},
		{"GET", "a.test", "/a%2f..%2fdenied"},
		{"TRACE", "a.test", "/x"},
		{"GET", "a.test", "/%00"},
	} {
		a, bodyA := r.ask(one, r.newRequest(tc.method, tc.host, tc.path, ""))
		b, bodyB := r.ask(two, r.newRequest(tc.method, tc.host, tc.path, ""))
		a.Header.Del("Date")
		b.Header.Del("Date")
		if a.ProtoMajor != 1 || b.ProtoMajor != 2 {
			t.Fatalf("%s and %s", a.Proto, b.Proto)
		}
		if a.StatusCode != b.StatusCode || bodyA != bodyB || fmt.Sprint(a.Header) != fmt.Sprint(b.Header) || fmt.Sprint(a.Trailer) != fmt.Sprint(b.Trailer) {
			t.Errorf("%v\n1: %d %v %v %q\n2: %d %v %v %q", tc, a.StatusCode, a.Header, a.Trailer, bodyA, b.StatusCode, b.Header, b.Trailer, bodyB)
		}
	}
}

// TestHTTP2Misdirected is 421: a connection serves the hosts of its certificate
// and the one it was opened for.
func TestHTTP2Misdirected(t *testing.T) {
	r := newRig(t, oneRoute(nil))
	r.endpoints(newScript(t, echo).addr())
	client := r.http2Client() // the certificate is for example.com
	for host, want := range map[string]int{"a.test": 200, "A.TEST.:8443": 200, "example.com": 404, "b.test": 421, "www.a.test": 421} {
		if resp, _ := r.ask(client, r.newRequest("GET", host, "/", "")); resp.StatusCode != want {
			t.Errorf("%s: status %d, want %d", host, resp.StatusCode, want)
		}
	}
	if n := r.server.Stats().Refusals["misdirected"]; n != 2 {
		t.Errorf("%d were counted", n)
	}
}

func TestHTTP2IsLogged(t *testing.T) {
	var out bytes.Buffer
	log := accesslog.New(accesslog.Config{Writer: &out})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- log.Run(ctx) }()
	r := newRigWith(t, oneRoute(nil), Config{Log: log}, nil)
	r.endpoints(newScript(t, echo).addr())
	r.ask(r.http2Client(), r.newRequest("POST", "a.test", "/p", "hello"))
	eventually(t, "the connection is idle", func() bool { return r.server.Stats().Idle == 1 })
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if line := out.String(); !strings.Contains(line, `"POST /p HTTP/2.0" 200 5 `) {
		t.Errorf("logged %q", line)
	}
}

// rawHTTP2 is an HTTP/2 client with prior knowledge.
type rawHTTP2 struct {
	t testing.TB
	*client
	*http2.Framer
	enc     *hpack.Encoder
	section bytes.Buffer
}

func (r *rig) dialHTTP2() *rawHTTP2 {
	r.t.Helper()
	c := &rawHTTP2{t: r.t, client: r.dial()}
	c.client.send(http2.ClientPreface)
	c.Framer = http2.NewFramer(c.Conn, bufio.NewReader(c.Conn))
	c.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	c.enc = hpack.NewEncoder(&c.section)
	if err := c.WriteSettings(); err != nil {
		r.t.Fatal(err)
	}
	return c
}

func (c *rawHTTP2) request(id uint32, end bool, nameValues ...string) {
	c.t.Helper()
	c.section.Reset()
	for i := 0; i < len(nameValues); i += 2 {
		_ = c.enc.WriteField(hpack.HeaderField{Name: nameValues[i], Value: nameValues[i+1]})
	}
	if err := c.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: c.section.Bytes(), EndStream: end, EndHeaders: true}); err != nil {
		c.t.Fatal(err)
	}
}

func (c *rawHTTP2) get(id uint32) {
	c.t.Helper()
	c.request(id, true, ":method", "GET", ":scheme", "http", ":authority", "a.test", ":path", "/")
}

// frame returns the next frame that is not about settings and windows.
func (c *rawHTTP2) frame() http2.Frame {
	c.t.Helper()
	for {
		f, err := c.ReadFrame()
		if err != nil {
			c.t.Fatalf("read frame: %v", err)
		}
		switch f.(type) {
		case *http2.SettingsFrame, *http2.WindowUpdateFrame:
			continue
		}
		return f
	}
}

func (c *rawHTTP2) wantStatus(status string) {
	c.t.Helper()
	f := c.frame()
	if h, ok := f.(*http2.MetaHeadersFrame); !ok || h.PseudoValue("status") != status {
		c.t.Fatalf("got %v, want %s", f, status)
	}
}

func newCleartextRig(t testing.TB, cfg *ir.Config) *rig {
	t.Helper()
	return newRigWith(t, cfg, Config{CleartextHTTP2: true}, nil)
}

func TestCleartextHTTP2(t *testing.T) {
	r := newCleartextRig(t, oneRoute(nil))
	r.endpoints(newScript(t, echo).addr())
	c := r.dialHTTP2()
	c.get(1)
	c.wantStatus("200")

	off := newRig(t, oneRoute(nil))
	c1 := off.dial()
	c1.send(http2.ClientPreface)
	if resp, _ := c1.answer("GET"); resp.StatusCode != 505 {
		t.Errorf("status %d where HTTP/2 is off", resp.StatusCode)
	}
	r.config.Settings.HTTP2Off = true
	r.publish()
	c3 := r.dial()
	c3.send(http2.ClientPreface)
	if resp, _ := c3.answer("GET"); resp.StatusCode != 505 {
		t.Errorf("status %d where a setting turns HTTP/2 off", resp.StatusCode)
	}
	r.config.Settings.HTTP2Off = false
	r.publish()
	// Not behind another request: the client spoke HTTP/1.
	c2 := r.dial()
	c2.get("/")
	c2.send(http2.ClientPreface)
	if resp, _ := c2.answer("GET"); resp.StatusCode != 505 {
		t.Errorf("status %d behind a request", resp.StatusCode)
	}
}

// TestHTTP2WebSocket is RFC 8441: the upstream sees an upgrade, the client
// content of a stream.
func TestHTTP2WebSocket(t *testing.T) {
	r := newCleartextRig(t, oneRoute(nil))
	r.endpoints(newScript(t, func(_ int, c *client) {
		head := c.head()
		if strings.HasPrefix(head, "GET / ") {
			_, _ = io.WriteString(c, ok)
			return
		}
		if !strings.HasPrefix(head, "GET /chat HTTP/1.1\r\n") || !strings.Contains(head, "\r\nUpgrade: websocket\r\n") {
			t.Errorf("the upstream got %q", head)
		}
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "+acceptKey(head)+"\r\n\r\n")
		_, _ = io.Copy(c, c.br)
	}).addr())
	c := r.dialHTTP2()
	c.request(1, false, ":method", "CONNECT", ":protocol", "websocket", ":scheme", "http", ":path", "/chat", ":authority", "a.test", "sec-websocket-version", "13")
	h, ok := c.frame().(*http2.MetaHeadersFrame)
	if !ok || h.PseudoValue("status") != "200" {
		t.Fatalf("got %v: %v", h, h.Fields)
	}
	for _, f := range h.RegularFields() {
		switch f.Name {
		case "upgrade", "connection", "sec-websocket-accept":
			t.Errorf("the client got %v", f)
		}
	}
	eventually(t, "counted as tunnel", func() bool { return r.server.Stats().Tunnels == 1 })
	message := strings.Repeat("\x82\x7d"+strings.Repeat("x", 125), 20)
	_ = c.WriteData(1, false, []byte(message))
	got := ""
	for len(got) < len(message) {
		d, ok := c.frame().(*http2.DataFrame)
		if !ok {
			t.Fatalf("got %v", d)
		}
		got += string(d.Data())
	}
	if got != message {
		t.Errorf("got %d octets back", len(got))
	}
	c.get(3) // beside the tunnel
	_ = c.WriteData(1, true, nil)
	eventually(t, "the tunnel ended", func() bool { return r.server.Stats().Tunnels == 0 })
}

// acceptKey answers the key in a head.
func acceptKey(head string) string {
	_, rest, _ := strings.Cut(head, "\r\nsec-websocket-key: ")
	key, _, _ := strings.Cut(rest, "\r\n")
	sum := sha1.Sum([]byte(key + websocketGUID))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// TestH5_11_ResetCancelsUpstream: nobody works for a stream that is gone.
func TestH5_11_ResetCancelsUpstream(t *testing.T) {
	r := newCleartextRig(t, oneRoute(nil))
	began, ended := make(chan struct{}), make(chan struct{})
	s := newScript(t, func(n int, c *client) {
		if c.head() == "" {
			return
		}
		close(began)
		_, _ = c.br.ReadByte()
		close(ended)
	})
	r.endpoints(s.addr())
	c := r.dialHTTP2()
	c.get(1)
	<-began
	_ = c.WriteRSTStream(1, http2.ErrCodeCancel)
	<-ended
	eventually(t, "the connection is idle", func() bool { return r.server.Stats().Idle == 1 })
	if n := s.conns.Load(); n != 1 {
		t.Errorf("%d connections to the upstream: the request was tried again", n)
	}
}

// TestH11_9_HTTP2Truncation: a response that breaks off is reset.
func TestH11_9_HTTP2Truncation(t *testing.T) {
	r := newCleartextRig(t, oneRoute(nil))
	r.endpoints(newScript(t, func(_ int, c *client) {
		c.head()
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
	}).addr())
	c := r.dialHTTP2()
	c.get(1)
	c.wantStatus("200")
	for {
		switch f := c.frame().(type) {
		case *http2.DataFrame:
			if f.StreamEnded() {
				t.Fatal("the stream ended as if complete")
			}
			continue
		case *http2.RSTStreamFrame:
			if f.ErrCode != http2.ErrCodeInternal {
				t.Errorf("reset with %v", f.ErrCode)
			}
		default:
			t.Fatalf("got %v", f)
		}
		return
	}
}

func TestHTTP2Drain(t *testing.T) {
	r := newCleartextRig(t, oneRoute(nil))
	began, release := make(chan struct{}), make(chan struct{})
	r.endpoints(newScript(t, func(_ int, c *client) {
		for c.head() != "" {
			close(began)
			<-release
			_, _ = io.WriteString(c, ok)
		}
	}).addr())
	busy, idle := r.dialHTTP2(), r.dialHTTP2()
	busy.get(1)
	<-began
	eventually(t, "both are there", func() bool { st := r.server.Stats(); return st.Idle == 1 && st.Active == 1 })
	done := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		done <- r.server.Shutdown(ctx)
	}()
	for _, c := range []*rawHTTP2{idle, busy} {
		if g, ok := c.frame().(*http2.GoAwayFrame); !ok || g.ErrCode != http2.ErrCodeNo || g.LastStreamID != 1<<31-1 {
			t.Fatalf("got %v", g)
		}
		p, ok := c.frame().(*http2.PingFrame)
		if !ok {
			t.Fatal("no PING")
		}
		_ = c.WritePing(true, p.Data)
		if g, ok := c.frame().(*http2.GoAwayFrame); !ok || g.LastStreamID > 1 {
			t.Fatalf("got %v", g)
		}
	}
	if _, err := idle.ReadFrame(); err == nil {
		t.Error("the idle connection stays")
	}
	close(release)
	busy.wantStatus("200")
	if d, ok := busy.frame().(*http2.DataFrame); !ok || !d.StreamEnded() {
		t.Errorf("got %v", d)
	}
	busy.Close()
	idle.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestHTTP2ShedIdle(t *testing.T) {
	r := newCleartextRig(t, oneRoute(nil))
	c := r.dialHTTP2()
	c.get(1)
	c.wantStatus("503")
	c.frame()
	eventually(t, "shed", r.server.ShedIdle)
	if g, ok := c.frame().(*http2.GoAwayFrame); !ok || g.ErrCode != http2.ErrCodeNo || g.LastStreamID != 1 {
		t.Errorf("got %v", g)
	}
	if _, err := c.ReadFrame(); err == nil {
		t.Error("the connection stays")
	}
}

// TestHTTP2EarlyAnswer: a large body that is refused does not cost the
// connection.
func TestHTTP2EarlyAnswer(t *testing.T) {
	r := newRig(t, oneRoute(func(_ *ir.Host, r *ir.Route) { r.MaxBody = 1000 }))
	r.endpoints(newScript(t, echo).addr())
	client := r.http2Client()
	for range 3 {
		resp, err := client.Do(r.newRequest("POST", "a.test", "/", strings.Repeat("x", 2000)))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 413 {
			t.Errorf("status %d", resp.StatusCode)
		}
	}
	if n := r.server.Stats().Accepted; n != 1 {
		t.Errorf("%d connections", n)
	}
}

func TestHTTP2TrailersGoUpstream(t *testing.T) {
	r := newCleartextRig(t, oneRoute(nil))
	got := make(chan http.Header, 1)
	r.endpoints(newScript(t, func(_ int, c *client) {
		req, err := http.ReadRequest(c.br)
		if err != nil {
			return
		}
		_, _ = io.ReadAll(req.Body)
		got <- req.Trailer
		_, _ = io.WriteString(c, ok)
	}).addr())
	c := r.dialHTTP2()
	c.request(1, false, ":method", "POST", ":scheme", "http", ":authority", "a.test", ":path", "/")
	_ = c.WriteData(1, false, []byte("body"))
	c.request(1, true, "x-sum", "1", "authorization", "no trailer")
	c.wantStatus("200")
	if trailer := <-got; trailer.Get("X-Sum") != "1" || len(trailer) != 1 {
		t.Errorf("trailers %v", trailer)
	}
}

// TestHTTP2KeepAliveRequests pins that the setting for requests per connection
// can raise the number of streams per connection (H5.9).
func TestHTTP2KeepAliveRequests(t *testing.T) {
	cfg := oneRoute(nil)
	cfg.Settings.KeepAliveRequests = 3
	r := newCleartextRig(t, cfg)
	r.server.http2.Total = 1
	r.endpoints(newScript(t, answering(ok)).addr())
	c := r.dialHTTP2()
	for id := uint32(1); id <= 5; id += 2 {
		c.get(id)
		for ended := false; !ended; {
			switch f := c.frame().(type) {
			case *http2.GoAwayFrame:
				if id != 5 {
					t.Fatalf("the connection is to end after stream %d", id)
				}
				return
			case *http2.DataFrame:
				ended = f.StreamEnded()
			}
		}
	}
	if _, ok := c.frame().(*http2.GoAwayFrame); !ok {
		t.Error("the connection does not end after three streams")
	}
}

// BenchmarkHTTP2GET is a whole round trip over loopback, without TLS, with eight
// streams at a time; one is one request.
func BenchmarkHTTP2GET(b *testing.B) {
	const streams = 8
	r := newCleartextRig(b, endless())
	r.server.http2.Total = 1 << 30
	r.endpoints(newScript(b, lean).addr())
	c := r.dialHTTP2()
	_ = c.SetDeadline(time.Time{})
	c.get(1)
	c.frame()
	c.frame()
	var block []byte
	for _, f := range [][2]string{{":method", "GET"}, {":scheme", "http"}, {":authority", "a.test"}, {":path", "/"}} {
		c.section.Reset()
		_ = c.enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
		block = append(block, c.section.Bytes()...)
	}
	var requests bytes.Buffer
	out := http2.NewFramer(&requests, nil)
	in := bufio.NewReaderSize(c.Conn, 64<<10)
	head := make([]byte, 9)
	b.ReportAllocs()
	before := cpu()
	id := uint32(3)
	done := 0
	for b.Loop() {
		if done++; done%streams != 0 {
			continue
		}
		requests.Reset()
		for range streams {
			_ = out.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block, EndStream: true, EndHeaders: true})
			id += 2
		}
		_ = out.WriteWindowUpdate(0, 12*streams)
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
			if head[3] == byte(http2.FrameData) && head[4]&1 != 0 {
				ended++
			}
		}
	}
	b.ReportMetric(float64((cpu()-before).Microseconds())/float64(b.N), "cpu-µs/op")
}
