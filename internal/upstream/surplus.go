package upstream

import "time"

// When a thousand requests run at once and then the next thousand, connections
// beyond the limit for idle ones would be closed and opened again all the time.
// So they may stay idle for a moment; those that nobody needed in it are closed.
const (
	surplusTime = time.Second
	surplusMost = 1024 // connections per backend
)

// trimSoon makes sure that surplus connections are looked after. It is called
// after one was counted.
func (r *Registry) trimSoon() {
	if r.trimming.Load() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.trimming.Load() || r.closed {
		return
	}
	r.trimming.Store(true)
	if r.trimmer == nil {
		r.trimmer = time.AfterFunc(surplusTime, r.trim)
	} else {
		r.trimmer.Reset(surplusTime)
	}
}

// trim closes surplus connections that were idle for surplusTime, and comes
// again as long as there are some.
func (r *Registry) trim() {
	now := time.Now()
	for _, b := range r.all() {
		b.trim(now)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.trimming.Store(false)
	for _, b := range r.backends { // also those counted after their trim, which found it running
		if b.surplus() > 0 && !r.closed {
			r.trimming.Store(true)
			r.trimmer.Reset(surplusTime)
			return
		}
	}
}

func (r *Registry) all() (list []*Backend) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range r.backends {
		list = append(list, b)
	}
	return list
}

// surplus is how many idle connections there are beyond the limit.
func (b *Backend) surplus() int { return int(b.idle.Load()) - b.registry.pool.Load().Connections }

func (b *Backend) trim(now time.Time) {
	for _, e := range b.endpoints() {
		e.trim(now)
	}
}

// trim closes the oldest idle connections as far as they are too many.
func (e *Endpoint) trim(now time.Time) {
	var old []*Conn
	e.mu.Lock()
	for t := range e.idle {
		pool := e.idle[t]
		n := 0
		for n < len(pool) && len(old) < e.backend.surplus() && now.Sub(pool[n].idleSince) >= surplusTime {
			old = append(old, pool[n])
			n++
		}
		kept := append(pool[:0], pool[n:]...)
		clear(pool[len(kept):])
		e.idle[t] = kept
	}
	e.mu.Unlock()
	e.backend.idle.Add(-int32(len(old)))
	for _, c := range old {
		c.close()
	}
}
