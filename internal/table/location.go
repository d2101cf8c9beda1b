package table

import (
	"bytes"
	"strings"

	"daemun/internal/expression"
	"daemun/internal/ir"
)

// locations are those of a server-snippet: they come beside the routes of the
// host, by the rules of nginx (exact, longest prefix, expressions in order).
type locations struct {
	prefixes    []location // exact ones, too
	named       []location
	expressions []location
	regexMode   bool
}

type location struct {
	*Route
	match   ir.LocationMatch
	pattern string
	expr    expression.Matcher
}

// newLocations makes those of the host, or those within a route of it; their
// effects begin with first.
func newLocations(host *ir.Host, list []*ir.Location, first int, hs Handles) *locations {
	if len(list) == 0 {
		return nil
	}
	l := &locations{regexMode: host.RegexMode}
	for i, from := range list {
		made := location{Route: compileRoute(host, from.Route, false, hs), match: from.Match, pattern: from.Pattern}
		made.effect = first - i
		if from.Match == ir.LocationNamed {
			l.named = append(l.named, made)
			continue
		}
		if from.Match != ir.LocationRegex && from.Match != ir.LocationRegexFold {
			l.prefixes = append(l.prefixes, made)
			continue
		}
		fold := expression.Case(from.Match == ir.LocationRegexFold)
		made.expr, made.Err = expression.Compile(from.Pattern, fold, hs.Policies.Beyond())
		l.expressions = append(l.expressions, made)
	}
	return l
}

// Named returns the location of a name such as "@missing", nil if there is none.
func (h *Host) Named(name []byte) *Route {
	if h.locations == nil {
		return nil
	}
	for i := range h.locations.named {
		if l := &h.locations.named[i]; l.pattern == string(name) {
			return l.Route
		}
	}
	return nil
}

// choose returns the location for a path, or r, the route of the host for it, or
// one within that. An expression that gives up on a path closes it.
func (l *locations) choose(path []byte, r *Route) *Route {
	if found := l.exact(path); found != nil {
		return found
	}
	inner, settled := r.inside(path)
	if r != nil && !l.regexMode && r.IR.Match != ir.MatchRegex && string(path) == r.IR.Pattern {
		return inner // nginx has "location = /foo" for a Prefix /foo, too
	}
	best := l.longest(path)
	if best != nil && !l.regexMode && r != nil && len(best.pattern) <= slashed(r.IR.Pattern) {
		best = nil
	}
	if best != nil && best.match == ir.LocationFirm {
		return best.Route
	}
	if best == nil && settled && !l.regexMode {
		return inner
	}
	if found := l.matching(path); found != nil {
		return found
	}
	if best == nil || l.regexMode { // the routes are expressions, too
		return inner
	}
	return best.Route
}

// inside returns the location within the route that a path has, or the route
// itself. As in nginx a prefix settles nothing: an expression of the host comes
// before it.
func (r *Route) inside(path []byte) (found *Route, settled bool) {
	if r == nil || r.inner == nil {
		return r, false
	}
	if found := r.inner.exact(path); found != nil {
		return found, true
	}
	best := r.inner.longest(path)
	if best == nil || best.match != ir.LocationFirm {
		if found := r.inner.matching(path); found != nil {
			return found, true
		}
	}
	if best == nil {
		return r, false
	}
	return best.Route, false
}

// matching is the first location whose expression matches a path.
func (l *locations) matching(path []byte) *Route {
	for i := range l.expressions {
		e := &l.expressions[i]
		if e.expr == nil {
			continue
		}
		matched, err := e.expr.Match(path, nil)
		if err != nil {
			return tooCostly(e.Route)
		}
		if matched {
			return e.Route
		}
	}
	return nil
}

// slashed is the length of a prefix with its final slash, as nginx has it.
func slashed(prefix string) int {
	if strings.HasSuffix(prefix, "/") {
		return len(prefix)
	}
	return len(prefix) + 1
}

func (l *locations) exact(path []byte) *Route {
	for i := range l.prefixes {
		if p := &l.prefixes[i]; p.match == ir.LocationExact && string(path) == p.pattern {
			return p.Route
		}
	}
	return nil
}

// longest is the location with the longest prefix: the first of equals.
func (l *locations) longest(path []byte) *location {
	var best *location
	for i := range l.prefixes {
		p := &l.prefixes[i]
		if p.match != ir.LocationExact && bytes.HasPrefix(path, []byte(p.pattern)) && (best == nil || len(p.pattern) > len(best.pattern)) {
			best = p
		}
	}
	return best
}

// tooCostly is a route that answers 500, in place of one whose expression has
// given up: whether it matches is not known.
func tooCostly(r *Route) *Route {
	denied := *r.IR
	denied.Denied = 500
	return &Route{IR: &denied, Metrics: r.Metrics, effect: -1 << 30}
}
