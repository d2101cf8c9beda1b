package table

import (
	"fmt"
	"slices"
	"strings"

	"daemun/internal/canonical"
	"daemun/internal/nearest"
)

// nearHosts is how many near misses a trail names at most.
const nearHosts = 5

// explainHost tells which block answers and which ones came close.
func (t *Table) explainHost(trail *Trail, h *Host) {
	trail.Block = h.IR.Name
	_, trail.Rule = t.names.find([]byte(trail.Host))
	switch trail.Rule {
	case ByName:
		trail.HostReason = "the host has this name"
	case ByWildcard:
		trail.HostReason = fmt.Sprintf("no host is named %s, and %s covers it: exactly one label in place of the star", trail.Host, h.IR.Name)
	case ByCatchAll:
		trail.HostReason = "the request has no host, so the catch-all block answers"
		if trail.Host != "" {
			trail.HostReason = fmt.Sprintf("no host, wildcard or alias matches %s, so the catch-all block answers", trail.Host)
		}
	default:
		trail.HostReason = fmt.Sprintf("%s is among the aliases of this host (%s)", trail.Host, trail.Rule)
	}
	if trail.Host != "" {
		trail.NearHosts = t.near(trail.Host, trail.Rule)
	}
}

// near lists blocks that a user may have expected: the wildcard behind an
// exact name, wildcards with another number of labels, and names that differ
// by a slip of the pen.
func (t *Table) near(host string, rule HostRule) []NearHost {
	var near []NearHost
	if wild, ok := canonical.FirstLabelWildcard(host); ok && (rule == ByName || rule == ByAlias) && t.named(wild) != nil {
		near = append(near, NearHost{wild, "covers the host too, but a whole name beats a wildcard"})
	}
	labels := strings.Split(host, ".")
	for i := 2; i < len(labels); i++ {
		if wild := "*." + strings.Join(labels[i:], "."); t.named(wild) != nil {
			near = append(near, NearHost{wild, fmt.Sprintf("a wildcard covers exactly one label, %s has %d in its place", host, i)})
		}
	}
	if wild := "*." + host; t.named(wild) != nil {
		near = append(near, NearHost{wild, "a wildcard covers exactly one label, not the name without it"})
	}
	if rule == ByCatchAll || rule == ByWildcard {
		near = append(near, t.misspelled(host)...)
	}
	return near[:min(len(near), nearHosts)]
}

// named returns the block with this name of its own, nil when there is none.
func (t *Table) named(name string) *Host {
	key, wild := strings.CutPrefix(name, "*")
	v, ok := t.names.exact[key]
	if wild {
		v, ok = t.names.wildcard[key]
	}
	if !ok || v.rule != ByName && v.rule != ByWildcard {
		return nil
	}
	return t.slots[v.at]
}

// misspelled lists names within two edits of host (one for a short name), the
// nearest first.
func (t *Table) misspelled(host string) []NearHost {
	limit := 2
	if len(host) < 8 {
		limit = 1
	}
	type found struct {
		name     string
		distance int
	}
	var all []found
	for _, h := range t.hosts {
		name := h.IR.Name
		if name == "" || name[0] == '*' || name == host {
			continue
		}
		if d := len(name) - len(host); d < -limit || d > limit {
			continue
		}
		if d := nearest.Distance(name, host); d <= limit {
			all = append(all, found{name, d})
		}
	}
	slices.SortStableFunc(all, func(a, b found) int { return a.distance - b.distance })
	var near []NearHost
	for _, f := range all[:min(len(all), nearHosts)] {
		near = append(near, NearHost{f.name, "differs in spelling"})
	}
	return near
}
