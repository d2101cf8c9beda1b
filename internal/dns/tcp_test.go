package dns

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// closes reports whether the server ends the connection.
func closes(t *testing.T, c net.Conn) {
	t.Helper()
	c.SetDeadline(time.Now().Add(patience))
	n, err := io.Copy(io.Discard, c)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		t.Error("the connection is open")
	}
	if n > 0 {
		t.Errorf("%d octets came", n)
	}
}

func TestSlowAndSilentClientsAreLetGo(t *testing.T) {
	t.Parallel()
	_, at := listening(t, Config{IdleTimeout: 50 * time.Millisecond}, example())
	for name, sent := range map[string][]byte{"silent": nil, "half a length": {0}, "half a query": framed(question(t, "cluster.local. A"))[:9]} {
		t.Run(name, func(t *testing.T) {
			c := dialed(t, "tcp", at)
			c.Write(sent)
			closes(t, c)
		})
	}
}

func TestWhatIsNoQueryEndsTheConnection(t *testing.T) {
	t.Parallel()
	_, at := listening(t, Config{}, example())
	response := question(t, "cluster.local. A")
	response[2] |= 0x80
	for name, sent := range map[string][]byte{"empty": {0, 0}, "short": {0, 3, 1, 2, 3}, "long": {0xff, 0xff}, "a response": framed(response)} {
		t.Run(name, func(t *testing.T) {
			c := dialed(t, "tcp", at)
			c.Write(sent)
			closes(t, c)
		})
	}
}

// A client that takes no answers costs its own connection, nobody else's
// answers, and a bounded time.
func TestAClientThatTakesNoAnswers(t *testing.T) {
	t.Parallel()
	s, at := listening(t, Config{IdleTimeout: 100 * time.Millisecond}, networkOf(many(1000)))
	c := dialed(t, "tcp", at).(*net.TCPConn)
	c.SetReadBuffer(1024)
	query := framed(question(t, "many.db.svc.cluster.local. A"))
	for {
		if _, err := c.Write(query); err != nil {
			break // the server has let go
		}
	}
	asks(t, at, "many.db.svc.cluster.local. A")
	for s.Stats().Connections > 0 {
		asks(t, at, "many.db.svc.cluster.local. A")
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	s, at := listening(t, Config{MaxConnections: 4}, example())
	from := func(ip string) net.Conn {
		d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(ip), 0))}
		c, err := d.Dial("tcp", at.String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	served := func(c net.Conn) {
		t.Helper()
		c.SetDeadline(time.Now().Add(patience))
		c.Write(framed(question(t, "cluster.local. A")))
		readFramed(t, c)
	}
	var open []net.Conn
	for i := range 4 {
		open = append(open, from(fmt.Sprintf("127.0.1.%d", i+1)))
		served(open[i])
	}
	closes(t, from("127.0.1.4")) // a quarter for each address
	served(open[0])              // now the second one is idle longest
	served(from("127.0.1.5"))
	closes(t, open[1])
	for _, i := range []int{0, 2, 3} {
		served(open[i])
	}
	if n := s.Stats().Connections; n != 4 {
		t.Errorf("%d connections", n)
	}
}

func TestOutstandingQueriesOfAConnectionAreBounded(t *testing.T) {
	t.Parallel()
	up := newResolver(t)
	up.set(func() { up.hold = make(chan struct{}) })
	s, at := forwarding(t, Config{}, up)
	c := dialed(t, "tcp", at)
	for i := range maxOutstanding + 4 {
		c.Write(framed(question(t, fmt.Sprintf("n%d.example.com. A", i), func(m *dnsmessage.Message) { m.ID = uint16(i) })))
	}
	for range maxOutstanding {
		<-up.arrived
	}
	if n := s.Stats().InFlight; n != maxOutstanding {
		t.Errorf("%d with the upstream", n)
	}
	close(up.hold)
	seen := map[uint16]bool{}
	for range maxOutstanding + 4 {
		seen[binary.BigEndian.Uint16(readFramed(t, c))] = true
	}
	if len(seen) != maxOutstanding+4 {
		t.Errorf("%d answers", len(seen))
	}
}
