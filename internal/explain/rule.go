package explain

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"

	"daemun/internal/ir"
	"daemun/internal/store"
	"daemun/internal/table"
)

// Rule is a path of an Ingress (or a host) and how it fared.
type Rule struct {
	// Text is the rule as its author wrote it.
	Text    string `json:"text"`
	Ingress ir.Ref `json:"ingress,omitzero"`
	// Place is "file:line:column" of the rule, where it is known.
	Place  string `json:"place,omitempty"`
	Reason string `json:"reason"`
}

// rule describes a step of the trail.
func (e *explanation) rule(s *table.Step) *Rule {
	r := &Rule{Ingress: s.Ingress, Reason: strings.TrimPrefix(s.Reason, "not reached: ")}
	switch {
	case s.Implicit && s.Ingress.Name == "":
		r.Text = "the built-in catch-all"
		r.Reason = "no rule of any Ingress matches"
	case s.Implicit:
		r.Text = "the default"
		r.Reason = fmt.Sprintf("no path of host %s matches; this Ingress made the host, so its annotations act here too", cmp.Or(e.Trail.Block, "*"))
	case s.Path == "/" && s.PathType == "Prefix" && e.catchAll(s.Ingress):
		r.Text = "the default backend of the Ingress"
	default:
		r.Text = fmt.Sprintf("path %s (%s)", s.Path, cmp.Or(s.PathType, "no type"))
	}
	r.Place = e.place(s)
	return r
}

func (e *explanation) ingress(r ir.Ref) *networkingv1.Ingress {
	return e.View.Ingresses[store.Name{Namespace: r.Namespace, Name: r.Name}]
}

// catchAll says that an Ingress has a default backend only.
func (e *explanation) catchAll(r ir.Ref) bool {
	object := e.ingress(r)
	return object != nil && len(object.Spec.Rules) == 0
}

// place finds where the rule of a step is written.
func (e *explanation) place(s *table.Step) string {
	if e.Place == nil || s.Ingress.Name == "" {
		return ""
	}
	return e.Place(s.Ingress, e.field(s))
}

// field is the path of a step in its Ingress; "" when there is none.
func (e *explanation) field(s *table.Step) string {
	object := e.ingress(s.Ingress)
	switch {
	case object == nil:
		return ""
	case !s.Implicit && len(object.Spec.Rules) > 0:
	case object.Spec.DefaultBackend != nil:
		return "spec.defaultBackend"
	default:
		return ""
	}
	for i, rule := range object.Spec.Rules {
		if rule.HTTP == nil || sameHost(rule.Host, e.Trail.Block) == "" {
			continue
		}
		for j, p := range rule.HTTP.Paths {
			written := ""
			if p.PathType != nil {
				written = string(*p.PathType)
			}
			if cmp.Or(p.Path, "/") == s.Path && written == s.PathType {
				return fmt.Sprintf("spec.rules[%d].http.paths[%d]", i, j)
			}
		}
	}
	return ""
}

// sameHost compares the host of a rule with the name of a block; "*" stands for
// the one that both leave empty.
func sameHost(written, block string) string {
	if strings.EqualFold(strings.TrimSuffix(written, "."), block) {
		return cmp.Or(block, "*")
	}
	return ""
}

// nearest is the rule that came closest without winning: one that matches and
// is weaker, one that stands behind the winner, a near miss; where no host was
// found, the nearest host.
func (e *explanation) nearest() *Rule {
	if e.Trail.Outcome == table.Ambiguous.String() {
		return nil // the readings say it
	}
	if near := e.Trail.NearHosts; len(near) > 0 && e.Trail.Rule == table.ByCatchAll {
		return &Rule{Text: "host " + near[0].Name, Reason: near[0].Reason}
	}
	best, rank := -1, 0
	for i := range e.Trail.Steps {
		s := &e.Trail.Steps[i]
		if i == e.Trail.Winner || s.Implicit || e.sameRule(s) {
			continue
		}
		if r := e.closeness(s); r > rank {
			best, rank = i, r
		}
	}
	if best < 0 {
		return nil
	}
	return e.rule(&e.Trail.Steps[best])
}

// sameRule says that a step comes from the path that has won: one path can
// become two locations.
func (e *explanation) sameRule(s *table.Step) bool {
	if e.Trail.Winner < 0 {
		return false
	}
	won := &e.Trail.Steps[e.Trail.Winner]
	return s.Path == won.Path && s.PathType == won.PathType && s.Ingress == won.Ingress
}

// closeness ranks a loser.
func (e *explanation) closeness(s *table.Step) int {
	path := e.Trail.Readings.Matched
	common := commonPrefix(strings.ToLower(s.Path), strings.ToLower(path))
	switch {
	case s.Verdict == table.Lost:
		return 3_000_000 + common
	case s.Verdict == table.NotReached && strings.HasPrefix(s.Reason, "not reached: it would match"):
		return 2_000_000 + common
	case strings.EqualFold(strings.Trim(s.Path, "/"), strings.Trim(path, "/")):
		return 1_000_000 + common
	}
	return 1 + common
}

func commonPrefix(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// regexBecause names the Ingresses that made the paths of the host expressions.
func (e *explanation) regexBecause() string {
	var because []string
	for _, s := range e.Trail.Steps {
		object := e.ingress(s.Ingress)
		if object == nil {
			continue
		}
		for _, name := range []string{"use-regex", "rewrite-target"} {
			value := object.Annotations[e.Prefix+"/"+name]
			text := fmt.Sprintf("%s: %s of %s", name, value, s.Ingress)
			if value != "" && value != "false" && !slices.Contains(because, text) {
				because = append(because, text)
			}
		}
	}
	return strings.Join(because, ", ")
}
