package proxy

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"syscall"
	"testing"
	"time"

	"daemun/internal/accesslog"
	"daemun/internal/http1"
	"daemun/internal/ir"
	"daemun/internal/metrics"
)

var smallGET = []byte("GET /some/path?q=1 HTTP/1.1\r\nHost: a.test\r\nUser-Agent: bench\r\nAccept: */*\r\nAccept-Encoding: gzip\r\n\r\n")

// roundTrips sends b.N requests over one connection and reports CPU time.
func roundTrips(b *testing.B, nc net.Conn) {
	b.Helper()
	buf := make([]byte, 16<<10)
	trip := func() {
		if _, err := nc.Write(smallGET); err != nil {
			b.Fatal(err)
		}
		if _, err := nc.Read(buf); err != nil {
			b.Fatal(err)
		}
	}
	for range 10 {
		trip()
	}
	b.ReportAllocs()
	before := cpu()
	for b.Loop() {
		trip()
	}
	b.ReportMetric(float64((cpu()-before).Microseconds())/float64(b.N), "cpu-µs/op")
}

// cpu is the CPU time of the process: proxy, load and backend together.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// lean is a backend that costs as little as possible.
func lean(_ int, c *client) {
	_ = c.SetDeadline(time.Time{})
	buf := make([]byte, 16<<10)
	answer := []byte("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 12\r\n\r\nhello world\n")
	for {
		if _, err := c.Read(buf); err != nil {
			return
		}
		if _, err := c.Write(answer); err != nil {
			return
		}
	}
}

// endless lets a connection carry any number of requests.
func endless() *ir.Config {
	cfg := oneRoute(nil)
	cfg.Settings.KeepAliveRequests = 1 << 30
	return cfg
}

// BenchmarkProxyGET is a whole round trip over loopback.
func BenchmarkProxyGET(b *testing.B) {
	r := newRig(b, endless())
	r.endpoints(newScript(b, lean).addr())
	c := r.dial()
	_ = c.SetDeadline(time.Time{})
	roundTrips(b, c.Conn)
}

// BenchmarkProxyMeasuredGET is the same with metrics.
func BenchmarkProxyMeasuredGET(b *testing.B) {
	r := newRigWith(b, endless(), Config{}, metrics.New(metrics.Config{}))
	r.endpoints(newScript(b, lean).addr())
	c := r.dial()
	_ = c.SetDeadline(time.Time{})
	roundTrips(b, c.Conn)
}

// BenchmarkProxyLoggedGET has an access log besides.
func BenchmarkProxyLoggedGET(b *testing.B) {
	log := accesslog.New(accesslog.Config{Writer: io.Discard})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- log.Run(ctx) }()
	r := newRigWith(b, endless(), Config{Log: log}, metrics.New(metrics.Config{}))
	r.endpoints(newScript(b, lean).addr())
	c := r.dial()
	_ = c.SetDeadline(time.Time{})
	roundTrips(b, c.Conn)
	cancel()
	<-done
}

// BenchmarkProxyLarge is a response of 1 MiB.
func BenchmarkProxyLarge(b *testing.B) {
	const size = 1 << 20
	answer := append([]byte("HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n"), make([]byte, size)...)
	r := newRig(b, endless())
	r.endpoints(newScript(b, func(_ int, c *client) {
		_ = c.SetDeadline(time.Time{})
		buf := make([]byte, 16<<10)
		for {
			if _, err := c.Read(buf); err != nil {
				return
			}
			if _, err := c.Write(answer); err != nil {
				return
			}
		}
	}).addr())
	c := r.dial()
	_ = c.SetDeadline(time.Time{})
	buf := make([]byte, 256<<10)
	b.SetBytes(size)
	b.ReportAllocs()
	before := cpu()
	for b.Loop() {
		if _, err := c.Conn.Write(smallGET); err != nil {
			b.Fatal(err)
		}
		head := 0 // its length, when the first read has shown it
		for got := 0; head == 0 || got < head+size; {
			n, err := c.Conn.Read(buf)
			if err != nil {
				b.Fatal(err)
			}
			if got == 0 {
				head = bytes.Index(buf[:n], []byte("\r\n\r\n")) + 4
			}
			got += n
		}
	}
	b.ReportMetric(float64((cpu()-before).Microseconds())/float64(b.N), "cpu-µs/op")
}

// BenchmarkDirectGET is the same without a proxy, to be subtracted.
func BenchmarkDirectGET(b *testing.B) {
	s := newScript(b, lean)
	nc, err := net.Dial("tcp", s.addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer nc.Close()
	roundTrips(b, nc)
}

// BenchmarkReverseProxyGET is the same with the standard library.
func BenchmarkReverseProxyGET(b *testing.B) {
	s := newScript(b, lean)
	to, err := url.Parse("http://" + s.addr().String())
	if err != nil {
		b.Fatal(err)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 10}
	defer transport.CloseIdleConnections()
	p := httputil.NewSingleHostReverseProxy(to)
	p.Transport = transport
	srv := httptest.NewServer(p)
	defer srv.Close()
	nc, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer nc.Close()
	roundTrips(b, nc)
}

// TestAllocs pins that a plain round trip does not allocate, anywhere in the
// process.
func TestAllocs(t *testing.T) {
	r := newRig(t, endless())
	r.endpoints(newScript(t, lean).addr())
	c := r.dial()
	_ = c.SetDeadline(time.Time{})
	buf := make([]byte, 16<<10)
	trip := func() {
		if _, err := c.Conn.Write(smallGET); err != nil {
			t.Error(err)
		}
		if _, err := c.Conn.Read(buf); err != nil {
			t.Error(err)
		}
	}
	for range 10 {
		trip()
	}
	// AllocsPerRun rounds down, which lets a pool be emptied once in a while.
	if n := testing.AllocsPerRun(1000, trip); n > 0 && !raceDetector {
		t.Errorf("%v allocations per request", n)
	}
}

// TestLargerAllocs pins the same for a response that is written from where it
// was read to.
func TestLargerAllocs(t *testing.T) {
	answer := append([]byte("HTTP/1.1 200 OK\r\nContent-Length: 16384\r\n\r\n"), make([]byte, 16<<10)...)
	r := newRig(t, endless())
	r.endpoints(newScript(t, func(_ int, c *client) {
		_ = c.SetDeadline(time.Time{})
		buf := make([]byte, 4<<10)
		for {
			if _, err := c.Read(buf); err != nil {
				return
			}
			if _, err := c.Write(answer); err != nil {
				return
			}
		}
	}).addr())
	c := r.dial()
	_ = c.SetDeadline(time.Time{})
	buf := make([]byte, 32<<10)
	trip := func() {
		if _, err := c.Conn.Write(smallGET); err != nil {
			t.Error(err)
		}
		got, total := 0, len(answer)
		for got < total {
			n, err := c.Conn.Read(buf)
			if err != nil {
				t.Error(err)
				return
			}
			got += n
		}
	}
	for range 10 {
		trip()
	}
	if n := testing.AllocsPerRun(1000, trip); n > 0 && !raceDetector {
		t.Errorf("%v allocations per request", n)
	}
}

// TestHeadAllocs pins that building heads does not allocate.
func TestHeadAllocs(t *testing.T) {
	r, _ := up(t, lean, nil)
	x := &r.server.conns.New().(*conn).x
	x.c.rd.Reset(nil)
	var req http1.Request
	lim := http1.RequestLimits()
	if _, err := req.Parse(smallGET, &lim); err != nil {
		t.Fatal(err)
	}
	x.req = req
	x.table = r.tables.Load()
	if x.refuseBadHostOrPath() {
		t.Fatal("no route")
	}
	build := func() {
		x.id[0] = 0
		x.up = x.appendUpstreamHead(x.up[:0])
		x.out = x.appendResponseHead(x.out[:0], frameLength)
	}
	build()
	if n := testing.AllocsPerRun(100, build); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
