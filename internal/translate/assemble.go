package translate

import (
	"cmp"
	"maps"
	"slices"

	"daemun/internal/ir"
)

// registry counts the uses of things by id and keeps a sorted list of them,
// which is another one only when something came or went.
type registry[K cmp.Ordered, V comparable] struct {
	entries map[K]*registered[V]
	list    []V
	ids     []K // of list
	// moved are ids that came or went since list was made; once there are more
	// than a few it is made of entries.
	moved []K
}

type registered[V comparable] struct {
	value V
	uses  int
}

func newRegistry[K cmp.Ordered, V comparable]() registry[K, V] {
	return registry[K, V]{entries: map[K]*registered[V]{}, list: []V{}}
}

func (r *registry[K, V]) move(id K) {
	if len(r.moved) <= maxFew {
		r.moved = append(r.moved, id)
	}
}

// retain counts a use. What nobody uses is still known until sorted, so that a
// host that is built anew brings the same value back.
func (r *registry[K, V]) retain(id K, same func(V) bool, value func() V) {
	e := r.entries[id]
	if e == nil {
		e = &registered[V]{value: value()}
		r.entries[id] = e
		r.move(id)
	} else if e.uses == 0 && !same(e.value) {
		e.value = value()
	}
	e.uses++
}

func (r *registry[K, V]) release(id K) {
	e := r.entries[id]
	if e == nil {
		return
	}
	if e.uses--; e.uses == 0 {
		r.move(id)
	}
}

// sorted returns the values by id. The list is never written again.
func (r *registry[K, V]) sorted() []V {
	if len(r.moved) > maxFew {
		r.sortAll()
	} else if r.differs() {
		r.list = slices.Grow(slices.Clone(r.list), len(r.moved))
		for _, id := range r.moved {
			r.place(id)
		}
	}
	r.moved = r.moved[:0]
	return r.list
}

func (r *registry[K, V]) sortAll() {
	maps.DeleteFunc(r.entries, func(_ K, e *registered[V]) bool { return e.uses == 0 })
	r.ids = slices.Sorted(maps.Keys(r.entries))
	r.list = make([]V, len(r.ids))
	for i, id := range r.ids {
		r.list[i] = r.entries[id].value
	}
}

// differs forgets what is unused and reports whether list is out of date.
func (r *registry[K, V]) differs() bool {
	r.moved = slices.DeleteFunc(r.moved, func(id K) bool {
		e := r.entries[id]
		if e != nil && e.uses == 0 {
			delete(r.entries, id)
			e = nil
		}
		at, found := slices.BinarySearch(r.ids, id)
		return found == (e != nil) && (!found || r.list[at] == e.value)
	})
	return len(r.moved) > 0
}

// place puts one id in the list, or takes it out.
func (r *registry[K, V]) place(id K) {
	at, found := slices.BinarySearch(r.ids, id)
	switch e := r.entries[id]; {
	case e == nil && found:
		r.ids, r.list = slices.Delete(r.ids, at, at+1), slices.Delete(r.list, at, at+1)
	case e != nil && found:
		r.list[at] = e.value
	case e != nil:
		r.ids, r.list = slices.Insert(r.ids, at, id), slices.Insert(r.list, at, e.value)
	}
}

// retain counts what a built host uses, release takes that back.
func (t *Translator) retain(h *host) {
	for i := range h.backends {
		b := &h.backends[i]
		t.backends.retain(b.ID, func(known *ir.Backend) bool { return *known == *b }, func() *ir.Backend { return new(*b) })
	}
	for _, c := range h.certificates {
		// A changed pair keeps its id: the list must show the new one.
		if e := t.references.entries[c.ID]; e != nil && e.value != c {
			e.value = c
			t.references.move(c.ID)
		}
		t.references.retain(c.ID, func(known *ir.Certificate) bool { return known == c }, func() *ir.Certificate { return c })
	}
}

func (t *Translator) release(h *host) {
	for i := range h.backends {
		t.backends.release(h.backends[i].ID)
	}
	for _, c := range h.certificates {
		t.references.release(c.ID)
	}
	h.backends, h.certificates = nil, nil
}

// assemble puts the configuration together.
func (t *Translator) assemble(hosts []*ir.Host, standard *ir.Certificate) *ir.Config {
	cfg := &ir.Config{
		Hosts:        hosts,
		Backends:     t.withBalance(t.backends.sorted()),
		Certificates: t.references.sorted(),
		Settings:     t.settings.values.Settings,
	}
	cfg.Settings.Passthrough = t.options.SSLPassthrough
	if standard == nil {
		return cfg
	}
	cfg.DefaultCertificate = standard.ID
	at, found := slices.BinarySearchFunc(cfg.Certificates, standard.ID, func(c *ir.Certificate, id ir.CertificateID) int {
		return cmp.Compare(c.ID, id)
	})
	if !found {
		cfg.Certificates = slices.Insert(slices.Clone(cfg.Certificates), at, standard)
	}
	return cfg
}
