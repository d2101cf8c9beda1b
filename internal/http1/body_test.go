package http1

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// pieces is a connection that delivers its octets in given sizes: each Read
// returns at most the next size (the last one again and again), then err.
type pieces struct {
	net.Conn // nil: only Read is used
	octets   []byte
	sizes    []int
	err      error
	reads    int
}

func (p *pieces) Read(b []byte) (int, error) {
	p.reads++
	if len(p.octets) == 0 {
		return 0, p.err
	}
	size := len(p.octets)
	if len(p.sizes) > 0 {
		size = min(size, p.sizes[0])
		if len(p.sizes) > 1 {
			p.sizes = p.sizes[1:]
		}
	}
	n := copy(b, p.octets[:size])
	p.octets = p.octets[n:]
	return n, nil
}

// readBody reads a body and returns what came out as text, with what is left
// on the connection.
func readBody(in string, sizes []int, room int, kind BodyKind, length int64, lim *Limits) string {
	conn := &pieces{octets: []byte(in), sizes: sizes, err: io.EOF}
	var rd Reader
	rd.Reset(conn)
	defer rd.Reset(nil)
	var b BodyReader
	b.Reset(&rd, kind, length, lim)
	var got []byte
	p := make([]byte, room)
	for {
		n, err := b.Read(p)
		got = append(got, p[:n]...)
		if err == nil {
			continue
		}
		if b.Done() != (err == io.EOF) || b.Payload() != int64(len(got)) {
			return fmt.Sprintf("inconsistent: done=%v payload=%d of %d, %v", b.Done(), b.Payload(), len(got), err)
		}
		if _, again := b.Read(p); again != err {
			return fmt.Sprintf("not final: %v, then %v", err, again)
		}
		var out strings.Builder
		fmt.Fprintf(&out, "%q", got)
		if err != io.EOF {
			fmt.Fprintf(&out, " %s", errorOutcome(err))
			return out.String()
		}
		dumpFields(&out, b.Trailers())
		rest := string(rd.Buffered()) + string(conn.octets)
		fmt.Fprintf(&out, " wire=%d rest=%q", b.Wire(), rest)
		return out.String()
	}
}

// bodyEveryWay reads a body whole, byte-wise and in other sizes into small and
// large memory; all must have the same outcome.
func bodyEveryWay(t *testing.T, in string, kind BodyKind, length int64, lim Limits) string {
	t.Helper()
	whole := readBody(in, nil, 64<<10, kind, length, &lim)
	for _, sizes := range [][]int{nil, {1}, {2}, {3}, {7}, {1, 4096}, {4096}} {
		for _, room := range []int{1, 3, 100, 5000} {
			if got := readBody(in, sizes, room, kind, length, &lim); got != whole {
				t.Fatalf("%q\nin pieces of %v to room of %d: %s\nwhole: %s", clip(in), sizes, room, clip(got), clip(whole))
			}
		}
	}
	return whole
}

type bodyCase struct {
	in   string // "^" is CRLF
	want string // a Reason's name, or the outcome
}

func testChunked(t *testing.T, cases []bodyCase) {
	t.Helper()
	t.Parallel()
	for _, c := range cases {
		in := strings.ReplaceAll(c.in, "^", "\r\n")
		got := bodyEveryWay(t, in, BodyChunked, 0, RequestLimits())
		if !strings.Contains(got, c.want) {
			t.Errorf("%q\ngot  %s\nwant %s", clip(in), clip(got), c.want)
		}
	}
}

func TestH1_1_ChunkLineEnds(t *testing.T) {
	testChunked(t, []bodyCase{
		{"3\nabc^0^^", "400 bare-lf"},
		{"3^abc\n0^^", "400 chunk-end"},
		{"3^abc^0\n^", "400 bare-lf"},
		{"3^abc^0^\n", "400 bare-lf"},
		{"3\r^abc^0^^", "400 bare-cr"},
		{"3;a\r=b^abc^0^^", "400 bare-cr"},
		{"0^X: a\n^", "400 bare-lf"},
		{"0^X: a\rb^^", "400 bare-cr"},
		{"^3^abc^0^^", "400 chunk-size"},
	})
}

func TestH1_7_TrailerFolding(t *testing.T) {
	testChunked(t, []bodyCase{
		{"0^X: a^ b^^", "400 folding"},
		{"0^ X: a^^", "400 folding"},
		{"0^X : a^^", "400 field-name"},
		{"0^X: \x01^^", "400 field-value"},
	})
}

func TestH2_5_ChunkSize(t *testing.T) {
	testChunked(t, []bodyCase{
		{"3^abc^0^^GET", `"abc" wire=13 rest="GET"`},
		{"a^0123456789^A^0123456789^0^^", `"01234567890123456789"`},
		{"0003^abc^000^^", `"abc"`},
		{"0000000000000003^abc^0^^", `"abc"`},
		{"00000000000000003^abc^0^^", "400 chunk-size"},
		{"7fffffffffffffff^abc", `"abc" unexpected EOF`},
		{"8000000000000000^abc", "400 chunk-size"},
		{"ffffffffffffffff^abc", "400 chunk-size"},
		{"10000000000000003^abc^0^^", "400 chunk-size"},
		{"+3^abc^0^^", "400 chunk-size"},
		{"-3^abc^0^^", "400 chunk-size"},
		{"0x3^abc^0^^", "400 chunk-size"},
		{" 3^abc^0^^", "400 chunk-size"},
		{"3 ^abc^0^^", "400 chunk-size"},
		{"3\t^abc^0^^", "400 chunk-size"},
		{"3 ;a^abc^0^^", "400 chunk-size"},
		{"3 4^abc^0^^", "400 chunk-size"},
		{"g^abc^0^^", "400 chunk-size"},
		{"3_0^abc^0^^", "400 chunk-size"},
		{"3^abc^^^", "400 chunk-size"},
		{"3\x00^abc^0^^", "400 chunk-size"},
		{";a^abc^0^^", "400 chunk-size"},
	})
}

func TestH2_6_ChunkExtensions(t *testing.T) {
	testChunked(t, []bodyCase{
		{"3;a^abc^0;b=c^^", `"abc" wire=19`},
		{`3;a=b;c="d\"; e";f^abc^0^^`, `"abc"`},
		{"3; a = b ; c^abc^0^^", `"abc"`},
		{"3;\ta^abc^0^^", `"abc"`},
		{"3;^abc^0^^", "400 chunk-extension"},
		{"3;a^abc^0; ^^", "400 chunk-extension"},
		{"3;a ^abc^0^^", "400 chunk-extension"},
		{"3;a=^abc^0^^", "400 chunk-extension"},
		{"3;=b^abc^0^^", "400 chunk-extension"},
		{"3;a=b ^abc^0^^", "400 chunk-extension"},
		{"3;a=b c^abc^0^^", "400 chunk-extension"},
		{"3;a b^abc^0^^", "400 chunk-extension"},
		{"3;a;;b^abc^0^^", "400 chunk-extension"},
		{`3;a="b^abc^0^^`, "400 chunk-extension"},
		{`3;a="b\^abc^0^^`, "400 chunk-extension"},
		{`3;a="b"c^abc^0^^`, "400 chunk-extension"},
		{"3;a=\x00^abc^0^^", "400 chunk-extension"},
		{"3;\xe9^abc^0^^", "400 chunk-extension"},
	})
}

func TestH2_6_ChunkOverhead(t *testing.T) {
	t.Parallel()
	lim := RequestLimits()
	size := func(n int) string { return "1;" + strings.Repeat("a", n-2) + "\r\nx\r\n0\r\n\r\n" }
	for n, want := range map[int]string{255: `"x" wire`, 256: `"x" wire`, 257: "400 chunk-line"} {
		if got := bodyEveryWay(t, size(n), BodyChunked, 0, lim); !strings.Contains(got, want) {
			t.Errorf("size line of %d octets: %s", n, got)
		}
	}
	// Chunks as small as they can be never count as overhead …
	if got := bodyEveryWay(t, strings.Repeat("1\r\nx\r\n", 20<<10)+"0\r\n\r\n", BodyChunked, 0, lim); !strings.Contains(got, "wire=") {
		t.Error(clip(got))
	}
	// … but extensions do: after k chunks of one octet with lines of 101 the
	// overhead is 101k; the limit is 16 KiB and the k-1 octets before.
	chunk := "1;" + strings.Repeat("a", 99) + "\r\nx\r\n"
	k := (16<<10 - 1) / 100
	for n, want := range map[int]string{k - 1: "wire=", k: "wire=", k + 1: "400 chunk-overhead"} {
		if got := bodyEveryWay(t, strings.Repeat(chunk, n)+"0\r\n\r\n", BodyChunked, 0, lim); !strings.Contains(got, want) {
			t.Errorf("%d chunks: %s", n, clip(got))
		}
	}
}

func TestH2_7_ChunkEnd(t *testing.T) {
	testChunked(t, []bodyCase{
		{"3^abcd^0^^", "400 chunk-end"},
		{"3^abc0^^", "400 chunk-end"},
		{"3^abc\rx0^^", "400 chunk-end"},
		{"3^ab^0^^", "400 chunk-end"},
		{"3^abc", `"abc" unexpected EOF`},
		{"3^abc^0^", `"abc" unexpected EOF`},
		{"3^ab", `"ab" unexpected EOF`},
		{"", `"" unexpected EOF`},
	})
}

func TestH2_8_Trailers(t *testing.T) {
	testChunked(t, []bodyCase{
		{"0^grpc-status: 0^X-Sum: ab^^", "grpc-status()=\"0\"\nX-Sum()=\"ab\" wire=32"},
		{"0^Content-Length: 5^Transfer-Encoding: chunked^Host: b^Connection: close^Trailer: a^TE: x^Upgrade: h2c^^", `"" wire`},
		{"0^Authorization: a^Cookie: b^Set-Cookie: c^WWW-Authenticate: d^Proxy-Authorization: e^^", `"" wire`},
		{"0^X-Forwarded-For: 1^X-Forwarded-User: u^Forwarded: f^X-Real-IP: 2^Proxy: p^^", `"" wire`},
		{"0^Cache-Control: a^Expires: b^Age: 1^Vary: *^ETag: t^If-Match: x^Content-Type: y^Content-Encoding: z^Location: l^^", `"" wire`},
		{"0^X_Sum: a^Y: b^^", "\"\"\nY()=\"b\" wire"},
		{"0^Content-Length: x^^", `"" wire`}, // dropped, so it cannot be wrong
		{"0^" + strings.Repeat("A: b^", 31) + "^", "wire="},
		{"0^" + strings.Repeat("A: b^", 32) + "^", "wire="},
		{"0^" + strings.Repeat("A: b^", 33) + "^", "400 trailer-limit"},
		{"0^" + strings.Repeat("A:b_c_d_e^", 33) + "^", "400 trailer-limit"},
		{"0^A: " + strings.Repeat("p", 8<<10-7) + "^^", "wire="},
		{"0^A: " + strings.Repeat("p", 8<<10-6) + "^^", "400 trailer-limit"},
	})
}

func TestH2_8_TrailerOctets(t *testing.T) {
	t.Parallel()
	lim := RequestLimits()
	lim.Trailer = 100
	section := func(n int) string { return "0\r\nA: " + strings.Repeat("p", n-len("A: \r\n\r\n")) + "\r\n\r\n" }
	for n, want := range map[int]string{99: "wire=102", 100: "wire=103", 101: "400 trailer-limit"} {
		if got := bodyEveryWay(t, section(n), BodyChunked, 0, lim); !strings.Contains(got, want) {
			t.Errorf("%d octets: %s", n, got)
		}
	}
}

func TestH2_10_EarlyEnd(t *testing.T) {
	t.Parallel()
	lim := RequestLimits()
	for _, c := range []struct {
		in     string
		kind   BodyKind
		length int64
		want   string
	}{
		{"", BodyNone, -1, `"" wire=0 rest=""`},
		{"rest", BodyNone, 0, `"" wire=0 rest="rest"`},
		{"abcde", BodyLength, 5, `"abcde" wire=5 rest=""`},
		{"abcdefg", BodyLength, 5, `"abcde" wire=5 rest="fg"`},
		{"abcd", BodyLength, 5, `"abcd" unexpected EOF`},
		{"", BodyLength, 5, `"" unexpected EOF`},
		{"abc", BodyClose, -1, `"abc" wire=3 rest=""`},
		{"", BodyClose, -1, `"" wire=0 rest=""`},
	} {
		if got := bodyEveryWay(t, c.in, c.kind, c.length, lim); got != c.want {
			t.Errorf("%q %d %d: got %s, want %s", c.in, c.kind, c.length, got, c.want)
		}
	}
}

func TestH2_14_BackendChunks(t *testing.T) {
	t.Parallel()
	if got := bodyEveryWay(t, "x\r\n", BodyChunked, 0, ResponseLimits()); !strings.Contains(got, "502 chunk-size") {
		t.Error(got)
	}
}

func TestH2_11_Drain(t *testing.T) {
	t.Parallel()
	lim := RequestLimits()
	chunks := strings.Repeat("3e8\r\n"+strings.Repeat("x", 1000)+"\r\n", 20) + "0\r\n\r\n"
	broken := io.ErrClosedPipe
	for _, c := range []struct {
		in     string
		kind   BodyKind
		length int64
		limit  int64
		want   error
	}{
		{"", BodyNone, 0, 0, nil},
		{strings.Repeat("x", 1000), BodyLength, 1000, 999, ErrDrainLimit},
		{strings.Repeat("x", 1000), BodyLength, 1000, 1000, nil},
		{strings.Repeat("x", 999), BodyLength, 1000, 1000, io.ErrUnexpectedEOF},
		{chunks, BodyChunked, 0, 64 << 10, nil},
		{chunks, BodyChunked, 0, 8 << 10, ErrDrainLimit},
		{"3\r\nabc0\r\n", BodyChunked, 0, 8 << 10, &requestErrors[ReasonChunkEnd]},
		{"3\r\nabc\r\n", BodyChunked, 0, 8 << 10, io.ErrUnexpectedEOF},
	} {
		var rd Reader
		rd.Reset(&pieces{octets: []byte(c.in), sizes: []int{1500}, err: io.EOF})
		var b BodyReader
		b.Reset(&rd, c.kind, c.length, &lim)
		if err := b.Drain(c.limit); err != c.want || b.Done() != (err == nil) {
			t.Errorf("%s, at most %d: got %v, want %v", clip(c.in), c.limit, err, c.want)
		}
	}
	// What the connection says is passed on, and reading may go on after it.
	conn := &pieces{octets: []byte("abc"), err: broken}
	var rd Reader
	rd.Reset(conn)
	var b BodyReader
	b.Reset(&rd, BodyLength, 5, &lim)
	if err := b.Drain(100); err != broken {
		t.Error(err)
	}
	conn.octets = []byte("de")
	if err := b.Drain(100); err != nil {
		t.Error(err)
	}
}

// TestBodyDirect checks that large payload does not go through the buffer and
// that small chunks come out together.
func TestBodyDirect(t *testing.T) {
	t.Parallel()
	lim := RequestLimits()
	payload := bytes.Repeat([]byte("0123456789abcdef"), 4<<10)
	wire := append(AppendChunkHeader(nil, len(payload)), payload...)
	wire = AppendLastChunk(AppendChunkEnd(wire), nil)
	conn := &pieces{octets: wire, err: io.EOF}
	var rd Reader
	rd.Reset(conn)
	var b BodyReader
	b.Reset(&rd, BodyChunked, 0, &lim)
	p := make([]byte, 128<<10)
	got := []byte{}
	for !b.Done() {
		n, err := b.Read(p)
		if err != nil && err != io.EOF {
			t.Fatal(err)
		}
		got = append(got, p[:n]...)
	}
	if !bytes.Equal(got, payload) || conn.reads > 3 {
		t.Errorf("%d octets in %d reads", len(got), conn.reads)
	}

	rd.Reset(&pieces{octets: []byte("1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n"), err: io.EOF})
	b.Reset(&rd, BodyChunked, 0, &lim)
	if n, err := b.Read(p); n != 3 || err != nil || !b.Done() {
		t.Errorf("small chunks: %d %v done=%v", n, err, b.Done())
	}
	if n, err := b.Read(nil); n != 0 || err != io.EOF {
		t.Error(n, err)
	}
}

func TestRemaining(t *testing.T) {
	t.Parallel()
	lim := RequestLimits()
	var rd Reader
	rd.Reset(&pieces{octets: []byte("abcdefgh"), sizes: []int{3}, err: io.EOF})
	if err := rd.Wait(); err != nil {
		t.Fatal(err)
	}
	if _, err := rd.Fill(); err != nil {
		t.Fatal(err)
	}
	var b BodyReader
	b.Reset(&rd, BodyLength, 8, &lim)
	n, err := b.Read(make([]byte, 100))
	if n != 4 || err != nil || b.Remaining() != 4 || len(rd.Buffered()) != 0 {
		t.Fatal(n, err, b.Remaining())
	}
	b.Advance(4) // as if the rest had been spliced
	if !b.Done() || b.Remaining() != 0 || b.Payload() != 8 || b.Wire() != 8 {
		t.Error("the end is not seen")
	}
	b.Reset(&rd, BodyNone, -1, &lim)
	if b.Remaining() != 0 || !b.Done() {
		t.Error("no body has octets")
	}
	b.Reset(&rd, BodyChunked, -1, &lim)
	if b.Remaining() != -1 || b.Done() || b.Trailers() != nil {
		t.Error("chunked body of known length")
	}
}

// TestBodyTimeout checks that a deadline in mid-body is passed on and not an
// end.
func TestBodyTimeout(t *testing.T) {
	t.Parallel()
	client, server := net.Pipe()
	defer client.Close()
	defer server.Close()
	lim := RequestLimits()
	var rd Reader
	rd.Reset(server)
	var b BodyReader
	b.Reset(&rd, BodyChunked, 0, &lim)
	if err := server.SetReadDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	var timeout net.Error
	if _, err := b.Read(make([]byte, 10)); !errors.As(err, &timeout) || !timeout.Timeout() || b.Done() {
		t.Fatal(err)
	}
}
