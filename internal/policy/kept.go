package policy

import (
	"crypto/sha256"
	"sync"
	"time"
)

// kept remembers values for a time each, in two generations: when the young one
// has half of max, the old one is forgotten. So it is bounded by max without a
// list of what was used last. The zero value with max set is ready; it is safe
// for concurrent use.
type kept[V any] struct {
	max int

	mu         sync.Mutex // guards the following
	young, old map[[sha256.Size]byte]keptValue[V]
}

type keptValue[V any] struct {
	value *V
	until time.Time
}

// get returns the value of a key, nil when there is none or its time is over.
func (k *kept[V]) get(key [sha256.Size]byte, now time.Time) *V {
	k.mu.Lock()
	defer k.mu.Unlock()
	v, ok := k.young[key]
	if !ok {
		v, ok = k.old[key]
	}
	if !ok || !now.Before(v.until) {
		return nil
	}
	return v.value
}

func (k *kept[V]) put(key [sha256.Size]byte, value *V, until time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.young == nil || len(k.young) >= k.max/2 {
		k.young, k.old = make(map[[sha256.Size]byte]keptValue[V]), k.young
	}
	k.young[key] = keptValue[V]{value, until}
}
