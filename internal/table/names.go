package table

import (
	"slices"
	"strings"

	"daemun/internal/canonical"
	"daemun/internal/expression"
	"daemun/internal/ir"
)

// HostRule says how a host block was found.
type HostRule string

// The rules in the order in which they are tried. An alias is ignored when it
// is the name of a host (ingress-nginx §1.6); a whole name that is an alias
// comes before wildcards, as in nginx. A wildcard alias covers one label, like
// the wildcard names of hosts.
const (
	ByName          HostRule = "exact name"
	ByAlias         HostRule = "alias"
	ByWildcard      HostRule = "wildcard"
	ByWildcardAlias HostRule = "wildcard alias"
	ByRegexAlias    HostRule = "regular expression alias"
	ByCatchAll      HostRule = "catch-all"
)

// names finds the slot of a host block by name. It is shared by successive
// tables as long as no name changes.
type names struct {
	exact    map[string]named
	wildcard map[string]named // by suffix: ".example.com"
	regexps  []namedRegexp
	catchAll int
	// aliased: some host has an alias, so that names may be in each other's way.
	aliased bool
}

type named struct {
	at   int
	rule HostRule
}

type namedRegexp struct {
	expr expression.Matcher
	at   int
}

// newNames indexes hosts, of which one is the catch-all block.
func newNames(hosts []*ir.Host, beyond expression.Engine) *names {
	n := &names{exact: make(map[string]named, len(hosts)), wildcard: map[string]named{}}
	for at, h := range hosts {
		if h.Name == "" {
			n.catchAll = at
		} else {
			n.add(h.Name, at)
		}
	}
	for at, h := range hosts {
		n.aliased = n.aliased || len(h.Aliases) > 0
		for _, alias := range h.Aliases {
			n.addAlias(alias, at, beyond)
		}
	}
	return n
}

// addAlias indexes one alias, unless the name is taken. An alias that is no
// usable name is passed over; translation reports it.
func (n *names) addAlias(alias string, at int, beyond expression.Engine) {
	if expr, ok := strings.CutPrefix(alias, "~"); ok {
		if m, err := expression.Compile(expr, expression.Fold, beyond); err == nil {
			n.regexps = append(n.regexps, namedRegexp{m, at})
		}
		return
	}
	name, ok := canonical.HostString(alias)
	if !ok {
		return
	}
	if suffix, wild := strings.CutPrefix(name, "*"); wild {
		putFirst(n.wildcard, suffix, named{at, ByWildcardAlias})
		return
	}
	putFirst(n.exact, name, named{at, ByAlias})
}

func putFirst(m map[string]named, key string, v named) {
	if _, taken := m[key]; !taken {
		m[key] = v
	}
}

// find returns the position of the host block of a canonical name. There is no
// fall-through: the block that is found answers every path (ingress-nginx §2.4).
func (n *names) find(host []byte) (at int, rule HostRule) {
	if v, ok := n.exact[string(host)]; ok {
		return v.at, v.rule
	}
	if len(n.wildcard) > 0 {
		if suffix, ok := canonical.WildcardSuffix(host); ok {
			if v, ok := n.wildcard[string(suffix)]; ok {
				return v.at, v.rule
			}
		}
	}
	for i := range n.regexps {
		if len(host) == 0 {
			break
		}
		// A name that costs too much is no alias.
		if matched, err := n.regexps[i].expr.Match(host, nil); matched && err == nil {
			return n.regexps[i].at, ByRegexAlias
		}
	}
	return n.catchAll, ByCatchAll
}

// HasTLS reports whether the host has a certificate for a canonical name that
// has led to it: for its own, or for an alias (ingress-nginx §3.1).
func (h *Host) HasTLS(name []byte) bool {
	if !h.IR.TLSRedirect || len(h.IR.Aliases) == len(h.IR.TLSAliases) {
		return h.IR.TLSRedirect
	}
	return covers(h.IR.Name, name) || slices.ContainsFunc(h.IR.TLSAliases, func(alias string) bool { return covers(alias, name) })
}

// covers reports whether a name of a host, which may be a wildcard, is that of
// a request.
func covers(written string, name []byte) bool {
	if written == string(name) {
		return true
	}
	suffix, ok := canonical.WildcardSuffix(name)
	return ok && len(written) > 1 && written[0] == '*' && written[1:] == string(suffix)
}
