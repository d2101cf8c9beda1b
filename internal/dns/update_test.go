package dns

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
	"pgregory.net/rapid"

	"daemun/internal/ir"
)

// TestUpdatesAddUp: after any updates the server answers as one that has seen
// the last Network only.
func TestUpdatesAddUp(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		s := New(Config{})
		pool := map[string]*ir.Service{}
		var last *ir.Network
		for range rapid.IntRange(1, 6).Draw(rt, "updates") {
			for range rapid.IntRange(0, 4).Draw(rt, "changes") {
				name := fmt.Sprintf("s%d", rapid.IntRange(0, 3).Draw(rt, "service"))
				if rapid.Bool().Draw(rt, "remove") {
					delete(pool, name)
				} else {
					pool[name] = drawService(rt, name)
				}
			}
			var list []*ir.Service
			for _, svc := range pool {
				list = append(list, svc)
			}
			last = networkOf(list...)
			s.Update(last)
		}
		fresh := New(Config{})
		fresh.Update(last)
		for i := range 4 {
			name := fmt.Sprintf("s%d", i)
			for _, ns := range []string{"a", "b"} {
				rest := name + "." + ns + ".svc.cluster.local. "
				for _, question := range []string{rest + "A", "h0." + rest + "A", "10-0-0-1." + rest + "A", "_p._tcp." + rest + "SRV"} {
					same(rt, t, s, fresh, question)
				}
			}
		}
		for i := range 6 {
			same(rt, t, s, fresh, fmt.Sprintf("%d.0.0.10.in-addr.arpa. PTR", i))
		}
		a, b := s.zone.Load(), fresh.zone.Load()
		if a.services.count != b.services.count || a.reverse.count != b.reverse.count {
			rt.Errorf("%d services and %d reverse names, fresh %d and %d", a.services.count, a.reverse.count, b.services.count, b.reverse.count)
		}
	})
}

// TestReverseOfRepeatedEndpoints: an address that was listed twice keeps its name
// when it is listed once.
func TestReverseOfRepeatedEndpoints(t *testing.T) {
	t.Parallel()
	service := func(times int) *ir.Network {
		s := &ir.Service{Namespace: "a", Name: "s", Headless: true, Ports: []ir.ServicePort{port("p", ir.TCP, 80)}}
		for range times {
			s.Endpoints = append(s.Endpoints, endpoint("10.0.0.1/h0", 8080))
		}
		return networkOf(s)
	}
	s := New(Config{})
	for _, times := range []int{2, 1, 3, 1} {
		s.Update(service(times))
		if got, want := direct(t, s, question(t, "1.0.0.10.in-addr.arpa. PTR"), maxTCP), "NOERROR aa\n1.0.0.10.in-addr.arpa. 5 PTR h0.s.a.svc.cluster.local."; got != want {
			t.Errorf("listed %d times:\n%s", times, got)
		}
	}
	s.Update(networkOf())
	if n := s.zone.Load().reverse.count; n != 0 {
		t.Errorf("%d reverse names of nothing", n)
	}
}

func same(rt *rapid.T, t *testing.T, a, b *Server, text string) {
	q := question(t, text)
	if got, want := direct(t, a, q, maxTCP), direct(t, b, q, maxTCP); got != want {
		rt.Errorf("%s:\n%s\nfresh:\n%s", text, got, want)
	}
}

func drawService(t *rapid.T, name string) *ir.Service {
	addr := func() netip.Addr {
		return netip.AddrFrom4([4]byte{10, 0, 0, byte(rapid.IntRange(0, 5).Draw(t, "address"))})
	}
	s := &ir.Service{Namespace: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "namespace"), Name: name, Ports: []ir.ServicePort{port("p", ir.TCP, 80)}}
	switch rapid.IntRange(0, 2).Draw(t, "kind") {
	case 0:
		s.ClusterIPs = []netip.Addr{addr()}
	case 1:
		s.Headless = true
		for range rapid.IntRange(0, 4).Draw(t, "endpoints") {
			e := ir.ServiceEndpoint{Addr: addr(), Ports: []uint16{8080}, Ready: rapid.Bool().Draw(t, "ready")}
			e.Hostname = rapid.SampledFrom([]string{"", "h0", "h1"}).Draw(t, "hostname")
			s.Endpoints = append(s.Endpoints, e)
		}
	case 2:
		s.ExternalName = "s1.a.svc.cluster.local"
	}
	return s
}

// TestChurn asks while endpoints come and go: each answer is of one Network,
// and nothing that was not ready is ever in it.
func TestChurn(t *testing.T) {
	t.Parallel()
	const generations, size = 400, 8
	// In generation g exactly the addresses 10.g.x.y are ready.
	generation := func(g int) *ir.Network {
		s := &ir.Service{Namespace: "db", Name: "pg", Headless: true, Ports: []ir.ServicePort{port("sql", ir.TCP, 1)}}
		for i := range size {
			s.Endpoints = append(s.Endpoints,
				endpoint(fmt.Sprintf("10.%d.%d.%d/h%d", g>>8, g&255, i, i), uint16(g+1)),
				endpoint(fmt.Sprintf("10.255.%d.%d/h%d!", g&255, i, i), uint16(g+1)))
		}
		n := networkOf(s)
		n.Revision = uint64(g)
		return n
	}
	s, at := listening(t, Config{}, generation(0))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for g := range generations {
			s.Update(generation(g))
		}
	}()
	c := dialed(t, "udp", at)
	buf := make([]byte, maxUDP)
	queries := [][]byte{question(t, "pg.db.svc.cluster.local. A"), question(t, "_sql._tcp.pg.db.svc.cluster.local. SRV", withEDNS(1232))}
	last := 0
	for i := 0; ; i++ {
		if _, err := c.Write(queries[i%2]); err != nil {
			t.Fatal(err)
		}
		n, err := c.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		g := oneGeneration(t, buf[:n], size)
		if g < last {
			t.Fatalf("generation %d after %d", g, last)
		}
		last = g
		select {
		case <-done:
			if i%2 == 0 && last == generations-1 {
				return
			}
		default:
		}
	}
}

// oneGeneration checks that all records of an answer are of one generation.
func oneGeneration(t *testing.T, answer []byte, size int) int {
	t.Helper()
	var m dnsmessage.Message
	if err := m.Unpack(answer); err != nil {
		t.Fatal(err)
	}
	if len(m.Answers) != size || m.RCode != dnsmessage.RCodeSuccess {
		t.Fatalf("%d answers, %v", len(m.Answers), m.RCode)
	}
	seen := -1
	for _, r := range append(m.Answers, m.Additionals...) {
		g := seen
		switch b := r.Body.(type) {
		case *dnsmessage.AResource:
			if b.A[1] == 255 {
				t.Fatal("an address that was never ready")
			}
			g = int(b.A[1])<<8 | int(b.A[2])
		case *dnsmessage.SRVResource:
			g = int(b.Port) - 1
		}
		if seen >= 0 && g != seen {
			t.Fatalf("records of generations %d and %d in one answer", seen, g)
		}
		seen = g
	}
	return seen
}

// TestTable compares with a map.
func TestTable(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	current, want := newTable[int](), map[string]int{}
	for range 200 {
		before, kept := current, len(want)
		e := current.edit()
		for range random.IntN(50) {
			key := fmt.Sprint(random.IntN(500))
			if random.IntN(3) == 0 {
				e.remove(key)
				delete(want, key)
			} else {
				v := random.Int()
				e.set(key, v)
				want[key] = v
			}
		}
		current = e.done()
		if before.count != kept {
			t.Fatal("an edit wrote the table it began with")
		}
		if current.count != len(want) {
			t.Fatalf("%d entries, want %d", current.count, len(want))
		}
		for i := range 500 {
			key := fmt.Sprint(i)
			got, ok := current.get([]byte(key))
			if v, in := want[key]; ok != in || got != v {
				t.Fatalf("%s: %d %v, want %d %v", key, got, ok, v, in)
			}
		}
	}
}

func TestAnEditOfNothingIsTheSameTable(t *testing.T) {
	t.Parallel()
	s := New(Config{})
	n := large(200)
	s.Update(n)
	before := s.zone.Load()
	next := *n
	next.Revision++
	s.Update(&next)
	after := s.zone.Load()
	if before.services != after.services || before.reverse != after.reverse {
		t.Error("Services that did not change were copied")
	}
	if after.serial == before.serial {
		t.Error("the serial number is that of the Network before")
	}
}

func TestImpossibleNamesHaveNoRecords(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 64)
	s := New(Config{})
	s.Update(networkOf(
		&ir.Service{Namespace: "a", Name: long, ClusterIPs: addrs("10.0.0.1")},
		&ir.Service{Namespace: "", Name: "b", ClusterIPs: addrs("10.0.0.2")},
		&ir.Service{Namespace: "a", Name: "c", ExternalName: long + ".example.com"},
		&ir.Service{Namespace: "a", Name: "d", ExternalName: "a..b"},
		&ir.Service{Namespace: "a", Name: "e", Headless: true, Endpoints: []ir.ServiceEndpoint{{Ready: true}, {Ready: true, Addr: addrs("10.0.0.3")[0], Hostname: long}}},
		&ir.Service{Namespace: "a", Name: "f", ClusterIPs: []netip.Addr{{}}},
	))
	for text, want := range map[string]string{
		"c.a.svc.cluster.local. A": noName, "d.a.svc.cluster.local. A": noName, "e.a.svc.cluster.local. A": noName, "f.a.svc.cluster.local. A": noData,
	} {
		wants(t, text, direct(t, s, question(t, text), maxUDP), want)
	}
}
