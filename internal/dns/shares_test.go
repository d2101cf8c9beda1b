package dns

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"
)

// dialedFrom is a UDP socket of an address.
func dialedFrom(t testing.TB, from string, to netip.AddrPort) net.Conn {
	t.Helper()
	c, err := net.DialUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(from), 0)), net.UDPAddrFromAddrPort(to))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestNoAddressTakesAllOfTheUpstreams: who asks for names that are slow to come
// stands in his own way, over both transports, with his own questions and with
// those of others.
func TestNoAddressTakesAllOfTheUpstreams(t *testing.T) {
	t.Parallel()
	const most = 10
	up := newResolver(t)
	up.set(func() { up.hold = make(chan struct{}) })
	s, at := forwarding(t, Config{MaxForwards: most, TryTimeout: patience, ForwardTimeout: patience}, up)
	greedy, tcp := dialedFrom(t, "127.0.0.9", at), dialed(t, "tcp", at)
	asked := 0
	for ; s.Stats().Overloaded == 0; asked++ {
		if asked == most {
			t.Fatal("one address has all places")
		}
		greedy.Write(question(t, fmt.Sprintf("slow%d.example.com. A", asked)))
		for st := s.Stats(); st.InFlight+int(st.Overloaded) <= asked; st = s.Stats() {
			asks(t, at, "dns-version.cluster.local. TXT") // others do not wait
		}
	}
	if asked-1 != most/2 {
		t.Errorf("one address has %d places", asked-1)
	}
	tcp.Write(framed(question(t, "www.example.com. A")))
	udp := dialed(t, "udp", at)
	udp.Write(question(t, "www.example.com. AAAA"))
	for st := s.Stats(); st.InFlight < asked+1; st = s.Stats() {
		if asks(t, at, "dns-version.cluster.local. TXT"); st.Overloaded > 1 {
			t.Fatal("another address has no place")
		}
	}
	close(up.hold)
	readFramed(t, tcp)
}

// TestSharesAreGivenBack: however many take what they can, each next one finds
// something when what they had out has ended once, and nothing is left of those
// that have gone.
func TestSharesAreGivenBack(t *testing.T) {
	t.Parallel()
	s := newShares(1000, 8000)
	var taken [100]int
	at := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}) }
	takes := func(i int) {
		for s.take(at(i), true) {
			taken[i]++
		}
	}
	for i := range taken {
		if takes(i); taken[i] == 0 {
			t.Fatalf("nothing is left for the address %d", i)
		}
		for old := range i {
			for range taken[old] {
				s.give(at(old), true)
				taken[old]--
				takes(old)
			}
		}
	}
	for i, n := range taken {
		for range n {
			s.give(at(i), true)
		}
	}
	if s.flights != 0 || s.waiters != 0 || len(s.of) != 0 {
		t.Errorf("%+v", s)
	}
}
