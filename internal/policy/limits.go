package policy

import (
	"encoding/binary"
	"hash/maphash"
	"net/netip"
	"runtime"
	"sync"
	"time"
	"weak"

	"daemun/internal/ir"
)

// Limits bound the requests of one client.
type Limits struct {
	counters  *counters
	exempt    *Networks
	perSecond rate
	perMinute rate
	running   int32
}

// rate is a leaky bucket as nginx has it: in thousandths of a request, which
// leak at a rate per second.
type rate struct {
	leak, burst int64 // leak 0: no limit
}

func newLimits(l *ir.Limits, s *State) *Limits {
	if l == nil {
		return nil
	}
	return &Limits{
		counters: s.countersOf(l.ID), exempt: NewNetworks(l.Exempt),
		perSecond: newRate(l.PerSecond, 1, l.Burst), perMinute: newRate(l.PerMinute, 60, l.Burst),
		running: int32(l.Connections),
	}
}

func newRate(n, seconds, multiplier int) rate {
	return rate{leak: max(int64(n)*1000/int64(seconds), min(int64(n), 1)), burst: int64(n) * int64(multiplier) * 1000}
}

// LimitVerdict is what the limits say about a request.
type LimitVerdict uint8

// The verdicts.
const (
	WithinLimits LimitVerdict = iota
	TooManyRunning
	TooManyRequests
)

// Enter counts a request of a client. Unless the verdict is against it,
// Running.Leave must be called when it has ended.
func (l *Limits) Enter(addr netip.Addr, now time.Time) (Running, LimitVerdict) {
	addr = addr.Unmap()
	if l.exempt.Contains(addr) {
		return Running{}, WithinLimits
	}
	return l.enter(addr, now)
}

// EnterAs is Enter where a text stands for the client, unless it is empty; the
// address still says who is exempt.
func (l *Limits) EnterAs(key []byte, addr netip.Addr, now time.Time) (Running, LimitVerdict) {
	if len(key) == 0 || l.exempt.Contains(addr.Unmap()) {
		return Running{}, WithinLimits
	}
	return l.enter(l.counters.addrOf(key), now)
}

// addrOf stands for a text: 128 bits that nobody outside can foresee, so that
// two texts share a count by accident only. An address as wide keeps one kind
// of key in the tables.
func (c *counters) addrOf(key []byte) netip.Addr {
	var sum [16]byte
	binary.NativeEndian.PutUint64(sum[:8], maphash.Bytes(c.seed, key))
	binary.NativeEndian.PutUint64(sum[8:], maphash.Bytes(c.other, key))
	return netip.AddrFrom16(sum)
}

func (l *Limits) enter(addr netip.Addr, now time.Time) (Running, LimitVerdict) {
	s := l.counters.shardOf(addr)
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.of(addr)
	if l.running > 0 && c.running >= l.running {
		return Running{}, TooManyRunning
	}
	at := s.since(now)
	second, ok := l.perSecond.fill(c.second, at)
	minute, ok2 := l.perMinute.fill(c.minute, at)
	if !ok || !ok2 {
		return Running{}, TooManyRequests
	}
	c.second, c.minute = second, minute
	c.running++
	return Running{s, c}, WithinLimits
}

// bucket is how full a rate was at a time.
type bucket struct {
	excess, at int64 // at is as shard.since has it, 0 for never
}

// fill puts one request in. A request that does not fit changes nothing.
func (r rate) fill(b bucket, at int64) (bucket, bool) {
	if r.leak == 0 {
		return b, true
	}
	if b.at == 0 {
		return bucket{0, at}, true
	}
	passed := max(0, at-b.at) // requests may come a little out of order
	excess := max(0, b.excess-r.leak*min(passed, longestLeak)/1000+1000)
	if excess > r.burst {
		return b, false
	}
	return bucket{excess, max(at, b.at)}, true
}

// longestLeak keeps products within 64 bits; every bucket is empty by then.
const longestLeak = int64(24 * time.Hour / time.Millisecond)

// Running is a request that is counted. The zero value is one that is not.
type Running struct {
	shard  *shard
	client *client
}

// Leave ends the count.
func (r Running) Leave() {
	if r.client == nil {
		return
	}
	r.shard.mu.Lock()
	r.client.running--
	r.shard.mu.Unlock()
}

// counters are the clients of one set of limits. They live as long as some
// table refers to them.
type counters struct {
	seed, other maphash.Seed
	shards      [shards]shard
}

// The clients that are remembered are bounded; those that were silent for
// longest are forgotten.
const (
	shards          = 8
	clientsPerShard = 4096
)

type shard struct {
	mu      sync.Mutex // guards the following and the clients
	clients map[netip.Addr]*client
	began   time.Time // when the first request came
	// oldest and youngest are the ends of the list of clients by last use.
	oldest, youngest *client
}

// since is the time from the first request on, in milliseconds, never 0. It is
// counted by the clock that nobody sets (H11.11): by the other one, a client
// that was at its limit when that was set back would stay there as long.
func (s *shard) since(now time.Time) int64 {
	if s.began.IsZero() {
		s.began = now
	}
	return max(1, now.Sub(s.began).Milliseconds()+1)
}

type client struct {
	addr           netip.Addr
	older, younger *client
	second, minute bucket
	running        int32
}

func (c *counters) shardOf(addr netip.Addr) *shard {
	return &c.shards[maphash.Comparable(c.seed, addr)%shards]
}

// of returns the client of an address and makes it the youngest.
func (s *shard) of(addr netip.Addr) *client {
	c := s.clients[addr]
	switch {
	case c == s.youngest && c != nil:
		return c
	case c != nil:
		s.unlink(c)
	default:
		if s.clients == nil {
			s.clients = make(map[netip.Addr]*client)
		}
		if len(s.clients) >= clientsPerShard {
			delete(s.clients, s.oldest.addr)
			s.unlink(s.oldest)
		}
		c = &client{addr: addr}
		s.clients[addr] = c
	}
	c.older, c.younger = s.youngest, nil
	if s.youngest != nil {
		s.youngest.younger = c
	} else {
		s.oldest = c
	}
	s.youngest = c
	return c
}

func (s *shard) unlink(c *client) {
	if c.older != nil {
		c.older.younger = c.younger
	} else {
		s.oldest = c.younger
	}
	if c.younger != nil {
		c.younger.older = c.older
	} else {
		s.youngest = c.older
	}
}

// limiters finds counters by their id, as long as somebody uses them.
type limiters struct {
	mu   sync.Mutex // guards the following
	byID map[string]weak.Pointer[counters]
}

func (s *State) countersOf(id string) *counters {
	l := &s.limiters
	l.mu.Lock()
	defer l.mu.Unlock()
	if c := l.byID[id].Value(); c != nil {
		return c
	}
	c := &counters{seed: maphash.MakeSeed(), other: maphash.MakeSeed()}
	if l.byID == nil {
		l.byID = make(map[string]weak.Pointer[counters])
	}
	l.byID[id] = weak.Make(c)
	runtime.AddCleanup(c, l.forget, id)
	return c
}

// forget removes an id whose counters are gone, unless it has new ones.
func (l *limiters) forget(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byID[id].Value() == nil {
		delete(l.byID, id)
	}
}

// Bandwidth slows responses down.
type Bandwidth struct{ rate, after int64 }

func newBandwidth(b *ir.Bandwidth) *Bandwidth {
	if b == nil {
		return nil
	}
	return &Bandwidth{b.Rate, b.After}
}

// Allow returns how many octets may be sent now, of a response that began some
// time ago and of which sent octets have gone out; when it is none, wait says
// when to ask again. As with nginx the octets of the first second are free.
func (b *Bandwidth) Allow(sent int64, since time.Duration) (n int64, wait time.Duration) {
	total := float64(b.after) + float64(b.rate)*(since.Seconds()+1)
	if n = int64(min(total, 1<<62)) - sent; n > 0 {
		return n, 0
	}
	// Wait for a piece that is worth a write, but not long.
	piece := float64(max(1, b.rate/8)) - float64(n)
	return 0, time.Duration(min(piece/float64(b.rate), 1) * float64(time.Second))
}
