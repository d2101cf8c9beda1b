package proxy

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"daemun/internal/ir"
)

// message is one request as net/http reads it.
type message struct {
	Method, Target, Host, Body string
	Chunked                    bool
	Length                     int64
	Cookies                    []string
}

// readMessage reads one request to its end; a request that is cut short is an
// error.
func readMessage(br *bufio.Reader) (message, error) {
	req, err := http.ReadRequest(br)
	if err != nil {
		return message{}, err
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return message{}, err
	}
	return message{
		Method: req.Method, Target: req.RequestURI, Host: req.Host, Body: string(body),
		Chunked: len(req.TransferEncoding) > 0, Length: req.ContentLength, Cookies: req.Header["Cookie"],
	}, nil
}

// originForm is what a request has to be at the upstream: an absolute target
// has lost its scheme and authority.
func (m message) originForm() message {
	if !strings.HasPrefix(m.Target, "/") {
		_, rest, _ := strings.Cut(m.Target, "://")
		at := strings.IndexAny(rest, "/?")
		if at < 0 {
			at = len(rest)
		}
		m.Target = rest[at:]
		if !strings.HasPrefix(m.Target, "/") {
			m.Target = "/" + m.Target
		}
	}
	return m
}

func (m message) equal(o message) bool {
	return m.Method == o.Method && m.Target == o.Target && m.Host == o.Host && m.Body == o.Body &&
		m.Chunked == o.Chunked && m.Length == o.Length && slices.Equal(m.Cookies, o.Cookies)
}

// recorder is an upstream that reads with net/http alone.
type recorder struct {
	mu  sync.Mutex
	got []message
	bad []string
}

// serve notes every complete request. What cannot be read must have been cut
// off by a reset or the end, not be garbage.
func (r *recorder) serve(_ int, c *client) {
	_ = c.SetDeadline(time.Time{})
	var raw bytes.Buffer
	br := bufio.NewReader(io.TeeReader(c.Conn, &raw))
	for {
		m, err := readMessage(br)
		r.mu.Lock()
		switch {
		case err == nil:
			r.got = append(r.got, m)
		case !isCut(err):
			r.bad = append(r.bad, fmt.Sprintf("%v in %q", err, raw.String()))
		}
		r.mu.Unlock()
		if err != nil {
			return
		}
		raw.Reset()
		if _, err := fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", 0); err != nil {
			return
		}
	}
}

func isCut(err error) bool {
	_, network := err.(*net.OpError)
	return err == io.EOF || err == io.ErrUnexpectedEOF || network
}

func (r *recorder) take() (got []message, bad []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	got, bad = r.got, r.bad
	r.got, r.bad = nil, nil
	return got, bad
}

// readAll reads what net/http makes of a client's octets.
func readAll(in []byte) (all []message) {
	br := bufio.NewReader(bytes.NewReader(in))
	for {
		if b, _ := br.Peek(2); string(b) == "\r\n" { // H1.3: net/http does not skip it
			_, _ = br.Discard(2)
		}
		m, err := readMessage(br)
		if err != nil {
			return all
		}
		all = append(all, m.originForm())
	}
}

// vocabulary are the words of request smuggling; assemble makes messages of
// them that random octets would seldom be.
var vocabulary = []string{
	"GET / HTTP/1.1\r\n", "POST /p HTTP/1.1\r\n", "PUT /q?x=1 HTTP/1.0\r\n", "GET http://a.test/z HTTP/1.1\r\n", "Host: a.test\r\n", "Host: A.TEST:80\r\n",
	"Content-Length: 5\r\n", "Content-Length: 0\r\n", "Content-Length: 50\r\n", "Content-Length : 5\r\n", "content-length:\t5 \r\n", "Content-Length: 5, 5\r\n",
	"Transfer-Encoding: chunked\r\n", "Transfer-Encoding: Chunked \r\n", "Transfer-Encoding: identity\r\n", "Transfer-Encoding: gzip, chunked\r\n",
	"Transfer_Encoding: chunked\r\n", "Transfer-Encoding\t: chunked\r\n", " Transfer-Encoding: chunked\r\n", "X: y\rTransfer-Encoding: chunked\r\n",
	"Connection: keep-alive\r\n", "Connection: close\r\n", "Connection: Content-Length, Transfer-Encoding, Host, Cookie\r\n", "Cookie: a=b\r\n",
	"Expect: 100-continue\r\n", "Upgrade: websocket\r\n", "Connection: upgrade\r\n", "Upgrade: h2c\r\n",
	"\r\n", "\n", "\r", " ", "hello", "0\r\n\r\n", "0\r\n", "5\r\nhello\r\n", "5;a=b\r\nhello\r\n", "05\r\nhello\r\n", "5 \r\nhello\r\n", "5\nhello\r\n",
	"A: b\r\n", "\x00", "X:", "POST http://b.test/ HTTP/1.1\r\n", "HEAD / HTTP/1.1\r\n", "OPTIONS * HTTP/1.1\r\n", "CONNECT a.test:80 HTTP/1.1\r\n",
}

// assemble takes octets behind a first 0xFF for words of the vocabulary.
func assemble(in []byte) []byte {
	if len(in) == 0 || in[0] != 0xFF {
		return in
	}
	var b []byte
	for _, c := range in[1:] {
		b = append(b, vocabulary[int(c)%len(vocabulary)]...)
	}
	return b
}

// FuzzForward sends any octets through the whole proxy. What the upstream gets
// must be requests that net/http finds in the client's octets, too, in their
// order, equal in method, target, host, framing and body; and the client gets
// whole responses, at most one for each of them and one refusal.
func FuzzForward(f *testing.F) {
	for _, seed := range []string{
		"GET /a?b=c HTTP/1.1\r\nHost: a.test\r\nCookie: a=b\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhelloGET /2 HTTP/1.1\r\nHost: a.test\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5;x=\"y\"\r\nhello\r\n0\r\nA: b\r\n\r\nGET /2 HTTP/1.1\r\nHost: a.test\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\nG",
		"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: xchunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\nG",
		"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding:\tchunked\r\nConnection: Transfer-Encoding, Host, Cookie\r\nCookie: x\r\n\r\n0\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\nhello",
		"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: +5\r\n\r\nhello",
		"GET / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 34\r\n\r\nGET /in HTTP/1.1\r\nHost: a.test\r\n\r\n",
		"GET http://A.test/x?y HTTP/1.1\r\nHost: A.test\r\n\r\n",
		"GET http://a.test?y HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /b HTTP/1.0\r\nHost: a.test\r\n\r\n",
		"OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n",
		"GET /a/%2e%2e/b;c//d%2f HTTP/1.1\r\nHost: a.test\r\nX_Real_IP: 1\r\nX-Real-IP: 1\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: b.test\r\n\r\nDELETE / HTTP/1.1\r\nHost: a.test\r\n\r\n",
		"PUT / HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabcHEAD / HTTP/1.1\r\nHost: a.test\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
		"GET / HTTP/1.1\nHost: a.test\n\n",
		"GET / HTTP/1.1\r\nHost: a.test\r\nA: b\r\n c\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a.test\r\nA : b\r\n\r\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
		upgradeRequest + "early",
	} {
		f.Add([]byte(seed))
	}
	for _, words := range [][]byte{
		{0, 4, 28, 0, 4, 28},
		{1, 4, 6, 28, 32, 0, 4, 28},
		{1, 4, 12, 28, 35, 36, 33, 0, 4, 28},
		{1, 4, 12, 6, 28, 33, 0, 4, 28},
		{1, 4, 12, 22, 28, 35, 34, 40, 28, 0, 5, 23, 28},
		{2, 4, 20, 6, 28, 32, 3, 4, 28},
		{1, 4, 24, 6, 28, 32},
		{0, 4, 25, 26, 6, 28, 32, 0, 4, 28},
	} {
		f.Add(append([]byte{0xFF}, words...))
	}
	rec := &recorder{}
	r, _ := up(f, rec.serve, nil)
	f.Fuzz(func(t *testing.T, in []byte) {
		in = assemble(in)
		rec.take() // what came late, from requests that were cut off
		nc, err := net.Dial("tcp", r.listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		_ = nc.SetDeadline(time.Now().Add(patience))
		_, _ = nc.Write(in) // refused input may be met with a closed connection
		_ = nc.(*net.TCPConn).CloseWrite()
		answers, _ := io.ReadAll(nc)
		got, bad := rec.take()
		want := readAll(in)
		if len(bad) > 0 {
			t.Fatalf("the upstream got what it cannot read: %s", bad)
		}
		at := 0
		for _, m := range got {
			for at < len(want) && !m.equal(want[at]) {
				at++
			}
			if at == len(want) {
				t.Fatalf("the upstream got %+v\nthe client sent %+v\nin %q", m, want, in)
			}
			at++
		}
		if !bytes.Contains(in, []byte("HEAD ")) && !bytes.Contains(answers, []byte("HTTP/1.1 101 ")) {
			checkAnswers(t, answers, len(got))
		} // else it would have to be guessed which response is without a body
	})
}

// checkAnswers reads the client's side: whole responses, no octet beyond them.
func checkAnswers(t *testing.T, answers []byte, forwarded int) {
	t.Helper()
	br := bufio.NewReader(bytes.NewReader(answers))
	good := 0
	for {
		if _, err := br.Peek(1); err == io.EOF {
			break
		}
		resp, err := http.ReadResponse(br, nil)
		if err != nil {
			t.Fatalf("%v in answers %q", err, answers)
		}
		if _, err := io.ReadAll(resp.Body); err != nil {
			t.Fatalf("%v in answers %q", err, answers)
		}
		if resp.StatusCode == 200 {
			good++
		}
	}
	if good > forwarded {
		t.Fatalf("%d good answers to %d requests: %q", good, forwarded, answers)
	}
}

// scriptedAnswer is what the upstream of FuzzRelay says to the next request.
type scriptedAnswer struct {
	mu sync.Mutex
	b  []byte
}

func (s *scriptedAnswer) set(b []byte) {
	s.mu.Lock()
	s.b = b
	s.mu.Unlock()
}

func (s *scriptedAnswer) serve(_ int, c *client) {
	for c.head() != "" {
		s.mu.Lock()
		b := s.b
		s.mu.Unlock()
		if b == nil {
			_, _ = io.WriteString(c.Conn, ok)
			continue
		}
		_, _ = c.Write(b)
		_ = c.Conn.(*net.TCPConn).CloseWrite()
		_, _ = io.Copy(io.Discard, c.br)
		return
	}
}

// readFinal reads interim responses and one final one, to its end.
func readFinal(b []byte) (resp *http.Response, body string, rest int, err error) {
	br := bufio.NewReader(bytes.NewReader(b))
	for {
		if resp, err = http.ReadResponse(br, nil); err != nil {
			return nil, "", 0, err
		}
		if resp.StatusCode >= 200 || resp.StatusCode == 101 {
			break
		}
	}
	all, err := io.ReadAll(resp.Body)
	left, _ := io.ReadAll(br)
	return resp, string(all), len(left), err
}

// FuzzRelay has an upstream say anything. The client gets exactly one final
// response: one that net/http reads from the upstream's octets, too, with the
// same status, body and fields of our choice, or an error page, or one that is
// visibly broken off.
func FuzzRelay(f *testing.F) {
	for _, seed := range []string{
		ok, ok + ok, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nok\r\n0\r\nA: b\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\nok",
		"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" + ok, "HTTP/1.1 100 Continue\r\nContent-Length: 9\r\n\r\n" + ok, "HTTP/1.1 204 No\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok",
		"HTTP/1.1 200 OK\r\nSet-Cookie: a\rB: c\r\nContent-Length: 2\r\n\r\nok", "HTTP/1.1 304 \r\nContent-Length: 5\r\n\r\n" + ok, upgradeAnswer,
		"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\nok", "HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
	} {
		f.Add([]byte(seed))
	}
	s := &scriptedAnswer{}
	r, _ := up(f, s.serve, func(_ *ir.Host, r *ir.Route) { r.Retry.Tries = 1 })
	ask := func(t *testing.T) []byte {
		nc, err := net.Dial("tcp", r.listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		_ = nc.SetDeadline(time.Now().Add(patience))
		_, _ = io.WriteString(nc, "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
		got, _ := io.ReadAll(nc)
		return got
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		s.set(in)
		got := ask(t)
		s.set(nil)
		resp, body, rest, err := readFinal(got)
		if resp == nil {
			t.Fatalf("no response: %v in %q", err, got)
		}
		if rest > 0 {
			t.Fatalf("%d octets behind the response in %q", rest, got)
		}
		if strings.Contains(body, "<center>daemun</center>") || err != nil {
			return
		}
		want, wantBody, _, wantErr := readFinal(in)
		if wantErr != nil || resp.StatusCode != want.StatusCode || body != wantBody || !slices.Equal(resp.Header["Set-Cookie"], want.Header["Set-Cookie"]) {
			t.Fatalf("the client got %q\nof %q (%v)", got, in, wantErr)
		}
		if next := ask(t); !bytes.HasSuffix(next, []byte("\r\n\r\nok")) {
			t.Fatalf("the next client got %q", next)
		}
	})
}
