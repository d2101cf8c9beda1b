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
