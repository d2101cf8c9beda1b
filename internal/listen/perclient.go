package listen

import (
	"hash/maphash"
	"net/netip"
	"sync"
)

// perClient counts the open connections of each client, while there is a bound
// for them (H6.14). There are never more entries than connections.
type perClient struct {
	seed   maphash.Seed
	shards [clientShards]clientShard
}

const clientShards = 16

type clientShard struct {
	mu   sync.Mutex // guards the following
	open map[netip.Addr]int
}

func newPerClient() *perClient { return &perClient{seed: maphash.MakeSeed()} }

// clientOf is whom a connection is counted for. Who has an IPv6 address has
// 2^64 of them.
func clientOf(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if a.Is4() {
		return a
	}
	p, _ := a.Prefix(64)
	return p.Addr()
}

func (p *perClient) shard(client netip.Addr) *clientShard {
	return &p.shards[maphash.Comparable(p.seed, client)%clientShards]
}

// enter counts a connection and reports whether there may be another one; leave
// must follow then.
func (p *perClient) enter(client netip.Addr, most int) bool {
	s := p.shard(client)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[client] >= most {
		return false
	}
	if s.open == nil {
		s.open = make(map[netip.Addr]int)
	}
	s.open[client]++
	return true
}

func (p *perClient) leave(client netip.Addr) {
	s := p.shard(client)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[client]--; s.open[client] <= 0 {
		delete(s.open, client)
	}
}
