package dns

import (
	"hash/maphash"
	"sync"
	"time"
)

// cache keeps replies of upstreams: bounded in number and octets, the least
// recently used one leaves first. It is in shards so that cores rarely meet.
type cache struct {
	seed   maphash.Seed
	shards [cacheShards]cacheShard
}

const cacheShards = 16

type cacheShard struct {
	mu      sync.Mutex
	entries map[string]*cacheEntry
	root    cacheEntry // ring: root.next is the most recently used
	bytes   int
	// The bounds of this shard.
	maxEntries, maxBytes int
}

type cacheEntry struct {
	prev, next *cacheEntry
	key        string
	reply      *reply
	until      time.Time
}

func newCache(entries, octets int) *cache {
	c := &cache{seed: maphash.MakeSeed()}
	for i := range c.shards {
		s := &c.shards[i]
		s.entries = map[string]*cacheEntry{}
		s.root.prev, s.root.next = &s.root, &s.root
		s.maxEntries, s.maxBytes = (entries+cacheShards-1)/cacheShards, (octets+cacheShards-1)/cacheShards
	}
	return c
}

func (c *cache) shard(key []byte) *cacheShard {
	return &c.shards[maphash.Bytes(c.seed, key)%cacheShards]
}

func (c *cache) get(key []byte, now time.Time) *reply {
	s := c.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[string(key)]
	if e == nil {
		return nil
	}
	if !now.Before(e.until) {
		s.drop(e)
		return nil
	}
	e.unlink()
	s.link(e)
	return e.reply
}

func (c *cache) put(key string, r *reply, now time.Time) {
	s := c.shard([]byte(key))
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.entries[key]; old != nil {
		s.drop(old)
	}
	if r.ttl <= 0 || s.maxEntries <= 0 {
		return
	}
	e := &cacheEntry{key: key, reply: r, until: now.Add(r.ttl)}
	s.entries[key] = e
	s.link(e)
	s.bytes += e.cost()
	for len(s.entries) > s.maxEntries || s.bytes > s.maxBytes {
		s.drop(s.root.prev)
	}
}

// cost is about what an entry takes.
func (e *cacheEntry) cost() int {
	r := e.reply
	return 256 + len(e.key) + len(r.body) + 8*len(r.records) + 4*(len(r.pointers)+len(r.addresses))
}

func (c *cache) count() int {
	n := 0
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		n += len(s.entries)
		s.mu.Unlock()
	}
	return n
}

// The caller of these holds mu.

func (s *cacheShard) drop(e *cacheEntry) {
	e.unlink()
	delete(s.entries, e.key)
	s.bytes -= e.cost()
}

func (s *cacheShard) link(e *cacheEntry) {
	e.prev, e.next = &s.root, s.root.next
	e.next.prev, s.root.next = e, e
}

func (e *cacheEntry) unlink() {
	e.prev.next, e.next.prev = e.next, e.prev
}
