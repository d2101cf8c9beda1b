package proxy

import (
	"crypto/tls"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/http2"

	"daemun/internal/ir"
	"daemun/internal/listen"
)

// idleBudget is what an idle connection may keep (H6.15), here with its client
// in the same process.
const idleBudget = 64 << 10

// TestH6_15_IdleConnectionsAreSmall holds 1,000 connections (H12.4) that have
// served a request with large head, body and answer, and now are idle. It
// measures the process, so it runs alone.
func TestH6_15_IdleConnectionsAreSmall(t *testing.T) {
	for name, config := range map[string]*tls.Config{"plain": nil, "TLS": listen.NewCertificates().Config()} {
		for kind, request := range map[string]string{
			"small": "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
			"large": "POST /" + strings.Repeat("%2e/", 1500) + " HTTP/1.1\r\nHost: a.test\r\nA: " + strings.Repeat("x", 8<<10) + "\r\nContent-Length: 16000\r\n\r\n" + strings.Repeat("x", 16000),
		} {
			t.Run(name+" "+kind, func(t *testing.T) { measureIdle(t, config, request) })
		}
	}
}

func measureIdle(t *testing.T, config *tls.Config, request string) {
	conns := 1000
	if raceDetector { // which has memory of its own and is not measured
		conns = 100
	}
	r, _ := up(t, echo, func(*ir.Host, *ir.Route) {})
	r.wrap.Store(config)
	before := inUse()
	var all []net.Conn
	var trips sync.WaitGroup
	turns := make(chan struct{}, 64) // those to the backend, which stay a while, are not the point
	for range conns {
		turns <- struct{}{}
		nc, err := net.Dial("tcp", r.listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if config != nil {
			nc = tls.Client(nc, &tls.Config{InsecureSkipVerify: true})
		}
		all = append(all, nc)
		go func() { _, _ = io.WriteString(nc, request) }()
		trips.Go(func() {
			defer func() { <-turns }()
			readAnswer(t, nc)
		})
	}
	trips.Wait()
	eventually(t, "all are idle", func() bool { return r.server.Stats().Idle == conns })
	each := (int64(inUse()) - int64(before)) / int64(conns)
	t.Logf("%.1f KiB per idle connection and its client", float64(each)/1024)
	if each > idleBudget && !raceDetector {
		t.Errorf("%d octets per idle connection, want at most %d", each, idleBudget)
	}
	for _, nc := range all {
		nc.Close()
	}
	eventually(t, "all end", func() bool { return r.server.Stats().Idle == 0 })
}

// TestH6_15_IdleHTTP2ConnectionsAreSmall is the same for HTTP/2: each has served
// a few streams with a body.
func TestH6_15_IdleHTTP2ConnectionsAreSmall(t *testing.T) {
	const conns = 300
	r := newCleartextRig(t, oneRoute(nil))
	r.endpoints(newScript(t, echo).addr())
	before := inUse()
	var all []net.Conn
	for range conns {
		c := r.dialHTTP2()
		for id := uint32(1); id < 8; id += 2 {
			c.request(id, false, ":method", "POST", ":scheme", "http", ":authority", "a.test", ":path", "/")
			_ = c.WriteData(id, true, make([]byte, 1000))
			c.wantStatus("200")
			for ended := false; !ended; {
				d, ok := c.frame().(*http2.DataFrame)
				ended = ok && d.StreamEnded()
			}
		}
		all = append(all, c.Conn)
	}
	eventually(t, "all are idle", func() bool { return r.server.Stats().Idle == conns })
	each := (int64(inUse()) - int64(before)) / int64(conns)
	t.Logf("%.1f KiB per idle connection and its client", float64(each)/1024)
	if each > idleBudget && !raceDetector {
		t.Errorf("%d octets per idle connection, want at most %d", each, idleBudget)
	}
	for _, nc := range all {
		nc.Close()
	}
	eventually(t, "all end", func() bool { return r.server.Stats().Idle == 0 })
}

// readAnswer reads one response with a buffer that does not outlive it.
func readAnswer(t *testing.T, nc net.Conn) {
	c := newClient(t, nc)
	if resp, body := c.answer("POST"); resp.StatusCode != 200 || int64(len(body)) != resp.ContentLength {
		t.Errorf("status %d, %d octets", resp.StatusCode, len(body))
	}
}

// inUse is the memory of heap and stacks that is in use, pools emptied.
func inUse() uint64 {
	var m runtime.MemStats
	for range 3 {
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}
