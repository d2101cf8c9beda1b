package translate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"daemun/internal/annotation"
	"daemun/internal/configmap"
	"daemun/internal/expression"
	"daemun/internal/ir"

	networkingv1 "k8s.io/api/networking/v1"
)

// begins reports whether a path begins with one of the prefixes.
func begins(path string, prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(path, p) })
}

// host is a host block under construction and in memory.
type host struct {
	name       string
	generation uint64
	gone       bool
	// special: it may have to do with other hosts.
	special bool

	// parts are what the host is made of; taken counts those of the current
	// generation; changed asks for a new build.
	parts   []*part
	taken   int
	changed bool

	// global are the settings of the ConfigMap.
	global *configmap.Values
	// snippets are those of the ConfigMap; onHost is the server-snippet of an
	// Ingress, and closed says that it cannot be used.
	snippets *settingSnippets
	onHost   *ingress
	closed   bool
	// prefix is that of annotations, for problems.
	prefix string
	// beyond checks expressions that the linear engine cannot run.
	beyond expression.Engine
	// standard is the global default backend.
	standard ir.Backend

	// The rest is what build makes. admitted are the parts that count.
	admitted     []*part
	routes       []*ir.Route
	regexMode    bool
	appRoot      string
	clientAuth   *ir.ClientAuth
	passthrough  *ingress // asks for it
	suites       []uint16
	owner        ir.Ref
	tls          bool // an Ingress of the host has spec.tls
	alias, www   *ingress
	backends     []ir.Backend
	certificates []*ir.Certificate
	problems     []ir.Problem

	// What across makes of it.
	facts    facts
	ir       *ir.Host
	redirect *ir.Host
}

func (h *host) begin(generation uint64, all bool) {
	h.generation, h.taken = generation, 0
	h.changed = h.changed || all
}

// take adds a part; an identical one at the same place is no change.
func (h *host) take(p *part) {
	if h.taken < len(h.parts) && h.parts[h.taken] == p {
		h.taken++
		return
	}
	h.changed = true
	h.parts = append(h.parts[:h.taken], p)
	h.taken++
}

func (h *host) end() {
	if h.taken < len(h.parts) {
		h.changed = true
		h.parts = h.parts[:h.taken]
	}
}

// location is a path of a host with its owner, before it becomes routes.
type location struct {
	path
	in       *ingress // nil: built in
	implicit bool
	// standard: the backend is the global default backend.
	standard bool
	// bare: annotations of the redirect and rewrite groups do not apply
	// (ingress-nginx §2.1.6).
	bare bool
	// canary takes a share of the requests.
	canary *ir.Canary
	// canaryTo is its backend.
	canaryTo ir.Backend
}

func (l *location) target() string {
	if l.in == nil || l.bare {
		return ""
	}
	return l.in.values.RewriteTarget
}

func (l *location) useRegex() bool { return l.in != nil && !l.bare && l.in.values.UseRegex }

// build makes a host of its parts.
func (t *Translator) build(h *host) {
	t.release(h)
	*h = host{name: h.name, special: h.special, generation: h.generation, parts: h.parts, taken: h.taken, changed: true, ir: h.ir, facts: h.facts, redirect: h.redirect, global: &t.settings.values, snippets: &t.settings.snippets, beyond: t.options.Beyond, prefix: t.options.AnnotationsPrefix, standard: t.defaultBackend}
	h.admitted = t.admit(h)
	locations := h.collect(t.defaultBackend)
	for _, p := range h.admitted {
		h.tls = h.tls || len(p.ingress.tls) > 0 && h.name != "" && !p.ingress.isCanary()
	}
	h.settings(locations)
	h.tellDecided()
	slices.SortStableFunc(locations, func(a, b location) int {
		return cmp.Or(cmp.Compare(len(b.text), len(a.text)), cmp.Compare(b.text, a.text))
	})
	h.regexMode = needsRegexMode(locations)
	h.checkLocations(locations, t.options.IgnoreSnippets)
	if h.regexMode {
		h.regexRoutes(locations)
	} else {
		h.plainRoutes(locations)
	}
	h.checkPassthrough(t.options.SSLPassthrough)
	h.chooseCertificates()
	t.retain(h)
	t.specialIs(h, h.www != nil || h.alias != nil || h.tls && strings.HasPrefix(h.name, "*."))
	if delete(t.troubled, h); len(h.problems) > 0 {
		t.troubled[h] = struct{}{}
	}
}

// collect lists the locations of the host: the implicit "/" first, then the
// paths in the order of the Ingresses; the first of equals wins.
func (h *host) collect(standard ir.Backend) []location {
	type key struct {
		path  string
		exact bool
	}
	locations := []location{h.root(standard)}
	at := map[key]int{{"/", false}: 0}
	for _, p := range h.admitted {
		if p.ingress.isCanary() {
			continue
		}
		if p.catchAll {
			if locations[0].in != p.ingress {
				h.report(CodeCatchAll, p.ingress, "spec.defaultBackend", fmt.Sprintf("%s already is the catch-all; this defaultBackend is not used", locations[0].in.ref))
			}
			continue
		}
		for _, candidate := range p.paths {
			k := key{candidate.text, candidate.exact}
			l := location{path: candidate, in: p.ingress}
			i, taken := at[k]
			switch {
			case !taken:
				at[k] = len(locations)
				locations = append(locations, l)
			case locations[i].implicit:
				locations[i] = l
			default:
				h.report(CodeDuplicate, p.ingress, candidate.field+".path", h.duplicate(&candidate, &locations[i]))
			}
		}
	}
	h.attachCanaries(locations, func(p *path) int {
		if i, ok := at[key{p.text, p.exact}]; ok {
			return i
		}
		return -1
	})
	return locations
}

// duplicate says who has the path of a loser.
func (h *host) duplicate(loser *path, winner *location) string {
	kind := "Prefix"
	if loser.exact {
		kind = "Exact"
	}
	where := winner.field
	if winner.field == "" {
		where = "spec.defaultBackend"
	}
	return fmt.Sprintf("%s already has host %q, path %.80q (%s) at %s; this path is not used: remove one of them",
		winner.in.ref, h.name, loser.text, kind, where)
}

// root returns the "/" that a block has without a rule for it: it belongs to
// the Ingress that created the block and carries all its annotations. The
// catch-all block is built in; an Ingress with only a default backend takes its
// "/" over for good.
func (h *host) root(standard ir.Backend) location {
	l := location{implicit: true, standard: standard.ID != "", path: path{text: "/", written: string(networkingv1.PathTypePrefix), to: defaultDestination(standard)}}
	if h.name != "" {
		l.in = h.admitted[0].ingress
		h.owner = l.in.ref
		if l.in.standard.service != "" {
			l.to, l.standard = l.in.standard, false
		}
		return l
	}
	for _, p := range h.admitted {
		if p.catchAll && !p.ingress.isCanary() {
			l.in, l.to, l.bare, l.implicit, l.standard = p.ingress, p.ingress.standard, true, false, false
			break
		}
	}
	return l
}

func defaultDestination(b ir.Backend) destination {
	return destination{service: b.Service, port: b.Port, backend: b}
}

func (h *host) report(code string, in *ingress, field, message string) {
	h.problems = append(h.problems, ir.Problem{Code: code, Severity: ir.SeverityError, Object: in.ref, Field: field, Message: message})
}

// settings finds the settings of the whole host: the oldest Ingress that has a
// location here and sets one decides.
func (h *host) settings(locations []location) {
	has := map[*ingress]bool{}
	for i := range locations {
		if l := &locations[i]; l.in != nil && !l.bare {
			has[l.in] = true
		}
	}
	var root *ingress
	for _, p := range h.admitted {
		in := p.ingress
		if in.values == nil || in.isCanary() {
			continue
		}
		if len(in.values.ServerAlias) > 0 && h.alias == nil && !p.catchAll {
			h.alias = in
		}
		h.settleClientAuth(in)
		h.settlePassthrough(in)
		if h.suites == nil {
			h.suites = in.values.Suites
		}
		if !has[in] {
			continue
		}
		if in.values.FromToWWW && h.www == nil {
			h.www = in
		}
		h.settleSnippet(in)
		switch {
		case in.values.AppRoot == "":
		case root == nil:
			root, h.appRoot = in, in.values.AppRoot
		case in.values.AppRoot != h.appRoot:
			h.report(CodeHostSetting, in, annotation.Field(h.prefix+"/app-root"), fmt.Sprintf("app-root of host %q is decided by the older %s", h.name, root.ref))
		}
	}
}

// needsRegexMode reports whether one location makes all of the host match as
// expressions: use-regex, or a rewrite target that differs from a path. The
// paths that differ include "/foo/", which a Prefix "/foo" is doubled to.
func needsRegexMode(locations []location) bool {
	for i := range locations {
		l := &locations[i]
		target := l.target()
		switch {
		case l.useRegex():
			return true
		case target == "":
		case target != l.text:
			return true
		case !l.exact && !strings.HasSuffix(l.text, "/"):
			return true
		}
	}
	return false
}

// plainRoutes makes the routes of a host without expressions.
func (h *host) plainRoutes(locations []location) {
	exists := make(map[string]bool, len(locations))
	for i := range locations {
		exists[locations[i].text] = true
	}
	for i := range locations {
		l := &locations[i]
		if looksLikeExpression(l.text) && l.in != nil {
			h.problems = append(h.problems, ir.Problem{
				Code: CodeLiteral, Severity: ir.SeverityWarning, Object: l.in.ref, Field: l.field + ".path",
				Message: fmt.Sprintf("%.80q looks like a regular expression, but neither use-regex nor rewrite-target is set on this host: it is compared literally", l.text),
			})
		}
		match := ir.MatchPrefix
		if l.exact {
			match = ir.MatchExact
		}
		r := h.route(l, match, l.text)
		h.routes = append(h.routes, r)
		bare := strings.TrimSuffix(l.text, "/")
		if l.exact || bare == l.text || bare == "" || exists[bare] {
			continue
		}
		// nginx's automatic redirect from "/foo" to "/foo/".
		slash := *r
		slash.Match, slash.Pattern = ir.MatchExact, bare
		slash.Redirect = &ir.Redirect{Code: 301, AppendSlash: true}
		slash.Backend, slash.FallbackBackend, slash.Canary = "", "", nil
		h.routes = append(h.routes, &slash)
	}
}

// regexRoutes makes the routes of a host in regex mode, in the order in which
// they are tried (ingress-nginx §2.3, §15.1).
func (h *host) regexRoutes(locations []location) {
	exact := map[string]bool{}
	for i := range locations {
		if locations[i].exact {
			exact[locations[i].text] = true
		}
	}
	expressions := 0
	for i := range locations {
		l := &locations[i]
		wrong := checkExpression(l.text)
		code := CodeExpression
		if costly := h.costly(l.text, wrong); costly != "" && l.in != nil {
			wrong = ""
			h.problems = append(h.problems, ir.Problem{
				Code: CodeCostly, Severity: ir.SeverityNotice, Object: l.in.ref, Field: l.field + ".path",
				Message: fmt.Sprintf("%.80q %s: the engine with back-tracking runs it, which is slower and gives up on costly paths", l.text, costly),
			})
		}
		if wrong == "" && !isPlain(l.text) {
			if expressions++; expressions > maxExpressions {
				wrong, code = fmt.Sprintf("is one expression too many: a host may have %d", maxExpressions), CodeTooMany
			}
		}
		if wrong != "" && l.in != nil {
			h.report(code, l.in, l.field+".path", fmt.Sprintf("%.80q %s; its requests get 503", l.text, wrong))
		}
		h.tellCookiePath(l)
		target := l.target()
		plain := !l.exact && l.text != "/" && !l.useRegex() && (target == "" || target == l.text)
		if !plain {
			h.regexRoute(l, l.text, wrong != "")
			continue
		}
		h.regexRoute(l, strings.TrimSuffix(l.text, "/")+"/", wrong != "")
		if !exact[l.text] {
			h.regexRoute(l, l.text, wrong != "")
		}
	}
}

func (h *host) regexRoute(l *location, text string, broken bool) {
	r := h.route(l, ir.MatchRegex, "^"+text)
	if target := l.target(); target != "" && target != text {
		r.Rewrite = &ir.Rewrite{Pattern: text, Target: target}
		r.ForwardedPrefix = l.in.values.ForwardedPrefix
	}
	if broken {
		r.Pattern, r.Denied, r.Rewrite, r.ForwardedPrefix = guardPattern(l.text), 503, nil, ""
		r.Locations = nil
	}
	h.routes = append(h.routes, r)
}

// route makes a route of a location, without rewrite.
func (h *host) route(l *location, match ir.MatchKind, pattern string) *ir.Route {
	r := &ir.Route{
		Path: l.text, PathType: l.written, Match: match, Pattern: pattern, Implicit: l.implicit,
		Service: l.to.service, ServicePort: l.to.port, Backend: l.to.backend.ID, DefaultBackend: l.standard,
	}
	if l.in == nil {
		h.use(l.to.backend)
		r.Policies = h.global.Defaults.Policies
		r.SSLRedirect, r.ForceSSLRedirect = false, false
		r.AccessLog = h.global.DefaultBackendLog && !h.global.NoAccessLog
		h.withSnippets(r, nil)
		h.nest(r, l, present(h.snippets.route))
		return r
	}
	r.Ingress = l.in.ref
	r.Policies = l.in.values.Policies
	if l.to.h2c && !l.in.values.ProtocolWritten {
		r.Protocol = ir.ProtocolH2C
	}
	r.Denied = l.in.denied
	to := l.to.backend
	if !l.standard {
		to = h.overTLS(l, to, r)
	}
	r.Backend = to.ID
	h.use(to)
	r.SetsAffinity = l.in.values.Balance.Affinity != nil
	if l.canary != nil && r.Backend != "" {
		canary, to := *l.canary, h.overTLS(l, l.canaryTo, r)
		canary.Backend = to.ID
		r.Canary = &canary
		h.use(to)
	}
	r.AccessLog = r.AccessLog && !h.global.NoAccessLog
	if r.Backend != "" {
		r.FallbackBackend = l.in.fallback.ID
		h.use(l.in.fallback)
	}
	if l.bare {
		r.Redirect, r.SSLRedirect, r.ForceSSLRedirect, r.PreserveTrailingSlash = nil, false, false, false
	}
	if begins(l.text, h.global.NoTLSRedirect) {
		r.SSLRedirect, r.ForceSSLRedirect = false, false
	}
	if begins(l.text, h.global.NoAuth) {
		r.BasicAuth, r.ExternalAuth = nil, nil
	}
	if r.ExternalAuth != nil {
		h.use(l.in.authTo)
	}
	if r.Mirror != nil {
		h.use(l.in.mirrorTo)
	}
	h.errorsOf(r, l)
	h.withSnippets(r, l.in.onRoute)
	if match == ir.MatchRegex && r.Denied == 0 {
		h.withGroups(r, pattern, present(l.in.onRoute, h.snippets.route))
	}
	h.nest(r, l, present(l.in.onRoute, h.snippets.route))
	return r
}

// errorsOf gives a route its error backend: that of the default-backend
// annotation, else the global one.
func (h *host) errorsOf(r *ir.Route, l *location) {
	v := l.in.values
	if len(v.ErrorStatuses) == 0 {
		return
	}
	b := l.in.fallback
	if b.ID == "" {
		b = h.standard
	}
	if b.ID == "" {
		if name := h.prefix + "/custom-http-errors"; l.in.used.Annotations[name] != "" {
			p := ir.Problem{
				Code: CodeFallback, Severity: ir.SeverityWarning, Object: l.in.ref, Field: annotation.Field(name),
				Message: "custom-http-errors has no effect: neither the annotation default-backend nor --default-backend-service says who answers instead",
			}
			if !slices.Contains(h.problems, p) {
				h.problems = append(h.problems, p)
			}
		}
		return
	}
	r.Errors = &ir.Errors{Statuses: v.ErrorStatuses, Backend: b.ID, OwnOnly: v.OwnErrorsOnly}
	h.use(b)
}

func (h *host) use(b ir.Backend) {
	if b.ID != "" && !slices.ContainsFunc(h.backends, func(have ir.Backend) bool { return have.ID == b.ID }) {
		h.backends = append(h.backends, b)
	}
}

// chooseCertificates asks the oldest Ingress of the host that has spec.tls.
// The catch-all block always has the default certificate.
func (h *host) chooseCertificates() {
	if h.name == "" {
		return
	}
	for _, p := range h.admitted {
		if len(p.ingress.tls) > 0 && !p.ingress.isCanary() {
			h.certificates = p.ingress.certificatesFor(h.name)
			return
		}
	}
}
