package proxy

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"daemun/internal/http1"
	"daemun/internal/ir"
	"daemun/internal/table"
)

// halfFrame agrees to the upgrade, sends the first half of a frame, and the
// second one when told; it reports what the client sends.
func halfFrame(second <-chan struct{}, fromClient chan<- []byte) func(int, *client) {
	return func(_ int, c *client) {
		c.head()
		c.send(upgradeAnswer + "\x81\x0aHello")
		<-second
		c.send("World")
		got, _ := io.ReadAll(c.br)
		fromClient <- got
	}
}

// TestH11_5_WebSocketsAreToldToGo: near the end of the drain a client gets a
// Close frame, never within another frame, and its own one reaches the
// upstream.
func TestH11_5_WebSocketsAreToldToGo(t *testing.T) {
	t.Parallel()
	second, fromClient := make(chan struct{}), make(chan []byte, 1)
	r, _ := up(t, halfFrame(second, fromClient), nil)
	c := r.dial()
	c.send(upgradeRequest)
	c.head()
	c.expect("\x81\x0aHello")
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- r.server.Shutdown(ctx) }()
	eventually(t, "the tunnel is asked to leave", func() bool {
		r.server.mu.Lock()
		defer r.server.mu.Unlock()
		for open := range r.server.open {
			if t := open.carried.Load(); t != nil && t.Leaving() {
				return true
			}
		}
		return false
	})
	close(second)
	c.expect("World" + string(goingAway))
	reply := "\x88\x82mask\x6e\x88"
	c.send(reply)
	c.Close()
	if got := <-fromClient; string(got) != reply {
		t.Errorf("the upstream got %q", got)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestH4_6_TunnelsHaveAnAge: a busy tunnel ends, too, in good order when its
// client plays along, else a little later.
func TestH4_6_TunnelsHaveAnAge(t *testing.T) {
	t.Parallel()
	r, _ := up(t, func(_ int, c *client) {
		c.head()
		c.send(upgradeAnswer)
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for range tick.C {
			if _, err := io.WriteString(c, "\x81\x05Hello"); err != nil {
				return
			}
		}
	}, nil)
	r.server.tunnelAge = 50 * time.Millisecond
	c := r.dial()
	c.send(upgradeRequest)
	c.head()
	all := c.rest()
	if !strings.HasSuffix(all, string(goingAway)) || strings.Count(all, string(goingAway)) != 1 {
		t.Errorf("the tunnel ended with %q", all[max(0, len(all)-20):])
	}
	if before := strings.TrimSuffix(all, string(goingAway)); strings.ReplaceAll(before, "\x81\x05Hello", "") != "" {
		t.Error("the Close frame is within another one")
	}
}

// TestH6_7_BodyTrickles: a body that comes too slowly is refused although it
// never pauses for long; one that is fast enough is not.
func TestH6_7_BodyTrickles(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		rate   int64
		head   string
		status int
	}{
		"small, slow":   {1 << 20, "Content-Length: 100\r\n\r\n", 408},
		"large, slow":   {1 << 20, "Content-Length: 100000\r\n\r\n", 408},
		"chunked, slow": {1 << 20, "Transfer-Encoding: chunked\r\n\r\n64\r\n", 408},
		"fast enough":   {1, "Content-Length: 20\r\n\r\n", 200},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, _ := up(t, echo, nil)
			r.server.bodyGrace, r.server.bodyRate = 50*time.Millisecond, tt.rate
			c := r.dial()
			c.send("POST / HTTP/1.1\r\nHost: a.test\r\n" + tt.head)
			answered := make(chan struct{})
			sent := make(chan struct{})
			go func() {
				defer close(sent)
				tick := time.NewTicker(5 * time.Millisecond)
				defer tick.Stop()
				for range 20 {
					select {
					case <-tick.C:
						_, _ = c.Write([]byte("x"))
					case <-answered:
						return
					}
				}
			}()
			resp, body := c.answer("POST")
			close(answered)
			<-sent
			if resp.StatusCode != tt.status || tt.status == 200 && !bytes.Equal([]byte(body), bytes.Repeat([]byte("x"), 20)) {
				t.Errorf("status %d %q, want %d", resp.StatusCode, body, tt.status)
			}
		})
	}
}

// TestShutdownTwice: each call returns, connections handed over later get one
// request.
func TestShutdownTwice(t *testing.T) {
	t.Parallel()
	r, _ := up(t, answering(ok), func(*ir.Host, *ir.Route) {})
	c := r.dial()
	c.get("/")
	for range 2 {
		if err := r.server.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	}
	c.rest()
	late := r.dial()
	if resp, body := late.get("/"); body != "ok" || !resp.Close {
		t.Errorf("got %q close %v", body, resp.Close)
	}
	late.rest()
	if err := r.server.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestShutdownNeverWaitsForIdle: a drain that begins while connections arrive
// or go idle ends long before their time is up.
func TestShutdownNeverWaitsForIdle(t *testing.T) {
	t.Parallel()
	for range 20 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			r, _ := up(t, answering(ok), nil)
			for range 10 {
				c := r.dial()
				c.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
			}
			done := make(chan error, 1)
			go func() { done <- r.server.Shutdown(context.Background()) }()
			select {
			case err := <-done:
				if err != nil {
					t.Error(err)
				}
			case <-time.After(patience):
				t.Error("the drain waits for an idle connection")
			}
		})
	}
}

// counting counts the writes to a connection.
type counting struct {
	net.Conn
	writes atomic.Int64
}

func (c *counting) Write(b []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(b)
}

// TestTunnelOverTLSKeepsRecords: what came in one record leaves in one write, in
// both directions.
func TestTunnelOverTLSKeepsRecords(t *testing.T) {
	source := httptest.NewUnstartedServer(nil) // of a certificate
	source.StartTLS()
	defer source.Close()
	pair := func() (net.Conn, net.Conn) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		a, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		b, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		_ = a.SetDeadline(time.Now().Add(patience))
		return a, b
	}
	client, ours := pair()
	backend, theirs := pair()
	defer client.Close()
	defer backend.Close()
	upstream := tls.Server(backend, source.TLS)
	secure := tls.Client(client, &tls.Config{InsecureSkipVerify: true})
	end := &counting{Conn: tls.Server(ours, source.TLS)}
	up := &counting{Conn: tls.Client(theirs, &tls.Config{InsecureSkipVerify: true})}
	s := New(Config{Table: new(atomic.Pointer[table.Table])})
	tun := &passage{client: end, upstream: up, idle: patience, age: time.Hour, start: time.Now(), server: s}
	var fromClient, fromUpstream http1.Reader
	fromClient.Reset(end)
	fromUpstream.Reset(up)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tun.run(&fromClient, &fromUpstream)
		end.Close()
		up.Close()
	}()
	message := append([]byte{0x82, 126, 3, 232}, make([]byte, 1000)...) // a frame of 1000 octets
	got := make([]byte, len(message))
	const messages = 10
	for range messages {
		for _, way := range [][2]net.Conn{{secure, upstream}, {upstream, secure}} {
			if _, err := way[0].Write(message); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(way[1], got); err != nil || !bytes.Equal(got, message) {
				t.Fatalf("%d octets: %v", len(got), err)
			}
		}
	}
	if a, b := up.writes.Load(), end.writes.Load(); a > 2*messages || b > 2*messages {
		t.Errorf("%d messages left in %d writes to the upstream, %d to the client", messages, a, b)
	}
	client.Close()
	<-done
}

// TestCutOfAnEndedTunnel: between the end of its sockets and its last line in the
// log a connection has nothing that could be closed.
func TestCutOfAnEndedTunnel(t *testing.T) {
	t.Parallel()
	c := &conn{}
	c.state.Store(stateTunnel)
	if c.cut(); !c.severed.Load() {
		t.Error("not cut")
	}
	c.askToLeave()
	if c.wake() {
		t.Error("it was idle")
	}
}
