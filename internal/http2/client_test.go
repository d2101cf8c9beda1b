package http2

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"daemun/internal/http1"
)

// server is the other side of a client's connection.
type server struct {
	*client
	own *Conn // the side under test
}

// accept begins a client's connection to a server that a test plays.
func accept(t testing.TB, config Config) *server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	peer, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	_ = peer.SetDeadline(time.Now().Add(patience))
	source := &http1.Reader{First: 16 << 10}
	source.Reset(nc)
	s := &server{client: &client{t: t, Conn: peer, ended: make(chan struct{})}, own: NewClient(nc, source, config)}
	s.Framer = http2.NewFramer(peer, peer)
	s.AllowIllegalWrites = true
	s.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	s.enc = hpack.NewEncoder(&s.section)
	go func() {
		defer close(s.ended)
		s.own.Run()
		source.Reset(nil)
	}()
	t.Cleanup(func() {
		peer.Close()
		<-s.ended
	})
	preface := make([]byte, len(Preface))
	if _, err := io.ReadFull(peer, preface); err != nil || string(preface) != Preface {
		t.Fatalf("preface %q, %v", preface, err)
	}
	s.must(s.WriteSettings())
	return s
}

// ask opens a stream with a GET.
func (s *server) ask() *Stream {
	s.t.Helper()
	st, err := s.own.Reserve()
	s.must(err)
	s.must(st.WriteRequest(Request{Head: []byte("GET /p HTTP/1.1\r\nHost: a.test\r\nX-A: B\r\nConnection: x\r\n\r\n")}, nil, true))
	_ = st.SetReadDeadline(time.Now().Add(patience))
	return st
}

// wantRequest reads the head of a request.
func (s *server) wantRequest() *http2.MetaHeadersFrame {
	s.t.Helper()
	h, ok := s.frame().(*http2.MetaHeadersFrame)
	if !ok {
		s.t.Fatal("no request")
	}
	return h
}

func TestClientRoundTrip(t *testing.T) {
	s := accept(t, testConfig())
	st := s.ask()
	h := s.wantRequest()
	var got bytes.Buffer
	for _, f := range h.Fields {
		got.WriteString(f.Name + "=" + f.Value + " ")
	}
	if got.String() != ":method=GET :scheme=http :authority=a.test :path=/p x-a=B " || !h.StreamEnded() {
		t.Errorf("request %s", &got)
	}
	s.head(1, false, ":status", "103", "link", "x")
	s.head(1, false, ":status", "200", "x", "y")
	s.must(s.WriteData(1, false, []byte("body")))
	s.head(1, true, "x-sum", "1")
	if head, end, err := st.ReadHead(); err != nil || end || string(head) != "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" {
		t.Errorf("%q, %v, %v", head, end, err)
	}
	if head, end, err := st.ReadHead(); err != nil || end || string(head) != "HTTP/1.1 200 OK\r\nx: y\r\n\r\n" {
		t.Errorf("%q, %v, %v", head, end, err)
	}
	if body, err := io.ReadAll(st); err != nil || string(body) != "body" {
		t.Errorf("%q, %v", body, err)
	}
	if got := string(st.Trailers()); got != "x-sum: 1\r\n\r\n" {
		t.Errorf("trailers %q", got)
	}
	st.Release(NoError)
}

// TestClientRefusesResponses: a malformed response costs its stream.
func TestClientRefusesResponses(t *testing.T) {
	for name, send := range map[string]func(s *server){
		"no status":         func(s *server) { s.head(1, true, "a", "b") },
		"status":            func(s *server) { s.head(1, true, ":status", "20") },
		"101":               func(s *server) { s.head(1, false, ":status", "101") },
		"interim that ends": func(s *server) { s.head(1, true, ":status", "103") },
		"capital":           func(s *server) { s.head(1, true, ":status", "200", "X", "y") },
		"line in value":     func(s *server) { s.head(1, true, ":status", "200", "a", "b\r\nc: d") },
		"request's pseudo":  func(s *server) { s.head(1, true, ":status", "200", ":path", "/") },
		"connection":        func(s *server) { s.head(1, true, ":status", "200", "connection", "close") },
		"length":            func(s *server) { s.head(1, true, ":status", "200", "content-length", "4") },
		"content first":     func(s *server) { s.must(s.WriteData(1, false, []byte("x"))); s.head(1, true, ":status", "200") },
		"the end alone":     func(s *server) { s.head(1, false, ":status", "103"); s.must(s.WriteData(1, true, nil)) },
		"too many interim": func(s *server) {
			for range maxHeads + 1 {
				s.head(1, false, ":status", "103")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := accept(t, testConfig())
			st := s.ask()
			s.wantRequest()
			send(s)
			s.wantReset(1, http2.ErrCodeProtocol)
			var err error
			for err == nil {
				_, _, err = st.ReadHead()
			}
			var reset *ResetError
			if !errors.As(err, &reset) || reset.Unprocessed {
				t.Errorf("got %v", err)
			}
			st.Release(Cancel)
		})
	}
}

// TestClientLengthIsTheData: a response that is shorter or longer than it says
// is never complete.
func TestClientLengthIsTheData(t *testing.T) {
	for _, data := range []string{"ab", "abcd"} {
		s := accept(t, testConfig())
		st := s.ask()
		s.wantRequest()
		s.head(1, false, ":status", "200", "content-length", "3")
		s.must(s.WriteData(1, true, []byte(data)))
		if b, err := io.ReadAll(st); err == nil {
			t.Errorf("%q was taken for complete: %q", data, b)
		}
		st.Release(Cancel)
	}
}

// TestClientGoAway: streams that the server will not act on are told apart, the
// others go on.
func TestClientGoAway(t *testing.T) {
	s := accept(t, testConfig())
	first, second := s.ask(), s.ask()
	s.wantRequest()
	s.wantRequest()
	s.must(s.WriteGoAway(1, http2.ErrCodeNo, nil))
	_, _, err := second.ReadHead()
	var reset *ResetError
	if !errors.As(err, &reset) || !reset.Unprocessed {
		t.Errorf("got %v", err)
	}
	second.Release(Cancel)
	if _, err := s.own.Reserve(); !errors.Is(err, ErrFull) || s.own.Usable() {
		t.Errorf("a further stream: %v", err)
	}
	s.head(1, true, ":status", "204")
	if head, end, err := first.ReadHead(); err != nil || !end || !strings.HasPrefix(string(head), "HTTP/1.1 204 ") {
		t.Errorf("%q, %v, %v", head, end, err)
	}
	first.Release(NoError)
	<-s.ended
}

func TestClientRefusedStream(t *testing.T) {
	s := accept(t, testConfig())
	st := s.ask()
	s.wantRequest()
	s.must(s.WriteRSTStream(1, http2.ErrCodeRefusedStream))
	_, _, err := st.ReadHead()
	var reset *ResetError
	if !errors.As(err, &reset) || !reset.Unprocessed {
		t.Errorf("got %v", err)
	}
	st.Release(Cancel)
}

// TestClientEarlyAnswer: a server that answers before it has the whole request
// may say that it wants no more of it; its answer counts.
func TestClientEarlyAnswer(t *testing.T) {
	s := accept(t, testConfig())
	st, err := s.own.Reserve()
	s.must(err)
	_ = st.SetReadDeadline(time.Now().Add(patience))
	s.must(st.WriteRequest(Request{Head: []byte("POST / HTTP/1.1\r\nHost: a.test\r\n\r\n")}, []byte("some"), false))
	s.wantRequest()
	s.head(1, false, ":status", "413")
	s.must(s.WriteData(1, true, []byte("page")))
	s.must(s.WriteRSTStream(1, http2.ErrCodeNo))
	if _, _, err := st.ReadHead(); err != nil {
		t.Error(err)
	}
	if body, err := io.ReadAll(st); err != nil || string(body) != "page" {
		t.Errorf("%q, %v", body, err)
	}
	// The body may be read before the reset that follows it has come.
	eventually(t, "no more is sent", func() bool {
		_, err := st.Write([]byte("more"))
		return err != nil
	})
	st.Release(NoError)
}

// TestClientConcurrency: no more streams than the server allows.
func TestClientConcurrency(t *testing.T) {
	s := accept(t, testConfig())
	s.must(s.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 2}))
	eventually(t, "the setting is in force", func() bool {
		s.own.mu.Lock()
		defer s.own.mu.Unlock()
		return s.own.peer.allowed == 2
	})
	first := s.ask()
	second, err := s.own.Reserve()
	s.must(err)
	if _, err := s.own.Reserve(); !errors.Is(err, ErrFull) {
		t.Errorf("a third: %v", err)
	}
	second.Release(Cancel) // never opened
	second = s.ask()
	s.wantRequest()
	s.wantRequest()
	s.head(1, true, ":status", "204")
	if _, _, err := first.ReadHead(); err != nil {
		t.Error(err)
	}
	first.Release(NoError)
	third, err := s.own.Reserve()
	s.must(err)
	third.Release(Cancel)
	second.Release(Cancel)
}

// TestClientKeepAlive: a server that is silent is asked, and given up when it
// does not answer.
func TestClientKeepAlive(t *testing.T) {
	config := testConfig()
	config.HeadTime = 30 * time.Millisecond
	s := accept(t, config)
	st := s.ask()
	pings := 0
	for {
		f, err := s.ReadFrame()
		if err != nil {
			break
		}
		if p, ok := f.(*http2.PingFrame); ok {
			if pings++; pings == 1 {
				s.must(s.WritePing(true, p.Data)) // alive, once
			}
		}
	}
	if pings < 2 {
		t.Errorf("%d PING", pings)
	}
	if _, _, err := st.ReadHead(); err == nil {
		t.Error("an answer came from nowhere")
	}
	st.Release(Cancel)
}

func TestClientIdleEnds(t *testing.T) {
	config := testConfig()
	config.Idle = 30 * time.Millisecond
	s := accept(t, config)
	s.wantGoAway(http2.ErrCodeNo)
	if _, err := s.own.Reserve(); !errors.Is(err, ErrFull) {
		t.Errorf("reserved on an ended connection: %v", err)
	}
}

// TestClientAborted: who gives a stream up before it is open leaves nothing
// behind, and nothing is sent.
func TestClientAborted(t *testing.T) {
	s := accept(t, testConfig())
	st, err := s.own.Reserve()
	s.must(err)
	st.Reset(Cancel)
	if err := st.WriteRequest(Request{Head: []byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n")}, nil, true); err == nil {
		t.Error("sent")
	}
	st.Release(Cancel)
	st.Release(Cancel)
	if n := s.own.peer.reserved; n != 0 {
		t.Errorf("%d places are taken", n)
	}
}

// TestClientResponseOnAnIdleStream: a backend that answers what was not asked
// loses its connection, and nobody who waits on that is left behind.
func TestClientResponseOnAnIdleStream(t *testing.T) {
	s := accept(t, testConfig())
	st := s.ask()
	s.wantRequest()
	s.head(7, true, ":status", "200")
	s.wantGoAway(http2.ErrCodeProtocol)
	if _, _, err := st.ReadHead(); err == nil {
		t.Error("the other stream has an answer")
	}
	st.Release(Cancel)
	<-s.ended
}
