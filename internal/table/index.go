package table

import (
	"bytes"
	"encoding/binary"
	"strings"

	"daemun/internal/ir"
	"daemun/internal/table/pattern"
)

// pathIndex finds the route of a normalised path, nil when there is none.
type pathIndex interface {
	find(path []byte, s *scratch) *Route
}

// elements is the index of a host that is not in regex mode: an exact path
// wins over all, else the longest prefix of whole path elements (H3.10). The
// cost grows with the depth of the path, as far as the configured prefixes are
// deep, and not with the number of routes.
type elements struct {
	exact  map[string]*Route
	prefix map[string]prefixes
	root   prefixes // of the empty key
	// lengths has bit min(n, 63) set when prefix has a key of n octets;
	// longest is the length of the longest key.
	lengths uint64
	longest int
}

// prefixes are the routes of one prefix without its final slash.
type prefixes struct {
	bare  *Route // "/foo": "/foo" and below
	slash *Route // "/foo/": below "/foo/" only
}

// deepest returns the winner for a path that goes on with "/" after the key.
func (p prefixes) deepest() *Route {
	if p.slash != nil {
		return p.slash
	}
	return p.bare
}

// newElements indexes routes; of two equal ones the first stays.
func newElements(routes []*Route) *elements {
	e := &elements{}
	for _, r := range routes {
		if r.IR.Match == ir.MatchExact {
			if e.exact == nil {
				e.exact = make(map[string]*Route)
			}
			if e.exact[r.IR.Pattern] == nil {
				e.exact[r.IR.Pattern] = r
			}
			continue
		}
		e.addPrefix(r)
	}
	return e
}

func (e *elements) addPrefix(r *Route) {
	key, slash := strings.CutSuffix(r.IR.Pattern, "/")
	p := e.root
	if key != "" {
		p = e.prefix[key]
	}
	if slash && p.slash == nil {
		p.slash = r
	} else if !slash && p.bare == nil {
		p.bare = r
	}
	if key == "" {
		e.root = p
		return
	}
	if e.prefix == nil {
		e.prefix = make(map[string]prefixes)
	}
	e.prefix[key] = p
	e.lengths |= 1 << min(len(key), 63)
	e.longest = max(e.longest, len(key))
}

func (e *elements) find(path []byte, _ *scratch) *Route {
	if e.exact != nil {
		if r := e.exact[string(path)]; r != nil {
			return r
		}
	}
	if e.lengths != 0 {
		if r := e.longestPrefix(path); r != nil {
			return r
		}
	}
	return e.root.deepest()
}

// longestPrefix probes the element boundaries of path from the last to the
// first.
func (e *elements) longestPrefix(path []byte) *Route {
	end := len(path)
	if e.has(end) {
		if p, ok := e.prefix[string(path)]; ok && p.bare != nil {
			return p.bare
		}
	}
	for i := min(end-1, e.longest); i > 0; i-- {
		if path[i] != '/' || !e.has(i) {
			continue
		}
		if p, ok := e.prefix[string(path[:i])]; ok {
			return p.deepest()
		}
	}
	return nil
}

func (e *elements) has(length int) bool {
	return length <= e.longest && e.lengths&(1<<min(length, 63)) != 0
}

// ordered is the index of a host in regex mode: routes are tried in order and
// the first match wins. heads lets most of them be passed over at the price of
// one comparison in one array.
type ordered struct {
	heads  []head
	routes []orderedRoute
}

// head is the beginning of everything a route matches, in lower case: want
// under mask.
type head struct{ mask, want uint64 }

type orderedRoute struct {
	route *Route
	// need is text that occurs in every path that matches, in lower case; it
	// is empty when looking for it would not be cheaper than matching.
	need []byte
}

func newOrdered(routes []*Route) *ordered {
	o := &ordered{heads: make([]head, len(routes)), routes: make([]orderedRoute, len(routes))}
	for i, r := range routes {
		prefix, need := "", ""
		switch m := r.matcher.(type) {
		case *pattern.Pattern:
			prefix, need = m.Prefix(), m.Need()
		case exactPath:
			prefix = strings.ToLower(string(m))
		case prefixPath:
			prefix = strings.ToLower(m.bare)
		case foldedPrefix:
			prefix = string(m)
		}
		o.heads[i] = headOf(prefix)
		o.routes[i].route = r
		if !strings.Contains(prefix, need) {
			o.routes[i].need = []byte(need)
		}
	}
	return o
}

func headOf(prefix string) head {
	var want, mask [8]byte
	n := copy(want[:], prefix)
	for i := range n {
		mask[i] = 0xff
	}
	return head{mask: binary.LittleEndian.Uint64(mask[:]), want: binary.LittleEndian.Uint64(want[:])}
}

func (o *ordered) find(path []byte, s *scratch) *Route {
	s.lower = s.lower[:0]
	start := lowerHead(path)
	for i := range o.heads {
		if start&o.heads[i].mask != o.heads[i].want {
			continue
		}
		c := &o.routes[i]
		if len(c.need) > 0 {
			if len(s.lower) == 0 {
				s.lower = appendLower(s.lower, path)
			}
			if !bytes.Contains(s.lower, c.need) {
				continue
			}
		}
		if c.route.matcher.Match(path) {
			return c.route
		}
	}
	return nil
}

// lowerHead is the first eight octets of path in lower case, padded with zeros.
func lowerHead(path []byte) uint64 {
	var b [8]byte
	for i, c := range path[:min(len(path), 8)] {
		b[i] = lower(c)
	}
	return binary.LittleEndian.Uint64(b[:])
}

func appendLower(dst, b []byte) []byte {
	for _, c := range b {
		dst = append(dst, lower(c))
	}
	return dst
}

// lower folds ASCII only: expressions compare octets, as in nginx.
func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c | 0x20
	}
	return c
}
