package http2

import (
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"daemun/internal/http1"
)

// TestH5_14_Malformed: each of these resets its stream and is never served.
func TestH5_14_Malformed(t *testing.T) {
	base := []string{":method", "GET", ":scheme", "http", ":authority", "a.test", ":path", "/"}
	with := func(more ...string) []string { return append(base[:8:8], more...) }
	for name, fields := range map[string][]string{
		"capital":                  with("Accept", "x"),
		"blank in name":            with("a b", "x"),
		"empty name":               with("", "x"),
		"colon in name":            with("a:b", "x"),
		"CR in value":              with("a", "x\ry"),
		"LF in value":              with("a", "x\nTransfer-Encoding: chunked"),
		"NUL in value":             with("a", "x\x00"),
		"blank before value":       with("a", " x"),
		"blank behind value":       with("a", "x\t"),
		"connection":               with("connection", "close"),
		"transfer-encoding":        with("transfer-encoding", "chunked"),
		"upgrade":                  with("upgrade", "h2c"),
		"keep-alive":               with("keep-alive", "1"),
		"proxy-connection":         with("proxy-connection", "keep-alive"),
		"te":                       with("te", "gzip"),
		"length without content":   with("content-length", "1"),
		"length twice":             with("content-length", "0", "content-length", "0"),
		"length no number":         with("content-length", "0x1"),
		"length signed":            with("content-length", "+0"),
		"pseudo behind":            with("a", "x", ":path", "/"),
		"pseudo twice":             with(":path", "/"),
		"unknown pseudo":           with(":nonsense", "x"),
		"pseudo of responses":      with(":status", "200"),
		"host twice":               with("host", "a.test", "host", "a.test"),
		"H3.4 host differs":        with("host", "b.test"),
		"H5.16 no method":          base[2:],
		"H5.16 no path":            base[:6],
		"H5.16 no scheme":          {":method", "GET", ":path", "/"},
		"H5.16 path empty":         {":method", "GET", ":scheme", "http", ":path", ""},
		"H5.16 path absolute":      {":method", "GET", ":scheme", "http", ":path", "http://a.test/"},
		"H5.16 star with GET":      {":method", "GET", ":scheme", "http", ":path", "*"},
		"H5.16 scheme":             {":method", "GET", ":scheme", "ftp", ":path", "/"},
		"H5.16 blank in method":    {":method", "GET /x HTTP/1.1", ":scheme", "http", ":path", "/"},
		"H5.16 line in path":       {":method", "GET", ":scheme", "http", ":path", "/\r\nx: y"},
		"H5.16 blank in path":      {":method", "GET", ":scheme", "http", ":path", "/ HTTP/1.0"},
		"H5.16 line in authority":  {":method", "GET", ":scheme", "http", ":path", "/", ":authority", "a\r\nb: c"},
		"CONNECT with path":        {":method", "CONNECT", ":authority", "a.test:1", ":path", "/"},
		"CONNECT to nowhere":       {":method", "CONNECT"},
		"protocol without CONNECT": {":method", "GET", ":scheme", "http", ":path", "/", ":protocol", "websocket"},
	} {
		t.Run(name, func(t *testing.T) {
			c := dial(t, testConfig(), func(*Stream) { t.Error("served") })
			c.head(1, true, fields...)
			c.wantReset(1, http2.ErrCodeProtocol)
		})
	}
}

// TestH5_14_Heads: what a request means in HTTP/1, and that the parser takes
// it.
func TestH5_14_Heads(t *testing.T) {
	for _, tc := range []struct {
		name    string
		fields  []string
		open    bool // content follows
		want    string
		refusal int
	}{
		{
			name: "GET", want: "GET /x?y HTTP/1.1\r\nhost: a.test\r\na: b\r\n\r\n",
			fields: []string{":method", "GET", ":path", "/x?y", ":scheme", "http", ":authority", "a.test", "a", "b"},
		},
		{
			name: "host alone", want: "GET / HTTP/1.1\r\nhost: a.test\r\n\r\n",
			fields: []string{":method", "GET", ":path", "/", ":scheme", "http", "host", "a.test"},
		},
		{
			name: "same host twice", want: "GET / HTTP/1.1\r\nhost: a.test\r\n\r\n",
			fields: []string{":method", "GET", ":path", "/", ":scheme", "http", ":authority", "a.test", "host", "A.test"},
		},
		{
			name: "cookies are joined", want: "GET / HTTP/1.1\r\nhost: a.test\r\nb: c\r\ncookie: x=1; y=2\r\n\r\n",
			fields: []string{":method", "GET", ":path", "/", ":scheme", "http", ":authority", "a.test", "cookie", "x=1", "b", "c", "cookie", "y=2"},
		},
		{
			name: "content of unknown length", open: true, want: "POST / HTTP/1.1\r\nhost: a.test\r\nte: trailers\r\ntransfer-encoding: chunked\r\n\r\n",
			fields: []string{":method", "POST", ":path", "/", ":scheme", "http", ":authority", "a.test", "te", "trailers"},
		},
		{
			name: "content of known length", open: true, want: "POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 3\r\n\r\n",
			fields: []string{":method", "POST", ":path", "/", ":scheme", "http", ":authority", "a.test", "content-length", "3"},
		},
		{
			name: "no content", want: "POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 0\r\n\r\n",
			fields: []string{":method", "POST", ":path", "/", ":scheme", "http", ":authority", "a.test"},
		},
		{
			name: "OPTIONS", want: "OPTIONS * HTTP/1.1\r\nhost: a.test\r\n\r\n",
			fields: []string{":method", "OPTIONS", ":path", "*", ":scheme", "http", ":authority", "a.test"},
		},
		{
			name: "H5.16 other scheme", refusal: 400,
			fields: []string{":method", "GET", ":path", "/", ":scheme", "https", ":authority", "a.test"},
		},
		{
			name: "other tunnel", open: true, refusal: 501,
			fields: []string{":method", "CONNECT", ":path", "/", ":scheme", "http", ":authority", "a.test", ":protocol", "connect-udp"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, refusal := make(chan string, 1), make(chan int, 1)
			c := dial(t, testConfig(), func(s *Stream) {
				got <- string(s.Head())
				refusal <- s.Refusal()
			})
			c.head(1, !tc.open, tc.fields...)
			head := <-got
			if r := <-refusal; head != tc.want || r != tc.refusal {
				t.Errorf("got %q, %d\nwant %q, %d", head, r, tc.want, tc.refusal)
			}
			if tc.refusal != 0 {
				return
			}
			var req http1.Request
			limits := http1.RequestLimits()
			if n, err := req.Parse([]byte(head), &limits); err != nil || n != len(head) {
				t.Errorf("parsed %d of %d: %v", n, len(head), err)
			}
		})
	}
}

// TestH5_14_LengthIsTheData: the last octet is not given out before the end of
// the stream has come at the right place.
func TestH5_14_LengthIsTheData(t *testing.T) {
	for name, tc := range map[string]struct {
		data []string
		ends bool
	}{
		"too long":             {[]string{"abc", "d"}, true},
		"too long, in one":     {[]string{"abcd"}, true},
		"too short":            {[]string{"ab"}, true},
		"empty frame, H5.15":   {[]string{"ab", ""}, true},
		"too long, empty last": {[]string{"abc", "d", ""}, true},
	} {
		t.Run(name, func(t *testing.T) {
			got := make(chan string, 1)
			failed := make(chan error, 1)
			c := dial(t, testConfig(), func(s *Stream) {
				b, err := io.ReadAll(s)
				got <- string(b)
				failed <- err
			})
			c.request(1, false, "POST", "content-length", "3")
			for i, d := range tc.data {
				c.must(c.WriteData(1, tc.ends && i == len(tc.data)-1, []byte(d)))
			}
			c.wantReset(1, http2.ErrCodeProtocol)
			if b, err := <-got, <-failed; len(b) >= 3 || err == nil {
				t.Errorf("the handler got %q, %v", b, err)
			}
		})
	}
	c := dial(t, testConfig(), echo)
	c.request(1, false, "POST", "content-length", "3")
	c.must(c.WriteData(1, false, []byte("abc")))
	c.must(c.WriteData(1, true, nil))
	if r := c.answer(1); string(r.body) != "abc" {
		t.Errorf("body %q", r.body)
	}
}

func TestH5_17_NoPush(t *testing.T) {
	c := dial(t, testConfig(), echo)
	c.must(c.WritePushPromise(http2.PushPromiseParam{StreamID: 1, PromiseID: 2, BlockFragment: c.fields(":method", "GET"), EndHeaders: true}))
	c.wantGoAway(http2.ErrCodeProtocol)
}

func TestH5_17_PriorityIsIgnored(t *testing.T) {
	c := dial(t, testConfig(), echo)
	c.must(c.WritePriority(1, http2.PriorityParam{StreamDep: 3, Weight: 255, Exclusive: true}))
	c.must(c.WriteHeaders(http2.HeadersFrameParam{
		StreamID: 1, EndStream: true, EndHeaders: true, Priority: http2.PriorityParam{StreamDep: 77, Weight: 1},
		BlockFragment: c.fields(":method", "GET", ":scheme", "http", ":authority", "a.test", ":path", "/"),
	}))
	if r := c.answer(1); r.status != "200" {
		t.Errorf("status %s", r.status)
	}
}

// TestH5_17_GoAwayInTwoSteps: a stream that was on its way when the drain began
// is served, one behind the second GOAWAY is not.
func TestH5_17_GoAwayInTwoSteps(t *testing.T) {
	release := make(chan struct{})
	c := dial(t, testConfig(), blocked(release))
	c.request(1, true, "GET")
	c.ping()
	c.conn.Drain()
	first, ok := c.frame().(*http2.GoAwayFrame)
	if !ok || first.LastStreamID != 1<<31-1 || first.ErrCode != http2.ErrCodeNo {
		t.Fatalf("first GOAWAY %v", first)
	}
	ping, ok := c.frame().(*http2.PingFrame)
	if !ok {
		t.Fatal("no PING")
	}
	c.request(3, true, "GET") // on its way
	c.must(c.WritePing(true, ping.Data))
	second, ok := c.frame().(*http2.GoAwayFrame)
	if !ok || second.LastStreamID != 3 {
		t.Fatalf("second GOAWAY %v", second)
	}
	c.request(5, true, "GET")
	close(release)
	for range 2 {
		if h, ok := c.frame().(*http2.MetaHeadersFrame); !ok || h.StreamID > 3 {
			t.Errorf("%v", h)
		}
	}
	c.wantEnd()
}

func TestTrailers(t *testing.T) {
	c := dial(t, testConfig(), func(s *Stream) {
		body, err := io.ReadAll(s)
		if err != nil {
			t.Error(err)
		}
		lines := s.Trailers()
		if err := s.WriteHead([]byte("HTTP/1.1 200 OK\r\nContent-Type: x\r\n\r\n"), body, false); err != nil {
			t.Error(err)
		}
		if err := s.WriteTrailers(lines); err != nil {
			t.Error(err)
		}
	})
	c.request(1, false, "POST")
	c.must(c.WriteData(1, false, []byte("body")))
	c.head(1, true, "x-sum", "17")
	r := c.answer(1)
	if string(r.body) != "body" || len(r.trailer) != 1 || r.trailer[0].Name != "x-sum" || r.trailer[0].Value != "17" {
		t.Errorf("%+v", r)
	}
	for name, trailer := range map[string][]string{"pseudo": {":path", "/"}, "capital": {"X", "y"}} {
		c := dial(t, testConfig(), func(s *Stream) { _, _ = io.ReadAll(s) })
		c.request(1, false, "POST")
		c.head(1, true, trailer...)
		f := c.frame()
		if r, ok := f.(*http2.RSTStreamFrame); !ok || r.ErrCode != http2.ErrCodeProtocol {
			t.Errorf("%s: %v", name, f)
		}
	}
}

func TestInterimResponses(t *testing.T) {
	c := dial(t, testConfig(), func(s *Stream) {
		_ = s.WriteHead([]byte("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"), nil, false)
		echo(s)
	})
	c.request(1, true, "GET")
	if r := c.answer(1); len(r.interim) != 1 || r.interim[0] != "103" || r.status != "200" {
		t.Errorf("%+v", r)
	}
}

// TestWebSocketHead is RFC 8441: the request becomes the upgrade it replaces.
func TestWebSocketHead(t *testing.T) {
	c := dial(t, testConfig(), func(s *Stream) {
		var req http1.Request
		limits := http1.RequestLimits()
		if _, err := req.Parse(s.Head(), &limits); err != nil || string(req.Upgrade) != "websocket" || !s.IsWebSocket() {
			t.Errorf("%q: %v", s.Head(), err)
		}
		if key, _ := req.Get(http1.FieldSecWebSocketKey); len(key) != 24 || strings.Contains(string(s.Head()), "client's") {
			t.Errorf("key %q", key)
		}
		_ = s.WriteHead([]byte("HTTP/1.1 200 OK\r\n\r\n"), nil, false)
		_, _ = io.Copy(s, s)
		_ = s.WriteEnd(nil)
	})
	c.head(1, false, ":method", "CONNECT", ":protocol", "websocket", ":scheme", "http", ":path", "/chat", ":authority", "a.test",
		"sec-websocket-version", "13", "sec-websocket-key", "client's")
	if h, ok := c.frame().(*http2.MetaHeadersFrame); !ok || h.PseudoValue("status") != "200" {
		t.Fatalf("%v", h)
	}
	c.must(c.WriteData(1, false, []byte("frame")))
	if d, ok := c.frame().(*http2.DataFrame); !ok || string(d.Data()) != "frame" {
		t.Fatalf("%v", d)
	}
	c.must(c.WriteData(1, true, nil))
	if d, ok := c.frame().(*http2.DataFrame); !ok || !d.StreamEnded() {
		t.Fatalf("%v", d)
	}
}

// TestEarlyAnswer: the rest of a request that was answered is not wanted.
func TestEarlyAnswer(t *testing.T) {
	c := dial(t, testConfig(), func(s *Stream) { _ = s.WriteHead([]byte("HTTP/1.1 413 Large\r\n\r\n"), []byte("page"), true) })
	c.request(1, false, "POST")
	if r := c.answer(1); r.status != "413" {
		t.Errorf("status %s", r.status)
	}
	c.wantReset(1, http2.ErrCodeNo)
	// What was on its way is dropped in silence, and its credit comes back.
	c.must(c.WriteData(1, false, []byte("more")))
	c.head(1, true, "trailer", "x")
	c.ping()
}

// TestUnfinishedResponse: a response that breaks off is seen to (H11.9).
func TestUnfinishedResponse(t *testing.T) {
	c := dial(t, testConfig(), func(s *Stream) { _ = s.WriteHead([]byte("HTTP/1.1 200 OK\r\n\r\n"), []byte("half"), false) })
	c.request(1, true, "GET")
	c.frame()
	c.frame()
	c.wantReset(1, http2.ErrCodeInternal)
}

// TestLargeBodies: more than any window, both ways at once.
func TestLargeBodies(t *testing.T) {
	const total = 300000
	c := dial(t, testConfig(), func(s *Stream) {
		_ = s.WriteHead([]byte("HTTP/1.1 200 OK\r\n\r\n"), nil, false)
		if n, err := io.Copy(s, s); err != nil || n != total {
			t.Errorf("%d octets: %v", n, err)
		}
		_ = s.WriteEnd(nil)
	})
	c.request(1, false, "POST")
	stream, all, sent, got := 64<<10, 1<<20, 0, 0
	for end := false; !end; {
		for sent < total && min(stream, all) >= 10000 {
			sent += 10000
			c.must(c.WriteData(1, sent == total, make([]byte, 10000)))
			stream, all = stream-10000, all-10000
		}
		f, err := c.ReadFrame()
		c.must(err)
		switch f := f.(type) {
		case *http2.WindowUpdateFrame:
			if f.StreamID == 0 {
				all += int(f.Increment)
			} else {
				stream += int(f.Increment)
			}
		case *http2.DataFrame:
			got, end = got+len(f.Data()), f.StreamEnded()
			if f.Length > 0 {
				c.must(c.WriteWindowUpdate(0, f.Length))
				c.must(c.WriteWindowUpdate(1, f.Length))
			}
		}
	}
	if got != total {
		t.Errorf("%d octets came back", got)
	}
}

// TestH6_5_SlowFrames: neither a frame nor a field section may take for ever.
func TestH6_5_SlowFrames(t *testing.T) {
	config := testConfig()
	config.HeadTime = 50 * time.Millisecond
	for name, send := range map[string]func(c *client){
		"preface": func(c *client) { c.send([]byte("PRI")) },
		"frame":   func(c *client) { c.send([]byte(Preface)); c.must(c.WriteSettings()); c.send([]byte{0, 0, 8, 6, 0}) },
		"section": func(c *client) {
			c.send([]byte(Preface))
			c.must(c.WriteSettings())
			c.must(c.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: c.fields(":method", "GET")}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := dialRaw(t, config, echo)
			send(c)
			c.drainToEnd()
		})
	}
}

func (c *client) drainToEnd() {
	c.t.Helper()
	if _, err := io.Copy(io.Discard, c.Conn); err != nil && errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Fatal("the connection stays")
	}
	<-c.ended
}

func TestIdleConnectionEnds(t *testing.T) {
	config := testConfig()
	config.Idle = 30 * time.Millisecond
	c := dial(t, config, echo)
	c.request(1, true, "GET")
	c.answer(1)
	c.wantGoAway(http2.ErrCodeNo)
}

func TestReadAndWriteDeadlines(t *testing.T) {
	done := make(chan error, 2)
	c := dial(t, testConfig(), func(s *Stream) {
		_ = s.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		_, err := s.Read(make([]byte, 1))
		done <- err
		_ = s.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
		done <- s.WriteHead([]byte("HTTP/1.1 200 OK\r\n\r\n"), make([]byte, 100000), true)
	})
	c.request(1, false, "POST")
	for range 2 {
		if err := <-done; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	}
}
