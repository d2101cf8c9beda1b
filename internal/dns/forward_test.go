package dns

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"daemun/internal/ir"
)

// forwarding makes a server with these upstreams.
func forwarding(t testing.TB, c Config, upstreams ...*resolver) (*Server, netip.AddrPort) {
	t.Helper()
	for _, r := range upstreams {
		c.Upstreams = append(c.Upstreams, r.addr)
	}
	return listening(t, c, example())
}

func asks(t testing.TB, at netip.AddrPort, about string, change ...func(*dnsmessage.Message)) string {
	t.Helper()
	return text(t, overUDP(t, at, question(t, about, change...)))
}

func wants(t testing.TB, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n%s\nwant:\n%s", what, got, want)
	}
}

func TestForwarding(t *testing.T) {
	t.Parallel()
	up := newResolver(t)
	up.add("www.example.com. 60 A 192.0.2.1", "mail.example.com. 60 MX mx.example.com.", "alias.example.com. 60 CNAME WWW.example.com.",
		"5.2.0.192.in-addr.arpa. 60 PTR five.example.com.")
	_, at := forwarding(t, Config{}, up)
	for _, c := range []answerCase{
		{"address", "www.example.com. A", "NOERROR\nwww.example.com. 60 A 192.0.2.1"},
		{"the letter case of the query is kept", "WWW.Example.COM. A", "NOERROR\nWWW.Example.COM. 60 A 192.0.2.1"},
		{"names in data", "mail.example.com. MX", "NOERROR\nmail.example.com. 60 MX 10 mx.example.com."},
		{"alias, in order", "alias.example.com. A", "NOERROR\nalias.example.com. 60 CNAME WWW.example.com.\nwww.example.com. 60 A 192.0.2.1"},
		{"no such name", "no.example.com. A", "NXDOMAIN\nauthority example.com. 60 SOA ns.example.com. root.example.com. 0 30"},
		{"no such type", "www.example.com. MX", "NOERROR\nauthority example.com. 60 SOA ns.example.com. root.example.com. 0 30"},
		{"reverse name that matches nothing", "5.2.0.192.in-addr.arpa. PTR", "NOERROR\n5.2.0.192.in-addr.arpa. 60 PTR five.example.com."},
		{"alias of the zone", "out.ext.svc.cluster.local. A", "NOERROR aa\nout.ext.svc.cluster.local. 5 CNAME www.example.com.\nwww.example.com. 60 A 192.0.2.1"},
		{"alias of the zone without data", "out.ext.svc.cluster.local. AAAA", "NOERROR aa\nout.ext.svc.cluster.local. 5 CNAME www.example.com.\nauthority example.com. 60 SOA ns.example.com. root.example.com. 0 30"},
		{"names of the zone stay here", "nothing.default.svc.cluster.local. A", noName},
	} {
		for _, way := range []string{"asked", "cached"} {
			got := asks(t, at, c.question)
			if c.rule == "alias, in order" {
				got = strings.ReplaceAll(got, "WWW.example.com. 60 A", "www.example.com. 60 A")
			}
			wants(t, c.rule+", "+way, got, c.answer)
		}
	}
	up.mu.Lock()
	defer up.mu.Unlock()
	for _, asked := range up.asked {
		if strings.Contains(asked, "cluster.local") {
			t.Errorf("the upstream was asked for %s", asked)
		}
	}
}

func TestAliasOutOfTheZoneThatDoesNotResolve(t *testing.T) {
	t.Parallel()
	up := newResolver(t)
	_, at := forwarding(t, Config{}, up)
	const alone = "NOERROR aa\nout.ext.svc.cluster.local. 5 CNAME www.example.com."
	wants(t, "NXDOMAIN", asks(t, at, "out.ext.svc.cluster.local. A"), alone)
	up.set(func() { up.rcodes["www.example.com."] = dnsmessage.RCodeServerFailure })
	wants(t, "SERVFAIL", asks(t, at, "out.ext.svc.cluster.local. AAAA"), alone)
}

func TestRecursionMustBeDesired(t *testing.T) {
	t.Parallel()
	up := newResolver(t)
	_, at := forwarding(t, Config{}, up)
	got := asks(t, at, "www.example.com. A", func(m *dnsmessage.Message) { m.RecursionDesired = false })
	wants(t, "without RD", got, "REFUSED")
	if up.count() != 0 {
		t.Error("the upstream was asked")
	}
}

func TestTruncatedAnswersAreFetchedOverTCP(t *testing.T) {
	t.Parallel()
	up := newResolver(t)
	for i := range 200 {
		up.add(fmt.Sprintf("many.example.com. 60 A 192.0.2.%d", i))
	}
	_, at := forwarding(t, Config{}, up)
	got := overUDP(t, at, question(t, "many.example.com. A", withEDNS(1232)))
	if len(got) > 1232 || !strings.HasPrefix(text(t, got), "NOERROR tc\n") {
		t.Errorf("%d octets over UDP: %.40s", len(got), text(t, got))
	}
	c := dialed(t, "tcp", at)
	c.Write(framed(question(t, "many.example.com. A")))
	if all := text(t, readFramed(t, c)); strings.Count(all, "\n") != 200 {
		t.Errorf("%d records over TCP", strings.Count(all, "\n"))
	}
	if up.count() != 2 { // UDP and TCP, once
		t.Errorf("the upstream was asked %v", up.asked)
	}
}

func TestUpstreamWithoutEDNS(t *testing.T) {
	t.Parallel()
	up := newResolver(t)
	up.set(func() { up.plain = true })
	up.add("a.example.com. 60 A 192.0.2.1", "b.example.com. 60 A 192.0.2.2")
	_, at := forwarding(t, Config{}, up)
	wants(t, "first", asks(t, at, "a.example.com. A"), "NOERROR\na.example.com. 60 A 192.0.2.1")
	wants(t, "second", asks(t, at, "b.example.com. A"), "NOERROR\nb.example.com. 60 A 192.0.2.2")
	if up.count() != 3 {
		t.Errorf("asked %v: it was not remembered", up.asked)
	}
}

func TestTheNextUpstreamIsAsked(t *testing.T) {
	t.Parallel()
	broken, good := newResolver(t), newResolver(t)
	broken.set(func() { broken.rcodes["www.example.com."] = dnsmessage.RCodeServerFailure })
	good.add("www.example.com. 60 A 192.0.2.1", "two.example.com. 60 A 192.0.2.2")
	_, at := forwarding(t, Config{Upstreams: []netip.AddrPort{closedPort(t)}}, broken, good)
	wants(t, "after SERVFAIL", asks(t, at, "www.example.com. A"), "NOERROR\nwww.example.com. 60 A 192.0.2.1")
	broken.set(func() { broken.silent = true })
	s2, at2 := forwarding(t, Config{TryTimeout: 250 * time.Millisecond}, broken, good)
	wants(t, "after silence", asks(t, at2, "two.example.com. A"), "NOERROR\ntwo.example.com. 60 A 192.0.2.2")
	if st := s2.Stats(); st.ForwardFailed != 0 || st.Forwarded != 1 {
		t.Errorf("%+v", st)
	}
}

func TestUpstreamsThatAreDownCostNoTime(t *testing.T) {
	t.Parallel()
	gone := closedPort(t)
	s, at := forwarding(t, Config{Upstreams: []netip.AddrPort{gone}})
	wants(t, "down", asks(t, at, "a.example.com. A", withEDNS(1232)), "SERVFAIL\nadditional OPT size 1232 rcode+0 version 0 option 15 0016")
	if st := s.Stats(); st.DownUpstreams != 1 || st.ForwardFailed != 1 {
		t.Errorf("%+v", st)
	}
	// Nobody is asked now, so that this says nothing about time but much about
	// waiting: the resolver is back, and only its probe finds out.
	up := newResolverAt(t, gone)
	up.add("b.example.com. 1 A 192.0.2.1")
	select {
	case asked := <-up.arrived:
		if asked != ". NS" {
			t.Fatalf("the first question to the returned resolver is %s", asked)
		}
	case <-time.After(patience):
		t.Fatal("no probe")
	}
	for i := 0; s.Stats().DownUpstreams != 0; i++ {
		// The probe's answer is on its way.
		asks(t, at, fmt.Sprintf("x%d.example.com. A", i))
	}
	wants(t, "up again", asks(t, at, "b.example.com. A"), "NOERROR\nb.example.com. 1 A 192.0.2.1")
}

func TestForgedAnswersAreIgnored(t *testing.T) {
	t.Parallel()
	up := newResolver(t)
	up.add("www.example.com. 60 A 192.0.2.1")
	tamper := func(msg []byte) [][]byte {
		wrongID, wrongName, noAnswer := bytes.Clone(msg), bytes.Clone(msg), bytes.Clone(msg)
		binary.BigEndian.PutUint16(wrongID, binary.BigEndian.Uint16(msg)+1)
		wrongName[headerSize+1] = 'x'
		noAnswer[2] &^= 0x80
		return [][]byte{wrongID, wrongName, noAnswer, {1, 2, 3}, nil, msg}
	}
	up.set(func() { up.tamper = tamper })
	_, at := forwarding(t, Config{}, up)
	wants(t, "the right one", asks(t, at, "www.example.com. A"), "NOERROR\nwww.example.com. 60 A 192.0.2.1")
}

func TestIdsAndPortsOfQueriesDiffer(t *testing.T) {
	t.Parallel()
	up := newResolver(t)
	_, at := forwarding(t, Config{}, up)
	for i := range 20 {
		asks(t, at, fmt.Sprintf("n%d.example.com. A", i))
	}
	ids, ports := map[uint16]bool{}, map[string]bool{}
	up.mu.Lock()
	defer up.mu.Unlock()
	for i, q := range up.queries {
		ids[binary.BigEndian.Uint16(q)] = true
		ports[up.sources[i]] = true
	}
	if len(ids) < 18 || len(ports) < 15 {
		t.Errorf("%d ids and %d ports of 20 queries", len(ids), len(ports))
	}
}

func TestTheSameQuestionIsAskedOnce(t *testing.T) {
	t.Parallel()
	up := newResolver(t)
	up.add("www.example.com. 60 A 192.0.2.1")
	up.set(func() { up.hold = make(chan struct{}) })
	s, at := forwarding(t, Config{}, up)
	var answers sync.WaitGroup
	ask := func(name, want string) {
		c := dialed(t, "udp", at)
		c.Write(question(t, name))
		answers.Go(func() {
			buf := make([]byte, 512)
			n, err := c.Read(buf)
			if err != nil {
				t.Error(err)
				return
			}
			wants(t, "answer", text(t, buf[:n]), want)
		})
	}
	ask("www.example.com. A", "NOERROR\nwww.example.com. 60 A 192.0.2.1")
	<-up.arrived
	for range 5 {
		ask("WWW.example.com. A", "NOERROR\nWWW.example.com. 60 A 192.0.2.1")
	}
	for s.Stats().Coalesced < 5 {
		asks(t, at, "dns-version.cluster.local. TXT") // others do not wait
	}
	close(up.hold)
	answers.Wait()
	if up.count() != 1 {
		t.Errorf("asked %v", up.asked)
	}
}

func TestQuestionsWithUpstreamsAreBounded(t *testing.T) {
	t.Parallel()
	up := newResolver(t)
	up.set(func() { up.hold = make(chan struct{}) })
	s, at := forwarding(t, Config{MaxForwards: 4, TryTimeout: patience, ForwardTimeout: patience}, up) // one half for one client
	c := dialed(t, "udp", at)
	for i := range 2 {
		c.Write(question(t, fmt.Sprintf("n%d.example.com. A", i)))
		<-up.arrived
	}
	wants(t, "one too many", asks(t, at, "n9.example.com. A"), "SERVFAIL")
	// The same question may wait with the others, but not without end.
	for i := 2; i < 2*waitersPerFlight; i++ {
		c.Write(question(t, "n0.example.com. A"))
	}
	for s.Stats().Coalesced < 2*waitersPerFlight-2 {
		asks(t, at, "dns-version.cluster.local. TXT")
	}
	wants(t, "one too many of the same", asks(t, at, "n0.example.com. A"), "SERVFAIL")
	if st := s.Stats(); st.Overloaded != 2 || st.InFlight != 2 {
		t.Errorf("%+v", st)
	}
	close(up.hold)
}

func TestStubDomains(t *testing.T) {
	t.Parallel()
	up, corp, deep := newResolver(t), newResolver(t), newResolver(t)
	up.add("www.example.com. 60 A 192.0.2.1", "xcorp.test. 60 A 192.0.2.9")
	corp.add("www.corp.test. 60 A 192.0.2.2", "corp.test. 60 A 192.0.2.3")
	deep.add("www.deep.corp.test. 60 A 192.0.2.4")
	_, at := forwarding(t, Config{StubDomains: map[string][]netip.AddrPort{"corp.test": {corp.addr}, "Deep.Corp.Test.": {deep.addr}, "svc.cluster.local": {corp.addr}}}, up)
	wants(t, "rest", asks(t, at, "www.example.com. A"), "NOERROR\nwww.example.com. 60 A 192.0.2.1")
	wants(t, "stub", asks(t, at, "www.corp.test. A"), "NOERROR\nwww.corp.test. 60 A 192.0.2.2")
	wants(t, "stub itself", asks(t, at, "CORP.test. A"), "NOERROR\nCORP.test. 60 A 192.0.2.3")
	wants(t, "longest suffix", asks(t, at, "www.deep.corp.test. A"), "NOERROR\nwww.deep.corp.test. 60 A 192.0.2.4")
	wants(t, "whole labels", asks(t, at, "xcorp.test. A"), "NOERROR\nxcorp.test. 60 A 192.0.2.9")
	wants(t, "the zone is not given away", asks(t, at, "four.default.svc.cluster.local. A"), "NOERROR aa\nfour.default.svc.cluster.local. 5 A 10.96.0.4")
}

// logs collects what is logged.
type logs struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logs) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func TestTheServerDoesNotAskItself(t *testing.T) {
	t.Parallel()
	var out logs
	s := New(Config{Logger: slog.New(slog.NewTextHandler(&out, nil)), Upstreams: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:9")}})
	at, err := s.Listen(t.Context(), netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	s.forward.all[0].addr = at // as if resolv.conf had said so
	run(t, s)
	for i := range 3 {
		wants(t, "itself", asks(t, at, fmt.Sprintf("n%d.example.com. A", i)), "SERVFAIL")
	}
	if n := strings.Count(out.String(), "is this server itself"); n != 1 {
		t.Errorf("told %d times:\n%s", n, out.String())
	}
	for _, own := range []string{at.String(), fmt.Sprintf("[::ffff:127.0.0.1]:%d", at.Port())} {
		if !s.isOwn(netip.MustParseAddrPort(own)) {
			t.Errorf("%s is not known as ours", own)
		}
	}
	all := New(Config{Own: []netip.AddrPort{netip.MustParseAddrPort("10.96.0.10:53")}})
	defer all.Close()
	if at, err = all.Listen(t.Context(), netip.MustParseAddrPort("0.0.0.0:0")); err != nil {
		t.Fatal(err)
	}
	for _, own := range []string{"10.96.0.10:53", fmt.Sprintf("127.3.4.5:%d", at.Port()), fmt.Sprintf("[::1]:%d", at.Port())} {
		if !all.isOwn(netip.MustParseAddrPort(own)) {
			t.Errorf("%s is not known as ours", own)
		}
	}
	if all.isOwn(netip.MustParseAddrPort("10.96.0.10:54")) {
		t.Error("another port is not ours")
	}
}

// relay is what makes a loop that no address gives away: it passes on what
// change makes of each query.
func relay(t *testing.T, to *atomic.Pointer[netip.AddrPort], change func([]byte) []byte) netip.AddrPort {
	t.Helper()
	in, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	var tasks sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() {
		cancel()
		in.Close()
		tasks.Wait()
	})
	tasks.Go(func() {
		buf := make([]byte, 4096)
		for {
			n, from, err := in.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			query := change(bytes.Clone(buf[:n]))
			tasks.Go(func() {
				out, err := net.Dial("udp", to.Load().String())
				if err != nil {
					return
				}
				defer out.Close()
				defer context.AfterFunc(ctx, func() { out.Close() })()
				out.Write(query)
				answer := make([]byte, 4096)
				if n, err := out.Read(answer); err == nil {
					in.WriteToUDPAddrPort(answer[:n], from)
				}
			})
		}
	})
	return in.LocalAddr().(*net.UDPAddr).AddrPort()
}

func TestALoopIsRecognised(t *testing.T) {
	t.Parallel()
	var out logs
	var to atomic.Pointer[netip.AddrPort]
	c := Config{Logger: slog.New(slog.NewTextHandler(&out, nil)), Upstreams: []netip.AddrPort{relay(t, &to, func(b []byte) []byte { return b })}}
	s := New(c)
	at, err := s.Listen(t.Context(), netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	to.Store(&at)
	run(t, s)
	for i := range 3 {
		wants(t, "loop", asks(t, at, fmt.Sprintf("n%d.example.com. A", i)), "SERVFAIL")
	}
	if st := s.Stats(); st.Loops != 3 || st.UDP != 6 {
		t.Errorf("%+v", st)
	}
	if n := strings.Count(out.String(), "asks this server what it was asked by it"); n != 1 {
		t.Errorf("told %d times:\n%s", n, out.String())
	}
}

// A resolver in the loop that asks in its own words takes the mark away. What
// comes back then waits for itself, and ends with the first question.
func TestALoopWithoutTheMarkEnds(t *testing.T) {
	t.Parallel()
	var to atomic.Pointer[netip.AddrPort]
	unmarked := func(b []byte) []byte {
		at, _, _ := bytes.Cut(b[headerSize:], []byte{0, 0, byte(typeOPT)})
		b[11] = 0
		return b[:headerSize+len(at)]
	}
	s := New(Config{Upstreams: []netip.AddrPort{relay(t, &to, unmarked)}, TryTimeout: 50 * time.Millisecond, ForwardTimeout: 200 * time.Millisecond})
	at, err := s.Listen(t.Context(), netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	to.Store(&at)
	run(t, s)
	wants(t, "loop", asks(t, at, "www.example.com. A"), "SERVFAIL")
	// The question itself, once for each round; after that, probes.
	if st := s.Stats(); st.ByType["A"] > 1+rounds || st.Coalesced != st.ByType["A"]-1 {
		t.Errorf("%+v", st)
	}
}

func TestAddressesOfUpstreamsTakeTurns(t *testing.T) {
	t.Parallel()
	up := newResolver(t)
	up.add("www.example.com. 60 A 192.0.2.1", "www.example.com. 60 A 192.0.2.2", "www.example.com. 60 A 192.0.2.3", "alias.example.com. 60 CNAME www.example.com.")
	_, at := forwarding(t, Config{}, up)
	for _, name := range []string{"www.example.com. A", "alias.example.com. A", "out.ext.svc.cluster.local. A"} {
		first := map[[4]byte]bool{}
		for range 100 {
			var m dnsmessage.Message
			if err := m.Unpack(overUDP(t, at, question(t, name))); err != nil {
				t.Fatal(err)
			}
			all := map[[4]byte]bool{}
			for i, r := range m.Answers {
				if a, ok := r.Body.(*dnsmessage.AResource); ok {
					if len(all) == 0 {
						first[a.A] = true
					}
					all[a.A] = true
				} else if i > 0 {
					t.Fatal("an alias after an address")
				}
			}
			if len(all) != 3 {
				t.Fatalf("%s: %v", name, m.Answers)
			}
		}
		if len(first) != 3 {
			t.Errorf("%s: first of 100 answers were only %d addresses", name, len(first))
		}
	}
}

func TestForwardedAnswersOverTCPComeWhenTheyCome(t *testing.T) {
	t.Parallel()
	up := newResolver(t)
	up.add("www.example.com. 60 A 192.0.2.1")
	up.set(func() { up.hold = make(chan struct{}) })
	_, at := forwarding(t, Config{}, up)
	c := dialed(t, "tcp", at)
	withID := func(id uint16) func(*dnsmessage.Message) { return func(m *dnsmessage.Message) { m.ID = id } }
	c.Write(framed(question(t, "www.example.com. A", withID(1))))
	<-up.arrived
	c.Write(framed(question(t, "dns-version.cluster.local. TXT", withID(2))))
	if id := binary.BigEndian.Uint16(readFramed(t, c)); id != 2 {
		t.Errorf("first answer has id %d", id)
	}
	close(up.hold)
	if id := binary.BigEndian.Uint16(readFramed(t, c)); id != 1 {
		t.Errorf("second answer has id %d", id)
	}
}

func TestEndpointsOfExternalNamesFollowUpdates(t *testing.T) {
	t.Parallel()
	up := newResolver(t)
	up.add("a.example.com. 60 A 192.0.2.1")
	s, at := forwarding(t, Config{}, up)
	s.Update(networkOf(&ir.Service{Namespace: "x", Name: "y", ExternalName: "a.example.com"}))
	wants(t, "alias", asks(t, at, "y.x.svc.cluster.local. A"), "NOERROR aa\ny.x.svc.cluster.local. 5 CNAME a.example.com.\na.example.com. 60 A 192.0.2.1")
	s.Update(networkOf(&ir.Service{Namespace: "x", Name: "y", ClusterIPs: addrs("10.0.0.1")}))
	wants(t, "address", asks(t, at, "y.x.svc.cluster.local. A"), "NOERROR aa\ny.x.svc.cluster.local. 5 A 10.0.0.1")
}

// TestTimeoutsThatAnAnswerOvertookSayNothing: any number of questions that
// began before the resolver's last answer leave it up; those after it count.
func TestTimeoutsThatAnAnswerOvertookSayNothing(t *testing.T) {
	t.Parallel()
	clock := time.Unix(1000, 0)
	s := New(Config{Upstreams: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.53:53")}})
	s.now = func() time.Time { return clock }
	u, began := s.forward.all[0], clock
	clock = clock.Add(time.Second)
	s.forward.succeeded(u)
	for range 100 {
		s.forward.failedOnce(u, began, os.ErrDeadlineExceeded)
	}
	if u.down.Load() {
		t.Error("down by questions that began before it answered")
	}
	clock = clock.Add(time.Second)
	for range maxFailures {
		s.forward.failedOnce(u, clock, os.ErrDeadlineExceeded)
	}
	if !u.down.Load() {
		t.Error("up after as many failures as take a resolver down")
	}
}
