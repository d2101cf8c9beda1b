package table

import (
	"encoding/binary"
	"slices"
	"strings"

	"daemun/internal/ir"
)

// fewRoutes is up to how many routes of a host stand in one list. Behind it a
// table of many hosts touches two or three lines of memory per request, where
// maps would touch a dozen.
const fewRoutes = 16

// few is the index of a host that is not in regex mode and has few routes: a
// list by strength (exact ones, then prefixes from long to short), in which
// the first match wins.
type few struct {
	entries []entry
	text    string // of all entries
	routes  []*Route
}

// entry is one path. Its text is few.text[offset:offset+length].
type entry struct {
	tail   uint64 // the last eight octets of the text, 0 for a shorter one
	offset uint32
	length uint16
	match  entryMatch
}

type entryMatch uint8

const (
	wholePath    entryMatch = iota // exact
	wholeElement                   // prefix, the path ends or goes on with "/"
	anyRest                        // prefix that ends with "/"
)

// maxText is what fits into entry.length.
const maxText = 1<<16 - 1

// newFew reports false for routes that need elements.
func newFew(routes []*Route) (*few, bool) {
	if len(routes) > fewRoutes {
		return nil, false
	}
	f := &few{routes: slices.Clone(routes), entries: make([]entry, len(routes))}
	slices.SortStableFunc(f.routes, byStrength)
	var text strings.Builder
	for i, r := range f.routes {
		p := r.IR.Pattern
		if len(p) > maxText {
			return nil, false
		}
		e := entry{offset: uint32(text.Len()), length: uint16(len(p)), match: wholeElement}
		switch {
		case r.IR.Match == ir.MatchExact:
			e.match = wholePath
		case strings.HasSuffix(p, "/"):
			e.match = anyRest
		}
		if len(p) >= 8 {
			e.tail = binary.LittleEndian.Uint64([]byte(p[len(p)-8:]))
		}
		text.WriteString(p)
		f.entries[i] = e
	}
	f.text = text.String()
	return f, true
}

func (f *few) find(path []byte, _ *scratch) *Route {
	for i := range f.entries {
		e := &f.entries[i]
		n := int(e.length)
		if n > len(path) || n != len(path) && (e.match == wholePath || e.match == wholeElement && path[n] != '/') {
			continue
		}
		if n >= 8 && binary.LittleEndian.Uint64(path[n-8:]) != e.tail {
			continue
		}
		if n == 1 && e.match == anyRest { // "/": every path begins with it
			return f.routes[i]
		}
		if string(path[:n]) == f.text[e.offset:int(e.offset)+n] {
			return f.routes[i]
		}
	}
	return nil
}

// byStrength orders routes outside regex mode: exact ones, then prefixes from
// long to short. Equal ones keep their order, so that the first wins.
func byStrength(a, b *Route) int {
	if ae, be := a.IR.Match == ir.MatchExact, b.IR.Match == ir.MatchExact; ae != be {
		if ae {
			return -1
		}
		return 1
	}
	if a.IR.Match == ir.MatchExact {
		return 0
	}
	return len(b.IR.Pattern) - len(a.IR.Pattern)
}
