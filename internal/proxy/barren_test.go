package proxy

import (
	"bytes"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"daemun/internal/ir"
)

// barren is a backend that answers streams over HTTP/2 and says how many it
// allows.
type barren struct {
	settings    []http2.Setting
	open, total atomic.Int64
}

func newBarren(t *testing.T, settings ...http2.Setting) (*barren, netip.AddrPort) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &barren{settings: settings}
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			b.total.Add(1)
			b.open.Add(1)
			conns.Go(func() {
				defer b.open.Add(-1)
				defer c.Close()
				b.serve(c)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		conns.Wait()
	})
	return b, l.Addr().(*net.TCPAddr).AddrPort()
}

func (b *barren) serve(c net.Conn) {
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.ReadFull(c, make([]byte, len(http2.ClientPreface))); err != nil {
		return
	}
	f := http2.NewFramer(c, c)
	if f.WriteSettings(b.settings...) != nil {
		return
	}
	var head bytes.Buffer
	encoder := hpack.NewEncoder(&head)
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return
		}
		switch frame := frame.(type) {
		case *http2.SettingsFrame:
			if !frame.IsAck() {
				_ = f.WriteSettingsAck()
			}
		case *http2.HeadersFrame:
			head.Reset()
			_ = encoder.WriteField(hpack.HeaderField{Name: ":status", Value: "200"})
			_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: frame.StreamID, BlockFragment: head.Bytes(), EndHeaders: true, EndStream: true})
		}
	}
}

// TestHTTP2UpstreamAllowsNothing: a backend whose settings allow no stream has a
// connection for each request, but none that stays.
func TestHTTP2UpstreamAllowsNothing(t *testing.T) {
	t.Parallel()
	b, at := newBarren(t, http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 0})
	r := newRig(t, http2Route(ir.ProtocolGRPC))
	r.endpoints(at)
	client := r.http2Client()
	for range 20 {
		if resp, _ := r.ask(client, r.newRequest("GET", "a.test", "/", "")); resp.StatusCode != 200 {
			t.Fatalf("status %d", resp.StatusCode)
		}
	}
	eventually(t, "all connections but the last one end", func() bool { return b.open.Load() <= 1 })
	if n := b.total.Load(); n != 20 {
		t.Errorf("%d connections", n)
	}
}

// TestHTTP2UpstreamAge: a connection that is too old takes no further request,
// whether or not the backend says anything.
func TestHTTP2UpstreamAge(t *testing.T) {
	t.Parallel()
	b, at := newBarren(t)
	cfg := http2Route(ir.ProtocolGRPC)
	r := newRig(t, cfg)
	r.upstreams.Keep(&ir.Pool{Connections: 10, Requests: 1000, Age: 1, Idle: ir.Duration(time.Hour)})
	r.endpoints(at)
	client := r.http2Client()
	for range 5 {
		if resp, _ := r.ask(client, r.newRequest("GET", "a.test", "/", "")); resp.StatusCode != 200 {
			t.Fatalf("status %d", resp.StatusCode)
		}
	}
	eventually(t, "the old ones end", func() bool { return b.open.Load() <= 1 })
	if n := b.total.Load(); n != 5 {
		t.Errorf("%d connections", n)
	}
}
