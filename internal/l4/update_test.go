package l4

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"daemun/internal/ir"
)

// TestRejectAndComeBack: without a usable endpoint a frontend refuses, with
// the first one it serves; connections outlive all of it.
func TestRejectAndComeBack(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	a := l.endpoint(port(l.podA(0)))
	s := l.start(Config{}, l.network(l.service(ir.TCP)))
	everywhere := []netip.AddrPort{port(l.cluster()), port(l.balancer()), port(l.external()), nodeP(l.nodeA()), nodeP(l.nodeB())}
	refused := func(state string) {
		for _, to := range everywhere {
			if got := l.outcome(l.podA(1), to); got != "refused" {
				t.Errorf("%s: %s: %s", state, to, got)
			}
		}
	}
	refused("no endpoint")
	s.Update(l.network(l.service(ir.TCP, l.ready(a))))
	kept := l.dial(l.podA(1), port(l.cluster()))
	kept.hello()
	s.Update(l.network(l.service(ir.TCP, notReady(terminating(l.ready(a))))))
	refused("terminating, not serving")
	s.Update(l.network(l.service(ir.TCP, terminating(l.ready(a)))))
	if got := l.outcome(l.podA(1), port(l.cluster())); got != "64 sees 65" {
		t.Errorf("terminating, serving: %s", got)
	}
	s.Update(l.network())
	refused("no Service")
	s.Update(l.network(l.service(ir.TCP, l.ready(a))))
	if got := l.outcome(l.podA(1), port(l.cluster())); got != "64 sees 65" {
		t.Errorf("back: %s", got)
	}
	fmt.Fprintln(kept, "still here")
	if line, err := kept.r.ReadString('\n'); line != "still here\n" {
		t.Errorf("old connection: %q, %v", line, err)
	}
}

func TestNoFrontends(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	a := l.endpoint(port(l.podA(0)))
	for name, change := range map[string]func(*ir.Service){
		"headless":     func(s *ir.Service) { s.Headless = true },
		"unproxied":    func(s *ir.Service) { s.Unproxied = true },
		"ExternalName": func(s *ir.Service) { s.ExternalName = "example.com" },
	} {
		sv := l.service(ir.TCP, l.ready(a))
		change(sv)
		s := l.start(Config{}, l.network(sv))
		if st := s.Stats(); st.Frontends != 0 {
			t.Errorf("%s: %+v", name, st)
		}
	}
}

// TestPortsComeAndGo leaves the connections of other ports alone.
func TestPortsComeAndGo(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	a := l.endpoint(port(l.podA(0)))
	two := func(numbers ...uint16) *ir.Network {
		sv := l.service(ir.TCP, l.ready(a))
		sv.Ports, sv.Endpoints[0].Ports = nil, nil
		for _, n := range numbers {
			sv.Ports = append(sv.Ports, ir.ServicePort{Name: fmt.Sprint(n), Transport: ir.TCP, Port: n})
			sv.Endpoints[0].Ports = append(sv.Endpoints[0].Ports, a.Port())
		}
		return l.network(sv)
	}
	s := l.start(Config{}, two(8000))
	kept := l.dial(l.podA(1), port(l.cluster()))
	kept.hello()
	s.Update(two(8001, 8002))
	for number, want := range map[uint16]string{8000: "refused", 8001: "64 sees 65", 8002: "64 sees 65"} {
		if got := l.outcome(l.podA(1), netip.AddrPortFrom(l.cluster(), number)); got != want {
			t.Errorf("port %d: %s", number, got)
		}
	}
	fmt.Fprintln(kept, "on")
	if line, _ := kept.r.ReadString('\n'); line != "on\n" {
		t.Errorf("old connection: %q", line)
	}
}

// TestClaims: who has an address keeps it; of two new ones the first by
// namespace and name gets it; the other follows when it is free.
func TestClaims(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	a, b := l.endpoint(port(l.podA(0))), l.endpoint(port(l.podB(0)))
	one := l.service(ir.TCP, l.ready(a))
	two := l.service(ir.TCP, l.ready(b))
	one.Name, two.Name = "one", "two"
	s, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	s.Update(l.network(one, two))
	done := make(chan error)
	go func() { done <- s.Run(t.Context()) }()
	defer func() { s.Shutdown(t.Context()); <-done }()
	if got := l.outcome(l.podA(1), port(l.cluster())); got != "64 sees 65" {
		t.Error(got)
	}
	problems := s.Problems()
	if len(problems) != 5 || problems[0].Code != codeClaimed || problems[0].Object.Name != "two" || !strings.Contains(problems[0].Message, "Service shop/one already has TCP") {
		t.Errorf("%v", problems)
	}
	s.Update(l.network(two))
	if got := l.outcome(l.podA(1), port(l.cluster())); got != "128 sees 65" {
		t.Error(got)
	}
	if len(s.Problems()) != 0 {
		t.Errorf("%v", s.Problems())
	}
	s.Update(l.network(one, two)) // two serves already
	if got := l.outcome(l.podA(1), port(l.cluster())); got != "128 sees 65" {
		t.Error(got)
	}
	d := s.Decide(ir.TCP, port(l.cluster()), l.podA(1))
	if d.Service.Name != "two" || len(d.Others) != 1 || d.Others[0].Name != "one" {
		t.Errorf("%+v", d)
	}
}

// TestInUse: another program has the port; when it is gone any update opens it.
func TestInUse(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	a := l.endpoint(port(l.podA(0)))
	s, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Shutdown(t.Context())
	other := l.listen(port(l.cluster()))
	n := l.network(l.service(ir.TCP, l.ready(a)))
	n.Services[0].ExternalIPs = []netip.Addr{netip.MustParseAddr("192.0.2.1")}
	s.Update(n)
	codes := ""
	for _, p := range s.Problems() {
		codes += p.Code + " "
	}
	if codes != codeElsewhere+" "+codeInUse+" " {
		t.Errorf("%v", s.Problems())
	}
	if st := s.Stats(); st.Failed != 2 || st.Listening != 3 {
		t.Errorf("%+v", st)
	}
	other.Close()
	s.Update(n)
	if st := s.Stats(); st.Failed != 1 || st.Listening != 4 {
		t.Errorf("%+v", st)
	}
}

// TestNodesMove: node ports follow the nodes.
func TestNodesMove(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	a := l.endpoint(port(l.podA(0)))
	sv := l.service(ir.TCP, l.ready(a))
	s := l.start(Config{}, &ir.Network{Nodes: l.nodes()[:1], Services: []*ir.Service{sv}})
	if got := l.outcome(l.outside(), nodeP(l.nodeB())); got != "refused" {
		t.Error(got)
	}
	s.Update(&ir.Network{Nodes: l.nodes(), Services: []*ir.Service{sv}})
	if got := l.outcome(l.outside(), nodeP(l.nodeB())); got != "64 sees 2" {
		t.Error(got)
	}
	s.Update(&ir.Network{Services: []*ir.Service{sv}})
	if got := l.outcome(l.outside(), port(l.cluster())); got != "64 sees 50" {
		t.Errorf("without nodes: %s", got)
	}
}

// TestSourceRanges of a load balancer drop others before the handshake and
// leave its other addresses alone.
func TestSourceRanges(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	a := l.endpoint(port(l.podA(0)))
	sv := l.service(ir.TCP, l.ready(a))
	sv.SourceRanges = []netip.Prefix{netip.PrefixFrom(l.at(50), 32), netip.PrefixFrom(l.at(128), 26)}
	s := l.start(Config{}, l.network(sv))
	for _, row := range []struct {
		from netip.Addr
		to   netip.AddrPort
		want string
	}{
		{l.outside(), port(l.balancer()), "64 sees"},
		{l.podB(3), port(l.balancer()), "64 sees"},
		{l.at(51), port(l.balancer()), "dropped"},
		{l.podA(1), port(l.balancer()), "dropped"},
		{l.at(51), nodeP(l.nodeA()), "64 sees"},
		{l.at(51), port(l.external()), "64 sees"},
		{l.podA(1), port(l.cluster()), "64 sees"},
	} {
		if got := l.wanted(row.from, row.to, row.want); !strings.HasPrefix(got, dropped(row.want)) {
			t.Errorf("%s to %s: %s, want %s", row.from, row.to, got, row.want)
		}
		if d := s.Decide(ir.TCP, row.to, row.from); (d.Verdict == Drop) != (row.want == "dropped") {
			t.Errorf("%s to %s: Decide says %s", row.from, row.to, d.Verdict)
		}
	}
	wide := *sv
	wide.SourceRanges = nil
	s.Update(l.network(&wide))
	if got := l.outcome(l.at(51), port(l.balancer())); !strings.HasPrefix(got, "64 sees") {
		t.Errorf("ranges gone: %s", got)
	}
}

// TestChurn changes endpoints while clients connect: nobody is refused while
// an endpoint is ready, and nobody reaches one that is not.
func TestChurn(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	endpoints := []netip.AddrPort{l.endpoint(port(l.podA(0))), l.endpoint(port(l.podA(1))), l.endpoint(port(l.podB(0)))}
	state := func(out int) *ir.Network {
		var all []ir.ServiceEndpoint
		for i, e := range endpoints {
			if i == out {
				all = append(all, notReady(l.ready(e)))
			} else {
				all = append(all, l.ready(e))
			}
		}
		return l.network(l.service(ir.TCP, all...))
	}
	s := l.start(Config{}, state(0))
	// turns counts the updates; the endpoint that is out after turn i is i % 3.
	// A client that saw the same turn before and after knows which was out.
	var mu sync.Mutex
	turns, updating := 0, false
	look := func() (int, bool) {
		mu.Lock()
		defer mu.Unlock()
		return turns, updating
	}
	stop := make(chan struct{})
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				before, busy := look()
				c, err := dial(l.podA(byte(10+i)), port(l.cluster()), patience)
				if err != nil {
					t.Error(err)
					return
				}
				e, _, err := c.hello()
				c.Close()
				if err != nil {
					t.Error(err)
					return
				}
				if after, again := look(); after == before && !busy && !again && e == endpoints[before%3] {
					t.Errorf("reached %s, which was not ready", e)
				}
			}
		})
	}
	for i := 1; i <= 200; i++ {
		mu.Lock()
		updating = true
		mu.Unlock()
		s.Update(state(i % 3))
		mu.Lock()
		turns, updating = i, false
		mu.Unlock()
		l.until("a client comes", func() bool { return s.Stats().Connections >= uint64(2*i) })
	}
	close(stop)
	all.Wait()
}

// TestShutdownDrains: connections end by themselves, then are cut.
func TestShutdownDrains(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	a := l.endpoint(port(l.podA(0)))
	for _, cut := range []bool{false, true} {
		s, err := New(Config{})
		if err != nil {
			t.Fatal(err)
		}
		s.Update(l.network(l.service(ir.TCP, l.ready(a))))
		done := make(chan error, 1)
		go func() { done <- s.Run(t.Context()) }()
		c := l.dial(l.podA(1), port(l.cluster()))
		c.hello()
		ctx, cancel := newDeadline()
		ended := make(chan error, 1)
		go func() { ended <- s.Shutdown(ctx) }()
		l.until("nobody listens", func() bool { return l.outcome(l.podA(1), port(l.cluster())) == "refused" })
		fmt.Fprintln(c, "still here")
		if line, err := c.r.ReadString('\n'); line != "still here\n" {
			t.Errorf("draining: %q, %v", line, err)
		}
		if cut {
			cancel()
		} else {
			c.Close()
		}
		if err := <-ended; (err != nil) != cut {
			t.Errorf("cut %v: %v", cut, err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		if _, err := c.r.ReadByte(); cut && failure(err) != "reset" {
			t.Errorf("cut: %v", err)
		}
		cancel()
	}
}

// TestRunEndsWithItsContext and everything with it.
func TestRunEndsWithItsContext(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	a := l.endpoint(port(l.podA(0)))
	s, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	s.Update(l.network(l.service(ir.TCP, l.ready(a))))
	ctx, cancel := newDeadline()
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	c := l.dial(l.podA(1), port(l.cluster()))
	c.hello()
	cancel()
	<-done
	if _, err := c.r.ReadByte(); failure(err) != "reset" {
		t.Error(err)
	}
	s.Update(l.network(l.service(ir.TCP, l.ready(a)))) // does nothing any more
	if s.Stats().Frontends != 0 {
		t.Error("an ended server listens")
	}
	s.Shutdown(t.Context())
}

// TestWithoutFilters: where the kernel attaches no program the same clients
// get nothing, only later; it is a notice.
func TestWithoutFilters(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	a := l.endpoint(port(l.podA(0)))
	sv := l.service(ir.TCP, l.ready(a))
	sv.InternalLocal, sv.SourceRanges = true, []netip.Prefix{netip.PrefixFrom(l.at(50), 32)}
	s, err := New(Config{attach: func(int, []unix.SockFilter) error { return unix.EPERM }})
	if err != nil {
		t.Fatal(err)
	}
	s.Update(l.network(sv))
	done := make(chan error)
	go func() { done <- s.Run(t.Context()) }()
	defer func() { s.Shutdown(t.Context()); <-done }()
	for _, row := range []struct {
		from netip.Addr
		to   netip.AddrPort
		want string
	}{
		{l.podB(1), port(l.cluster()), "reset"},
		{l.podA(1), port(l.cluster()), "64 sees 65"},
		{l.at(51), port(l.balancer()), "reset"},
		{l.at(50), port(l.balancer()), "64 sees"},
	} {
		if got := l.outcome(row.from, row.to); !strings.HasPrefix(got, row.want) {
			t.Errorf("%s to %s: %s, want %s", row.from, row.to, got, row.want)
		}
	}
	if p := s.Problems(); len(p) != 1 || p[0].Code != codeNoFilter || p[0].Severity != ir.SeverityNotice {
		t.Errorf("%v", p)
	}
	if st := s.Stats(); st.Refused.Policy != 1 || st.Refused.SourceRange != 1 {
		t.Errorf("%+v", st)
	}
}

// TestManyRanges: a thousand ranges fit into a program; more are checked after
// accept.
func TestManyRanges(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	a := l.endpoint(port(l.podA(0)))
	for n, refused := range map[int]string{1000: "dropped", 2000: "reset"} {
		sv := l.service(ir.TCP, l.ready(a))
		for i := range n {
			sv.SourceRanges = append(sv.SourceRanges, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0}), 24))
		}
		sv.SourceRanges = append(sv.SourceRanges, netip.PrefixFrom(l.at(50), 32))
		s := l.start(Config{}, l.network(sv))
		for from, want := range map[netip.Addr]string{l.at(51): refused, l.at(50): "64 sees"} {
			if got := l.wanted(from, port(l.balancer()), want); !strings.HasPrefix(got, dropped(want)) {
				t.Errorf("%d ranges: %s: %s, want %s", n, from, got, want)
			}
		}
		s.Update(l.network())
	}
}

// TestUpdateMatches any difference between two lists of Services: each ends up
// with exactly the frontends that it wants.
func TestUpdateMatches(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	s := l.start(Config{}, l.network())
	all := make([]*ir.Service, 12)
	fresh := func(i int) *ir.Service {
		sv := l.service(ir.TCP, l.ready(port(l.podA(0))))
		sv.Name, sv.LoadBalancerIPs, sv.ExternalIPs, sv.Ports[0].NodePort = fmt.Sprintf("s%02d", i), nil, nil, 0
		sv.ClusterIPs = []netip.Addr{l.at(byte(200 + i))}
		return sv
	}
	for range 100 {
		n := l.network()
		for i := range all {
			if rand.IntN(3) == 0 {
				all[i] = nil
			}
			if all[i] == nil && rand.IntN(2) == 0 {
				all[i] = fresh(i)
			}
			if all[i] != nil {
				n.Services = append(n.Services, all[i])
			}
		}
		s.Update(n)
		if st := s.Stats(); st.Frontends != len(n.Services) || st.Listening != len(n.Services) {
			t.Fatalf("%d Services: %+v", len(n.Services), st)
		}
		for i := range all {
			c, err := dial(l.outside(), netip.AddrPortFrom(l.at(byte(200+i)), 8000), patience)
			// Nothing serves there, so that an open frontend accepts and resets.
			if refused := err != nil && failure(err) == "refused"; refused != (all[i] == nil) {
				t.Fatalf("service %d: %v", i, err)
			}
			if err == nil {
				c.Close()
			}
		}
	}
}
