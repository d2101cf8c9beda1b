package l4

import (
	"net"
	"runtime"
	"testing"

	"daemun/internal/ir"
)

// TestIdleConnectionsAreSmall: a silent client holds two sockets and little
// else, whatever it moved before.
func TestIdleConnectionsAreSmall(t *testing.T) {
	l := newLab(t)
	const n = 500
	block := make(chan struct{})
	a := l.serve(port(l.podA(0)), func(c *net.TCPConn) {
		defer c.Close()
		b := make([]byte, 1)
		c.Read(b)
		c.Write(b)
		<-block
	})
	defer close(block)
	s := l.start(Config{}, l.network(l.service(ir.TCP, l.ready(a))))
	conns := make([]*client, 0, n)
	for range n {
		conns = append(conns, l.dial(l.podA(1), port(l.cluster())))
	}
	for _, c := range conns {
		c.Write([]byte("x"))
		if _, err := c.r.ReadByte(); err != nil {
			t.Fatal(err)
		}
	}
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	if open := s.Stats().OpenConnections; open != n {
		t.Fatalf("%d open", open)
	}
	before := heap()
	for _, loop := range s.loops {
		loop.mu.Lock()
		for loop.open.first != nil {
			loop.open.first.cut()
		}
		loop.mu.Unlock()
	}
	if each := int64(before-heap()) / n; each > 1024 {
		t.Errorf("%d octets each", each)
	} else {
		t.Logf("%d octets each", each)
	}
}
