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
