package table

import (
	"maps"
	"slices"
	"strings"

	"daemun/internal/expression"
	"daemun/internal/ir"
)

// maxNameEdits is up to how many names that came or went are put into a copy
// of the index; for more it is made anew.
const maxNameEdits = 64

// follow makes the hosts of t, taking over from prev what did not change.
func (t *Table) follow(prev *Table, hs Handles) {
	t.hosts = make([]*Host, len(t.source))
	n := nameEdits{from: make([]int32, len(t.source))}
	i, before := 0, prev.source
	for at, host := range t.source {
		for i < len(before) && before[i] != host && before[i].Name < host.Name {
			n.went = append(n.went, before[i])
			i++
		}
		switch n.from[at] = int32(i); {
		case i < len(before) && before[i] == host:
			t.hosts[at] = prev.hosts[i]
			i++
		case i < len(before) && before[i].Name == host.Name:
			if t.hosts[at] = prev.hosts[i]; !equalHost(t.hosts[at].IR, host) {
				t.hosts[at] = compileHost(host, hs)
				n.changed = append(n.changed, at)
			}
			n.aliases = n.aliases || !slices.Equal(before[i].Aliases, host.Aliases)
			i++
		default:
			t.hosts[at] = compileHost(host, hs)
			n.came = append(n.came, at)
			n.from[at] = -1
		}
	}
	n.went = append(n.went, before[i:]...)
	t.followNames(prev, &n, hs.Policies.Beyond())
}

// nameEdits is how the names of two tables differ.
type nameEdits struct {
	// from is where a host stood before, or -1.
	from []int32
	// came and changed are positions.
	came, changed []int
	went          []*ir.Host
	// aliases: a host has others than before.
	aliases bool
}

// followNames takes over the index of names, or a copy of it with few edits.
// Names point to slots: a host that comes gets a new one, and no other moves.
func (t *Table) followNames(prev *Table, n *nameEdits, beyond expression.Engine) {
	switch edits := len(n.came) + len(n.went); {
	case edits == 0 && !n.aliases:
		t.names, t.slotOf = prev.names, prev.slotOf
		if t.slotOf == nil {
			t.slots = t.hosts
			return
		}
		t.slots = slices.Clone(prev.slots)
	case n.aliases || prev.names.aliased || edits > maxNameEdits || len(prev.slots) > 2*len(t.hosts) || t.comeWithAliases(n):
		t.names, t.slots = newNames(t.source, beyond), t.hosts
		return
	default:
		t.editNames(prev, n)
	}
	for _, at := range n.changed {
		t.slots[t.slotOf[at]] = t.hosts[at]
	}
}

func (t *Table) comeWithAliases(n *nameEdits) bool {
	return slices.ContainsFunc(n.came, func(at int) bool { return len(t.source[at].Aliases) > 0 })
}

func (t *Table) editNames(prev *Table, n *nameEdits) {
	t.names = &names{exact: maps.Clone(prev.names.exact), wildcard: maps.Clone(prev.names.wildcard), catchAll: prev.names.catchAll}
	t.slots = slices.Grow(slices.Clone(prev.slots), len(n.came))
	t.slotOf = make([]int32, len(t.hosts))
	for at, i := range n.from {
		if prev.slotOf != nil && i >= 0 {
			i = prev.slotOf[i]
		}
		t.slotOf[at] = i
	}
	for _, h := range n.went {
		if slot, ok := t.names.remove(h.Name); ok {
			t.slots[slot] = nil
		}
	}
	for _, at := range n.came {
		t.slotOf[at] = int32(len(t.slots))
		t.names.add(t.source[at].Name, len(t.slots))
		t.slots = append(t.slots, t.hosts[at])
	}
}

// remove takes the name of a host out and returns its slot.
func (n *names) remove(name string) (slot int, ok bool) {
	m := n.exact
	if suffix, wild := strings.CutPrefix(name, "*"); wild {
		m, name = n.wildcard, suffix
	}
	v, ok := m[name]
	delete(m, name)
	return v.at, ok
}

// add enters the name of a host.
func (n *names) add(name string, slot int) {
	if suffix, wild := strings.CutPrefix(name, "*"); wild {
		putFirst(n.wildcard, suffix, named{slot, ByWildcard})
		return
	}
	putFirst(n.exact, name, named{slot, ByName})
}
