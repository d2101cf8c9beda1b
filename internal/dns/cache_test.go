package dns

import (
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// clock is a time that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) read() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// clocked makes a forwarding server whose time the test moves.
func clocked(t *testing.T, c Config, up *resolver) (*Server, netip.AddrPort, *clock) {
	t.Helper()
	c.Upstreams = []netip.AddrPort{up.addr}
	s, now := New(c), &clock{now: time.Unix(1_700_000_000, 0)}
	s.now = now.read
	at, err := s.Listen(t.Context(), netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	s.Update(example())
	run(t, s)
	return s, at, now
}

func TestCachedAnswersAge(t *testing.T) {
	t.Parallel()
	up := newResolver(t)
	up.add("a.example.com. 60 A 192.0.2.1", "alias.example.com. 10 CNAME a.example.com.", "zero.example.com. 0 A 192.0.2.2", "old.example.com. 999999 A 192.0.2.3")
	s, at, now := clocked(t, Config{}, up)
	wants(t, "fresh", asks(t, at, "a.example.com. A"), "NOERROR\na.example.com. 60 A 192.0.2.1")
	now.advance(59 * time.Second)
	wants(t, "old", asks(t, at, "A.example.com. A"), "NOERROR\nA.example.com. 1 A 192.0.2.1")
	if up.count() != 1 {
		t.Errorf("asked %v", up.asked)
	}
	now.advance(time.Second)
	wants(t, "too old", asks(t, at, "a.example.com. A"), "NOERROR\na.example.com. 60 A 192.0.2.1")
	if up.count() != 2 {
		t.Errorf("asked %v", up.asked)
	}
	asks(t, at, "alias.example.com. A")
	now.advance(9 * time.Second)
	wants(t, "each record by itself", asks(t, at, "alias.example.com. A"),
		"NOERROR\nalias.example.com. 1 CNAME a.example.com.\na.example.com. 51 A 192.0.2.1")
	now.advance(time.Second)
	asks(t, at, "alias.example.com. A")
	asks(t, at, "zero.example.com. A")
	asks(t, at, "zero.example.com. A")
	asks(t, at, "old.example.com. A")
	now.advance(maxPositive)
	asks(t, at, "old.example.com. A")
	if up.count() != 2+2+2+2 {
		t.Errorf("asked %v", up.asked)
	}
	if st := s.Stats(); st.CacheHits != 2 || st.CacheMisses != 8 {
		t.Errorf("%+v", st)
	}
}

func TestNegativeAnswersAreKept(t *testing.T) {
	t.Parallel()
	up := newResolver(t)
	up.add("a.example.com. 60 A 192.0.2.1")
	_, at, now := clocked(t, Config{}, up)
	for _, name := range []string{"no.example.com. A", "a.example.com. MX"} {
		before := up.count()
		asks(t, at, name)
		now.advance(29 * time.Second)
		asks(t, at, name)
		if n := up.count() - before; n != 1 {
			t.Errorf("%s: asked %d times", name, n)
		}
		now.advance(time.Second) // the minimum of the SOA record
		asks(t, at, name)
		if n := up.count() - before; n != 2 {
			t.Errorf("%s: asked %d times in the end", name, n)
		}
	}
}

func TestFailuresAreKeptForASecond(t *testing.T) {
	t.Parallel()
	up := newResolver(t)
	up.set(func() { up.rcodes["broken.example.com."] = dnsmessage.RCodeServerFailure })
	_, at, now := clocked(t, Config{}, up)
	wants(t, "failure", asks(t, at, "broken.example.com. A"), "SERVFAIL")
	wants(t, "failure again", asks(t, at, "broken.example.com. A"), "SERVFAIL")
	if up.count() != 1 {
		t.Errorf("asked %v", up.asked)
	}
	now.advance(time.Second)
	asks(t, at, "broken.example.com. A")
	if up.count() != 2 {
		t.Errorf("asked %v", up.asked)
	}
}

func TestAnswersWithAndWithoutDNSSECAreNotMixed(t *testing.T) {
	t.Parallel()
	up := newResolver(t)
	up.add("a.example.com. 60 A 192.0.2.1")
	_, at, _ := clocked(t, Config{}, up)
	asks(t, at, "a.example.com. A")
	q := edited(t, "a.example.com. A", func(b []byte) []byte { b[len(b)-4] = 0x80; return b }, withEDNS(1232))
	overUDP(t, at, q)
	if up.count() != 2 {
		t.Errorf("asked %v", up.asked)
	}
	up.mu.Lock()
	defer up.mu.Unlock()
	if sent := up.queries[1]; sent[len(sent)-optSize-4-tokenSize+7] != 0x80 {
		t.Errorf("the upstream was not told: %x", sent)
	}
}

func TestNoCache(t *testing.T) {
	t.Parallel()
	up := newResolver(t)
	up.add("a.example.com. 60 A 192.0.2.1")
	_, at, _ := clocked(t, Config{CacheEntries: -1}, up)
	asks(t, at, "a.example.com. A")
	asks(t, at, "a.example.com. A")
	if up.count() != 2 {
		t.Errorf("asked %v", up.asked)
	}
}

func TestTheCacheIsBounded(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	c := newCache(160, 1<<20)
	key := func(i int) string { return fmt.Sprintf("%d", i) }
	for i := range 10_000 {
		c.put(key(i), &reply{ttl: time.Hour}, now)
		c.get([]byte(key(0)), now) // what is used stays
	}
	if n := c.count(); n > 160 || n < 100 {
		t.Errorf("%d entries of 160", n)
	}
	if c.get([]byte(key(0)), now) == nil {
		t.Error("the most recently used one is gone")
	}
	c = newCache(1000, 16*10_000)
	for i := range 1000 {
		c.put(key(i), &reply{ttl: time.Hour, body: make([]byte, 4000)}, now)
	}
	octets := 0
	for i := range c.shards {
		octets += c.shards[i].bytes
	}
	if octets > 16*10_000 || octets < 16*4000 {
		t.Errorf("%d octets of %d", octets, 16*10_000)
	}
	// One that is too large for its share does not stay either.
	c.put("huge", &reply{ttl: time.Hour, body: make([]byte, 60_000)}, now)
	if c.get([]byte("huge"), now) != nil {
		t.Error("a reply larger than its share was kept")
	}
}
