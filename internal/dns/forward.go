package dns

import (
	"bytes"
	"context"
	"encoding/binary"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// waitersPerFlight bounds, with MaxForwards, how many clients wait for
// upstreams.
const waitersPerFlight = 8

// client is where an answer goes that comes later.
type client interface {
	// deliver sends what write makes in a buffer with room for the client's
	// limit. It does not block.
	deliver(write func(buf []byte) []byte)
	// address is whose share of the upstreams it takes.
	address() netip.Addr
}

// waiter is a client that waits for an upstream.
type waiter struct {
	ask
	chain  []*alias
	client client
	from   netip.Addr
	counts *counters
}

// flight is one question that is with an upstream, whoever asked it. The first
// of its waiters has begun it.
type flight struct {
	key     string
	group   *group
	waiters []waiter
}

// group is the upstreams of some names, in the order they are asked.
type group struct{ upstreams []*upstream }

// forwarder asks upstreams what is not ours to answer.
type forwarder struct {
	server *Server
	// able is false if there is no upstream at all.
	able  bool
	rest  *group
	stubs map[string]*group // by whole lowered wire name
	all   []*upstream
	cache *cache
	wake  chan struct{} // an upstream went down

	mu      sync.Mutex // guards the following
	flights map[string]*flight
	shares  shares

	forwarded, coalesced, failed, overloaded atomic.Uint64
	ownTold                                  atomic.Bool
}

func newForwarder(s *Server) *forwarder {
	c := s.config
	f := &forwarder{
		server: s, stubs: map[string]*group{}, flights: map[string]*flight{},
		shares: newShares(c.MaxForwards, c.MaxForwards*waitersPerFlight),
		cache:  newCache(max(0, c.CacheEntries), c.CacheBytes), wake: make(chan struct{}, 1),
	}
	f.rest = f.newGroup(c.Upstreams)
	for suffix, addrs := range c.StubDomains {
		if name, ok := wireName(suffix); ok {
			f.stubs[name] = f.newGroup(addrs)
		}
	}
	f.able = len(f.all) > 0
	return f
}

// newGroup makes one upstream of each address, shared with other groups.
func (f *forwarder) newGroup(addrs []netip.AddrPort) *group {
	g := &group{}
	for _, a := range addrs {
		i := slices.IndexFunc(f.all, func(u *upstream) bool { return u.addr == a })
		if i < 0 {
			f.all = append(f.all, &upstream{addr: a})
			i = len(f.all) - 1
		}
		if !slices.Contains(g.upstreams, f.all[i]) {
			g.upstreams = append(g.upstreams, f.all[i])
		}
	}
	return g
}

// asked returns the name that an upstream is to be asked for.
func (q *query) asked() (name []byte, labels []uint8) {
	if q.hops > 0 {
		a := q.chain[q.hops-1]
		return a.name, a.labels
	}
	return q.name[:q.length], q.labels[:q.count]
}

func (f *forwarder) groupOf(q *query) *group {
	if len(f.stubs) > 0 {
		name, labels := q.asked()
		for _, at := range labels { // the longest suffix first
			if g := f.stubs[string(name[at:])]; g != nil {
				return g
			}
		}
		if g := f.stubs["\x00"]; g != nil {
			return g
		}
	}
	return f.rest
}

func (f *forwarder) serves(q *query) bool { return len(f.groupOf(q).upstreams) > 0 }

// maxKey is a question and an octet for what of the flags matters to the
// answer.
const maxKey = maxName + 4 + 1

const (
	keyDO = 1
	keyCD = 2
)

func (q *query) key(buf []byte) []byte {
	if q.hops > 0 {
		buf = append(buf, q.chain[q.hops-1].name...)
	} else {
		buf = append(buf, q.name[:q.length]...)
	}
	buf = binary.BigEndian.AppendUint16(buf, q.kind)
	buf = binary.BigEndian.AppendUint16(buf, classIN)
	var flags byte
	if q.do {
		flags |= keyDO
	}
	if q.flags&flagCD != 0 {
		flags |= keyCD
	}
	return append(buf, flags)
}

func (f *forwarder) cached(q *query) *reply {
	var buf [maxKey]byte
	return f.cache.get(q.key(buf[:0]), f.server.now())
}

// ask sends the question of q to an upstream, unless it is there already, and
// the answer to the client.
func (f *forwarder) ask(q *query, c client, counts *counters) {
	key := string(q.key(nil))
	w := waiter{ask: q.ask, chain: slices.Clone(q.chain[:q.hops]), client: c, from: c.address(), counts: counts}
	w.question = bytes.Clone(q.question)
	fl, what := f.board(key, w, q)
	switch what {
	case boardNew:
		f.forwarded.Add(1)
		f.server.tasks.Go(func() { f.fly(fl) })
	case boardJoined:
		f.coalesced.Add(1)
	case boardFull:
		f.overloaded.Add(1)
		f.answer(w, &reply{rcode: rcodeServFail, failed: true})
	}
}

type boarding int

const (
	boardNew boarding = iota
	boardJoined
	boardFull
)

func (f *forwarder) board(key string, w waiter, q *query) (*flight, boarding) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fl := f.flights[key]
	if !f.shares.take(w.from, fl == nil) {
		return nil, boardFull
	}
	if fl != nil {
		fl.waiters = append(fl.waiters, w)
		return fl, boardJoined
	}
	fl = &flight{key: key, group: f.groupOf(q), waiters: []waiter{w}}
	f.flights[key] = fl
	return fl, boardNew
}

// fly brings one question to its answer.
func (f *forwarder) fly(fl *flight) {
	r := f.resolve(fl)
	now := f.server.now()
	r.born = now
	if r.failed {
		f.failed.Add(1)
	}
	f.cache.put(fl.key, r, now)
	f.mu.Lock()
	delete(f.flights, fl.key)
	waiters := fl.waiters
	for i := range waiters {
		f.shares.give(waiters[i].from, i == 0)
	}
	f.mu.Unlock()
	for _, w := range waiters {
		f.answer(w, r)
	}
}

// resolve asks one upstream after the other. A panic is a failure.
func (f *forwarder) resolve(fl *flight) (r *reply) {
	defer func() {
		if reason := recover(); reason != nil {
			f.server.panicked(reason)
			r = failedReply()
		}
	}()
	// Between the miss and the take-off the same question may have landed.
	if r := f.cache.get([]byte(fl.key), f.server.now()); r != nil {
		return r
	}
	ctx, cancel := context.WithTimeout(f.server.closing, f.server.config.ForwardTimeout)
	defer cancel()
	return f.askGroup(ctx, fl)
}

func failedReply() *reply { return &reply{rcode: rcodeServFail, failed: true, ttl: failureTTL} }

// rounds is how often each upstream is asked that does not answer.
const rounds = 3

func (f *forwarder) askGroup(ctx context.Context, fl *flight) *reply {
	for range rounds {
		var last *reply
		asked := false
		for _, u := range fl.group.upstreams {
			if u.down.Load() || f.refusesOwn(u) {
				continue
			}
			asked = true
			r, err := f.try(ctx, u, fl.key)
			if err != nil && ctx.Err() != nil {
				break
			}
			if err != nil {
				continue
			}
			if r.rcode == rcodeOK || r.rcode == rcodeNXDomain {
				return r
			}
			last = r // perhaps the next one knows better
		}
		if last != nil {
			return last
		}
		if !asked || ctx.Err() != nil {
			break
		}
	}
	return failedReply()
}

// refusesOwn tells whether an upstream is this server itself.
func (f *forwarder) refusesOwn(u *upstream) bool {
	if !f.server.isOwn(u.addr) {
		return false
	}
	if !f.ownTold.Swap(true) {
		f.server.config.Logger.Warn("dns: an upstream resolver is this server itself and is not asked; "+
			"remove it from the upstreams (or from resolv.conf)", "upstream", u.addr)
	}
	return true
}

// answer sends a reply to one client.
func (f *forwarder) answer(w waiter, r *reply) {
	w.client.deliver(func(buf []byte) []byte {
		var m message
		m.begin(w.ask, buf)
		owner := headerSize
		for _, a := range w.chain {
			m.flags |= flagAA
			if owner = m.addAlias(a, owner); owner == 0 {
				return f.server.finish(w.counts, &m, rcodeOK)
			}
		}
		return f.server.finish(w.counts, &m, m.addReply(r, w.chain, f.server.age(r)))
	})
}

func (f *forwarder) addTo(st *Stats) {
	st.Forwarded, st.Coalesced = f.forwarded.Load(), f.coalesced.Load()
	st.ForwardFailed, st.Overloaded = f.failed.Load(), f.overloaded.Load()
	st.CacheEntries = f.cache.count()
	f.mu.Lock()
	st.InFlight = len(f.flights)
	f.mu.Unlock()
	for _, u := range f.all {
		if u.down.Load() {
			st.DownUpstreams++
		}
	}
}

// Probes of upstreams that are down: first after half a second, then more and
// more rarely.
const (
	firstProbe = 500 * time.Millisecond
	lastProbe  = 5 * time.Second
)

// watch asks upstreams that are down whether they are back, until ctx ends.
func (f *forwarder) watch(ctx context.Context) {
	pause := firstProbe
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.wake:
			pause = firstProbe
		case <-timer.C:
			pause = min(2*pause, lastProbe)
		}
		if f.probe(ctx) {
			timer.Reset(pause)
		}
	}
}

// probe asks all upstreams that are down and reports whether some still are.
func (f *forwarder) probe(ctx context.Context) (down bool) {
	for _, u := range f.all {
		if u.down.Load() {
			f.knock(ctx, u)
			down = down || u.down.Load()
		}
	}
	return down
}
