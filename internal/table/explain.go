package table

import (
	"fmt"
	"slices"
	"strings"

	"daemun/internal/canonical"
	"daemun/internal/ir"
)

// Trail is how one request finds its route, told for people. The verdict comes
// from Resolve itself; everything else only comments on it.
type Trail struct {
	// Host is the canonical host, empty when the request has none or a bad one.
	Host string `json:"host"`
	// Block is the name of the host block that answers; empty is the catch-all.
	Block string `json:"block"`
	// Rule is how the block was found, HostReason the sentence about it.
	Rule       HostRule `json:"rule,omitempty"`
	HostReason string   `json:"hostReason"`
	// NearHosts are blocks that came close but did not answer.
	NearHosts []NearHost `json:"nearHosts,omitempty"`
	// RedirectTo is set when the block only redirects to another name.
	RedirectTo string   `json:"redirectTo,omitempty"`
	Readings   Readings `json:"readings"`
	// RegexMode says that routes are tried in the order given and the first
	// match wins; otherwise exact beats prefix and the longest prefix wins.
	RegexMode bool `json:"regexMode"`
	// Steps are all routes of the block in the order in which they count.
	Steps []Step `json:"steps,omitempty"`
	// Winner is the index of the winner in Steps, -1 when there is none.
	Winner int `json:"winner"`
	// Outcome is "found", "bad path", "ambiguous path", "bad host" or
	// "redirect"; Reason is the sentence about it.
	Outcome string `json:"outcome"`
	Reason  string `json:"reason"`
}

// NearHost is a host block that came close.
type NearHost struct {
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

// Readings are the ways to read a path (H3.7, H3.8). A reading that does not
// exist is empty.
type Readings struct {
	Raw string `json:"raw"`
	// Matched is what routes are compared with.
	Matched string `json:"matched,omitempty"`
	// Strict and Permissive are set when they differ from Matched, with the
	// route that they select ("Prefix /admin").
	Strict          string `json:"strict,omitempty"`
	StrictRoute     string `json:"strictRoute,omitempty"`
	Permissive      string `json:"permissive,omitempty"`
	PermissiveRoute string `json:"permissiveRoute,omitempty"`
}

// Verdict about one route.
type Verdict string

// The verdicts.
const (
	Won        Verdict = "won"
	Lost       Verdict = "lost"        // matches, but another one is stronger
	NoMatch    Verdict = "no match"    // does not match the path
	NotReached Verdict = "not reached" // stands behind the winner
)

// Step is one route that was looked at.
type Step struct {
	Path     string       `json:"path"`
	PathType string       `json:"pathType,omitempty"`
	Match    ir.MatchKind `json:"match"`
	Pattern  string       `json:"pattern"`
	Ingress  ir.Ref       `json:"ingress,omitzero"`
	Backend  ir.BackendID `json:"backend,omitempty"`
	Implicit bool         `json:"implicit,omitempty"`
	Denied   int          `json:"denied,omitempty"`
	Verdict  Verdict      `json:"verdict"`
	Reason   string       `json:"reason"`
}

// Explain tells how a request for a host (as in a Host field, port allowed)
// and a path as received (without query) is resolved. It allocates freely.
func (t *Table) Explain(host, rawPath string) Trail {
	trail := Trail{Winner: -1, Readings: Readings{Raw: rawPath}}
	if host != "" {
		name, ok := canonical.HostString(host)
		if !ok {
			trail.Outcome = "bad host"
			trail.Reason = fmt.Sprintf("%q is not a legal host name, so the request is answered with 400", host)
			return trail
		}
		trail.Host = name
	}
	var m Match
	outcome := t.Resolve([]byte(trail.Host), []byte(rawPath), &m)
	trail.Outcome = outcome.String()
	t.explainHost(&trail, m.Host)
	h := m.Host
	if outcome == BadPath {
		trail.Reason = "the path has broken percent-encoding, %00 or \"#\", leads above the root or does not begin with \"/\", so the request is answered with 400"
		return trail
	}
	trail.Readings.Matched = string(m.Path)
	if h.IR.RedirectTo != "" {
		trail.Outcome, trail.RedirectTo = "redirect", h.IR.RedirectTo
		trail.Reason = fmt.Sprintf("every path of this host is redirected to %s", h.IR.RedirectTo)
		return trail
	}
	h.explainReadings(&trail.Readings)
	_, trail.RegexMode = h.index.(*ordered)
	winner := m.Route
	if outcome == Ambiguous {
		winner = h.find(m.Path, &scratch{})
	}
	trail.Steps = h.steps(string(m.Path), winner, trail.RegexMode)
	trail.Winner = slices.IndexFunc(trail.Steps, func(s Step) bool { return s.Verdict == Won })
	trail.Reason = foundReason(winner)
	if outcome == Ambiguous {
		trail.Winner = -1
		trail.Reason = "readings of the path select different routes, so a backend could see another one than was checked here: the request is answered with 400"
	}
	return trail
}

func foundReason(r *Route) string {
	switch {
	case r.Err != nil:
		return fmt.Sprintf("the route answers every request with %d: %v", r.IR.Denied, r.Err)
	case r.IR.Denied != 0:
		return fmt.Sprintf("the route answers every request with %d, because a setting of its Ingress is unusable", r.IR.Denied)
	case r.IR.Backend == "":
		return "no Ingress rule matches, so the built-in 404 server answers"
	case r.IR.Implicit:
		return fmt.Sprintf("no rule matches, so the default backend %s answers", r.IR.Backend)
	}
	return fmt.Sprintf("backend %s answers", r.IR.Backend)
}

// explainReadings adds the readings that differ from the one that is matched.
func (h *Host) explainReadings(r *Readings) {
	one := func(read func(dst, raw []byte) ([]byte, bool)) (path, route string) {
		p, ok := read(nil, []byte(r.Raw))
		switch {
		case !ok:
			return "above the root", "none"
		case string(p) == r.Matched:
			return "", ""
		}
		return string(p), routeName(h.find(p, &scratch{}).IR)
	}
	r.Strict, r.StrictRoute = one(canonical.StrictPath)
	r.Permissive, r.PermissiveRoute = one(canonical.PermissivePath)
}

func routeName(r *ir.Route) string { return string(r.Match) + " " + r.Pattern }

// steps lists the routes in the order in which they count.
func (h *Host) steps(path string, winner *Route, regexMode bool) []Step {
	routes := slices.Clone(h.routes)
	if h.nowhere != nil {
		routes = append(routes, h.nowhere)
	}
	if !regexMode {
		slices.SortStableFunc(routes, byStrength)
	}
	at := slices.Index(routes, winner)
	if at < 0 { // a location of a server-snippet
		routes, at = slices.Insert(routes, 0, winner), 0
	}
	steps := make([]Step, len(routes))
	for i, r := range routes {
		steps[i] = Step{
			Path: r.IR.Path, PathType: r.IR.PathType, Match: r.IR.Match, Pattern: r.IR.Pattern,
			Ingress: r.IR.Ingress, Backend: r.IR.Backend, Implicit: r.IR.Implicit, Denied: r.IR.Denied,
		}
		s := &steps[i]
		switch matches := r.matchesAlone(path, regexMode); {
		case i == at:
			s.Verdict, s.Reason = Won, wonReason(r.IR, regexMode)
		case regexMode && i > at:
			s.Verdict, s.Reason = NotReached, notReachedReason(matches)
		case matches:
			s.Verdict, s.Reason = Lost, lostReason(r.IR, winner.IR)
		default:
			s.Verdict, s.Reason = NoMatch, mismatch(r.IR, path)
		}
	}
	return steps
}

// matchesAlone asks the index about one route, as if the host had no other.
func (r *Route) matchesAlone(path string, regexMode bool) bool {
	return newIndex([]*Route{r}, regexMode && r.matcher != nil).find([]byte(path), &scratch{}) != nil
}

func wonReason(r *ir.Route, regexMode bool) string {
	switch {
	case strings.HasPrefix(r.PathType, "location"):
		return fmt.Sprintf("%s %s of a snippet comes before the routes of the host", r.PathType, r.Pattern)
	case regexMode && r.Match == ir.MatchRegex:
		return fmt.Sprintf("expression %s is the first that matches (this host is in regex mode: case is ignored, there is no end anchor)", r.Pattern)
	case regexMode:
		return "is the first that matches"
	case r.Match == ir.MatchExact:
		return "equals the path; exact beats every prefix"
	case r.Implicit:
		return "no rule of this host matches, so its default answers; other hosts are not tried"
	}
	return fmt.Sprintf("prefix %s is the longest that matches", r.Pattern)
}

func notReachedReason(matches bool) string {
	if matches {
		return "not reached: it would match, but an expression before it did (longer path text comes first)"
	}
	return "not reached: an expression before it matched"
}

func lostReason(r, winner *ir.Route) string {
	switch {
	case winner.Match == r.Match && winner.Pattern == r.Pattern:
		return "the same path stands twice; the first wins"
	case winner.Match == ir.MatchExact:
		return fmt.Sprintf("matches, but exact path %s beats every prefix", winner.Pattern)
	}
	return fmt.Sprintf("matches, but is shorter than the winner %s", winner.Pattern)
}

// mismatch says why a route does not match a path, naming the near misses.
func mismatch(r *ir.Route, path string) string {
	switch r.Match {
	case ir.MatchExact:
		switch {
		case strings.TrimSuffix(r.Pattern, "/") == strings.TrimSuffix(path, "/"):
			return fmt.Sprintf("exact path %s differs from %s by the final slash", r.Pattern, path)
		case strings.EqualFold(r.Pattern, path):
			return fmt.Sprintf("exact path %s differs from %s in upper and lower case", r.Pattern, path)
		}
		return fmt.Sprintf("exact path %s is not %s", r.Pattern, path)
	case ir.MatchPrefix:
		return prefixMismatch(r.Pattern, path)
	}
	return fmt.Sprintf("expression %s does not match %s", r.Pattern, path)
}

func prefixMismatch(prefix, path string) string {
	switch {
	case prefix == path+"/":
		return fmt.Sprintf("prefix %s needs the final slash, which %s lacks", prefix, path)
	case strings.HasPrefix(path, prefix):
		rest := path[strings.LastIndexByte(prefix, '/')+1:]
		element, _, _ := strings.Cut(rest, "/")
		return fmt.Sprintf("prefix %s does not match the whole element %q of %s", prefix, element, path)
	case len(path) >= len(prefix) && strings.EqualFold(path[:len(prefix)], prefix):
		return fmt.Sprintf("prefix %s differs from %s in upper and lower case", prefix, path)
	}
	return fmt.Sprintf("prefix %s is not at the start of %s", prefix, path)
}
