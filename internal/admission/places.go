package admission

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// guest is a review that has a place: from its body until it has been judged.
type guest struct {
	// from is the address that it came from.
	from string
	// leave makes it give up its place.
	leave context.CancelFunc
	stage atomic.Int32
}

// The stages of a guest. Who has gone lost the place to another.
const (
	reading int32 = iota
	waiting
	judging
	gone
)

// goesOn steps from one stage to the next and reports whether the place is still
// the guest's.
func (g *guest) goesOn(from, to int32) bool { return g.stage.CompareAndSwap(from, to) }

// gives reports whether the guest has to give its place to others.
func (g *guest) gives() bool { return g.goesOn(reading, gone) || g.goesOn(waiting, gone) }

// places are shared by whoever can reach the port, which in a cluster is every
// Pod: a full house makes room for an address that has less of it. Whom nobody
// lets wait for a body cannot keep the API server out.
type places struct {
	most int

	mu   sync.Mutex // guards the following
	held []*guest   // in the order of their coming
	// freed is closed when somebody leaves.
	freed chan struct{}
}

func newPlaces(most int) *places { return &places{most: most, freed: make(chan struct{})} }

// take finds a place, if need be that of another, and reports whether it has.
func (p *places) take(g *guest) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.held) >= p.most {
		weakest := p.weakest(g.from)
		if weakest == nil {
			return false
		}
		if weakest.gives() {
			p.remove(weakest)
			weakest.leave()
		}
	}
	p.held = append(p.held, g)
	return true
}

// await is take for one that first waits until somebody leaves by himself, but
// no longer than patience or ctx.
func (p *places) await(ctx context.Context, g *guest, patience time.Duration) bool {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		freed, ok := p.takeFree(g)
		if ok {
			return true
		}
		select {
		case <-freed:
		case <-timer.C:
			return p.take(g)
		case <-ctx.Done():
			return false
		}
	}
}

func (p *places) takeFree(g *guest) (freed <-chan struct{}, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.held) >= p.most {
		return p.freed, false
	}
	p.held = append(p.held, g)
	return nil, true
}

// give ends the stay of a guest, who may have lost his place already.
func (p *places) give(g *guest) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.remove(g)
}

func (p *places) remove(g *guest) {
	if i := slices.Index(p.held, g); i >= 0 {
		p.held = slices.Delete(p.held, i, i+1)
		close(p.freed)
		p.freed = make(chan struct{})
	}
}

// weakest returns who is to go for a newcomer: of the address with the most
// places the one that came first, nil if nobody. Whose body has come goes for an
// address with clearly less only, and never for its own: else a burst of one API
// server would throw out what is about to be judged.
func (p *places) weakest(newcomer string) *guest {
	count := map[string]int{}
	for _, g := range p.held {
		count[g.from]++
	}
	mine := count[newcomer]
	var found *guest
	for _, g := range p.held {
		least := mine + 1
		switch g.stage.Load() {
		case reading:
			if g.from == newcomer {
				least = mine
			}
		case waiting:
			if mine > 0 {
				least++
			}
		case judging:
			continue
		}
		if n := count[g.from]; n >= least && (found == nil || n > count[found.from]) {
			found = g
		}
	}
	return found
}
