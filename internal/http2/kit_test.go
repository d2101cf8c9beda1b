package http2

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"daemun/internal/http1"
)

// patience bounds every wait of a test; reaching it is a failure.
const patience = 20 * time.Second

// handler serves the streams of a test.
type handler struct {
	serve func(*Stream)
	busy  atomic.Bool
}

func (h *handler) ServeStream(s *Stream) { h.serve(s) }
func (h *handler) Busy(b bool)           { h.busy.Store(b) }

// echo answers with the head and the content it got.
func echo(s *Stream) {
	body, err := io.ReadAll(s)
	if err != nil {
		return
	}
	_ = s.WriteHead([]byte("HTTP/1.1 200 OK\r\nX-Head: "+firstLine(s.Head())+"\r\n\r\n"), body, true)
}

func firstLine(head []byte) string {
	line, _, _ := strings.Cut(string(head), "\r\n")
	return line
}

// client is the other side of a connection: it sends whatever frames a test
// wants.
type client struct {
	t testing.TB
	net.Conn
	*http2.Framer
	enc     *hpack.Encoder
	section bytes.Buffer
	conn    *Conn
	handler *handler
	ended   chan struct{} // Serve has returned
}

func testConfig() Config {
	return Config{Limits: DefaultLimits(), Idle: time.Minute, HeadTime: time.Minute, WriteIdle: time.Minute}
}

// dial begins a connection up to and with the exchange of settings.
func dial(t testing.TB, config Config, serve func(*Stream)) *client {
	t.Helper()
	c := dialRaw(t, config, serve)
	c.send([]byte(Preface))
	c.must(c.WriteSettings())
	return c
}

func dialRaw(t testing.TB, config Config, serve func(*Stream)) *client {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := &client{t: t, handler: &handler{serve: serve}, ended: make(chan struct{})}
	if c.Conn, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	c.Framer = http2.NewFramer(c.Conn, c.Conn)
	c.AllowIllegalWrites = true
	c.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	c.enc = hpack.NewEncoder(&c.section)
	config.Handler = c.handler
	source := &http1.Reader{First: 16 << 10}
	source.Reset(server)
	c.conn = NewServer(server, source, config)
	go func() {
		defer close(c.ended)
		c.conn.Serve()
		server.Close()
		source.Reset(nil)
	}()
	t.Cleanup(func() {
		c.Conn.Close()
		<-c.ended
	})
	return c
}

func (c *client) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) send(b []byte) {
	c.t.Helper()
	_, err := c.Conn.Write(b)
	c.must(err)
}

// fields is a field section: name, value, name, value.
func (c *client) fields(nameValues ...string) []byte {
	c.section.Reset()
	for i := 0; i < len(nameValues); i += 2 {
		c.must(c.enc.WriteField(hpack.HeaderField{Name: nameValues[i], Value: nameValues[i+1]}))
	}
	return c.section.Bytes()
}

// request opens a stream; more are further fields.
func (c *client) request(id uint32, end bool, method string, more ...string) {
	c.t.Helper()
	c.head(id, end, append([]string{":method", method, ":scheme", "http", ":authority", "a.test", ":path", "/"}, more...)...)
}

func (c *client) head(id uint32, end bool, nameValues ...string) {
	c.t.Helper()
	c.must(c.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: c.fields(nameValues...), EndStream: end, EndHeaders: true}))
}

// frame returns the next frame that is not about settings and windows.
func (c *client) frame() http2.Frame {
	c.t.Helper()
	for {
		f, err := c.ReadFrame()
		if err != nil {
			c.t.Fatalf("read frame: %v", err)
		}
		switch f.(type) {
		case *http2.SettingsFrame, *http2.WindowUpdateFrame:
			continue
		}
		return f
	}
}

func (c *client) wantReset(id uint32, code http2.ErrCode) {
	c.t.Helper()
	f := c.frame()
	if r, ok := f.(*http2.RSTStreamFrame); !ok || r.StreamID != id || r.ErrCode != code {
		c.t.Fatalf("got %v, want RST_STREAM of %d with %v", f, id, code)
	}
}

// wantGoAway skips what else comes and checks the end of the connection.
func (c *client) wantGoAway(code http2.ErrCode) {
	c.t.Helper()
	for {
		f, err := c.ReadFrame()
		if err != nil {
			c.t.Fatalf("connection ended without GOAWAY: %v", err)
		}
		g, ok := f.(*http2.GoAwayFrame)
		if !ok {
			continue
		}
		if g.ErrCode != code {
			c.t.Fatalf("GOAWAY %v, want %v", g.ErrCode, code)
		}
		break
	}
	c.wantEnd()
}

// wantEnd waits for the end of the connection.
func (c *client) wantEnd() {
	c.t.Helper()
	_ = c.Conn.(*net.TCPConn).CloseWrite()
	if _, err := io.Copy(io.Discard, c.Conn); err != nil && !errors.Is(err, net.ErrClosed) && !strings.Contains(err.Error(), "reset") {
		c.t.Fatalf("at the end: %v", err)
	}
	select {
	case <-c.ended:
	case <-time.After(patience):
		c.t.Fatal("Serve does not return")
	}
}

// response is what came on one stream.
type response struct {
	status  string
	head    []hpack.HeaderField
	body    []byte
	trailer []hpack.HeaderField
	interim []string
}

// answer reads the response of a stream and gives windows back.
func (c *client) answer(id uint32) response {
	c.t.Helper()
	var r response
	for {
		f := c.frame()
		if f.Header().StreamID != id {
			c.t.Fatalf("frame of another stream: %v", f)
		}
		end := false
		switch f := f.(type) {
		case *http2.MetaHeadersFrame:
			switch status := f.PseudoValue("status"); {
			case r.status != "":
				r.trailer = f.Fields
			case status[0] == '1':
				r.interim = append(r.interim, status)
			default:
				r.status, r.head = status, f.RegularFields()
			}
			end = f.StreamEnded()
		case *http2.DataFrame:
			r.body = append(r.body, f.Data()...)
			if f.Length > 0 {
				c.must(c.WriteWindowUpdate(0, f.Length))
				if !f.StreamEnded() {
					c.must(c.WriteWindowUpdate(id, f.Length))
				}
			}
			end = f.StreamEnded()
		default:
			c.t.Fatalf("unexpected frame: %v", f)
		}
		if end {
			return r
		}
	}
}

func (r response) get(name string) string {
	for _, f := range r.head {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

// ping makes sure that everything before was handled.
func (c *client) ping() {
	c.t.Helper()
	c.must(c.WritePing(false, [8]byte{1}))
	for {
		if p, ok := c.frame().(*http2.PingFrame); ok && p.IsAck() {
			return
		}
	}
}

// eventually waits until done reports true.
func eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	late := time.After(patience)
	for !done() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("never happened: %s", what)
		}
	}
}
