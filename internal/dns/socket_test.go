package dns

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/dns/dnsmessage"

	"daemun/internal/ir"
)

// patience is how long a test waits for what must come.
const patience = 30 * time.Second

func dialed(t testing.TB, network string, to netip.AddrPort) net.Conn {
	t.Helper()
	c, err := net.Dial(network, to.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return c
}

func overUDP(t testing.TB, to netip.AddrPort, query []byte) []byte {
	t.Helper()
	c := dialed(t, "udp", to)
	if _, err := c.Write(query); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, maxTCP)
	n, err := c.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	return buf[:n]
}

func framed(query []byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(query))), query...)
}

func readFramed(t testing.TB, c io.Reader) []byte {
	t.Helper()
	var size [2]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(c, b); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBothTransportsOnOnePort(t *testing.T) {
	t.Parallel()
	_, at := listening(t, Config{}, example())
	const want = "NOERROR aa\nfour.default.svc.cluster.local. 5 A 10.96.0.4"
	query := question(t, "four.default.svc.cluster.local. A")
	if got := text(t, overUDP(t, at, query)); got != want {
		t.Errorf("UDP: %s", got)
	}
	c := dialed(t, "tcp", at)
	c.Write(framed(query))
	if got := text(t, readFramed(t, c)); got != want {
		t.Errorf("TCP: %s", got)
	}
}

func TestQueriesOfOneConnectionMayFollowEachOther(t *testing.T) {
	t.Parallel()
	_, at := listening(t, Config{}, example())
	c := dialed(t, "tcp", at)
	var all []byte
	for i := range 10 {
		all = append(all, framed(question(t, "four.default.svc.cluster.local. A", func(m *dnsmessage.Message) { m.ID = uint16(i) }))...)
	}
	// The last one in two pieces.
	c.Write(all[:len(all)-5])
	for i := range 9 {
		if id := binary.BigEndian.Uint16(readFramed(t, c)); id != uint16(i) {
			t.Fatalf("answer %d has id %d", i, id)
		}
	}
	c.Write(all[len(all)-5:])
	if id := binary.BigEndian.Uint16(readFramed(t, c)); id != 9 {
		t.Fatalf("the last answer has id %d", id)
	}
}

// many makes a headless Service with more addresses than a datagram holds.
func many(n int) *ir.Service {
	s := &ir.Service{Namespace: "db", Name: "many", Headless: true, Ports: []ir.ServicePort{port("sql", ir.TCP, 1)}}
	for i := range n {
		s.Endpoints = append(s.Endpoints, endpoint(fmt.Sprintf("10.1.%d.%d", i/256, i%256), 1))
	}
	return s
}

func TestTruncation(t *testing.T) {
	t.Parallel()
	_, at := listening(t, Config{}, networkOf(many(1000)))
	for _, c := range []struct {
		name   string
		change []func(*dnsmessage.Message)
		most   int
	}{
		{"without EDNS", nil, 512},
		{"small size", []func(*dnsmessage.Message){withEDNS(100)}, 512},
		{"medium size", []func(*dnsmessage.Message){withEDNS(700)}, 700},
		{"large size", []func(*dnsmessage.Message){withEDNS(65000)}, 1232},
	} {
		got := overUDP(t, at, question(t, "many.db.svc.cluster.local. A", c.change...))
		if len(got) > c.most || len(got) < c.most-40 {
			t.Errorf("%s: %d octets, at most %d", c.name, len(got), c.most)
		}
		if !strings.HasPrefix(text(t, got), "NOERROR aa tc\n") {
			t.Errorf("%s: %.60s", c.name, text(t, got))
		}
	}
	c := dialed(t, "tcp", at)
	c.Write(framed(question(t, "many.db.svc.cluster.local. A")))
	if got := text(t, readFramed(t, c)); strings.Count(got, "\n") != 1000 || !strings.HasPrefix(got, "NOERROR aa\n") {
		t.Errorf("TCP: %.60s… with %d records", got, strings.Count(got, "\n"))
	}
	c.Write(framed(question(t, "_sql._tcp.many.db.svc.cluster.local. SRV")))
	if got := readFramed(t, c); len(got) > maxTCP || !strings.HasPrefix(text(t, got), "NOERROR aa") {
		t.Errorf("TCP, SRV: %d octets", len(got))
	}
}

func TestPortZeroIsFreeForBoth(t *testing.T) {
	t.Parallel()
	s := New(Config{})
	defer s.Close()
	for range 20 {
		at, err := s.Listen(t.Context(), netip.MustParseAddrPort("127.0.0.1:0"))
		if err != nil {
			t.Fatal(err)
		}
		if at.Port() == 0 {
			t.Fatal("no port")
		}
	}
}

func TestAnAddressInUseIsFoundOut(t *testing.T) {
	t.Parallel()
	first, second := New(Config{}), New(Config{Flag: "--dns-port"})
	defer first.Close()
	defer second.Close()
	at, err := first.Listen(t.Context(), netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = second.Listen(t.Context(), at)
	want := "DNS on " + at.String() + ": address already in use by another program, perhaps the system's own resolver; choose another with --dns-port"
	if err == nil || err.Error() != want || !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("%v", err)
	}
	// Also if it is only the UDP port, and another server of ours has it.
	if _, err := listenUDP(t.Context(), at); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("UDP: %v", err)
	}
	_, err = second.Listen(t.Context(), netip.MustParseAddrPort("192.0.2.1:53"))
	if err == nil || !strings.Contains(err.Error(), "no network interface of this machine has that address") {
		t.Errorf("%v", err)
	}
}

func TestListenWhileRunning(t *testing.T) {
	t.Parallel()
	s, _ := listening(t, Config{}, example())
	at, err := s.Listen(context.Background(), netip.MustParseAddrPort("127.7.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	if got := text(t, overUDP(t, at, question(t, "dns-version.cluster.local. TXT"))); !strings.HasPrefix(got, "NOERROR aa\n") {
		t.Error(got)
	}
}

// A socket on all addresses answers from the one that was asked: clients with a
// connected socket take no other.
func TestAnswersLeaveFromTheAddressThatWasAsked(t *testing.T) {
	t.Parallel()
	for all, asked := range map[string][]string{"0.0.0.0:0": {"127.0.0.1", "127.8.8.8", "127.99.1.2"}, "[::]:0": {"127.0.0.1", "127.8.8.8", "::1"}} {
		s := New(Config{})
		at, err := s.Listen(t.Context(), netip.MustParseAddrPort(all))
		if errors.Is(err, syscall.EAFNOSUPPORT) {
			continue // a machine without IPv6
		}
		if err != nil {
			t.Fatal(err)
		}
		s.Update(example())
		run(t, s)
		for _, a := range asked {
			to := netip.AddrPortFrom(netip.MustParseAddr(a), at.Port())
			if got := text(t, overUDP(t, to, question(t, "dns-version.cluster.local. TXT"))); !strings.HasPrefix(got, "NOERROR aa\n") {
				t.Errorf("%s: %s", to, got)
			}
		}
	}
}

func TestRunEndsWithContextAndWithClose(t *testing.T) {
	t.Parallel()
	s := New(Config{})
	if _, err := s.Listen(t.Context(), netip.MustParseAddrPort("127.0.0.1:0")); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if err := s.Run(t.Context()); err != nil {
		t.Error(err)
	}
	if err := s.Run(t.Context()); err == nil {
		t.Error("Run runs twice")
	}
}

func TestStats(t *testing.T) {
	t.Parallel()
	s, at := listening(t, Config{}, example())
	overUDP(t, at, question(t, "web.default.svc.cluster.local. A"))
	overUDP(t, at, question(t, "nothing.default.svc.cluster.local. AAAA"))
	c := dialed(t, "tcp", at)
	c.Write(framed(question(t, "cluster.local. TXT")))
	readFramed(t, c)
	got := s.Stats()
	want := Stats{
		UDP: 2, TCP: 1, ByType: map[string]uint64{"A": 1, "AAAA": 1, "TXT": 1}, ByRcode: map[string]uint64{"NOERROR": 2, "NXDOMAIN": 1}, Connections: 1,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestClientsAreSpreadOverSockets(t *testing.T) {
	t.Parallel()
	s, at := listening(t, Config{}, example())
	if len(s.udp) < 2 {
		return // one core, one socket
	}
	q := question(t, "dns-version.cluster.local. TXT")
	for range 200 {
		overUDP(t, at, q)
	}
	for i, u := range s.udp {
		if n := u.counters.types[5].Load(); n == 0 {
			t.Errorf("socket %d of %d got none of 200 queries", i, len(s.udp))
		}
	}
}
