package tunnel

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// openTLS is open with TLS between the client and the tunnel.
func openTLS(t testing.TB, g *Group, change func(*Pair)) (client *tls.Conn, tun *watched, upstream *net.TCPConn) {
	t.Helper()
	source := httptest.NewUnstartedServer(nil) // of a certificate
	source.StartTLS()
	source.Close()
	below, ours := pair(t)
	client = tls.Client(below, &tls.Config{InsecureSkipVerify: true})
	secure := tls.Server(&Line{Conn: ours}, &tls.Config{Certificates: source.TLS.Certificates})
	var shaking sync.WaitGroup
	shaking.Go(func() {
		if err := secure.Handshake(); err != nil {
			t.Error(err)
		}
	})
	if err := client.Handshake(); err != nil {
		t.Fatal(err)
	}
	shaking.Wait()
	_, tun, upstream = open(t, g, func(p *Pair) {
		p.Client.Close()
		p.Client, p.Secure = ours, secure
		if change != nil {
			change(p)
		}
	})
	return client, tun, upstream
}

func TestSecureBothWays(t *testing.T) {
	t.Parallel()
	client, tun, upstream := openTLS(t, NewGroup(Config{}), func(p *Pair) { p.FromClient, p.FromUpstream = []byte("early "), []byte("first ") })
	send(t, client, "ping")
	expect(t, upstream, "early ping")
	send(t, upstream, "pong")
	expect(t, client, "first pong")
	for range 100 {
		send(t, client, "again")
		expect(t, upstream, "again")
		send(t, upstream, "and back")
		expect(t, client, "and back")
	}
	upstream.Close()
	if rest, err := io.ReadAll(client); err != nil || len(rest) > 0 { // ended with a goodbye of TLS
		t.Errorf("the end is %q, %v", rest, err)
	}
	client.Close()
	await(t, tun)
}

// TestSecureBulk: records are cut and put together on both ways, however much of
// one the sockets take.
func TestSecureBulk(t *testing.T) {
	t.Parallel()
	const size = 8 << 20
	client, _, upstream := openTLS(t, NewGroup(Config{}), nil)
	pattern := make([]byte, size)
	for i := range pattern {
		pattern[i] = byte(i * 5 >> 2)
	}
	var busy sync.WaitGroup
	for _, c := range []io.ReadWriter{client, upstream} {
		busy.Go(func() {
			if _, err := c.Write(pattern); err != nil {
				t.Error(err)
			}
		})
		busy.Go(func() {
			got := make([]byte, size)
			if n, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, pattern) {
				t.Errorf("%d octets, %v", n, err)
			}
		})
	}
	busy.Wait()
}

// TestSecureGoodbye: the Close frame is a record like any other.
func TestSecureGoodbye(t *testing.T) {
	t.Parallel()
	client, tun, upstream := openTLS(t, NewGroup(Config{}), nil)
	tun.Leave()
	expect(t, client, GoingAway)
	send(t, client, "\x88\x82mask\x6e\x88")
	expect(t, upstream, "\x88\x82mask\x6e\x88")
}

// empty is TLS that gets records without content only, and answers each.
type empty struct {
	*Line
	answers bool
	most    int // reads of the socket for one read of this
}

func (e *empty) NetConn() net.Conn { return e.Line }

func (e *empty) Read(b []byte) (int, error) {
	for n := 1; ; n++ {
		got, err := e.Line.Read(b)
		if err != nil {
			return 0, err
		}
		e.most = max(e.most, n)
		if e.answers {
			_, _ = e.Write(b[:got]) // TLS tells of an error with its next write only
		}
	}
}

// TestFloodOfEmptyRecords: a client that asks TLS for more and more answers and
// reads none has its tunnel ended; one that sends records without content does
// not keep the loop from others.
func TestFloodOfEmptyRecords(t *testing.T) {
	t.Parallel()
	for name, answers := range map[string]bool{"answered": true, "not answered": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewGroup(Config{})
			g.loops = g.loops[:1]
			secure := &empty{answers: answers}
			client, tun, _ := open(t, g, func(p *Pair) {
				secure.Line = &Line{Conn: p.Client}
				p.Secure = secure
			})
			other, _, upstream := open(t, g, nil)
			var flooding sync.WaitGroup
			flooding.Go(func() {
				for junk := make([]byte, 64<<10); ; {
					if _, err := client.Write(junk); err != nil {
						return
					}
				}
			})
			for range 100 {
				send(t, other, "ping")
				expect(t, upstream, "ping")
			}
			if !answers {
				tun.Cut()
			}
			await(t, tun)
			flooding.Wait()
			if secure.most > mostReads {
				t.Errorf("%d reads of the socket for one of TLS", secure.most)
			}
		})
	}
}

// TestTLSWithoutALine is not taken over.
func TestTLSWithoutALine(t *testing.T) {
	t.Parallel()
	a, b := pair(t)
	if _, ok := NewGroup(Config{}).Begin(Pair{Client: a, Upstream: b, Secure: tls.Server(a, &tls.Config{})}); ok {
		t.Error("it began")
	}
	_ = a.SetDeadline(time.Now().Add(patience))
	send(t, a, "still here")
	expect(t, b, "still here")
}
