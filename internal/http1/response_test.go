package http1

import (
	"fmt"
	"strings"
	"testing"
)

// TestH2_14_Responses checks that heads from a backend are read as strictly as
// requests and that every refusal is a 502.
func TestH2_14_Responses(t *testing.T) {
	t.Parallel()
	const ok = "HTTP/1.1 200 OK^"
	cases := []struct {
		in   string
		head bool // the request was HEAD
		want Reason
		text string
	}{
		{ok + "Content-Length: 5^^", false, reasonNone, `200 "OK" 1.1 body=1,5 keep=true`},
		{ok + "Content-Length: 0^^", false, reasonNone, "body=0,0 keep=true"},
		{ok + "Transfer-Encoding: chunked^^", false, reasonNone, "body=2,-1 keep=true"},
		{ok + "^", false, reasonNone, "body=3,-1 keep=false"},
		{ok + "Content-Length: 5^^", true, reasonNone, "body=0,5 keep=true"},
		{ok + "Transfer-Encoding: chunked^^", true, reasonNone, "body=0,-1 keep=true"},
		{ok + "^", true, reasonNone, "body=0,-1 keep=true"},
		{"HTTP/1.0 200 OK^Content-Length: 5^^", false, reasonNone, "1.0 body=1,5 keep=false"},
		{"HTTP/1.0 200 OK^Connection: keep-alive^Content-Length: 5^^", false, reasonNone, "keep=true"},
		{"HTTP/1.0 200 OK^Connection: keep-alive^^", false, reasonNone, "body=3,-1 keep=false"},
		{ok + "Connection: close^Content-Length: 5^^", false, reasonNone, "keep=false"},

		// Without a body whatever the fields say.
		{"HTTP/1.1 100 Continue^^", false, reasonNone, "body=0,-1 keep=true"},
		{"HTTP/1.1 103 Early Hints^Link: </a>^^", false, reasonNone, "body=0,-1"},
		{"HTTP/1.1 204 No Content^^", false, reasonNone, "body=0,-1 keep=true"},
		{"HTTP/1.1 204 No Content^Content-Length: 0^^", false, reasonNone, "body=0,0 keep=true"},
		{"HTTP/1.1 204 No Content^Content-Length: 5^^", false, reasonNone, "body=0,5 keep=false"},
		{"HTTP/1.1 204 No Content^Transfer-Encoding: chunked^^", false, reasonNone, "body=0,-1 keep=false"},
		{"HTTP/1.1 304 Not Modified^Content-Length: 5^^", false, reasonNone, "body=0,5 keep=true"},
		{"HTTP/1.1 205 Reset Content^Content-Length: 0^^", false, reasonNone, "body=0,0"},

		{"HTTP/1.1 101 Switching Protocols^Connection: Upgrade^Upgrade: websocket^^", false, reasonNone, `upgrade="websocket"`},
		{"HTTP/1.1 101 Switching Protocols^Upgrade: websocket^^", false, reasonNone, `upgrade=""`},
		{"HTTP/1.1 200 OK^Connection: Upgrade^Upgrade: websocket^^", false, reasonNone, `upgrade=""`},

		// The status line.
		{"HTTP/1.1 200 ^^", false, reasonNone, `200 ""`},
		{"HTTP/1.1 200^^", false, reasonNone, `200 ""`},
		{"HTTP/1.1 999 \tO\xe9 K^^", false, reasonNone, `999 "\tO\xe9 K"`},
		{"HTTP/1.7 200 OK^^", false, reasonNone, "1.1"},
		{"HTTP/2.0 200 OK^^", false, ReasonVersion, ""},
		{"HTTP/0.9 200 OK^^", false, ReasonVersion, ""},
		{"HTTP/1.1  200 OK^^", false, ReasonStatusLine, ""},
		{"HTTP/1.1\t200 OK^^", false, ReasonStatusLine, ""},
		{"HTTP/1.1 20 OK^^", false, ReasonStatusLine, ""},
		{"HTTP/1.1 2000 OK^^", false, ReasonStatusLine, ""},
		{"HTTP/1.1 099 OK^^", false, ReasonStatusLine, ""},
		{"HTTP/1.1 +20 OK^^", false, ReasonStatusLine, ""},
		{"HTTP/1.1 200\tOK^^", false, ReasonStatusLine, ""},
		{"HTTP/1.1 200 O\x00K^^", false, ReasonStatusLine, ""},
		{"HTTP/1.1 200 O\rK^^", false, ReasonBareCR, ""},
		{"HTTP/1.1 200 OK\n\n", false, ReasonBareLF, ""},
		{"HTTP/1.1^^", false, ReasonStatusLine, ""},
		{"HTTPS1.1 200 OK^^", false, ReasonVersionSyntax, ""},
		{"Hello, this is SMTP^^", false, ReasonStatusLine, ""},
		{"SSH-2.0-OpenSSH", false, ReasonStatusLine, ""},
		{" HTTP/1.1 200 OK^^", false, ReasonStatusLine, ""},
		{"^HTTP/1.1 200 OK^^", false, ReasonStatusLine, ""},

		// Fields and framing.
		{ok + "Transfer-Encoding: chunked^Content-Length: 5^^", false, ReasonTEAndCL, ""},
		{ok + "Transfer-Encoding: chunked^Content-Length: 5^^", true, ReasonTEAndCL, ""},
		{"HTTP/1.0 200 OK^Transfer-Encoding: chunked^^", false, ReasonTEInHTTP10, ""},
		{ok + "Transfer-Encoding: gzip, chunked^^", false, ReasonTEUnknown, ""},
		{ok + "Transfer-Encoding: identity^^", false, ReasonTE, ""},
		{ok + "Content-Length: 5^Content-Length: 5^^", false, ReasonDuplicateCL, ""},
		{ok + "Content-Length: 5, 5^^", false, ReasonContentLength, ""},
		{ok + "X: a^ b^^", false, ReasonFolding, ""},
		{ok + "X : a^^", false, ReasonFieldName, ""},
		{ok + "X: \x00^^", false, ReasonFieldValue, ""},
		{ok + "X: a\rb^^", false, ReasonBareCR, ""},
		{ok + "X_Y: a^Content-Length: 0^^", false, reasonNone, "X_Y"},
		{ok + "Connection: x-a^X-A: 1^Content-Length: 0^^", false, reasonNone, `X-A()="1" hop`},
		{ok + "Content-Length: 5^", false, reasonNone, "incomplete"},
	}
	for _, c := range cases {
		in := strings.ReplaceAll(c.in, "^", "\r\n")
		got := readResponse(t, in, ResponseLimits(), c.head)
		if c.want != reasonNone {
			e := responseErrors[c.want]
			c.text = fmt.Sprintf("502 %s %s", e.Reason, e.Rule)
		}
		if !strings.Contains(got, c.text) || c.want != reasonNone && got != c.text {
			t.Errorf("%q\ngot  %s\nwant %s", clip(in), got, c.text)
		}
	}
}

// TestH6_3_ResponseLimits checks the limits of heads from a backend.
func TestH6_3_ResponseLimits(t *testing.T) {
	t.Parallel()
	lim := ResponseLimits()
	const start = "HTTP/1.1 200 OK\r\n"
	fields := func(n int) string { return start + strings.Repeat("A: b\r\n", n) + "\r\n" }
	sized := func(n int) string {
		return start + "A: " + strings.Repeat("p", n-len(start)-len("A: \r\n\r\n")) + "\r\n\r\n"
	}
	for in, want := range map[string]string{
		fields(199): "n=", fields(200): "n=", fields(201): "502 too-many-fields H6.1",
		sized(lim.Head - 1): "n=", sized(lim.Head): "n=", sized(lim.Head + 1): "502 head-long H6.1",
	} {
		if got := readResponse(t, in, lim, false); !strings.Contains(got, want) {
			t.Errorf("%d octets: got %s, want %s", len(in), clip(got), want)
		}
	}
}

func TestResponseReuse(t *testing.T) {
	t.Parallel()
	lim := ResponseLimits()
	var r Response
	in := []byte("HTTP/1.1 103 Early Hints\r\nServer: x\r\n\r\nHTTP/1.1 200 OK\r\nDate: d\r\nContent-Length: 3\r\n\r\n")
	n, err := r.Parse(in, &lim, false)
	if err != nil || r.Status != 103 {
		t.Fatal(err)
	}
	m, err := r.Parse(in[n:], &lim, false)
	if err != nil || r.Status != 200 || n+m != len(in) {
		t.Fatal(err)
	}
	if _, ok := r.Get(FieldServer); ok {
		t.Error("a field of the interim response is still there")
	}
	if v, _ := r.Get(FieldDate); string(v) != "d" {
		t.Errorf("%q", v)
	}
	r.Reset()
	if r.Status != 0 || len(r.Fields) != 0 {
		t.Error("Reset left something")
	}
}
