package daemon

import (
	"os"
	"runtime/debug"
	"runtime/metrics"
)

// garbage is how much of it may gather between two collections, in bytes. The
// usual rule, as much as there are live objects, doubles the memory of a
// Daemun that knows ten thousand Ingresses, for nothing: requests make no
// garbage and a change makes about a megabyte, so that even under constant
// change (a hundred tables a second) there are a few collections a second.
// With few objects the same rule means more headroom than the usual one, which
// spares collections where garbage does come from traffic: handshakes.
const garbage = 24 << 20

// The percentage that is asked of the collector stays within these bounds.
// Below the least one collection would follow the other.
const (
	leastPercent, mostPercent = 20, 200
	firstPercent              = 50 // while it reads the first objects
)

// collector tells the garbage collector how much headroom to take, following
// the size of what is live. Whoever sets GOGC decides that for himself; the
// zero collector then does nothing. It is used by one goroutine at a time.
type collector struct {
	set     func(percent int) int
	percent int
}

func newCollector() *collector {
	if os.Getenv("GOGC") != "" {
		return &collector{}
	}
	c := &collector{set: debug.SetGCPercent}
	c.choose(firstPercent)
	return c
}

// follow looks at how much is live.
func (c *collector) follow() {
	if c.set == nil {
		return
	}
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() == metrics.KindUint64 {
		c.choose(percentFor(sample[0].Value.Uint64()))
	}
}

// choose sets a percentage unless it is about the present one: setting it stops
// all goroutines for a moment.
func (c *collector) choose(percent int) {
	if apart := percent - c.percent; c.percent != 0 && apart*apart <= 25 {
		return
	}
	c.percent = percent
	c.set(percent)
}

func percentFor(live uint64) int {
	return int(min(max(garbage*100/max(live, 1), leastPercent), mostPercent))
}
