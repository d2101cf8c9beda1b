package translate

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"daemun/internal/annotation"
	"daemun/internal/expression"
	"daemun/internal/ir"
)

// facts are what a host owes to other hosts.
type facts struct {
	tlsRedirect bool
	aliases     []string
	// tlsAliases are those that the host's certificate covers.
	tlsAliases []string
}

func (f facts) equal(g facts) bool {
	return f.tlsRedirect == g.tlsRedirect && slices.Equal(f.aliases, g.aliases) && slices.Equal(f.tlsAliases, g.tlsAliases)
}

// settleHosts returns the finished hosts by name. Those that did not change
// are not looked at when none has to do with another one.
func (t *Translator) settleHosts(regrouped bool, problems *[]ir.Problem) []*ir.Host {
	alone := t.special == 0 && !t.hadSpecial
	t.hadSpecial = t.special > 0
	if regrouped && alone {
		return t.acrossTouched()
	}
	t.list = t.across(problems)
	return t.list
}

// across settles what hosts do to each other (www redirects, aliases, the
// https redirect of wildcard parents) and returns the finished hosts by name.
func (t *Translator) across(problems *[]ir.Problem) []*ir.Host {
	redirects := t.wwwRedirects(problems)
	aliases := t.aliases(redirects, problems)
	wildcards := map[string]*host{}
	for _, h := range t.sorted {
		if strings.HasPrefix(h.name, "*.") && h.tls {
			wildcards[h.name] = h
		}
	}
	list := make([]*ir.Host, 0, len(t.sorted)+len(redirects))
	for _, h := range t.sorted {
		f := facts{tlsRedirect: h.tls, aliases: aliases[h], tlsAliases: t.covered(h, aliases[h])}
		if !f.tlsRedirect && len(wildcards) > 0 {
			parent := wildcards[parentOf(h.name)]
			f.tlsRedirect = parent != nil && t.sameOwner(h, parent)
		}
		if h.changed || h.ir == nil || !f.equal(h.facts) {
			h.facts, h.changed = f, false
			h.ir = h.finished()
		}
		list = append(list, h.ir)
	}
	if len(redirects) == 0 {
		return list
	}
	for _, r := range redirects {
		list = append(list, r)
	}
	slices.SortFunc(list, func(a, b *ir.Host) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// covered returns the aliases of a host that its certificate is good for: that
// of spec.tls, or the default one in its place.
func (t *Translator) covered(h *host, aliases []string) (list []string) {
	if !h.tls {
		return nil
	}
	certificates := h.certificates
	if len(certificates) == 0 && t.defaultCertificate != nil {
		certificates = []*ir.Certificate{t.defaultCertificate}
	}
	for _, alias := range aliases {
		if slices.ContainsFunc(certificates, func(c *ir.Certificate) bool { return covers(c.Names, alias) }) {
			list = append(list, alias)
		}
	}
	return list
}

// finished returns the IR of a host.
func (h *host) finished() *ir.Host {
	return &ir.Host{
		Name: h.name, Aliases: h.facts.aliases, Owner: h.owner, Certificates: certificateIDs(h.certificates),
		Fields: beforeRouting(h.fields(nil)), Script: h.script(), Locations: h.locations(), TLSRedirect: h.facts.tlsRedirect, TLSAliases: h.facts.tlsAliases, AppRoot: h.appRoot, ClientAuth: h.clientAuth, RegexMode: h.regexMode, Routes: h.routes,
		Passthrough: h.passthrough != nil, Suites: h.suites, ErrorPages: errorPages(h.hostBlocks()),
	}
}

func certificateIDs(list []*ir.Certificate) []ir.CertificateID {
	var ids []ir.CertificateID
	for _, c := range list {
		ids = append(ids, c.ID)
	}
	return ids
}

// wwwRedirects makes the hosts of from-to-www-redirect (ingress-nginx §3.3).
func (t *Translator) wwwRedirects(problems *[]ir.Problem) map[string]*ir.Host {
	var made map[string]*ir.Host
	for _, h := range t.sorted {
		if h.www == nil {
			h.redirect = nil
			continue
		}
		name := wwwName(h.name)
		field := annotation.Field(t.options.AnnotationsPrefix + "/from-to-www-redirect")
		report := func(why string) {
			h.redirect = nil
			*problems = append(*problems, ir.Problem{
				Code: CodeWWW, Severity: ir.SeverityWarning, Object: h.www.ref, Field: field,
				Message: fmt.Sprintf("no redirect to host %q: %s", h.name, why),
			})
		}
		_, exists := t.hosts[name]
		switch {
		case name == "":
			report("it has no name with or without www.")
			continue
		case exists:
			report(fmt.Sprintf("%q is a host of its own", name))
			continue
		case made[name] != nil:
			report(fmt.Sprintf("%q already redirects to %q", name, made[name].RedirectTo))
			continue
		}
		if h.redirect == nil || h.changed {
			var certs []*ir.Certificate
			for _, c := range h.certificates {
				if covers(c.Names, name) {
					certs = append(certs, c)
				}
			}
			h.redirect = &ir.Host{
				Name: name, RedirectTo: h.name, Owner: h.www.ref, Certificates: certificateIDs(certs),
				Fields: beforeRouting(h.global.Defaults.Fields),
			}
		}
		if made == nil {
			made = map[string]*ir.Host{}
		}
		made[name] = h.redirect
	}
	return made
}

// aliases gives every server-alias to one host: names that are hosts or www
// redirects are left out, and the first host by name wins.
func (t *Translator) aliases(redirects map[string]*ir.Host, problems *[]ir.Problem) map[*host][]string {
	var given map[*host][]string
	taken := map[string]*host{}
	for _, h := range t.sorted {
		if h.alias == nil {
			continue
		}
		if given == nil {
			given = map[*host][]string{}
		}
		field := annotation.Field(t.options.AnnotationsPrefix + "/server-alias")
		for _, written := range aliasForms(h.alias.values.ServerAlias) {
			name, costly, why := aliasName(written, t.options.Beyond)
			if why == "" {
				_, isHost := t.hosts[name]
				switch {
				case name == h.name:
					continue
				case isHost:
					why = "it is a host of its own"
				case redirects[name] != nil:
					why = fmt.Sprintf("it redirects to host %q", redirects[name].RedirectTo)
				case taken[name] != nil:
					why = fmt.Sprintf("it already is an alias of host %q", taken[name].name)
				}
			}
			if why != "" {
				*problems = append(*problems, ir.Problem{
					Code: CodeAlias, Severity: ir.SeverityWarning, Object: h.alias.ref, Field: field,
					Message: fmt.Sprintf("alias %.80q of host %q is ignored: %s", written, h.name, why),
				})
				continue
			}
			if costly != "" {
				*problems = append(*problems, ir.Problem{
					Code: CodeCostly, Severity: ir.SeverityNotice, Object: h.alias.ref, Field: field,
					Message: fmt.Sprintf("alias %.80q %s: the engine with back-tracking runs it, which is slower, and names that cost too much are no alias", written, costly),
				})
			}
			taken[name] = h
			given[h] = append(given[h], name)
		}
		slices.Sort(given[h])
		given[h] = slices.Compact(given[h])
	}
	return given
}

// aliasForms says with names, wildcards of one label, and expressions what nginx
// takes its wildcards for, which stand for any number of labels, also at the end,
// and of which a dot at the beginning is both the name and its wildcard.
func aliasForms(written []string) (forms []string) {
	for _, alias := range written {
		lower := strings.ToLower(alias)
		sign, rest, _ := strings.Cut(lower, ".")
		begin, trailing := strings.CutSuffix(lower, ".*")
		switch {
		case sign == "" && dnsName.MatchString(rest):
			forms = append(forms, rest, "*."+rest, deeper(rest))
		case sign == "*" && dnsName.MatchString(rest):
			forms = append(forms, alias, deeper(rest))
		case trailing && dnsName.MatchString(begin):
			forms = append(forms, "~^"+regexp.QuoteMeta(begin)+`\..+$`)
		default:
			forms = append(forms, alias)
		}
	}
	return forms
}

// deeper is an expression for names with two labels or more before name.
func deeper(name string) string { return `~^.+\..+\.` + regexp.QuoteMeta(name) + "$" }

// aliasName returns the canonical form of an alias, or why it has none. costly
// says why its expression needs the engine with back-tracking, beyond.
func aliasName(written string, beyond expression.Engine) (name, costly, why string) {
	if expr, ok := strings.CutPrefix(written, "~"); ok {
		expr = strings.TrimPrefix(expr, "*")
		wrong := checkExpression(expr)
		if costly = needsBeyond(expr, wrong, beyond); wrong != "" && costly == "" {
			return "", "", "the expression " + wrong
		}
		return "~" + expr, costly, ""
	}
	name, ok := hostName(written)
	if !ok {
		return "", "", "it is neither a DNS name, nor one with *. before it, nor an expression after ~"
	}
	return name, "", ""
}
