package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"

	"daemun/internal/ir"
)

// compressing is a rig with gzip and brotli, and a backend that answers with
// response.
func compressing(t *testing.T, handle func(int, *client)) *rig {
	t.Helper()
	cfg := oneRoute(nil)
	types := []string{"text/css", "text/event-stream"}
	cfg.Settings.Compression = &ir.Compression{Gzip: &ir.Coding{Level: 1, MinLength: 100, Types: types}, Brotli: &ir.Coding{Level: 4, MinLength: 100, Types: types}}
	r := newRig(t, cfg)
	r.endpoints(newScript(t, handle).addr())
	return r
}

var long = strings.Repeat("all work and no play. ", 20000)

func withBody(fields, body string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: text/css\r\nContent-Length: %d\r\n%s\r\n%s", len(body), fields, body)
}

func unpacked(t *testing.T, resp *http.Response, body string) string {
	t.Helper()
	var r io.Reader = strings.NewReader(body)
	switch coding := resp.Header.Get("Content-Encoding"); coding {
	case "gzip":
		z, err := gzip.NewReader(r)
		if err != nil {
			t.Fatal(err)
		}
		r = z
	case "br":
		r = brotli.NewReader(r)
	default:
		t.Fatalf("coding %q", coding)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func (c *client) getAccepting(accept string) (*http.Response, string) {
	c.send("GET / HTTP/1.1\r\nHost: a.test\r\nAccept-Encoding: " + accept + "\r\n\r\n")
	return c.answer("GET")
}

func TestResponsesAreCompressed(t *testing.T) {
	t.Parallel()
	r := compressing(t, answering(withBody("ETag: \"x\"\r\nAccept-Ranges: bytes\r\nVary: Origin\r\n", long)))
	c := r.dial()
	for _, coding := range []string{"gzip", "br", "gzip"} { // on one connection
		resp, body := c.getAccepting(coding)
		if got := unpacked(t, resp, body); got != long {
			t.Errorf("%s: other content (%d octets)", coding, len(got))
		}
		if len(body) > len(long)/10 {
			t.Errorf("%s: %d octets of %d", coding, len(body), len(long))
		}
		h := resp.Header
		if h.Get("Content-Encoding") != coding || h.Get("ETag") != `W/"x"` || h.Get("Accept-Ranges") != "" || resp.ContentLength >= 0 {
			t.Errorf("%s: %v, length %d", coding, h, resp.ContentLength)
		}
		if v := h.Values("Vary"); strings.Join(v, ", ") != "Origin, Accept-Encoding" {
			t.Errorf("%s: Vary %q", coding, v)
		}
	}
	resp, body := c.getAccepting("identity")
	if body != long || resp.Header.Get("Vary") == "" || resp.Header.Get("ETag") != `"x"` {
		t.Errorf("not accepted: %v", resp.Header)
	}
}

// TestWhatIsNotCompressed goes on as the backend sent it.
func TestWhatIsNotCompressed(t *testing.T) {
	t.Parallel()
	for name, fields := range map[string]string{
		"already": "Content-Encoding: gzip\r\n", "no-transform": "Cache-Control: public, No-Transform\r\n", "part": "Content-Range: bytes 0-1/2\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			resp, body := compressing(t, answering(withBody(fields, long))).dial().getAccepting("gzip")
			if body != long || resp.Header.Get("Vary") != "" || resp.ContentLength != int64(len(long)) {
				t.Errorf("%v, %d octets", resp.Header, len(body))
			}
		})
	}
	t.Run("HEAD", func(t *testing.T) {
		t.Parallel()
		c := compressing(t, func(_ int, c *client) {
			for c.head() != "" {
				c.send(strings.TrimSuffix(withBody("", long), long))
			}
		}).dial()
		c.send("HEAD / HTTP/1.1\r\nHost: a.test\r\nAccept-Encoding: gzip\r\n\r\n")
		if resp, _ := c.answer("HEAD"); resp.Header.Get("Content-Encoding") != "" || resp.ContentLength != int64(len(long)) {
			t.Errorf("%v", resp.Header)
		}
	})
	t.Run("HTTP/1.0", func(t *testing.T) {
		t.Parallel()
		c := compressing(t, answering(withBody("", long))).dial()
		c.send("GET / HTTP/1.0\r\nHost: a.test\r\nAccept-Encoding: gzip\r\n\r\n")
		if resp, body := c.answer("GET"); body != long || resp.Header.Get("Content-Encoding") != "" {
			t.Errorf("%v", resp.Header)
		}
	})
}

// TestCompressedEventsArriveAtOnce: the client has each event before the backend
// sends the next one.
func TestCompressedEventsArriveAtOnce(t *testing.T) {
	t.Parallel()
	next := make(chan struct{})
	c := compressing(t, func(_ int, c *client) {
		c.head()
		c.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
		for range next {
			c.send("data: tick\n\n")
		}
	}).dial()
	c.send("GET / HTTP/1.1\r\nHost: a.test\r\nAccept-Encoding: gzip\r\n\r\n")
	resp, err := http.ReadResponse(c.br, nil)
	if err != nil {
		t.Fatal(err)
	}
	next <- struct{}{}
	z, err := gzip.NewReader(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	events := bufio.NewReader(z)
	for i := range 5 {
		if i > 0 {
			next <- struct{}{}
		}
		line, err := events.ReadString('\n')
		if err != nil || line != "data: tick\n" {
			t.Fatalf("%q, %v", line, err)
		}
		_, _ = events.ReadString('\n')
	}
	close(next)
	if rest, err := io.ReadAll(events); err != nil || len(rest) > 0 {
		t.Errorf("%q, %v", rest, err)
	}
}

// TestCutCompressedResponseIsSeenToBeCut (H11.9).
func TestCutCompressedResponseIsSeenToBeCut(t *testing.T) {
	t.Parallel()
	c := compressing(t, func(_ int, c *client) {
		c.head()
		c.send(strings.TrimSuffix(withBody("", long), long[1000:]))
	}).dial()
	c.send("GET / HTTP/1.1\r\nHost: a.test\r\nAccept-Encoding: gzip\r\n\r\n")
	resp, err := http.ReadResponse(c.br, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(resp.Body); err == nil {
		t.Error("the response came to a proper end")
	}
}

// TestSeveralAcceptEncodingFieldsAreOneList (RFC 9110 §5.3).
func TestSeveralAcceptEncodingFieldsAreOneList(t *testing.T) {
	t.Parallel()
	resp, body := compressing(t, answering(withBody("", long))).dial().getAccepting("gzip;q=0.1\r\nAccept-Encoding: br")
	if resp.Header.Get("Content-Encoding") != "br" || unpacked(t, resp, body) != long {
		t.Errorf("%v", resp.Header)
	}
}

func TestHTTP2ResponsesAreCompressed(t *testing.T) {
	t.Parallel()
	for name, response := range map[string]string{
		"length": withBody("", long), "short": withBody("", long[:200]),
		"chunked": "HTTP/1.1 200 OK\r\nContent-Type: text/css\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 7\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := compressing(t, answering(response))
			req := r.newRequest("GET", "a.test", "/", "")
			req.Header.Set("Accept-Encoding", "gzip")
			resp, body := r.ask(r.http2Client(), req)
			want := long
			switch name {
			case "short":
				want = want[:200]
			case "chunked":
				want = "abc"
				if resp.Trailer.Get("X-Sum") != "7" {
					t.Errorf("trailers %v", resp.Trailer)
				}
			}
			if got := unpacked(t, resp, body); got != want || resp.Proto != "HTTP/2.0" {
				t.Errorf("%s: %d octets, want %d", resp.Proto, len(got), len(want))
			}
		})
	}
}
