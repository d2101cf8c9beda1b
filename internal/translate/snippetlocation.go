package translate

import (
	"fmt"
	"strings"

	"daemun/internal/annotation"
	"daemun/internal/configmap"
	"daemun/internal/ir"
	"daemun/internal/snippet"
)

// checkLocations closes the host when a location of a server-snippet has the
// path of a route: the route would answer in its place, and what it guards would
// be open. nginx refuses such a configuration.
func (h *host) checkLocations(locations []location, lenient bool) {
	if h.regexMode || len(h.hostBlocks()) == 0 {
		return
	}
	taken := map[string]bool{}
	for i := range locations {
		if l := &locations[i]; !l.exact {
			taken[strings.TrimSuffix(l.text, "/")+"/"] = true
		}
	}
	if h.onHost != nil {
		h.checkBlock(h.onHost.onHost, taken, lenient, h.onHost.ref, annotation.Field(h.prefix+"/server-snippet"))
	}
	if b := h.snippets.host; b != nil {
		h.checkBlock(b, taken, lenient, h.snippets.object, configmap.Field("server-snippet"))
	}
}

func (h *host) checkBlock(b *snippet.Block, taken map[string]bool, lenient bool, object ir.Ref, field string) {
	for _, l := range b.Locations {
		if !taken[l.Pattern] || l.Match != ir.LocationPrefix && l.Match != ir.LocationFirm {
			continue
		}
		p := ir.Problem{
			Code: CodeSnippet, Severity: ir.SeverityError, Object: object, Field: field,
			Message: fmt.Sprintf("%v: location: %.80q is the path of a route of host %q, too: write what is for its requests into a configuration-snippet; all routes of the host answer 503", l.At, l.Pattern, h.name),
		}
		if lenient {
			p.Code, p.Severity = CodeSnippetIgnored, ir.SeverityWarning
			p.Message = strings.TrimSuffix(p.Message, "all routes of the host answer 503") + "it is left out"
		}
		h.closed = h.closed || !lenient
		h.problems = append(h.problems, p)
	}
}

// locations are those of the server-snippets.
func (h *host) locations() (list []*ir.Location) {
	for _, b := range h.hostBlocks() {
		for _, l := range b.Locations {
			r := &ir.Route{Path: l.Pattern, PathType: strings.TrimSpace("location " + string(l.Match)), Match: locationMatch(l.Match), Pattern: l.Pattern}
			if h.onHost != nil {
				r.Ingress = h.onHost.ref
			}
			r.Policies = h.global.Defaults.Policies
			r.SSLRedirect, r.ForceSSLRedirect, r.BasicAuth, r.ExternalAuth = false, false, nil, nil
			if h.closed {
				r.Denied = 503
			}
			h.withBlocks(r, h.hostBlocks(), []*snippet.Block{l.Block})
			list = append(list, &ir.Location{Match: l.Match, Pattern: l.Pattern, Route: r})
		}
	}
	return list
}

func locationMatch(m ir.LocationMatch) ir.MatchKind {
	switch m {
	case ir.LocationExact, ir.LocationNamed:
		return ir.MatchExact
	case ir.LocationRegex, ir.LocationRegexFold:
		return ir.MatchRegex
	}
	return ir.MatchPrefix
}

// withGroups lets the texts of snippets have the groups of the path of a route,
// as long as no other expression has matched.
func (h *host) withGroups(r *ir.Route, expr string, blocks []*snippet.Block) {
	for _, b := range blocks {
		if steps := b.Groups(expr, true); steps != nil {
			s := ir.Script{Steps: steps}
			if r.Script != nil {
				s.Steps, s.Variants = append(steps, r.Script.Steps...), r.Script.Variants
			}
			r.Script = &s
			return
		}
	}
}

// nest gives a route the locations within it. They have its guards, and neither
// its backend nor what rewrites its requests. One whose path is shorter than that
// of the route has all its requests: nginx refuses that, and it may be a guard.
func (h *host) nest(r *ir.Route, in *location, blocks []*snippet.Block) {
	for _, b := range blocks {
		for _, l := range b.Locations {
			kind := locationMatch(l.Match)
			if kind != ir.MatchRegex && !h.regexMode && !isWithin(l.Pattern, in.text) && !strings.HasPrefix(in.text, l.Pattern) {
				continue
			}
			made := &ir.Route{
				Path: l.Pattern, PathType: strings.TrimSpace("location " + string(l.Match)), Match: kind, Pattern: l.Pattern,
				Ingress: r.Ingress, Denied: r.Denied, Policies: r.Policies,
			}
			made.Script, made.Redirect, made.Rewrite, made.ForwardedPrefix = nil, nil, nil, ""
			made.CORS, made.Mirror = nil, nil
			withInner(made, l.Block)
			r.Locations = append(r.Locations, &ir.Location{Match: l.Match, Pattern: l.Pattern, Route: made})
		}
	}
}

// withInner gives a location what its block says; what that does not say is as
// in the route.
func withInner(r *ir.Route, b *snippet.Block) {
	r.Fields = joinFields(r.Fields, b)
	r.Script = joinScripts([]*snippet.Block{b}, r.Fields)
	for _, apply := range b.Apply {
		apply(&r.Policies)
	}
	if r.Bandwidth != nil && r.Bandwidth.Rate == 0 {
		r.Bandwidth = nil
	}
	if len(b.ErrorPages) > 0 {
		r.ErrorPages = b.ErrorPages
	}
	snippet.ApplyPages(&r.Policies, []*snippet.Block{b})
	snippet.ApplyInnerZones(&r.Policies, b)
	if len(b.Access) > 0 {
		access := ir.Access{}
		if r.Access != nil {
			access = *r.Access
		}
		access.Rules = b.Access
		r.Access = &access
	}
}

// checkNested refuses locations that lie within no path of the Ingress, as nginx
// does: what they guard would be open.
func (c *compilation) checkNested() {
	if c.onRoute == nil || c.values.UseRegex || c.values.RewriteTarget != "" {
		return
	}
	for _, l := range c.onRoute.Locations {
		if locationMatch(l.Match) == ir.MatchRegex || c.holds(l.Pattern) {
			continue
		}
		code, severity, consequence := CodeSnippet, ir.SeverityError, "all routes of the Ingress answer 503"
		if c.t.options.IgnoreSnippets {
			code, severity, consequence = CodeSnippetIgnored, ir.SeverityWarning, "it is left out"
		} else {
			c.denied = 503
		}
		c.report(code, severity, c.snippetField("configuration-snippet"),
			"%v: location: %.80q lies within no path of the Ingress: write it into a server-snippet; %s", l.At, l.Pattern, consequence)
	}
}

// holds reports whether a path begins with one of the Ingress.
func (c *compilation) holds(pattern string) bool {
	for _, p := range c.parts {
		if p.catchAll {
			return true
		}
		for i := range p.paths {
			if isWithin(pattern, p.paths[i].text) {
				return true
			}
		}
	}
	return false
}

// isWithin compares a location with the path of a route, by whole elements.
func isWithin(pattern, path string) bool {
	path = strings.TrimSuffix(path, "/")
	return pattern == path || strings.HasPrefix(pattern, path+"/")
}
