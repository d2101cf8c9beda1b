package upstream

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"daemun/internal/ir"
)

// many is a backend with n endpoints that nobody dials.
func many(r *Registry, n int) *Backend {
	set := ir.EndpointSet{Backend: "d/s/80"}
	for i := range n {
		set.Endpoints = append(set.Endpoints, ir.Endpoint{Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 80)})
	}
	r.Update(set)
	return r.Backend("d/s/80")
}

// TestHashMovesLittle: endpoints get about equal parts, and one more takes its
// part from all and moves nothing between the others.
func TestHashMovesLittle(t *testing.T) {
	t.Parallel()
	r := NewRegistry(Config{})
	b := many(r, 10)
	const keys = 10000
	before := make([]*Endpoint, keys)
	count := map[*Endpoint]int{}
	for i := range before {
		before[i] = b.PickHash(Hash(fmt.Append(nil, "key ", i)), nil)
		count[before[i]]++
	}
	for e, n := range count {
		if n < keys/10*8/10 || n > keys/10*12/10 {
			t.Errorf("%s has %d of %d", e.Address(), n, keys)
		}
	}
	many(r, 11)
	added, moved := b.endpoints()[10], 0
	for i, old := range before {
		switch now := b.PickHash(Hash(fmt.Append(nil, "key ", i)), nil); {
		case now == added:
			moved++
		case now != old:
			t.Fatalf("key %d moved from %s to %s", i, old.Address(), now.Address())
		}
	}
	if moved < keys/11*8/10 || moved > keys/11*12/10 {
		t.Errorf("%d keys moved", moved)
	}
}

// TestHashIsStable: every process, and every release, must come to the same
// endpoint.
func TestHashIsStable(t *testing.T) {
	t.Parallel()
	if got := Hash([]byte("/index.html")); got != 17774974476708365351 {
		t.Errorf("Hash is %d", got)
	}
}

func TestTriedAreLeftOut(t *testing.T) {
	t.Parallel()
	b := many(NewRegistry(Config{}), 3)
	now := time.Unix(1e9, 0)
	for hash := range uint64(50) {
		var tried []*Endpoint
		for range 3 {
			for name, e := range map[string]*Endpoint{
				"hash": b.PickHash(mix(hash), tried), "ewma": b.PickEWMA(mix(hash), tried, now), "subset": b.PickSubset(mix(hash), hash, 3, tried),
			} {
				for _, old := range tried {
					if e == old {
						t.Fatalf("%s: tried twice", name)
					}
				}
			}
			tried = append(tried, b.PickHash(mix(hash), tried))
		}
		if b.PickHash(hash, tried) == nil || b.PickEWMA(hash, tried, now) == nil || b.PickSubset(hash, 1, 3, tried) == nil {
			t.Fatal("nothing when all were tried")
		}
	}
	none := NewRegistry(Config{}).Backend("d/none/80")
	if none.PickHash(1, nil) != nil || none.PickEWMA(1, nil, now) != nil || none.PickSubset(1, 1, 3, nil) != nil || none.PickKey(nil) != nil {
		t.Error("an endpoint of none")
	}
}

// TestSubsets: every endpoint is in one, all have the size, the last is filled
// up from the first.
func TestSubsets(t *testing.T) {
	t.Parallel()
	b := many(NewRegistry(Config{}), 5)
	sets := map[string]map[*Endpoint]bool{}
	for hash := range uint64(3) {
		set := map[*Endpoint]bool{}
		for random := range uint64(10) {
			set[b.PickSubset(hash, random, 2, nil)] = true
		}
		if len(set) != 2 {
			t.Errorf("subset %d has %d", hash, len(set))
		}
		sets[fmt.Sprint(hash)] = set
	}
	all := b.endpoints()
	if !sets["2"][all[4]] || !sets["2"][all[0]] || !sets["1"][all[2]] || !sets["1"][all[3]] {
		t.Errorf("%v", sets)
	}
}

func TestKeysNameEndpoints(t *testing.T) {
	t.Parallel()
	r := NewRegistry(Config{})
	b := many(r, 3)
	e := b.endpoints()[1]
	if b.PickKey([]byte(e.Key())) != e || b.PickKey([]byte("x")) != nil {
		t.Error("PickKey")
	}
	many(r, 1)
	if b.PickKey([]byte(e.Key())) != nil {
		t.Error("the key of an endpoint that is gone finds one")
	}
	if b.Key() == r.Backend("d/t/80").Key() {
		t.Error("two backends have one key")
	}
}

// TestEWMA pins the moving average: the faster of two, decay, and the start of
// new endpoints.
func TestEWMA(t *testing.T) {
	t.Parallel()
	r := NewRegistry(Config{})
	b := many(r, 2)
	now := time.Unix(1e9, 0)
	slow, fast := b.endpoints()[0], b.endpoints()[1]
	slow.Took(time.Second, now)
	fast.Took(10*time.Millisecond, now)
	for random := range uint64(20) {
		if b.PickEWMA(mix(random), nil, now) != fast {
			t.Fatal("the slow one is chosen")
		}
	}
	if e := b.PickEWMA(1, []*Endpoint{fast}, now); e != slow {
		t.Errorf("the one that is left is not chosen but %s", e.Address())
	}
	fast.Took(10*time.Millisecond, now.Add(time.Hour))
	if b.PickEWMA(1, nil, now.Add(time.Hour)) != slow {
		t.Error("what was slow an hour ago is not tried again")
	}
	slow.Took(time.Second, now.Add(time.Hour))
	many(r, 3)
	if v := b.endpoints()[2].took.value; v < 0.4 || v > 0.6 {
		t.Errorf("a new endpoint begins with %v", v)
	}
}

// TestNewEndpointsAreNotOld: the average that new endpoints begin with counts from
// the last measurement, else it would have sunk to nothing at once.
func TestNewEndpointsAreNotOld(t *testing.T) {
	t.Parallel()
	r := NewRegistry(Config{})
	b := many(r, 3)
	now := time.Unix(1e9, 0)
	for i, age := range []time.Duration{time.Hour, 0, 2 * time.Hour} {
		b.endpoints()[i].Took(time.Second, now.Add(-age))
	}
	many(r, 4)
	if v := b.endpoints()[3].took.at(now); v < 0.99 || v > 1.01 {
		t.Errorf("a new endpoint has %v", v)
	}
}

func TestConfigure(t *testing.T) {
	t.Parallel()
	r := NewRegistry(Config{})
	b := r.Backend("d/s/80")
	for _, tt := range []struct {
		balance *ir.Balance
		set     bool
	}{{nil, false}, {&ir.Balance{}, false}, {&ir.Balance{Subset: 3}, false}, {&ir.Balance{ServiceUpstream: true}, false}, {&ir.Balance{EWMA: true}, true}, {&ir.Balance{HashBy: "$host"}, true}, {&ir.Balance{Affinity: &ir.Affinity{}}, true}} {
		r.Configure(&ir.Backend{ID: "d/s/80", Balance: tt.balance})
		if got := b.Balance() != nil; got != tt.set {
			t.Errorf("%+v: %v", tt.balance, got)
		}
	}
}

func BenchmarkPickHash(b *testing.B) {
	for _, n := range []int{3, 30, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			backend := many(NewRegistry(Config{}), n)
			for i := uint64(0); b.Loop(); i++ {
				backend.PickHash(i, nil)
			}
		})
	}
}
