package http1

import (
	"io"
	"net/http"
	"strconv"
	"testing"
)

func TestAppendHead(t *testing.T) {
	t.Parallel()
	b := AppendRequestLine(nil, []byte("GET"), []byte("/a?b"), 1)
	b = AppendField(b, "Host", []byte("h"))
	b = AppendContentLength(b, 1<<63-1)
	b = AppendHeadEnd(b)
	if got, want := string(b), "GET /a?b HTTP/1.1\r\nHost: h\r\nContent-Length: 9223372036854775807\r\n\r\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := string(AppendRequestLine(nil, []byte("PUT"), []byte("/"), 0)); got != "PUT / HTTP/1.0\r\n" {
		t.Errorf("%q", got)
	}
	for want, b := range map[string][]byte{
		"HTTP/1.1 204 No Content\r\n": AppendStatusLine(nil, 204, nil),
		"HTTP/1.1 200 Fine\r\n":       AppendStatusLine(nil, 200, []byte("Fine")),
		"HTTP/1.1 200 \r\n":           AppendStatusLine(nil, 200, []byte{}),
		"HTTP/1.1 999 \r\n":           AppendStatusLine(nil, 999, nil),
	} {
		if string(b) != want {
			t.Errorf("got %q, want %q", b, want)
		}
	}
}

func TestH4_10_CheckedValues(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, value string
		ok          bool
	}{
		{"X-A", "plain\tvalue \xe9", true},
		{"X-A", "", true},
		{"X-A", "a\r\nSet-Cookie: b", false},
		{"X-A", "a\rb", false},
		{"X-A", "a\nb", false},
		{"X-A", "a\x00b", false},
		{"X-A", "a\x7fb", false},
		{"X A", "a", false},
		{"X-A:", "a", false},
		{"X-A\r\nB", "a", false},
		{"", "a", false},
	} {
		got, ok := AppendCheckedField([]byte("+"), c.name, c.value)
		want := "+"
		if c.ok {
			want += c.name + ": " + c.value + "\r\n"
		}
		if string(got) != want || ok != c.ok {
			t.Errorf("%q: %q: got %q %v", c.name, c.value, got, ok)
		}
	}
	for target, want := range map[string]bool{
		"/": true, "/a?b=c%20d": true, "/\xe9": true, "": false, "a": false, "/a b": false,
		"/a\r\nb": false, "/a#b": false, "/\x00": false, "http://a/": false,
	} {
		if ValidTarget(target) != want {
			t.Errorf("ValidTarget(%q) is not %v", target, want)
		}
	}
	if !ValidAuthority([]byte("a:80")) || ValidAuthority([]byte("a\r\nb")) {
		t.Error("ValidAuthority")
	}
}

func TestChunkWriting(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 9, 10, 15, 16, 255, 256, 4096, 1<<63 - 1} {
		want := strconv.FormatInt(int64(n), 16) + "\r\n"
		if got := string(AppendChunkHeader(nil, n)); got != want {
			t.Errorf("AppendChunkHeader(%d) = %q", n, got)
		}
		room := make([]byte, ChunkHeaderMax)
		if got := string(room[PutChunkHeader(room, n):]); got != want {
			t.Errorf("PutChunkHeader(%d) = %q", n, got)
		}
	}
	if got := string(AppendLastChunk(nil, nil)); got != "0\r\n\r\n" {
		t.Errorf("%q", got)
	}
	trailers := []Field{{Name: []byte("A"), Value: []byte("b")}}
	if got := string(AppendLastChunk(nil, trailers)); got != "0\r\nA: b\r\n\r\n" {
		t.Errorf("%q", got)
	}
}

func TestStatusText(t *testing.T) {
	t.Parallel()
	for status := range 1000 {
		got, std := StatusText(status), http.StatusText(status)
		if (got == "") != (std == "") {
			t.Errorf("%d: %q, the standard library says %q", status, got, std)
		}
	}
	if StatusText(-1) != "" {
		t.Error("a text for -1")
	}
}

// TestAllocations holds the hot path to none.
func TestAllocations(t *testing.T) {
	small, browser, response := []byte(smallGET), []byte(browserGET), []byte(plainResponse)
	bad := []byte("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n")
	var chunked []byte
	for range 50 {
		chunked = append(AppendChunkHeader(chunked, 300), make([]byte, 300)...)
		chunked = AppendChunkEnd(chunked)
	}
	chunked = AppendLastChunk(chunked, []Field{{Name: []byte("A"), Value: []byte("b")}})

	requestLimits, responseLimits := RequestLimits(), ResponseLimits()
	var (
		request  Request
		reply    Response
		body     BodyReader
		rd       Reader
		conn     pieces
		p        = make([]byte, 4096)
		dst      = make([]byte, 0, 4096)
		parse    = func(b []byte) { request.Parse(b, &requestLimits) }
		readBody = func() {
			conn = pieces{octets: chunked, err: io.EOF}
			rd.Reset(&conn)
			body.Reset(&rd, BodyChunked, 0, &requestLimits)
			for !body.Done() {
				if _, err := body.Read(p); err != nil && err != io.EOF {
					t.Error(err)
				}
			}
		}
	)
	for name, f := range map[string]func(){
		"small GET":    func() { parse(small) },
		"browser GET":  func() { parse(browser) },
		"refusal":      func() { parse(bad) },
		"response":     func() { reply.Parse(response, &responseLimits, false) },
		"chunked body": readBody,
		"head": func() {
			dst = AppendRequestLine(dst[:0], request.Method, request.Target, 1)
			for _, f := range request.Fields {
				dst = AppendField(dst, f.Name, f.Value)
			}
			dst, _ = AppendCheckedField(dst, "X-Forwarded-Proto", "https")
		},
	} {
		if n := testing.AllocsPerRun(200, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
