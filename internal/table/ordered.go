package table

import (
	"bytes"
	"encoding/binary"
	"math"
	"strings"

	"daemun/internal/table/pattern"
)

// ordered is the index of a host in regex mode: routes are tried in order and
// the first match wins. Most of them are passed over at the price of one
// comparison in one array, because eight octets of everything they match are
// known.
type ordered struct {
	probes []probe
	routes []orderedRoute
	// window is how much of a path is needed in lower case.
	window int
}

// probe holds the last octets, up to eight, of the literal text that a route's
// matches begin with: the last ones, because paths of one host often begin
// alike. A path passes when its octets from offset on are want under mask.
type probe struct {
	mask, want uint64
	offset     int
}

type orderedRoute struct {
	route *Route
	// need is text that occurs in every path that matches, in lower case; it
	// is empty when looking for it would not be cheaper than matching.
	need []byte
	// foreign is the matcher of the route if it may give up.
	foreign *foreign
}

func newOrdered(routes []*Route) *ordered {
	o := &ordered{probes: make([]probe, len(routes)), routes: make([]orderedRoute, len(routes))}
	for i, r := range routes {
		prefix, need := r.literals()
		o.probes[i] = newProbe(prefix)
		o.window = max(o.window, o.probes[i].offset+8)
		o.routes[i].route = r
		o.routes[i].foreign, _ = r.matcher.(*foreign)
		if !strings.Contains(prefix, need) {
			o.routes[i].need = []byte(need)
			o.window = math.MaxInt
		}
	}
	return o
}

// literals returns what everything that a route matches begins with and what
// occurs in it, both in lower case.
func (r *Route) literals() (prefix, need string) {
	switch m := r.matcher.(type) {
	case *pattern.Pattern:
		return m.Prefix(), m.Need()
	case exactPath:
		return lowerString(string(m)), ""
	case prefixPath:
		return lowerString(m.bare), ""
	case foldedPrefix:
		return string(m), ""
	case *foreign:
		return m.prefix, ""
	}
	return "", ""
}

func newProbe(prefix string) probe {
	p := probe{offset: max(0, len(prefix)-8)}
	var want, mask [8]byte
	for i := range copy(want[:], prefix[p.offset:]) {
		mask[i] = 0xff
	}
	p.mask, p.want = binary.LittleEndian.Uint64(mask[:]), binary.LittleEndian.Uint64(want[:])
	return p
}

func (o *ordered) find(path []byte, s *scratch) *Route {
	// Eight zeros behind the path let every probe that begins within it read
	// eight octets; no path holds a zero, so a probe never passes beyond the end.
	low := appendLower(s.lower[:0], path[:min(len(path), o.window)])
	end := len(low)
	low = append(low, 0, 0, 0, 0, 0, 0, 0, 0)
	s.lower = low
	for i := range o.probes {
		p := &o.probes[i]
		if p.offset > end || binary.LittleEndian.Uint64(low[p.offset:])&p.mask != p.want {
			continue
		}
		c := &o.routes[i]
		if len(c.need) > 0 && !bytes.Contains(low[:end], c.need) {
			continue
		}
		if c.foreign != nil {
			matched, costly := c.foreign.try(path)
			if costly {
				return tooCostly(c.route)
			}
			if matched {
				return c.route
			}
			continue
		}
		if c.route.matcher.Match(path) {
			return c.route
		}
	}
	return nil
}

func appendLower(dst, b []byte) []byte {
	for _, c := range b {
		dst = append(dst, lower(c))
	}
	return dst
}

func lowerString(s string) string { return string(appendLower(nil, []byte(s))) }

// lower folds ASCII only: expressions compare octets, as in nginx.
func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c | 0x20
	}
	return c
}
