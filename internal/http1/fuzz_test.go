package http1

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/textproto"
	"net/url"
	"os"
	"sort"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// smuggling returns the messages of testdata/smuggling.txt by name: classic
// ways to make two readers disagree. Each line has a name, the outcome here and
// the octets as a Go string, separated by tabs.
func smuggling(t testing.TB) (names []string, messages map[string]string, outcomes map[string]string) {
	t.Helper()
	text, err := os.ReadFile("testdata/smuggling.txt")
	if err != nil {
		t.Fatal(err)
	}
	messages, outcomes = map[string]string{}, map[string]string{}
	for line := range strings.Lines(string(text)) {
		part := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(part) != 3 {
			t.Fatalf("not three columns: %q", line)
		}
		message, err := strconv.Unquote(part[2])
		if err != nil {
			t.Fatalf("%q: %v", part[2], err)
		}
		names = append(names, part[0])
		messages[part[0]], outcomes[part[0]] = message, part[1]
	}
	return names, messages, outcomes
}

// TestSmuggling checks what becomes of each classic message, body included.
func TestSmuggling(t *testing.T) {
	names, messages, outcomes := smuggling(t)
	var out strings.Builder
	for _, name := range names {
		got := ours(messages[name]).verdict()
		if got != outcomes[name] && !*update {
			t.Errorf("%s: got %s, want %s", name, got, outcomes[name])
		}
		readRequest(t, messages[name], RequestLimits())
		fmt.Fprintf(&out, "%s\t%s\t%q\n", name, got, messages[name])
	}
	if *update {
		if err := os.WriteFile("testdata/smuggling.txt", []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// reading is how a reader understood a message.
type reading struct {
	Start   string // method and target, or status
	Minor   int
	Host    string // lower case
	Fields  []string
	Close   bool
	Payload string
	Rest    string

	headErr, bodyErr error
}

func (r reading) verdict() string {
	switch {
	case r.headErr != nil:
		return errorOutcome(r.headErr)
	case r.bodyErr != nil:
		return "head, then " + errorOutcome(r.bodyErr)
	}
	return fmt.Sprintf("read with %d octets, %d left", len(r.Payload), len(r.Rest))
}

func keepLimits(lim Limits) Limits {
	lim.Underscores, lim.HighTarget = UnderscoresKeep, true
	return lim
}

func ours(in string) reading {
	var r Request
	lim := keepLimits(RequestLimits())
	n, err := r.Parse([]byte(in), &lim)
	if err != nil {
		return reading{headErr: err}
	}
	got := reading{
		Start: string(r.Method) + " " + string(r.Target), Minor: r.Minor, Host: strings.ToLower(string(r.Authority)),
		Fields: fieldLines(r.Fields), Close: !r.KeepAlive,
	}
	got.body(in[n:], r.Body, r.ContentLength, &lim)
	return got
}

func oursResponse(in string, forHEAD bool) reading {
	var r Response
	lim := keepLimits(ResponseLimits())
	n, err := r.Parse([]byte(in), &lim, forHEAD)
	if err != nil {
		return reading{headErr: err}
	}
	got := reading{Start: strconv.Itoa(r.Status), Minor: r.Minor, Fields: fieldLines(r.Fields), Close: !r.KeepAlive}
	got.body(in[n:], r.Body, r.ContentLength, &lim)
	return got
}

// body reads the payload and what is left.
func (r *reading) body(in string, kind BodyKind, length int64, lim *Limits) {
	conn := &pieces{octets: []byte(in), sizes: []int{5, 1, 100, 3, 1000}, err: io.EOF}
	var rd Reader
	rd.Reset(conn)
	var b BodyReader
	b.Reset(&rd, kind, length, lim)
	payload, err := io.ReadAll(&b)
	r.Payload, r.bodyErr = string(payload), err
	r.Rest = string(rd.Buffered()) + string(conn.octets)
}

// fieldLines brings fields into the form of the standard library: canonical
// names, order kept among equal ones only. Left out is what the library takes
// away or adds: Host, Connection, Transfer-Encoding and Trailer, and Cache-Control next to
// Pragma.
func fieldLines(fields []Field) []string {
	h := http.Header{}
	for _, f := range fields {
		h[textproto.CanonicalMIMEHeaderKey(string(f.Name))] = append(h[textproto.CanonicalMIMEHeaderKey(string(f.Name))], string(f.Value))
	}
	return headerLines(h)
}

func headerLines(h http.Header) []string {
	lines := []string{}
	for name, values := range h {
		if name == "Host" || name == "Connection" || name == "Transfer-Encoding" || name == "Trailer" || name == "Cache-Control" && h["Pragma"] != nil {
			continue
		}
		lines = append(lines, fmt.Sprintf("%s: %q", name, values))
	}
	sort.Strings(lines)
	return lines
}

// std reads a request with net/http.
func std(in string) reading {
	br := bufio.NewReaderSize(strings.NewReader(in), 64<<10)
	req, err := http.ReadRequest(br)
	if err != nil {
		return reading{headErr: err}
	}
	got := reading{
		Start: req.Method + " " + req.RequestURI, Minor: min(req.ProtoMinor, 1), Host: strings.ToLower(req.Host),
		Fields: headerLines(req.Header), Close: req.Close,
	}
	payload, err := io.ReadAll(req.Body)
	got.Payload, got.bodyErr = string(payload), err
	rest, _ := io.ReadAll(br)
	got.Rest = string(rest)
	return got
}

func stdResponse(in string, forHEAD bool) reading {
	br := bufio.NewReaderSize(strings.NewReader(in), 64<<10)
	req := &http.Request{Method: "GET"}
	if forHEAD {
		req.Method = "HEAD"
	}
	resp, err := http.ReadResponse(br, req)
	if err != nil {
		return reading{headErr: err}
	}
	got := reading{Start: strconv.Itoa(resp.StatusCode), Minor: min(resp.ProtoMinor, 1), Fields: headerLines(resp.Header), Close: resp.Close}
	payload, err := io.ReadAll(resp.Body)
	got.Payload, got.bodyErr = string(payload), err
	rest, _ := io.ReadAll(br)
	got.Rest = string(rest)
	return got
}

// FuzzRequest compares with net/http: what we accept it accepts and reads the
// same. Known differences, all in what it refuses: an empty line in front,
// broken percent-encoding in the target (the canonical package's business
// here), and a Trailer field that announces framing fields (which we ignore).
// It also checks that the pieces in which a message arrives do not matter.
func FuzzRequest(f *testing.F) {
	_, messages, _ := smuggling(f)
	for _, m := range messages {
		f.Add(m)
	}
	f.Add(smallGET)
	f.Add(browserGET)
	f.Fuzz(func(t *testing.T, in string) {
		readRequest(t, in, RequestLimits())
		got := ours(in)
		if got.headErr != nil {
			return
		}
		want := std(strings.TrimPrefix(in, "\r\n"))
		if want.headErr != nil {
			_, target, _ := strings.Cut(got.Start, " ")
			if _, err := url.ParseRequestURI(target); err != nil || strings.Contains(want.headErr.Error(), "bad trailer key") {
				return
			}
			t.Fatalf("only we accept %q: %v", in, want.headErr)
		}
		compare(t, in, got, want)
	})
}

// FuzzResponse is FuzzRequest for responses.
func FuzzResponse(f *testing.F) {
	f.Add(plainResponse, false)
	for _, body := range []string{
		"Content-Length: 3\r\n\r\nabcHTTP/1.1", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nA: b\r\n\r\nx", "\r\nuntil close",
		"Connection: close\r\n\r\n", "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n", "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
		"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc",
	} {
		for _, status := range []string{"1.1 200 OK", "1.1 204 No Content", "1.1 304 Not Modified", "1.1 101 Switching", "1.0 200 OK", "1.1 200"} {
			f.Add("HTTP/"+status+"\r\n"+body, len(body)%2 == 0)
		}
	}
	f.Fuzz(func(t *testing.T, in string, forHEAD bool) {
		readResponse(t, in, ResponseLimits(), forHEAD)
		got := oursResponse(in, forHEAD)
		if got.headErr != nil {
			return
		}
		want := stdResponse(in, forHEAD)
		if want.headErr != nil {
			if strings.Contains(want.headErr.Error(), "bad trailer key") {
				return
			}
			t.Fatalf("only we accept %q: %v", in, want.headErr)
		}
		if got.Close { // we give up more connections (204 with a length, say)
			want.Close = true
		}
		compare(t, in, got, want)
	})
}

func compare(t *testing.T, in string, got, want reading) {
	t.Helper()
	if got.bodyErr != nil { // then the library may read on
		return
	}
	if want.bodyErr != nil {
		t.Fatalf("only we accept the body of %q: %v", in, want.bodyErr)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(reading{})); diff != "" {
		t.Fatalf("%q is read differently (- library, + here)\n%s", in, diff)
	}
}

// FuzzChunked compares the chunk decoder with net/http's, and what the writer
// makes of the same octets with what both read.
func FuzzChunked(f *testing.F) {
	for _, s := range []string{"3\r\nabc\r\n0\r\n\r\n", "3;a=\"b\"\r\nabc\r\n0\r\nX: y\r\n\r\n", "3 \r\nabc\r\n0\r\n\r\n", "3\nabc\n0\n\n", "0\r\n\r\n", "fffffffffffffffff\r\n"} {
		f.Add([]byte(s), 3)
	}
	lim := RequestLimits()
	f.Fuzz(func(t *testing.T, in []byte, size int) {
		var got reading
		got.body(string(in), BodyChunked, 0, &lim)
		whole := readBody(string(in), nil, 4096, BodyChunked, 0, &lim)
		if pieces := readBody(string(in), []int{1}, 3, BodyChunked, 0, &lim); pieces != whole {
			t.Fatalf("%q in pieces: %s\nwhole: %s", in, pieces, whole)
		}
		want, err := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(in)))
		if got.bodyErr == nil && (err != nil || string(want) != got.Payload) {
			t.Fatalf("%q: we read %q, the library %q, %v", in, got.Payload, want, err)
		}
		roundTripChunks(t, in, size, &lim)
	})
}

func roundTripChunks(t *testing.T, payload []byte, size int, lim *Limits) {
	t.Helper()
	size = 1 + (size&0xFFFF)%(len(payload)+1)
	var wire []byte
	for rest := payload; len(rest) > 0; rest = rest[min(size, len(rest)):] {
		wire = AppendChunkHeader(wire, min(size, len(rest)))
		wire = AppendChunkEnd(append(wire, rest[:min(size, len(rest))]...))
	}
	wire = AppendLastChunk(wire, []Field{{Name: []byte("X-Sum"), Value: []byte("1")}})
	var got reading
	got.body(string(wire)+"rest", BodyChunked, 0, lim)
	if got.bodyErr != nil || got.Payload != string(payload) || got.Rest != "rest" {
		t.Fatalf("%q written in chunks of %d reads as %q, %v, rest %q", payload, size, got.Payload, got.bodyErr, got.Rest)
	}
	std, err := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(wire)))
	if err != nil || !bytes.Equal(std, payload) {
		t.Fatalf("the library reads %q, %v", std, err)
	}
}

// FuzzHeadRoundTrip checks that what the builders emit after the Valid checks
// is accepted and reads the same (H12.2).
func FuzzHeadRoundTrip(f *testing.F) {
	f.Add("GET", "/a?b", "X-A", "v", "X-B", "", 200, "OK")
	f.Add("POST", "/\xe9", "connection", "x-b", "X-B", "a\tb", 404, "")
	f.Add("PUT", "/\r\nX: y", "X\r\n", "a\r\nb", "_", " a ", 999, "a\rb")
	f.Fuzz(func(t *testing.T, method, target, name1, value1, name2, value2 string, status int, phrase string) {
		if !ValidName(method) || len(method) > maxMethod || !ValidTarget(target) || status < 100 || status > 999 || !ValidValue(phrase) {
			return
		}
		var names, values [2]string
		fields, n := []byte{}, 0
		for i, name := range []string{name1, name2} {
			value := []string{value1, value2}[i]
			if id := LookupField(name); knownFields[id].flags&noted != 0 {
				continue // what frames a message is chosen by the proxy
			}
			var ok bool
			if fields, ok = AppendCheckedField(fields, name, value); ok {
				names[n], values[n] = name, string(trim([]byte(value)))
				n++
			}
		}
		fields = AppendHeadEnd(fields)
		check := func(got []Field, size, whole int, err error) {
			t.Helper()
			if err != nil || size != whole || len(got) != n {
				t.Fatalf("%q: %v, %d of %d octets, %d fields", fields, err, size, whole, len(got))
			}
			for i, f := range got {
				if string(f.Name) != names[i] || string(f.Value) != values[i] {
					t.Fatalf("%q: got %s: %q", fields, f.Name, f.Value)
				}
			}
		}
		head := AppendField(AppendRequestLine(nil, []byte(method), []byte(target), 1), "Host", "a")
		head = append(head, fields...)
		lim := keepLimits(RequestLimits())
		if method != "CONNECT" && method != "TRACE" && method != "TRACK" && len(head) < 8<<10 {
			var r Request
			size, err := r.Parse(head, &lim)
			if err == nil && (string(r.Method) != method || string(r.Target) != target) {
				t.Fatalf("%q %q reads as %q %q", method, target, r.Method, r.Target)
			}
			check(r.Fields[min(1, len(r.Fields)):], size, len(head), err)
		}
		head = append(AppendStatusLine(nil, status, []byte(phrase)), fields...)
		if len(head) < 8<<10 {
			var r Response
			size, err := r.Parse(head, &lim, false)
			if err == nil && (r.Status != status || string(r.Phrase) != phrase) {
				t.Fatalf("%d %q reads as %d %q", status, phrase, r.Status, r.Phrase)
			}
			check(r.Fields, size, len(head), err)
		}
	})
}
