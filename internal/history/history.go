// Package history remembers how the counters of the data side have grown: the
// last quarter of an hour as a ring of steps, and what each route does now.
//
//	h := history.New(history.Config{Routes: registry, Connections: open})
//	go h.Run(ctx) // one look at the counters every two seconds
//	…
//	points := h.Points(150)
//	now := h.Route(route.Metrics)
//
// It turns totals into rates. It knows nothing of routes but their counters,
// and its memory is bounded: a fixed ring, and a few counters for each route
// that has ever been used. The goroutine is that of Run; whatever reads may do
// so at any time.
package history

import (
	"context"
	"sync"
	"time"

	"daemun/internal/metrics"
)

const (
	// Step is the time between two looks at the counters.
	Step = 2 * time.Second
	// steps is the length of the ring: 15 minutes.
	steps = 450
	// window is the number of steps after which the base that rates of routes
	// are counted from moves up. They are those of one to two windows.
	window = 5
)

// Config is where the counters are.
type Config struct {
	Routes *metrics.Registry
	// Connections is the number of open client connections; nil is none.
	Connections func() int64
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// History is safe for concurrent use, apart from Run and Record, which are for
// one goroutine.
type History struct {
	config Config
	bounds []float64

	mu    sync.RWMutex // guards the following
	ring  [steps]slot
	next  int // of the ring
	count int // slots in use
	// routes are those that exist and were ever used.
	routes map[*metrics.Route]*track
	// marks are when the bases of the routes were taken, the older one first.
	marks [2]time.Time
	tick  int
	// last is when the counters were last looked at.
	last time.Time
}

// slot is what happened in one step.
type slot struct {
	at          time.Time
	took        time.Duration
	byClass     [metrics.Classes]uint64
	durations   []uint32
	connections int64
}

// track is what is known of one route.
type track struct {
	last metrics.Totals
	// bases are the totals at marks; nil when they are those of last, so that
	// a route without traffic costs little.
	bases [2]*metrics.Totals
	seen  int // the tick in which it was last found
}

// New returns an empty history.
func New(c Config) *History {
	if c.Now == nil {
		c.Now = time.Now
	}
	return &History{config: c, bounds: c.Routes.DurationBounds(), routes: map[*metrics.Route]*track{}}
}

// Run looks at the counters until ctx ends.
func (h *History) Run(ctx context.Context) error {
	h.Record()
	tick := time.NewTicker(Step)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			h.Record()
		}
	}
}

// Record takes one look. The first one only says where counting begins.
func (h *History) Record() {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.config.Now()
	first := h.last.IsZero()
	if h.tick++; first || h.tick%window == 0 {
		h.rebase(now)
	}
	s := &h.ring[h.next]
	durations := s.durations
	if durations == nil {
		durations = make([]uint32, len(h.bounds)+1)
	}
	clear(durations)
	*s = slot{at: now, took: now.Sub(h.last), durations: durations}
	if h.config.Connections != nil {
		s.connections = h.config.Connections()
	}
	h.config.Routes.Each(func(r *metrics.Route, t *metrics.Totals) { h.add(s, r, t) })
	for r, at := range h.routes {
		if at.seen != h.tick {
			delete(h.routes, r) // the route is gone
		}
	}
	h.last = now
	if first {
		return // what was counted before is of no known time
	}
	h.next = (h.next + 1) % steps
	h.count = min(h.count+1, steps)
}

// add counts what a route has done since the last look.
func (h *History) add(s *slot, r *metrics.Route, t *metrics.Totals) {
	at := h.routes[r]
	if at == nil {
		at = &track{last: metrics.Totals{Durations: make([]uint64, len(t.Durations))}}
		h.routes[r] = at
		if h.last.IsZero() {
			at.last.ByClass = t.ByClass
			copy(at.last.Durations, t.Durations)
		}
	}
	at.seen = h.tick
	if at.last.ByClass == t.ByClass {
		return
	}
	at.keepBases()
	for i := range t.ByClass {
		s.byClass[i] += grown(t.ByClass[i], at.last.ByClass[i])
	}
	for i := range t.Durations {
		s.durations[i] += uint32(grown(t.Durations[i], at.last.Durations[i]))
	}
	at.last.ByClass = t.ByClass
	copy(at.last.Durations, t.Durations)
}

// grown is how much a counter has grown; two reads of one counter that races
// with its shards never make it negative.
func grown(now, before uint64) uint64 { return now - min(before, now) }

// keepBases writes the present totals down where the bases were the same.
func (t *track) keepBases() {
	for i := range t.bases {
		if t.bases[i] == nil {
			t.bases[i] = t.last.Clone()
		}
	}
}

func (h *History) rebase(now time.Time) {
	h.marks[0], h.marks[1] = h.marks[1], now
	if h.marks[0].IsZero() {
		h.marks[0] = now
	}
	for _, t := range h.routes {
		t.bases[0], t.bases[1] = t.bases[1], nil
	}
}
