package store

import (
	"cmp"
	"maps"
	"slices"

	discoveryv1 "k8s.io/api/discovery/v1"
)

// reindex moves an EndpointSlice in the index by Service: from is the stored
// slice or nil, to its replacement or nil.
func (tx *Tx) reindex(from, to *discoveryv1.EndpointSlice) {
	if from == to {
		return
	}
	if !tx.indexed {
		tx.indexed = true
		if tx.view.slicesOf = maps.Clone(tx.view.slicesOf); tx.view.slicesOf == nil {
			tx.view.slicesOf = map[Name][]*discoveryv1.EndpointSlice{}
		}
	}
	if owner, ok := serviceOf(from); ok {
		tx.touched = append(tx.touched, owner)
		kept := slices.DeleteFunc(slices.Clone(tx.view.slicesOf[owner]), func(s *discoveryv1.EndpointSlice) bool { return s == from })
		if len(kept) == 0 {
			delete(tx.view.slicesOf, owner)
		} else {
			tx.view.slicesOf[owner] = kept
		}
	}
	if owner, ok := serviceOf(to); ok {
		tx.touched = append(tx.touched, owner)
		list := append(slices.Clone(tx.view.slicesOf[owner]), to)
		slices.SortFunc(list, func(a, b *discoveryv1.EndpointSlice) int { return cmp.Compare(a.Name, b.Name) })
		tx.view.slicesOf[owner] = list
	}
}

func serviceOf(s *discoveryv1.EndpointSlice) (Name, bool) {
	if s == nil || s.Labels[discoveryv1.LabelServiceName] == "" {
		return Name{}, false
	}
	return Name{s.Namespace, s.Labels[discoveryv1.LabelServiceName]}, true
}
