package standalone

import (
	"cmp"
	"hash/fnv"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"daemun/internal/store"
)

// none is no number of a pool.
const none = -1

// pool hands out the numbers from 0 to size-1, which stand for the addresses
// of a network or for ports. It lives for one settlement.
type pool struct {
	size int
	// band is how many numbers at the start are left to those who ask for them
	// (services §2.1, §2.2).
	band int
	// share says whether two demands may have one number.
	share   func(a, b *demand) bool
	holders map[int][]*demand
}

// newPool returns a pool without holders.
func newPool(size, band int, share func(a, b *demand) bool) *pool {
	return &pool{size: size, band: min(band, size), share: share, holders: map[int][]*demand{}}
}

// bandOf is the size of the lower band of a range of that many numbers: a
// fraction of it, at least 16 and at most most; small ranges have none.
func bandOf(numbers, fraction, most int) int {
	if numbers <= 16 {
		return 0
	}
	return min(max(16, numbers/fraction), most)
}

// exclusive is the share of pools where a number has one holder.
func exclusive(_, _ *demand) bool { return false }

// want is what kind of thing a demand is for.
type want int

const (
	wantClusterIP want = iota
	wantNodePort
	wantHealthCheckPort
	wantBalancerIP
)

// demand is one thing that a Service wants of a pool, and what it gets.
type demand struct {
	what  want
	pool  *pool
	owner store.Name
	svc   *corev1.Service
	index int // of the port, for a node port
	// slot tells the demands of a Service apart. It is the name under which
	// the number is remembered.
	slot string
	// key is what the place follows from at which the search begins.
	key string

	// asked is the number that the manifest names, held the one from the last
	// settlement, remembered the one from before this start.
	asked, held, remembered int
	// edited says that the Service has changed since the last settlement.
	edited bool
	// leader is a demand of the same Service whose number is the first choice.
	leader *demand
	// refusal says why the demand gets nothing whatever is free.
	refusal string
	// content demands make do with what they ask for, hold or remember.
	content bool

	got int
	// rival is the holder of what was asked for.
	rival *demand
	// contested numbers are asked for by somebody else.
	contested bool
}

// settle gives each demand on this pool a number, or none. What is held stays; a number
// that is asked for comes before what was chosen in an earlier run, and that
// before new choices. The first choice of a demand follows from its key and
// not from its turn, so that the outcome rarely depends on who came first;
// where it does, noteworthy says so.
func (p *pool) settle(demands []*demand) {
	keep := func(edited bool) {
		p.pass(demands, func(d *demand) int {
			if d.edited == edited && (d.asked == none || d.asked == d.held) {
				return d.held
			}
			return none
		})
	}
	// A Service that can no longer share what it holds loses it, not the others.
	keep(false)
	keep(true)
	p.pass(demands, func(d *demand) int {
		if d.asked == d.remembered {
			return d.asked
		}
		return none
	})
	p.pass(demands, func(d *demand) int { return d.asked })
	p.pass(demands, func(d *demand) int {
		if d.asked == none {
			return d.remembered
		}
		return none
	})
	p.pass(demands, func(d *demand) int {
		switch {
		case d.asked != none || d.content:
			return none
		case d.leader != nil:
			return d.leader.got
		}
		return p.natural(d)
	})
	p.pass(demands, p.search)
}

// pass offers a number to each demand that has none yet.
func (p *pool) pass(demands []*demand, offer func(*demand) int) {
	for _, d := range demands {
		if d.pool == p && d.got == none && d.refusal == "" {
			p.take(d, offer(d))
		}
	}
}

// take gives d the number n if that is free for it.
func (p *pool) take(d *demand, n int) bool {
	if n < 0 || n >= p.size {
		return false
	}
	for _, h := range p.holders[n] {
		if p.share(h, d) {
			continue
		}
		if n == d.asked {
			d.rival, h.contested = h, true
		}
		return false
	}
	d.got, d.rival = n, nil
	p.holders[n] = append(p.holders[n], d)
	return true
}

// natural is the first choice of a demand in an empty pool: a place in the
// upper band, the same at every start.
func (p *pool) natural(d *demand) int {
	if p.size == 0 {
		return none
	}
	if p.size == p.band {
		return hashIn(d.key, p.size)
	}
	return p.band + hashIn(d.key, p.size-p.band)
}

// search finds a free number for a demand that asked for none: in the upper
// band, then in the lower one. It returns none once it has taken it.
func (p *pool) search(d *demand) int {
	if d.asked != none || d.content {
		return none
	}
	if d.leader != nil && p.take(d, d.leader.got) {
		return none
	}
	_ = p.scan(d, p.band, p.size-p.band) || p.scan(d, 0, p.band)
	return none
}

func (p *pool) scan(d *demand, from, count int) bool {
	if count <= 0 {
		return false
	}
	start := hashIn(d.key, count)
	for i := range count {
		if p.take(d, from+(start+i)%count) {
			return true
		}
	}
	return false
}

// noteworthy says whether a new start without memory could give the demand
// another number than it has.
func (p *pool) noteworthy(d *demand) bool {
	switch {
	case d.got == none:
		return false
	case d.asked != none:
		return d.contested
	case d.leader != nil:
		return d.content || d.got != d.leader.got
	}
	return d.content || d.got != p.natural(d)
}

func hashIn(key string, n int) int {
	h := fnv.New64a()
	h.Write([]byte(key))
	return int(h.Sum64() % uint64(n))
}

func compareNames(a, b store.Name) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}

// sortedNames are the Services in the order they are settled: those that every
// cluster has come first.
func sortedNames(names []store.Name) []store.Name {
	slices.SortFunc(names, func(a, b store.Name) int {
		return cmp.Or(cmp.Compare(boolRank(!isBuiltin(a)), boolRank(!isBuiltin(b))), compareNames(a, b))
	})
	return names
}
