package network

import (
	"maps"
	"slices"

	discoveryv1 "k8s.io/api/discovery/v1"

	"daemun/internal/ir"
	"daemun/internal/store"
)

// maxFew is up to how many Services that changed at once are put into their
// places one by one.
const maxFew = 64

// settleServices brings the list of Services up to date and reports whether one
// came or went. It looks at those that the store says have changed, or at all
// when the store does not know.
func (t *Translator) settleServices(v *store.View) (moved bool) {
	names, known := t.concerned(v)
	if !known || len(names) > maxFew {
		return t.settleAll(v)
	}
	if len(names) == 0 {
		return false
	}
	t.list = slices.Grow(slices.Clone(t.list), len(names))
	for name := range names {
		at, found := slices.BinarySearchFunc(t.order, name, compareNames)
		switch exists := v.Services[name] != nil; {
		case exists && found:
			t.list[at] = t.fresh(v, name).ir
		case exists:
			moved = true
			t.order = slices.Insert(t.order, at, name)
			t.list = slices.Insert(t.list, at, t.fresh(v, name).ir)
		case found:
			moved = true
			t.order, t.list = slices.Delete(t.order, at, at+1), slices.Delete(t.list, at, at+1)
			t.forget(name)
		}
	}
	return moved
}

// concerned are the Services that have changed, or whose EndpointSlices have.
func (t *Translator) concerned(v *store.View) (names map[store.Name]struct{}, known bool) {
	changes, known := v.Since(t.view)
	names = map[store.Name]struct{}{}
	for _, c := range changes {
		name := store.Name{Namespace: c.Namespace, Name: c.Name}
		switch c.Kind {
		case "Service":
			names[name] = struct{}{}
		case "EndpointSlice":
			// Of the Service that it was of, too.
			for _, view := range []*store.View{t.view, v} {
				if s := view.EndpointSlices[name]; s != nil {
					names[store.Name{Namespace: s.Namespace, Name: s.Labels[discoveryv1.LabelServiceName]}] = struct{}{}
				}
			}
		}
	}
	return names, known
}

// settleAll looks at all Services.
func (t *Translator) settleAll(v *store.View) (moved bool) {
	order := slices.SortedFunc(maps.Keys(v.Services), compareNames)
	moved = !slices.Equal(order, t.order)
	t.order, t.list = order, make([]*ir.Service, 0, len(order))
	for _, name := range order {
		t.list = append(t.list, t.fresh(v, name).ir)
	}
	if len(t.services) > len(order) {
		for name := range t.services {
			if v.Services[name] == nil {
				t.forget(name)
			}
		}
	}
	return moved
}

func (t *Translator) forget(name store.Name) {
	delete(t.services, name)
	delete(t.troubled, name)
}
