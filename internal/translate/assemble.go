package translate

import (
	"cmp"
	"maps"
	"slices"

	"daemun/internal/ir"
)

// registry counts the uses of things by id and keeps a sorted list of them,
// which is made anew only when something came or went.
type registry[K cmp.Ordered, V comparable] struct {
	entries map[K]*registered[V]
	list    []V
	dirty   bool
}

type registered[V comparable] struct {
	value V
	uses  int
}

func newRegistry[K cmp.Ordered, V comparable]() registry[K, V] {
	return registry[K, V]{entries: map[K]*registered[V]{}, dirty: true}
}

func (r *registry[K, V]) retain(id K, value func() V) {
	e := r.entries[id]
	if e == nil {
		e = &registered[V]{value: value()}
		r.entries[id] = e
		r.dirty = true
	}
	e.uses++
}

func (r *registry[K, V]) release(id K) {
	e := r.entries[id]
	if e == nil {
		return
	}
	if e.uses--; e.uses == 0 {
		delete(r.entries, id)
		r.dirty = true
	}
}

// sorted returns the values by id. The list is never written again.
func (r *registry[K, V]) sorted() []V {
	if !r.dirty {
		return r.list
	}
	r.dirty = false
	ids := slices.Sorted(maps.Keys(r.entries))
	r.list = make([]V, len(ids))
	for i, id := range ids {
		r.list[i] = r.entries[id].value
	}
	return r.list
}

// retain counts what a built host uses, release takes that back.
func (t *Translator) retain(h *host) {
	for i := range h.backends {
		t.backends.retain(h.backends[i].ID, func() *ir.Backend { return new(h.backends[i]) })
	}
	for _, c := range h.certificates {
		// A changed pair keeps its id: the list must show the new one.
		if e := t.references.entries[c.ID]; e != nil && e.value != c {
			e.value, t.references.dirty = c, true
		}
		t.references.retain(c.ID, func() *ir.Certificate { return c })
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
