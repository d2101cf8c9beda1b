package policy

import (
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"

	"daemun/internal/ir"
)

var (
	ann  = netip.MustParseAddr("192.0.2.1")
	bob  = netip.MustParseAddr("192.0.2.2")
	noon = time.Unix(1e9, 0)
)

// admitted asks n times at once.
func admitted(l *Limits, addr netip.Addr, now time.Time, n int) (passed int) {
	for range n {
		r, v := l.Enter(addr, now)
		r.Leave()
		if v == WithinLimits {
			passed++
		}
	}
	return passed
}

// TestLeakyBucket pins §5.7: N=1 lets 6 through at once, then one per period.
func TestLeakyBucket(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		limits ir.Limits
		atOnce int
		after  time.Duration
		then   int
	}{
		{"1 per second", ir.Limits{PerSecond: 1, Burst: 5}, 6, time.Second, 1},
		{"1 per second, too early", ir.Limits{PerSecond: 1, Burst: 5}, 6, 999 * time.Millisecond, 0},
		{"1 per second, rested", ir.Limits{PerSecond: 1, Burst: 5}, 6, time.Hour, 6},
		{"10 per second", ir.Limits{PerSecond: 10, Burst: 5}, 51, 100 * time.Millisecond, 1},
		{"no burst", ir.Limits{PerSecond: 2, Burst: 0}, 1, 500 * time.Millisecond, 1},
		{"6 per minute", ir.Limits{PerMinute: 6, Burst: 5}, 31, 10 * time.Second, 1},
		{"1 per minute as nginx rounds it", ir.Limits{PerMinute: 1, Burst: 5}, 6, 60 * time.Second, 0},
		{"both", ir.Limits{PerSecond: 10, PerMinute: 1, Burst: 5}, 6, time.Second, 0},
		{"the clock set back", ir.Limits{PerSecond: 1, Burst: 5}, 6, -time.Hour, 0},
		{"a huge number", ir.Limits{PerSecond: 1<<31 - 1, Burst: 1000}, 100, 1 << 62, 100},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l := newLimits(&tt.limits, NewState(Config{}))
			if got := admitted(l, ann, noon, 100); got != tt.atOnce {
				t.Errorf("%d at once, want %d", got, tt.atOnce)
			}
			if got := admitted(l, bob, noon, 100); got != tt.atOnce {
				t.Errorf("another client: %d at once, want %d", got, tt.atOnce)
			}
			if got := admitted(l, ann, noon.Add(tt.after), 100); got != tt.then {
				t.Errorf("%d after %v, want %d", got, tt.after, tt.then)
			}
		})
	}
}

func TestRunning(t *testing.T) {
	t.Parallel()
	l := newLimits(&ir.Limits{Connections: 2}, NewState(Config{}))
	first, _ := l.Enter(ann, noon)
	if _, v := l.Enter(netip.MustParseAddr("::ffff:192.0.2.1"), noon); v != WithinLimits {
		t.Fatal("the second is refused")
	}
	if _, v := l.Enter(ann, noon); v != TooManyRunning {
		t.Errorf("the third gets %d", v)
	}
	if _, v := l.Enter(bob, noon); v != WithinLimits {
		t.Errorf("another client gets %d", v)
	}
	first.Leave()
	if _, v := l.Enter(ann, noon); v != WithinLimits {
		t.Errorf("after one has left: %d", v)
	}
}

func TestExempt(t *testing.T) {
	t.Parallel()
	l := newLimits(&ir.Limits{PerSecond: 1, Connections: 1, Exempt: prefixes("192.0.2.0/31")}, NewState(Config{}))
	if got := admitted(l, ann, noon, 50); got != 50 {
		t.Errorf("%d of an exempt client", got)
	}
	if got := admitted(l, bob, noon, 50); got != 1 {
		t.Errorf("%d of another", got)
	}
}

// TestCountersOutliveTables: a new table finds the counters by their id, and
// they go when no table has them.
func TestCountersOutliveTables(t *testing.T) {
	t.Parallel()
	s := NewState(Config{})
	old := newLimits(&ir.Limits{ID: "a", PerSecond: 1}, s)
	admitted(old, ann, noon, 1)
	if next := newLimits(&ir.Limits{ID: "a", PerSecond: 1, PerMinute: 5}, s); admitted(next, ann, noon, 1) != 0 {
		t.Error("a new table has forgotten the client")
	}
	if other := newLimits(&ir.Limits{ID: "b", PerSecond: 1}, s); admitted(other, ann, noon, 1) != 1 {
		t.Error("another Ingress shares the counters")
	}
	runtime.KeepAlive(old)
	left := func() int {
		runtime.GC()
		s.limiters.mu.Lock()
		defer s.limiters.mu.Unlock()
		return len(s.limiters.byID)
	}
	deadline := time.Now().Add(20 * time.Second)
	for left() > 0 {
		if time.Now().After(deadline) {
			t.Fatal("counters that nobody uses are kept")
		}
		runtime.Gosched()
	}
}

func TestClientsAreBounded(t *testing.T) {
	t.Parallel()
	l := newLimits(&ir.Limits{PerSecond: 1}, NewState(Config{}))
	keep, _ := l.Enter(ann, noon)
	for i := range 3 * shards * clientsPerShard {
		r, _ := l.Enter(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), noon)
		r.Leave()
	}
	for i := range l.counters.shards {
		s := &l.counters.shards[i]
		n := 0
		for c := s.oldest; c != nil; c = c.younger {
			n++
		}
		if n != len(s.clients) || n > clientsPerShard {
			t.Errorf("shard %d has %d clients, %d in its list", i, len(s.clients), n)
		}
	}
	keep.Leave() // of a client that was forgotten
}

func TestLimitsAtOnce(t *testing.T) {
	t.Parallel()
	l := newLimits(&ir.Limits{PerSecond: 1, Burst: 99}, NewState(Config{}))
	var wg sync.WaitGroup
	var mu sync.Mutex
	total := 0
	for range 8 {
		wg.Go(func() {
			n := admitted(l, ann, noon, 50)
			mu.Lock()
			total += n
			mu.Unlock()
		})
	}
	wg.Wait()
	if total != 100 {
		t.Errorf("%d passed, want 100", total)
	}
}

func TestBandwidth(t *testing.T) {
	t.Parallel()
	b := newBandwidth(&ir.Bandwidth{Rate: 1000, After: 500})
	for _, tt := range []struct {
		sent  int64
		since time.Duration
		n     int64
		waits bool
	}{{0, 0, 1500, false}, {1500, 0, 0, true}, {1500, time.Second, 1000, false}, {1400, 0, 100, false}, {1 << 40, time.Second, 0, true}} {
		n, wait := b.Allow(tt.sent, tt.since)
		if n != tt.n || (wait > 0) != tt.waits || wait > time.Second {
			t.Errorf("Allow(%d, %v) = %d, %v", tt.sent, tt.since, n, wait)
		}
	}
}

func TestLimitsDoNotAllocate(t *testing.T) {
	l := newLimits(&ir.Limits{PerSecond: 1000, Connections: 5, Exempt: prefixes("10.0.0.0/8")}, NewState(Config{}))
	if n := testing.AllocsPerRun(100, func() {
		r, _ := l.Enter(ann, noon)
		r.Leave()
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkLimits(b *testing.B) {
	l := newLimits(&ir.Limits{PerSecond: 1 << 30, Connections: 5}, NewState(Config{}))
	for b.Loop() {
		r, _ := l.Enter(ann, noon)
		r.Leave()
	}
}

// BenchmarkPolicies is what each policy adds to a request, without the fields
// that it writes.
func BenchmarkPolicies(b *testing.B) {
	s := NewState(Config{Verifier: func([]ir.User) Verifier { return &fakeVerifier{password: "secret"} }})
	cors := newCORS(&ir.CORS{Origins: []string{"https://a.test", "https://*.b.test"}, Methods: "GET", Headers: "X"})
	access := newAccess(&ir.Access{Allow: prefixes("10.0.0.0/8", "192.0.2.0/24", "2001:db8::/32")}, nil)
	auth := newAuth(&ir.BasicAuth{}, s)
	canary := NewCanary(&ir.Canary{Header: "X", Weight: 20, Total: 100}, nil)
	origin, field := []byte("https://x.b.test"), basicField("ann", "secret")
	for name, f := range map[string]func(){
		"cors":       func() { cors.Allows(origin) },
		"allow-list": func() { access.Judge(ann) },
		"basic-auth": func() { auth.Check(&Attempt{Authorization: field}) },
		"canary":     func() { canary.Chooses(nil, false, nil, 7) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f()
			}
		})
	}
}
