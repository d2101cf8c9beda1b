package admission

import (
	"maps"
	"sync"
	"time"
)

// Stats is what has been reviewed.
type Stats struct {
	// Last is how long the last review took, Size the length of its object in
	// octets.
	Last time.Duration
	Size int
	// Checked is how long the last check of an Ingress of ours took, Together
	// how many Ingresses were translated for it.
	Checked  time.Duration
	Together int
	// Checks are those of Ingresses of ours. Beyond some thousand Ingresses
	// they are counted together, under no name.
	Checks map[Name]Checks
}

// Name is that of an Ingress.
type Name struct{ Namespace, Name string }

// Checks counts those of one Ingress.
type Checks struct{ Accepted, Refused uint64 }

// maxNames bounds the Ingresses that are counted by name: whoever may write
// Ingresses may make up names.
const maxNames = 5000

// counts are what Stats shows.
type counts struct {
	mu    sync.Mutex
	stats Stats
}

// answered notes the answer to a review.
func (c *counts) answered(took time.Duration, size int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stats.Last, c.stats.Size = took, size
}

// checked notes the check of an Ingress.
func (c *counts) checked(name Name, accepted bool, together int, took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stats.Checks == nil {
		c.stats.Checks = map[Name]Checks{}
	}
	if _, known := c.stats.Checks[name]; !known && len(c.stats.Checks) >= maxNames {
		name = Name{}
	}
	n := c.stats.Checks[name]
	if accepted {
		n.Accepted++
	} else {
		n.Refused++
	}
	c.stats.Checks[name] = n
	c.stats.Together, c.stats.Checked = together, took
}

// Stats returns the counters.
func (h *Webhook) Stats() Stats {
	h.counts.mu.Lock()
	defer h.counts.mu.Unlock()
	s := h.counts.stats
	s.Checks = maps.Clone(s.Checks)
	return s
}
