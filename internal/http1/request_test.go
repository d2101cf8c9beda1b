package http1

import (
	"fmt"
	"strings"
	"testing"
)

func TestH1_1_LineEnds(t *testing.T) {
	testRequests(t, []requestCase{
		{"GET / HTTP/1.1\nHost: a\n\n", ReasonBareLF, ""},
		{"GET / HTTP/1.1\nHost: a^^", ReasonBareLF, ""},
		{"GET / HTTP/1.1^Host: a\n^", ReasonBareLF, ""},
		{"GET / HTTP/1.1^Host: a^\n", ReasonBareLF, ""},
		{"GET / HTTP/1.1^Host: a\n\n^", ReasonBareLF, ""},
		{"GET / HTTP/1.1^Host: a^X: b\nContent-Length: 5^^", ReasonBareLF, ""},
		{"\nGET / HTTP/1.1^Host: a^^", ReasonBareLF, ""},
		{"GET / HTTP/1.1\r\r\nHost: a^^", ReasonVersionSyntax, ""},
		{"GET /\r HTTP/1.1^Host: a^^", ReasonBareCR, ""},
		{"\rGET / HTTP/1.1^Host: a^^", ReasonBareCR, ""},
		{field("X: a\rb"), ReasonBareCR, ""},
		{field("X: a\r"), ReasonBareCR, ""},
		{field("X: 0123456789\rTransfer-Encoding: chunked"), ReasonBareCR, ""},
		{field("X\r: a"), ReasonBareCR, ""},
		{field("\rX: a"), ReasonBareCR, ""},
		{"GET / HTTP/1.1^Host: a^\r", reasonNone, "incomplete"},
		{"GET / HTTP/1.1^Host: a^", reasonNone, "incomplete"},
		{"", reasonNone, "incomplete"},
	})
}

func TestH1_2_RequestLine(t *testing.T) {
	testRequests(t, []requestCase{
		{line("GET / HTTP/1.1"), reasonNone, `GET form=0 path="/"`},
		{line("GET  / HTTP/1.1"), ReasonRequestLine, ""},
		{line("GET /  HTTP/1.1"), ReasonRequestLine, ""},
		{line("GET / HTTP/1.1 "), ReasonVersionSyntax, ""},
		{line(" GET / HTTP/1.1"), ReasonRequestLine, ""},
		{line("\tGET / HTTP/1.1"), ReasonRequestLine, ""},
		{line("GET\t/ HTTP/1.1"), ReasonMethod, ""},
		{line("GET /\tHTTP/1.1"), ReasonRequestLine, ""},
		{line("GET /a b HTTP/1.1"), ReasonRequestLine, ""},
		{line("GET /"), ReasonRequestLine, ""},
		{line("GET / "), ReasonVersionSyntax, ""},
		{line("GET HTTP/1.1"), ReasonRequestLine, ""},
		{line("GET  HTTP/1.1"), ReasonRequestLine, ""},
		{line("GET"), ReasonRequestLine, ""},
	})
}

func TestH1_3_EmptyLines(t *testing.T) {
	testRequests(t, []requestCase{
		{"^" + line("GET / HTTP/1.1"), reasonNone, "n=29"},
		{"^^" + line("GET / HTTP/1.1"), ReasonEmptyLines, ""},
		{"^^^^^^^^^", ReasonEmptyLines, ""},
		{"^", reasonNone, "incomplete"},
		{"\r", reasonNone, "incomplete"},
	})
}

func TestH1_4_Method(t *testing.T) {
	testRequests(t, []requestCase{
		{line("get / HTTP/1.1"), reasonNone, "get form=0"},
		{line("BREW / HTTP/1.1"), reasonNone, "BREW form=0"},
		{line("!#$%&'*+-._`|~a1 / HTTP/1.1"), reasonNone, "!#$%&'*+-._`|~a1 form=0"},
		{line(strings.Repeat("M", 63) + " / HTTP/1.1"), reasonNone, "MMM form=0"},
		{line(strings.Repeat("M", 64) + " / HTTP/1.1"), reasonNone, "MMM form=0"},
		{line(strings.Repeat("M", 65) + " / HTTP/1.1"), ReasonMethod, ""},
		{line("GE(T / HTTP/1.1"), ReasonMethod, ""},
		{line("GET\x00 / HTTP/1.1"), ReasonMethod, ""},
		{line("G\xc3\x89T / HTTP/1.1"), ReasonMethod, ""},
		{"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", ReasonMethod, ""}, // TLS on a plain port
		{"\x16", ReasonMethod, ""},
	})
}

func TestH1_5_Version(t *testing.T) {
	testRequests(t, []requestCase{
		{line("GET / HTTP/1.0"), reasonNone, " 1.0 "},
		{line("GET / HTTP/1.1"), reasonNone, " 1.1 "},
		{line("GET / HTTP/1.2"), reasonNone, " 1.1 "},
		{line("GET / HTTP/1.9"), reasonNone, " 1.1 "},
		{line("GET / HTTP/0.9"), ReasonVersion, ""},
		{line("GET / HTTP/2.0"), ReasonVersion, ""},
		{line("GET / HTTP/3.1"), ReasonVersion, ""},
		{"PRI * HTTP/2.0^^SM^^", ReasonVersion, ""},
		{line("GET / HTTP/1.10"), ReasonVersionSyntax, ""},
		{line("GET / HTTP/01.1"), ReasonVersionSyntax, ""},
		{line("GET / HTTP/11"), ReasonVersionSyntax, ""},
		{line("GET / HTTP/1.x"), ReasonVersionSyntax, ""},
		{line("GET / HTTP/1."), ReasonVersionSyntax, ""},
		{line("GET / http/1.1"), ReasonVersionSyntax, ""},
		{line("GET / HTTPS/1.1"), ReasonVersionSyntax, ""},
		{line("GET / HTTP 1.1"), ReasonVersionSyntax, ""},
		{line("GET / FTP/1.1"), ReasonVersionSyntax, ""},
	})
}

func TestH1_6_FieldName(t *testing.T) {
	testRequests(t, []requestCase{
		{field("X-A: 1"), reasonNone, `X-A()="1"`},
		{field("X-A:1"), reasonNone, `X-A()="1"`},
		{field("X-A :1"), ReasonFieldName, ""},
		{field("X-A\t: 1"), ReasonFieldName, ""},
		{field("Transfer-Encoding : chunked"), ReasonFieldName, ""},
		{field("Content-Length\x00: 5"), ReasonFieldName, ""},
		{field(": 1"), ReasonFieldName, ""},
		{field("X A: 1"), ReasonFieldName, ""},
		{field("X-A"), ReasonFieldName, ""},
		{field("X(A): 1"), ReasonFieldName, ""},
		{field("X\xe9: 1"), ReasonFieldName, ""},
		{field("\x0bHost: b"), ReasonFieldName, ""},
		{field("!#$%&'*+-.`|~: 1"), reasonNone, "!#$%&'*+-.`|~()"},
	})
}

func TestH1_7_Folding(t *testing.T) {
	testRequests(t, []requestCase{
		{field("X: a^ b"), ReasonFolding, ""},
		{field("X: a^\tb"), ReasonFolding, ""},
		{field("X: a^ "), ReasonFolding, ""},
		{"GET / HTTP/1.1^ Host: a^^", ReasonFolding, ""},
		{"GET / HTTP/1.1^\tX: a^Host: a^^", ReasonFolding, ""},
		{field("Transfer-Encoding:^ chunked"), ReasonFolding, ""},
	})
}

func TestH1_8_FieldValue(t *testing.T) {
	t.Parallel()
	for c := range 256 {
		for _, format := range []string{"X: ab%scd", "X: %s", "X: 0123456%s89abcdef", "X: 01234567%s"} {
			in := fmt.Sprintf(format, string([]byte{byte(c)}))
			want := reasonNone
			switch {
			case c == '\n':
				want = ReasonBareLF
			case c == '\r':
				want = ReasonBareCR
			case c < ' ' && c != '\t' || c == 0x7F:
				want = ReasonFieldValue
			case c == '^':
				continue
			}
			testRequestsWith(t, RequestLimits(), []requestCase{{field(in), want, ""}})
		}
	}
}

func TestH1_9_Blanks(t *testing.T) {
	testRequests(t, []requestCase{
		{field("X: \t a b\t \t"), reasonNone, `X()="a b"`},
		{field("X:"), reasonNone, `X()=""`},
		{field("X: \t "), reasonNone, `X()=""`},
		{field("X: \xa0a\xa0"), reasonNone, `X()="\xa0a\xa0"`},
		{field("X: \x0ba"), ReasonFieldValue, ""},
		{field("X: a\x0c"), ReasonFieldValue, ""},
		{post("Transfer-Encoding: \x0bchunked"), ReasonFieldValue, ""},
		{post("Transfer-Encoding: \xa0chunked"), ReasonTE, ""},
	})
}

func TestH1_10_Underscores(t *testing.T) {
	t.Parallel()
	cases := map[Underscores]requestCase{
		UnderscoresDrop:   {field("X_A: 1^B: 2"), reasonNone, "Host(host)=\"a\"\nB()=\"2\""},
		UnderscoresReject: {field("X_A: 1^B: 2"), ReasonUnderscore, ""},
		UnderscoresKeep:   {field("X_A: 1^B: 2"), reasonNone, "X_A()=\"1\"\nB()=\"2\""},
	}
	for u, c := range cases {
		lim := RequestLimits()
		lim.Underscores = u
		testRequestsWith(t, lim, []requestCase{
			c,
			{field("_: 1\x00"), ReasonFieldValue, ""}, // dropped is not unchecked
		})
	}
	testRequestsWith(t, RequestLimits(), []requestCase{
		{post("Content_Length: 5"), reasonNone, "body=0,-1"},
		{post("Transfer_Encoding: chunked^Content-Length: 5"), reasonNone, "body=1,5"},
	})
}

func TestH1_11_TargetOctets(t *testing.T) {
	t.Parallel()
	lim, high := RequestLimits(), RequestLimits()
	high.HighTarget = true
	for c := range 256 {
		if c == '^' {
			continue
		}
		in := line("GET /a" + string([]byte{byte(c)}) + "b HTTP/1.1")
		want := reasonNone
		switch {
		case c == '\n':
			want = ReasonBareLF
		case c == '\r':
			want = ReasonBareCR
		case c == ' ':
			want = ReasonRequestLine
		case c < ' ' || c >= 0x7F || c == '#':
			want = ReasonTarget
		}
		testRequestsWith(t, lim, []requestCase{{in, want, ""}})
		if c >= 0x80 {
			want = reasonNone
		}
		testRequestsWith(t, high, []requestCase{{in, want, ""}})
	}
}

func TestH1_12_TargetForms(t *testing.T) {
	testRequests(t, []requestCase{
		{line("GET /p/q?x=1?y HTTP/1.1"), reasonNone, `form=0 path="/p/q" query="x=1?y",true authority="a"`},
		{line("GET /p? HTTP/1.1"), reasonNone, `path="/p" query="",true`},
		{line("GET /p HTTP/1.1"), reasonNone, `path="/p" query="",false`},
		{line("GET //p HTTP/1.1"), reasonNone, `form=0 path="//p"`},
		{line("GET http://a/p?q HTTP/1.1"), reasonNone, `form=1 path="/p" query="q",true authority="a" scheme="http"`},
		{line("GET HTTPS://A/p HTTP/1.1"), reasonNone, `form=1 path="/p" query="",false authority="a" scheme="https"`},
		{line("GET http://a HTTP/1.1"), reasonNone, `form=1 path="/" query="",false`},
		{line("GET http://a?q HTTP/1.1"), reasonNone, `form=1 path="/" query="q",true`},
		{line("OPTIONS http://a/ HTTP/1.1"), reasonNone, `form=1 path="/"`},
		{line("OPTIONS http://a HTTP/1.1"), ReasonTargetForm, ""},
		{line("GET http:// HTTP/1.1"), ReasonTargetForm, ""},
		{line("GET http:///p HTTP/1.1"), ReasonTargetForm, ""},
		{line("GET http://u@a/p HTTP/1.1"), ReasonTargetForm, ""},
		{line("GET http://u:p@a/p HTTP/1.1"), ReasonTargetForm, ""},
		{line("GET http://a\\b/p HTTP/1.1"), ReasonTargetForm, ""},
		{line("GET http:/a/p HTTP/1.1"), ReasonTargetForm, ""},
		{line("GET http:a HTTP/1.1"), ReasonTargetForm, ""},
		{line("GET ftp://a/p HTTP/1.1"), ReasonTargetForm, ""},
		{line("GET ws://a/p HTTP/1.1"), ReasonTargetForm, ""},
		{line("GET a HTTP/1.1"), ReasonTargetForm, ""},
		{line("GET a:80 HTTP/1.1"), ReasonTargetForm, ""},
		{line("GET ?q HTTP/1.1"), ReasonTargetForm, ""},
		{line("OPTIONS * HTTP/1.1"), reasonNone, `form=2 path="*"`},
		{line("GET * HTTP/1.1"), ReasonTargetForm, ""},
		{line("OPTIONS *a HTTP/1.1"), ReasonTargetForm, ""},
		{line("OPTIONS ** HTTP/1.1"), ReasonTargetForm, ""},
	})
}

func TestH1_13_Connect(t *testing.T) {
	testRequests(t, []requestCase{
		{line("CONNECT a:443 HTTP/1.1"), ReasonConnect, ""},
		{line("CONNECT / HTTP/1.1"), ReasonConnect, ""},
		{line("connect / HTTP/1.1"), reasonNone, "connect form=0"},
	})
}

func TestH1_14_Trace(t *testing.T) {
	testRequests(t, []requestCase{
		{line("TRACE / HTTP/1.1"), ReasonTrace, ""},
		{line("TRACK / HTTP/1.1"), ReasonTrace, ""},
	})
}

func TestH1_15_NothingAfterRefusal(t *testing.T) {
	t.Parallel()
	// The refusal takes no octets, so nothing behind it is reachable, and what
	// was read of the request line is there for the log.
	lim := RequestLimits()
	var r Request
	n, err := r.Parse([]byte("GET /x HTTP/1.1\r\nHost : a\r\n\r\nGET /evil HTTP/1.1\r\nHost: a\r\n\r\n"), &lim)
	if n != 0 || err != error(&requestErrors[ReasonFieldName]) || string(r.Method) != "GET" || string(r.Target) != "/x" {
		t.Fatal(n, err, string(r.Method), string(r.Target))
	}
}

func TestH1_16_Pipelined(t *testing.T) {
	t.Parallel()
	lim := RequestLimits()
	in := []byte(smallGET + browserGET + smallGET)
	var r Request
	for _, want := range []int{len(smallGET), len(browserGET), len(smallGET)} {
		n, err := r.Parse(in, &lim)
		if n != want || err != nil {
			t.Fatal(n, err)
		}
		in = in[n:]
	}
	if got := readRequest(t, browserGET, lim); !strings.Contains(got, "Cookie(cookie)") {
		t.Error(got)
	}
	if got := readRequest(t, cookieGET(), lim); !strings.Contains(got, "Cookie(cookie)") {
		t.Error(got)
	}
}

// TestH6_1_Limits checks each limit at n-1, n and n+1 (H12.4).
func TestH6_1_Limits(t *testing.T) {
	t.Parallel()
	lim := Limits{RequestLine: 100, FieldLine: 120, Head: 380, Fields: 5}
	pad := func(head string, size int) string { return head + strings.Repeat("p", size-len(head)) }
	fields := func(n int) string { return "GET / HTTP/1.1^Host: a^" + strings.Repeat("A: b^", n-1) + "^" }
	head := func(n int) string { // three lines of 120 with their ends, and the rest
		const start = "GET / HTTP/1.1^Host: a^"
		rest := n - len("GET / HTTP/1.1\r\nHost: a\r\n") - 2*122 - len("\r\n\r\n")
		return start + pad("A: ", 120) + "^" + pad("B: ", 120) + "^" + pad("C: ", rest) + "^^"
	}
	requestLine := func(n int) string { return line(pad("GET /", n-len(" HTTP/1.1")) + " HTTP/1.1") }
	testRequestsWith(t, lim, []requestCase{
		{requestLine(99), reasonNone, ""},
		{requestLine(100), reasonNone, ""},
		{requestLine(101), ReasonRequestLineLong, ""},
		{field(pad("A: ", 119)), reasonNone, ""},
		{field(pad("A: ", 120)), reasonNone, ""},
		{field(pad("A: ", 121)), ReasonFieldLineLong, ""},
		{head(379), reasonNone, "n=379"},
		{head(380), reasonNone, "n=380"},
		{head(381), ReasonHeadLong, ""},
		{fields(4), reasonNone, ""},
		{fields(5), reasonNone, ""},
		{fields(6), ReasonFields, ""},
		// Dropped lines count too, and a long line is refused as long whatever it holds.
		{"GET / HTTP/1.1^Host: a^" + strings.Repeat("A_: b^", 5) + "^", ReasonFields, ""},
		{pad("GET / H\rTTP", 200), ReasonRequestLineLong, ""},
		{"GET / HTTP/1.1^" + pad("A\x00 ", 300), ReasonFieldLineLong, ""},
	})
}

// TestFields checks the table of known fields: each is found in any case and
// no other name is.
func TestFields(t *testing.T) {
	t.Parallel()
	for id := FieldOther + 1; id < fieldCount; id++ {
		name := id.String()
		if name == "" || name != strings.ToLower(name) {
			t.Fatalf("field %d has name %q", id, name)
		}
		if LookupField(name) != id || LookupField([]byte(strings.ToUpper(name))) != id {
			t.Errorf("%s is not found", name)
		}
		for _, other := range []string{name + "x", name[:len(name)-1], "x" + name[1:], strings.ReplaceAll(name, "-", "_") + "_"} {
			if got := LookupField(other); got != FieldOther && got.String() != other {
				t.Errorf("%q is taken for %s", other, got)
			}
		}
	}
	if LookupField("") != FieldOther || LookupField("h") != FieldOther || FieldID(200).String() != "" {
		t.Error("names without id")
	}
}

func TestReasons(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, r := range Reasons() {
		e := requestErrors[r]
		if e.Status < 400 || e.Rule == "" || r.String() == "" || seen[r.String()] || responseErrors[r].Status != 502 || responseErrors[r].Reason != r {
			t.Errorf("reason %d: %+v %s", r, e, r)
		}
		seen[r.String()] = true
	}
	if got := requestErrors[ReasonTEAndCL].Error(); got != "http1: te-and-cl (H2.1)" || Reason(250).String() != "unknown" {
		t.Error(got)
	}
}

func TestGet(t *testing.T) {
	t.Parallel()
	lim := RequestLimits()
	var r Request
	in := strings.ReplaceAll(field("X-Forwarded-For: 1^x_forwarded_for: 9^X-FORWARDED-FOR: 2"), "^", "\r\n")
	for range 2 { // state of the first message does not reach the second
		if _, err := r.Parse([]byte(in), &lim); err != nil {
			t.Fatal(err)
		}
		if v, ok := r.Get(FieldXForwardedFor); string(v) != "1" || !ok {
			t.Errorf("%q %v", v, ok)
		}
		if v, ok := r.Get(FieldCookie); v != nil || ok {
			t.Errorf("%q %v", v, ok)
		}
	}
	r.Reset()
	if _, ok := r.Get(FieldXForwardedFor); ok || len(r.Fields) != 0 || r.Method != nil {
		t.Error("Reset left something")
	}
}
