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
// once when it goes; one that only moves within its file is not told. It is
// safe for concurrent use.
type problemBoard struct {
	locate func(k store.Key, field string) (manifest.Position, bool)
	// sources are looked at with each refresh.
	sources []problemSource
	// changed is called with the lock held; it must not call back.
	changed func(added, gone []ir.Problem)

	mu        sync.Mutex
	published []ir.Problem // of the table that is live
	placed    []ir.Problem // the same, with their places
	last      []ir.Problem
}

// publish takes over the problems of a new table. They are placed here and not
// with each refresh: when a file changes, its problems are those of the old
// text until the next table, and have no place in the new one.
func (b *problemBoard) publish(problems []ir.Problem) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.published = problems
	b.place()
}

// moved says that lines of files have moved while the objects are the same.
func (b *problemBoard) moved() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.place()
}

func (b *problemBoard) place() {
	b.placed = make([]ir.Problem, len(b.published))
	for i, p := range b.published {
		b.placed[i] = Located(p, b.locate)
	}
	b.update()
}

// refresh looks at all sources.
func (b *problemBoard) refresh() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.update()
}

// update is refresh under the lock.
func (b *problemBoard) update() {
	now := b.collect()
	if slices.Equal(now, b.last) {
		return // as after most changes, and finding that out costs least
	}
	added, gone := newIn(now, b.last), newIn(b.last, now)
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
	all := slices.Clone(b.placed)
	for _, s := range b.sources {
		for _, p := range s() {
			all = append(all, Located(p, b.locate))
		}
	}
	slices.SortFunc(all, ir.Problem.Compare)
	return slices.CompactFunc(all, func(a, b ir.Problem) bool { return a.Compare(b) == 0 })
}

// newIn returns the problems of one list that the other does not have.
func newIn(list, other []ir.Problem) (added []ir.Problem) {
	known := make(map[ir.Problem]bool, len(other))
	for _, p := range other {
		known[unplaced(p)] = true
	}
	for _, p := range list {
		if !known[unplaced(p)] {
			added = append(added, p)
		}
	}
	return added
}

// unplaced leaves out the line of a problem that its object and field name
// already.
func unplaced(p ir.Problem) ir.Problem {
	if p.Object.Name != "" && p.Field != "" {
		p.Line, p.Column = 0, 0
	}
	return p
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
