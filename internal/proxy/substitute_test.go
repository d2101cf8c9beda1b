package proxy

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"daemun/internal/ir"
)

func substituting(change func(*ir.Config, *ir.Substitution)) *ir.Config {
	s := &ir.Substitution{All: true, Pairs: []ir.TextPair{{From: "backend.test", To: "$host"}, {From: "</head>", To: "<script></script></head>"}}}
	cfg := oneRoute(func(_ *ir.Host, r *ir.Route) { r.Substitution = s })
	if change != nil {
		change(cfg, s)
	}
	return cfg
}

func substitutingRig(t *testing.T, change func(*ir.Config, *ir.Substitution), handle func(int, *client)) *rig {
	t.Helper()
	r := newRig(t, substituting(change))
	r.endpoints(newScript(t, handle).addr())
	return r
}

func htmlPage(fields, body string) string {
	return strings.Replace(withBody(fields, body), "text/css", "text/html; charset=utf-8", 1)
}

const (
	pageBefore = "<HEAD></HEAD>http://Backend.TEST/ http://backend.test/"
	pageAfter  = "<HEAD><script></script></head>http://a.test/ http://a.test/"
)

const validators = "ETag: \"x\"\r\nLast-Modified: Sat, 01 Jan 2022 00:00:00 GMT\r\nAccept-Ranges: bytes\r\n"

func TestTextsAreReplaced(t *testing.T) {
	t.Parallel()
	r := substitutingRig(t, nil, answering(htmlPage(validators, pageBefore)))
	c := r.dial()
	for range 2 { // on one connection
		resp, body := c.get("/")
		if h := resp.Header; body != pageAfter || h.Get("ETag")+h.Get("Last-Modified")+h.Get("Accept-Ranges") != "" || resp.ContentLength >= 0 {
			t.Errorf("%v %q", resp.Header, body)
		}
	}
	resp, body := r.ask(r.http2Client(), r.newRequest("GET", "a.test", "/", ""))
	if body != pageAfter || resp.ContentLength >= 0 || resp.ProtoMajor != 2 {
		t.Errorf("HTTP/2: %v %q", resp.Header, body)
	}
}

func TestReplacedTextsOfHTTP10(t *testing.T) {
	t.Parallel()
	c := substitutingRig(t, nil, answering(htmlPage("", pageBefore))).dial()
	c.send("GET / HTTP/1.0\r\nHost: a.test\r\n\r\n")
	if resp, body := c.answer("GET"); body != pageAfter || len(resp.TransferEncoding) > 0 || !resp.Close {
		t.Errorf("%v %q", resp.Header, body)
	}
}

func TestReplacedTextsAreValidatedIfWanted(t *testing.T) {
	t.Parallel()
	keep := func(_ *ir.Config, s *ir.Substitution) { s.LastModified = true }
	resp, body := substitutingRig(t, keep, answering(htmlPage(validators, pageBefore))).dial().get("/")
	if h := resp.Header; body != pageAfter || h.Get("ETag") != `W/"x"` || h.Get("Last-Modified") == "" {
		t.Errorf("%v %q", resp.Header, body)
	}
}

func TestReplacedTextsAreCompressed(t *testing.T) {
	t.Parallel()
	compressed := func(cfg *ir.Config, _ *ir.Substitution) {
		cfg.Settings.Compression = &ir.Compression{Gzip: &ir.Coding{Level: 1, MinLength: 10, Types: []string{"text/html"}}}
	}
	resp, body := substitutingRig(t, compressed, answering(htmlPage(validators, strings.Repeat(pageBefore, 5000)))).dial().getAccepting("gzip")
	if got := unpacked(t, resp, body); got != strings.Repeat(pageAfter, 5000) || resp.Header.Get("ETag") != "" {
		t.Errorf("%v, %d octets", resp.Header, len(got))
	}
}

// TestReplacementsMuchLonger pins that the content is complete when it grows a
// lot.
func TestReplacementsMuchLonger(t *testing.T) {
	t.Parallel()
	to := strings.Repeat("0123456789", 400)
	long := func(_ *ir.Config, s *ir.Substitution) { s.Pairs = []ir.TextPair{{From: "x", To: to}} }
	r := substitutingRig(t, long, answering(htmlPage("", strings.Repeat("x", 3000))))
	want := strings.Repeat(to, 3000)
	if _, body := r.dial().get("/"); body != want {
		t.Errorf("%d octets, want %d", len(body), len(want))
	}
	if _, body := r.ask(r.http2Client(), r.newRequest("GET", "a.test", "/", "")); body != want {
		t.Errorf("HTTP/2: %d octets, want %d", len(body), len(want))
	}
}

// TestWhereNoTextIsReplaced goes on as the backend sent it.
func TestWhereNoTextIsReplaced(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"compressed": htmlPage(validators+"Content-Encoding: gzip\r\n", pageBefore), "part": htmlPage(validators+"Content-Range: bytes 0-1/2\r\n", pageBefore),
		"type": withBody(validators, pageBefore),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			resp, body := substitutingRig(t, nil, answering(answer)).dial().get("/")
			if body != pageBefore || resp.Header.Get("ETag") != `"x"` || resp.ContentLength != int64(len(pageBefore)) {
				t.Errorf("%v %q", resp.Header, body)
			}
		})
	}
	t.Run("HEAD and 304", func(t *testing.T) {
		t.Parallel()
		c := substitutingRig(t, nil, func(_ int, c *client) {
			for head := c.head(); head != ""; head = c.head() {
				if strings.HasPrefix(head, "HEAD") {
					c.send(strings.TrimSuffix(htmlPage(validators, pageBefore), pageBefore))
				} else {
					c.send("HTTP/1.1 304 Not Modified\r\nContent-Type: text/html\r\n" + validators + "\r\n")
				}
			}
		}).dial()
		c.send("HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\n")
		if resp, _ := c.answer("HEAD"); resp.Header.Get("ETag") != `"x"` || resp.ContentLength != int64(len(pageBefore)) {
			t.Errorf("%v", resp.Header)
		}
		if resp, _ := c.get("/"); resp.StatusCode != http.StatusNotModified || resp.Header.Get("ETag") != `"x"` {
			t.Errorf("%d %v", resp.StatusCode, resp.Header)
		}
	})
}

// TestTextInTwoReads: a text whose beginning was read before its end was sent
// is found, and what stands before it does not wait for it.
func TestTextInTwoReads(t *testing.T) {
	t.Parallel()
	next := make(chan struct{})
	c := substitutingRig(t, nil, func(_ int, c *client) {
		c.head()
		c.send("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n8\r\none:back\r\n")
		<-next
		c.send("9\r\nend.test:\r\n0\r\n\r\n")
		c.head()
	}).dial()
	c.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
	resp, err := http.ReadResponse(c.br, nil)
	if err != nil {
		t.Fatal(err)
	}
	first := make([]byte, len("one:"))
	if _, err := io.ReadFull(resp.Body, first); err != nil || string(first) != "one:" {
		t.Fatalf("first %q, %v", first, err)
	}
	close(next)
	if rest, err := io.ReadAll(resp.Body); err != nil || string(rest) != "a.test:" {
		t.Errorf("then %q, %v", rest, err)
	}
}

// TestTextsOfOurOwnAreReplaced: what scripts return, our pages, and what an error
// backend says.
func TestTextsOfOurOwnAreReplaced(t *testing.T) {
	t.Parallel()
	s := &ir.Substitution{All: true, Pairs: []ir.TextPair{{From: "not found", To: "$host"}, {From: "x", To: strings.Repeat("y", 100)}}}
	r := newRig(t, oneRoute(func(_ *ir.Host, r *ir.Route) {
		r.Substitution, r.Backend = s, ""
		r.Script = onlyIf("$arg_a", ir.Holds, "", ir.Action{Return: &ir.Return{Status: 200, Text: "a Not Found", Type: "text/html"}})
	}))
	c := r.dial()
	for target, want := range map[string]string{"/?a=1": "a a.test", "/": "<h1>404 a.test</h1>"} {
		if resp, body := c.get(target); !strings.Contains(body, want) || resp.ContentLength != int64(len(body)) {
			t.Errorf("%s: %q %d", target, body, resp.ContentLength)
		}
	}
	for _, tt := range []struct{ name, fields, body, want, etag string }{
		{"a page", validators, "Not found", "a.test", ""},
		{"one that becomes too long", "", strings.Repeat("x", 50_000), strings.Repeat("x", 50_000), ""},
		{"a part", "Content-Range: bytes 0-8/20\r\n" + validators, "Not found", "Not found", `"x"`},
	} {
		sorry := newScript(t, answering(htmlPage(tt.fields, tt.body)))
		r, _ := up(t, answering("HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n"), func(_ *ir.Host, r *ir.Route) {
			r.Substitution, r.Errors = s, &ir.Errors{Statuses: []int{404}, Backend: sorryID}
		})
		r.upstreams.Update(ir.EndpointSet{Backend: sorryID, Endpoints: []ir.Endpoint{{Addr: sorry.addr()}}})
		if resp, body := r.dial().get("/"); body != tt.want || resp.Header.Get("ETag") != tt.etag {
			t.Errorf("%s: %.60q %v", tt.name, body, resp.Header)
		}
	}
}
