package ir

import "cmp"

// Diff calls each for every name whose pointer differs between two lists that
// are sorted by name: old is nil for what came, now for what went. It looks
// into what differs only, so that a large list of which little has changed
// costs little.
func Diff[T any, K cmp.Ordered](before, after []*T, name func(*T) K, each func(old, now *T)) {
	i, j := 0, 0
	for i < len(before) && j < len(after) {
		if before[i] == after[j] {
			i, j = i+1, j+1
			continue
		}
		switch cmp.Compare(name(before[i]), name(after[j])) {
		case -1:
			each(before[i], nil)
			i++
		case 1:
			each(nil, after[j])
			j++
		default:
			each(before[i], after[j])
			i, j = i+1, j+1
		}
	}
	for ; i < len(before); i++ {
		each(before[i], nil)
	}
	for ; j < len(after); j++ {
		each(nil, after[j])
	}
}

// DiffHosts is Diff of the hosts of two configurations.
func DiffHosts(before, after []*Host, each func(old, now *Host)) {
	Diff(before, after, func(h *Host) string { return h.Name }, each)
}
