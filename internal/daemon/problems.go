package daemon

import (
	"slices"
	"sync"

	"daemun/internal/ir"
	"daemun/internal/manifest"
	"daemun/internal/store"
)

// problemSource is one place that knows problems.
type problemSource func() []ir.Problem

// problemBoard gathers the problems of all sources, adds the place in the file
// where one is known, and tells a listener once when a problem appears and
// once when it goes. It is safe for concurrent use.
type problemBoard struct {
	locate  func(k store.Key, field string) (manifest.Position, bool)
	sources []problemSource
	// changed is called with the lock held; it must not call back.
	changed func(added, gone []ir.Problem)

	mu   sync.Mutex
	last []ir.Problem
}

// refresh looks at all sources.
func (b *problemBoard) refresh() {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.collect()
	added, gone := ir.DiffProblems(b.last, now)
	b.last = now
	if len(added)+len(gone) > 0 {
		b.changed(added, gone)
	}
}

// list returns the present problems, sorted.
func (b *problemBoard) list() []ir.Problem {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.last)
}

func (b *problemBoard) collect() []ir.Problem {
	var all []ir.Problem
	for _, s := range b.sources {
		for _, p := range s() {
			all = append(all, Located(p, b.locate))
		}
	}
	slices.SortFunc(all, ir.Problem.Compare)
	return slices.CompactFunc(all, func(a, b ir.Problem) bool { return a.Compare(b) == 0 })
}

// Located adds file, line and column to a problem that has none.
func Located(p ir.Problem, locate func(store.Key, string) (manifest.Position, bool)) ir.Problem {
	if p.File != "" || p.Object.Kind == "" {
		return p
	}
	at, ok := locate(store.Key{Kind: p.Object.Kind, Namespace: p.Object.Namespace, Name: p.Object.Name}, p.Field)
	if ok {
		p.File, p.Line, p.Column = at.File, at.Line, at.Column
	}
	return p
}
