package store

import "slices"

// maxJournal is how many changes the journal remembers at least. Whoever was
// away for longer compares everything, which costs no more than that much.
const maxJournal = 1024

// Change is one object that was put or deleted.
type Change struct {
	Key
	// Revision is that of the view which has the change first.
	Revision uint64
}

// journal lists the last changes, oldest first. Views share its array: each
// sees the entries up to its own length, and those are never written again.
type journal struct {
	// origin tells the views of one store from those of another.
	origin *Store
	// since is the revision after which no change is missing.
	since   uint64
	changes []Change
}

// Since returns what has changed from an older view of the same store to v, an
// object perhaps more than once. It is not known (false) when old is of another
// store or too old: then everything may be different. The slice must not be
// written.
func (v *View) Since(old *View) ([]Change, bool) {
	j := &v.journal
	if old == nil || j.origin == nil || old.journal.origin != j.origin || old.Revision < j.since || old.Revision > v.Revision {
		return nil, false
	}
	at, _ := slices.BinarySearchFunc(j.changes, old.Revision+1, func(c Change, revision uint64) int {
		if c.Revision < revision {
			return -1
		}
		return 1
	})
	return j.changes[at:], true
}

// add appends what made a revision.
func (j *journal) add(revision uint64, keys []Key) {
	if len(keys) > maxJournal {
		j.since, j.changes = revision, nil
		return
	}
	if over := len(j.changes) - maxJournal; over > maxJournal {
		j.since, j.changes = j.changes[over-1].Revision, slices.Clone(j.changes[over:])
	}
	for _, k := range keys {
		j.changes = append(j.changes, Change{Key: k, Revision: revision})
	}
}
