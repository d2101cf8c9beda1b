package table

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"daemun/internal/compress"
	"daemun/internal/expression"
	"daemun/internal/http1"
	"daemun/internal/ir"
	"daemun/internal/policy"
	"daemun/internal/table/pattern"
	"daemun/internal/trace"
	"daemun/internal/variable"
)

// Compile builds the table of cfg. Hosts that are equal to those of prev (nil
// at first) are taken over unchanged, with the handles they were compiled
// with; the same *ir.Host is known to be equal without looking. Compile never
// fails: a route whose expression does not compile answers 503 (translation
// reports it).
func Compile(prev *Table, revision uint64, cfg *ir.Config, h Handles) *Table {
	if h.Policies == nil {
		h.Policies = policy.NewState(policy.Config{})
	}
	t := &Table{
		Revision: revision,
		Settings: cfg.Settings,
		HSTS:     hstsValue(cfg.Settings.HSTS),
		source:   withCatchAll(cfg.Hosts),
		Trust:    policy.NewTrust(cfg.Settings.Forwarded),
		Sampler:  trace.NewSampler(cfg.Settings.Tracing),
		Block:    policy.NewBlock(cfg.Settings.Block),
		LimitBy:  limitKey(cfg.Settings.LimitBy),
		Heads:    headLimits(cfg.Settings.RequestHeads),
		Maps:     policy.NewMaps(cfg.Settings.Maps, h.Policies.Beyond()),
	}
	if prev != nil {
		t.Compression = compress.New(prev.Compression, cfg.Settings.Compression)
		t.follow(prev, h)
		return t
	}
	t.Compression = compress.New(nil, cfg.Settings.Compression)
	t.hosts = make([]*Host, len(t.source))
	for at, host := range t.source {
		t.hosts[at] = compileHost(host, h)
	}
	t.names, t.slots = newNames(t.source, h.Policies.Beyond()), t.hosts
	return t
}

// withCatchAll returns hosts with the catch-all block that Resolve relies on;
// translation always makes one.
func withCatchAll(hosts []*ir.Host) []*ir.Host {
	if len(hosts) > 0 && hosts[0].Name == "" {
		return hosts
	}
	if slices.ContainsFunc(hosts, func(h *ir.Host) bool { return h.Name == "" }) {
		return hosts
	}
	return append([]*ir.Host{{}}, hosts...)
}

func compileHost(host *ir.Host, hs Handles) *Host {
	h := &Host{IR: host, ClientAuth: policy.NewClientAuth(host.ClientAuth, hs.Policies)}
	if host.Fields != nil || len(host.ErrorPages) > 0 {
		h.Policies = &policy.Set{Fields: policy.NewFields(host.Fields), Pages: policy.NewPages(host.ErrorPages)}
	}
	h.Script = policy.NewScript(host.Script, hs.Policies.Beyond())
	if host.RedirectTo != "" {
		return h
	}
	effect := -2
	h.locations = newLocations(host, host.Locations, effect, hs)
	effect -= len(host.Locations)
	ordered := host.RegexMode || slices.ContainsFunc(host.Routes, func(r *ir.Route) bool { return r.Match == ir.MatchRegex })
	h.routes = make([]*Route, len(host.Routes))
	for i, r := range host.Routes {
		h.routes[i] = compileRoute(host, r, ordered, hs)
		h.routes[i].effect = i
		h.routes[i].inner = newLocations(host, r.Locations, effect, hs)
		effect -= len(r.Locations)
		if i > 0 && sameEffect(h.routes[i-1].IR, r) {
			h.routes[i].effect = h.routes[i-1].effect
		}
	}
	if host.Passthrough {
		h.Passthrough = rootOf(h.routes)
	}
	h.index = newIndex(h.routes, ordered)
	if !slices.ContainsFunc(host.Routes, matchesAll) {
		h.nowhere = compileRoute(host, nowhere(), false, hs)
		h.nowhere.effect = -1
	}
	return h
}

// rootOf returns the route that was written for "/" and has a backend.
func rootOf(routes []*Route) *Route {
	for _, r := range routes {
		if r.IR.Path == "/" && r.Backend != nil && !r.IR.DefaultBackend {
			return r
		}
	}
	return nil
}

// sameEffect recognises the two locations that one Prefix path becomes in
// regex mode (ingress-nginx §2.3): they belong to one path of one Ingress, so
// it does not matter which of them a reading of the path selects.
func sameEffect(a, b *ir.Route) bool {
	return a.Ingress == b.Ingress && !a.Implicit && !b.Implicit &&
		a.Path == b.Path && a.PathType == b.PathType &&
		a.Backend == b.Backend && a.Denied == b.Denied &&
		a.Redirect == nil && b.Redirect == nil
}

func matchesAll(r *ir.Route) bool {
	return r.Match == ir.MatchPrefix && r.Pattern == "/" || r.Match == ir.MatchRegex && r.Pattern == "^/"
}

// nowhere is the route of paths that no route of a host matches: the built-in
// 404 server.
func nowhere() *ir.Route {
	const idle = ir.Duration(60 * time.Second)
	return &ir.Route{
		Path: "/", Match: ir.MatchPrefix, Pattern: "/", Implicit: true,
		Policies: ir.Policies{
			Protocol:       ir.ProtocolHTTP,
			ConnectTimeout: idle, SendTimeout: idle, ReadTimeout: idle,
			Retry: ir.Retry{Tries: 1}, AccessLog: true,
		},
	}
}

func compileRoute(host *ir.Host, r *ir.Route, ordered bool, hs Handles) *Route {
	c := &Route{IR: r, Metrics: hs.Route(host, r), Policies: policy.Compile(&r.Policies, hs.Policies)}
	if r.Backend != "" {
		c.Backend = hs.Backend(r.Backend)
	}
	if r.FallbackBackend != "" {
		c.Fallback = hs.Backend(r.FallbackBackend)
	}
	if a := r.ExternalAuth; a != nil && a.Backend != "" {
		c.AuthBackend = hs.Backend(a.Backend)
	}
	if r.Mirror != nil {
		c.MirrorBackend = hs.Backend(r.Mirror.Backend)
	}
	if r.Errors != nil {
		c.ErrorBackend = hs.Backend(r.Errors.Backend)
	}
	if r.Canary != nil {
		c.Canary, c.CanaryRule = hs.Backend(r.Canary.Backend), policy.NewCanary(r.Canary, hs.Policies.Beyond())
		c.CanaryMetrics = c.Metrics
		if hs.Canary != nil {
			c.CanaryMetrics = hs.Canary(host, r)
		}
	}
	if ordered {
		c.Err = c.compileMatcher(hs.Policies.Beyond())
	}
	if err := c.compileRewrite(hs.Policies.Beyond()); c.Err == nil {
		c.Err = err
	}
	if c.Err != nil && r.Denied == 0 {
		denied := *r
		denied.Denied = 503
		c.IR = &denied
	}
	return c
}

// compileMatcher fails for an expression that does not compile. The route then
// stands, in its place, for every path that the expression could match:
// passing over it would hand requests that it may guard to a later route.
func (r *Route) compileMatcher(beyond expression.Engine) error {
	switch r.IR.Match {
	case ir.MatchExact:
		r.matcher = exactPath(r.IR.Pattern)
	case ir.MatchPrefix:
		r.matcher = newPrefixPath(r.IR.Pattern)
	default:
		p, _, err := compileExpression(r.IR.Pattern, beyond)
		if err != nil {
			r.matcher = foldedPrefix(pattern.LiteralPrefix(r.IR.Pattern))
			return fmt.Errorf("path %s: %w", r.IR.Path, err)
		}
		r.matcher = p
	}
	return nil
}

// compileRewrite prepares IR.Rewrite. Its expression is mostly that of the
// location without the anchor; then the location's own matcher gives the same
// captures, because the location has matched at the start.
func (r *Route) compileRewrite(beyond expression.Engine) error {
	rw := r.IR.Rewrite
	if rw == nil {
		return nil
	}
	if p, ok := r.matcher.(capturer); ok && r.IR.Pattern == "^"+rw.Pattern {
		r.rewrite = p
		return nil
	}
	_, p, err := compileExpression(rw.Pattern, beyond)
	if err != nil {
		return fmt.Errorf("rewrite of %s: %w", rw.Pattern, err)
	}
	r.rewrite = p
	return nil
}

// headLimits returns nil for what is not set.
// limitKey is nil for the usual key; the translation has checked others.
func limitKey(s string) *variable.Text {
	if s == "" {
		return nil
	}
	t, _ := variable.Parse(s)
	return t
}

func headLimits(h ir.RequestHeads) *http1.Limits {
	if h == (ir.RequestHeads{}) {
		return nil
	}
	limits := http1.RequestLimits()
	if h.KeepUnderscores {
		limits.Underscores = http1.UnderscoresKeep
	}
	if h.Line > 0 {
		limits.RequestLine, limits.FieldLine, limits.Head = h.Line, h.Line, h.Head
	}
	return &limits
}

func hstsValue(s ir.HSTS) string {
	if !s.Enabled {
		return ""
	}
	v := "max-age=" + strconv.FormatInt(s.MaxAge, 10)
	if s.IncludeSubdomains {
		v += "; includeSubDomains"
	}
	if s.Preload {
		v += "; preload"
	}
	return v
}
