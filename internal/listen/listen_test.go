package listen

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"daemun/internal/ir"
)

// handlerFunc is a Handler that closes the connection when it returns.
type handlerFunc func(c net.Conn, info ConnInfo)

func (f handlerFunc) ServeConn(c net.Conn, info ConnInfo) {
	defer c.Close()
	f(c, info)
}

// echo sends back what it gets.
func echo(c net.Conn, _ ConnInfo) { io.Copy(c, c) }

// startListener serves until the test ends.
func startListener(t testing.TB, c Config, h Handler) *Listener {
	t.Helper()
	c.Address = "127.0.0.1:0"
	l, err := Listen(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Serve(ctx, h) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return l
}

func dial(t testing.TB, l *Listener) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return c
}

func roundTrip(t testing.TB, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, len(text))
	if _, err := io.ReadFull(c, b); err != nil || string(b) != text {
		t.Fatalf("got %q, %v; want %q", b, err, text)
	}
}

// eventually polls until ok.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("never: %s", what)
		}
	}
}

// TestKeepAliveIsInherited pins that the options of the listening socket reach
// accepted ones, which is up to the kernel.
func TestKeepAliveIsInherited(t *testing.T) {
	t.Parallel()
	l := startListener(t, Config{}, handlerFunc(func(c net.Conn, info ConnInfo) {
		raw, err := c.(*net.TCPConn).SyscallConn()
		if err != nil {
			t.Error(err)
			return
		}
		for name, want := range map[[2]int]int{
			{unix.SOL_SOCKET, unix.SO_KEEPALIVE}: 1, {unix.IPPROTO_TCP, unix.TCP_KEEPIDLE}: 60,
			{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL}: 15, {unix.IPPROTO_TCP, unix.TCP_KEEPCNT}: 4, {unix.IPPROTO_TCP, unix.TCP_NODELAY}: 1,
		} {
			raw.Control(func(fd uintptr) {
				if got, err := unix.GetsockoptInt(int(fd), name[0], name[1]); err != nil || got != want {
					t.Errorf("option %v is %d (%v), want %d", name, got, err, want)
				}
			})
		}
		echo(c, info)
	}))
	roundTrip(t, dial(t, l), "hello")
}

func TestPlainListenerHandsOnTCP(t *testing.T) {
	t.Parallel()
	infos := make(chan ConnInfo, 1)
	l := startListener(t, Config{}, handlerFunc(func(c net.Conn, info ConnInfo) {
		if _, ok := c.(*net.TCPConn); !ok {
			t.Errorf("got %T", c)
		}
		infos <- info
		echo(c, info)
	}))
	c := dial(t, l)
	roundTrip(t, c, "hello")
	info := <-infos
	if info.Remote.String() != c.LocalAddr().String() || info.Local.String() != l.Addr().String() || info.TLS != nil {
		t.Errorf("info %+v", info)
	}
	c.Close()
	eventually(t, "connection counted off", func() bool { return l.Stats().Open == 0 })
	if s := l.Stats(); s.Accepted != 1 || s.Handled != 1 {
		t.Errorf("stats %+v", s)
	}
}

func TestListenErrors(t *testing.T) {
	t.Parallel()
	l := startListener(t, Config{}, handlerFunc(echo))
	_, err := Listen(t.Context(), Config{Address: l.Addr().String(), Flag: "--http-port"})
	want := "listen on " + l.Addr().String() + ": address already in use by another program; choose another with --http-port"
	if err == nil || err.Error() != want || !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("got %v, want %s", err, want)
	}
	denied := explain(Config{Address: "127.0.0.1:80"}, &net.OpError{Err: os.NewSyscallError("bind", syscall.EACCES)})
	for _, part := range []string{"listen on 127.0.0.1:80: permission denied", "CAP_NET_BIND_SERVICE", "net.ipv4.ip_unprivileged_port_start"} {
		if !strings.Contains(denied.Error(), part) {
			t.Errorf("%q lacks %q", denied, part)
		}
	}
	if _, err := Listen(t.Context(), Config{Address: "192.0.2.1:0"}); err == nil || !strings.Contains(err.Error(), "no network interface") {
		t.Errorf("got %v", err)
	}
	if _, err := Listen(t.Context(), Config{Address: "127.0.0.1:99999"}); err == nil || !strings.HasPrefix(err.Error(), "listen on 127.0.0.1:99999: ") {
		t.Errorf("got %v", err)
	}
}

func testCertificates(t testing.TB) (*Certificates, *ir.Config) {
	t.Helper()
	cfg := &ir.Config{
		Hosts:        []*ir.Host{host("a.test", "n/a")},
		Certificates: []*ir.Certificate{certificate(t, "n/a", ecdsaKey(t), "a.test")},
	}
	c := NewCertificates()
	c.Update(cfg)
	return c, cfg
}

func tlsDial(t testing.TB, l *Listener, cfg *tls.Config) *tls.Conn {
	t.Helper()
	cfg.ServerName, cfg.InsecureSkipVerify = "a.test", true
	c := tls.Client(dial(t, l), cfg)
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestRotationKeepsConnections(t *testing.T) {
	t.Parallel()
	certs, cfg := testCertificates(t)
	l := startListener(t, Config{TLS: certs}, handlerFunc(echo))
	before := tlsDial(t, l, &tls.Config{NextProtos: []string{"http/1.1"}})
	roundTrip(t, before, "one")
	if p := before.ConnectionState().NegotiatedProtocol; p != "http/1.1" {
		t.Errorf("ALPN %q", p)
	}
	next := *cfg
	next.Certificates = []*ir.Certificate{certificate(t, "n/a", ecdsaKey(t), "a.test")}
	certs.Update(&next)
	roundTrip(t, before, "two")
	after := tlsDial(t, l, &tls.Config{})
	roundTrip(t, after, "three")
	if before.ConnectionState().PeerCertificates[0].Equal(after.ConnectionState().PeerCertificates[0]) {
		t.Error("the new handshake got the old certificate")
	}
}

func TestResumption(t *testing.T) {
	t.Parallel()
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			certs, cfg := testCertificates(t)
			resumed := make(chan bool, 1)
			h := handlerFunc(func(c net.Conn, info ConnInfo) {
				resumed <- info.TLS.DidResume
				echo(c, info)
			})
			// A ticket holds on every listener, and over an update.
			first, second := startListener(t, Config{TLS: certs}, h), startListener(t, Config{TLS: certs}, h)
			client := &tls.Config{ClientSessionCache: tls.NewLRUClientSessionCache(4), MaxVersion: version}
			for i, l := range []*Listener{first, first, second} {
				c := tlsDial(t, l, client)
				roundTrip(t, c, "x") // reads the tickets as well
				c.Close()
				if got := <-resumed; got != (i > 0) {
					t.Errorf("connection %d: resumed %v", i, got)
				}
				certs.Update(cfg)
			}
			eventually(t, "counted", func() bool { return first.Stats().HandshakesResumed == 1 && first.Stats().HandshakesOK == 2 })
		})
	}
}

func TestPlainHTTPOnTLSPort(t *testing.T) {
	t.Parallel()
	certs, _ := testCertificates(t)
	l := startListener(t, Config{TLS: certs}, handlerFunc(echo))
	c := dial(t, l)
	// More than crypto/tls reads: unread octets must not reset the answer.
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: a.test\r\nX: "+strings.Repeat("x", 20000)+"\r\n\r\n")
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != 400 || int64(len(body)) != r.ContentLength || string(body) != plainHTTPPage || !r.Close {
		t.Errorf("got %v, %q, %v", r, body, err)
	}
	c.Close()
	eventually(t, "counted", func() bool {
		s := l.Stats()
		return s.PlainHTTP == 1 && s.HandshakesFailed == 1 && s.Open == 0 && s.Handled == 0
	})

	garbage := dial(t, l)
	io.WriteString(garbage, "\x00\x01\x02\x03\x04\x05")
	if b, _ := io.ReadAll(garbage); strings.Contains(string(b), "HTTP") {
		t.Errorf("garbage was answered with %q", b)
	}
}

func TestH6_4HandshakeTimeout(t *testing.T) {
	t.Parallel()
	certs, _ := testCertificates(t)
	l := startListener(t, Config{TLS: certs, HandshakeTimeout: 500 * time.Millisecond}, handlerFunc(echo))
	c := dial(t, l)
	c.Write([]byte{22}) // one octet of a record
	if b, err := io.ReadAll(c); err != nil || len(b) != 0 {
		t.Errorf("got %q, %v", b, err)
	}
	eventually(t, "counted", func() bool { return l.Stats().HandshakesFailed == 1 && l.Stats().Open == 0 })
	// The deadline is gone after a good handshake.
	ok := tlsDial(t, l, &tls.Config{})
	dial(t, l)
	eventually(t, "another timeout", func() bool { return l.Stats().HandshakesFailed == 2 })
	roundTrip(t, ok, "still here")
}

func TestEndOfContextCutsHandshakes(t *testing.T) {
	t.Parallel()
	certs, _ := testCertificates(t)
	l, err := Listen(t.Context(), Config{Address: "127.0.0.1:0", TLS: certs})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- l.Serve(ctx, handlerFunc(echo)) }()
	dial(t, l)
	eventually(t, "accepted", func() bool { return l.Stats().Open == 1 })
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// H11.5: whoever the kernel has told "connected" before Close is served.
func TestCloseDrainsTheAcceptQueue(t *testing.T) {
	t.Parallel()
	const n = 50
	// A full limit keeps everything in the queue; as ShedIdle claims to make
	// room, nobody is turned away meanwhile.
	limit := newLimit(1)
	limit.tryAcquire()
	l := startListener(t, Config{Limit: limit, ShedIdle: func() bool { return true }}, handlerFunc(echo))
	var conns []net.Conn
	for range n {
		conns = append(conns, dial(t, l))
	}
	if l.Stats().Accepted != 0 {
		t.Fatal("accepted over the limit")
	}
	l.Close()
	if _, err := net.DialTimeout("tcp", l.Addr().String(), time.Second); err == nil {
		t.Error("still listening")
	}
	for _, c := range conns {
		roundTrip(t, c, "late")
		c.Close()
	}
	l.Close() // again
	if s := l.Stats(); s.Accepted != n || s.Refused != 0 {
		t.Errorf("stats %+v", s)
	}
}

func TestCloseBeforeServe(t *testing.T) {
	t.Parallel()
	l, err := Listen(t.Context(), Config{Address: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := l.Serve(t.Context(), handlerFunc(echo)); err != nil {
		t.Error(err)
	}
}

// H6.13: at the limit room is made by closing the oldest idle connection; when
// there is none, a new client is turned away instead of left hanging.
func TestH6_13Limit(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var idle []net.Conn
	shed := func() bool {
		mu.Lock()
		defer mu.Unlock()
		if len(idle) == 0 {
			return false
		}
		idle[0].Close()
		idle = slices.Delete(idle, 0, 1)
		return true
	}
	l := startListener(t, Config{Limit: newLimit(2), ShedIdle: shed}, handlerFunc(echo))
	a, b := dial(t, l), dial(t, l)
	roundTrip(t, a, "a")
	roundTrip(t, b, "b")
	c := dial(t, l)
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("served over the limit")
	}
	if l.Stats().Refused == 0 {
		t.Error("not counted")
	}
	mu.Lock()
	idle = append(idle, a)
	mu.Unlock()
	d := dial(t, l)
	roundTrip(t, d, "d")
	roundTrip(t, b, "b again")
}

func TestDefaultMaxConnections(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		files uint64
		want  int
	}{
		{0, minConnections}, {256, 64}, {1024, 256}, {2047, 511}, {2048, 512}, {20_000, 9488}, {1 << 20, 523_776}, {1 << 63, 2_096_640},
	} {
		if got := maxConnections(tt.files); got != tt.want {
			t.Errorf("%d open files: %d, want %d", tt.files, got, tt.want)
		}
	}
}

func TestH6_20PanicClosesOneConnection(t *testing.T) {
	t.Parallel()
	l := startListener(t, Config{}, panicking{})
	c := dial(t, l)
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("no end")
	}
	eventually(t, "counted", func() bool { return l.Stats().Panics == 1 && l.Stats().Open == 0 })
	dial(t, l)
	eventually(t, "goes on", func() bool { return l.Stats().Panics == 2 })
}

type panicking struct{}

func (panicking) ServeConn(net.Conn, ConnInfo) { panic("handler bug") }

// H6.13: as long as there are idle connections, newcomers do not wait for the
// pause in which a place might become free.
func TestH6_13IdleConnectionsDoNotSlowNewcomers(t *testing.T) {
	t.Parallel()
	const places, newcomers = 4, 40
	var mu sync.Mutex
	var idle []net.Conn
	idler := handlerFunc(func(c net.Conn, info ConnInfo) {
		mu.Lock()
		idle = append(idle, c)
		mu.Unlock()
		echo(c, info)
	})
	shed := func() bool {
		mu.Lock()
		defer mu.Unlock()
		if len(idle) == 0 {
			return false
		}
		idle[0].Close()
		idle = slices.Delete(idle, 0, 1)
		return true
	}
	l := startListener(t, Config{Limit: newLimit(places), ShedIdle: shed}, idler)
	for range newcomers { // far more than patience allows at one in each pause
		roundTrip(t, dial(t, l), "hello")
	}
	if n := l.Stats().Refused; n != 0 {
		t.Errorf("%d turned away", n)
	}
}

// TestHTTP2Off: what the configuration says counts from the next handshake on.
func TestHTTP2Off(t *testing.T) {
	t.Parallel()
	certs, cfg := testCertificates(t)
	l := startListener(t, Config{TLS: certs}, handlerFunc(echo))
	for _, off := range []bool{false, true, false} {
		next := *cfg
		next.Settings.HTTP2Off = off
		certs.Update(&next)
		c := tlsDial(t, l, &tls.Config{NextProtos: []string{"h2", "http/1.1"}})
		want := "h2"
		if off {
			want = "http/1.1"
		}
		if got := c.ConnectionState().NegotiatedProtocol; got != want {
			t.Errorf("off %v: %q", off, got)
		}
	}
}
