package table

import (
	"strings"

	"daemun/internal/ir"
)

// pathIndex finds the route of a normalised path, nil when there is none.
type pathIndex interface {
	find(path []byte, s *scratch) *Route
}

// newIndex chooses the index of a host; inOrder is regex mode.
func newIndex(routes []*Route, inOrder bool) pathIndex {
	if inOrder {
		return newOrdered(routes)
	}
	if f, ok := newFew(routes); ok {
		return f
	}
	return newElements(routes)
}

// elements is the index of a host with many routes that is not in regex mode: an exact path
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
