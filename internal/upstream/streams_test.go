package upstream

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"daemun/internal/http2"
	"daemun/internal/ir"
)

// http2Server speaks HTTP/2 without TLS.
func http2Server(t *testing.T, h http.HandlerFunc) netip.AddrPort {
	t.Helper()
	srv := httptest.NewUnstartedServer(h)
	srv.Config.Protocols = new(http.Protocols)
	srv.Config.Protocols.SetUnencryptedHTTP2(true)
	srv.Start()
	t.Cleanup(srv.Close)
	return netip.MustParseAddrPort(srv.Listener.Addr().String())
}

// TestH2_10StreamAborted: a request whose body ends in its middle ends as an
// error there, and costs its stream only.
func TestH2_10StreamAborted(t *testing.T) {
	t.Parallel()
	for name, abort := range map[string]func(*Conn){"abort": (*Conn).Abort, "abort with a reset": (*Conn).AbortReset} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			came, ended := make(chan bool, 1), make(chan error, 1)
			at := http2Server(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Method == "GET" {
					return
				}
				_, err := io.ReadFull(r.Body, make([]byte, 4))
				came <- err == nil
				_, err = io.ReadAll(r.Body)
				ended <- err
			})
			_, b := newBackendFor(t, Config{}, ir.Endpoint{Addr: at})
			e := b.Pick(nil)
			c := stream(t, e)
			defer c.Discard()
			const head = " / HTTP/1.1\r\nHost: a.test\r\n\r\n"
			if err := c.Stream().WriteRequest(http2.Request{Head: []byte("POST" + head)}, []byte("half"), false); err != nil {
				t.Fatal(err)
			}
			if !within(t, came) {
				t.Fatal("the body has not begun")
			}
			abort(c)
			if err := within(t, ended); err == nil {
				t.Error("the body seems complete")
			}
			next := stream(t, e)
			defer next.Discard()
			if !next.Reused() {
				t.Error("the connection is gone")
			}
			if err := next.Stream().WriteRequest(http2.Request{Head: []byte("GET" + head)}, nil, true); err != nil {
				t.Fatal(err)
			}
			_ = next.SetReadDeadline(time.Now().Add(patience))
			if _, _, err := next.Stream().ReadHead(); err != nil {
				t.Errorf("another stream: %v", err)
			}
		})
	}
}

func within[T any](t *testing.T, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		t.Fatal("never happened")
	}
	return v
}

func stream(t *testing.T, e *Endpoint) *Conn {
	t.Helper()
	c, err := e.Stream(t.Context(), HTTP2, patience, false)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestBoundsOfStreams: a slow request costs itself, never the connection that it
// shares; the rest is what the settings say.
func TestBoundsOfStreams(t *testing.T) {
	t.Parallel()
	r, _ := newBackendFor(t, Config{})
	r.Keep(&ir.Pool{Age: ir.Duration(time.Hour), Idle: ir.Duration(time.Minute)})
	c := r.http2Config()
	if http2.DefaultLimits().StallBytes == 0 || c.Limits.StallBytes != 0 {
		t.Errorf("a connection has to bring on %d octets", c.Limits.StallBytes)
	}
	if c.Limits.Age != time.Hour || c.Idle != time.Minute || c.WriteIdle != writeIdle || c.HeadTime != silence {
		t.Errorf("%+v", c)
	}
}
