package translate

import (
	"fmt"
	"slices"
	"strings"

	"daemun/internal/annotation"
	"daemun/internal/configmap"
	"daemun/internal/ir"
	"daemun/internal/snippet"
)

// settingSnippets are the snippets of the ConfigMap; nil for what is absent.
type settingSnippets struct {
	http, host, route, auth *snippet.Block
	// declared are the variables that they set.
	declared []string
	// names are those of their locations.
	names []string
	// zones are those of http-snippet.
	zones []ir.Zone
	// object is the ConfigMap.
	object ir.Ref
}

// settleSnippets reads the snippets of the ConfigMap. One for hosts and routes
// that cannot be used closes everything, because it may guard; what is outside
// of requests is reported and left out.
func (s *settings) settleSnippets(o *Options) {
	texts := &s.values.Snippets
	list := []struct {
		key, text string
		context   snippet.Context
		to        **snippet.Block
	}{
		{"http-snippet", texts.HTTP, snippet.HTTP, &s.snippets.http},
		{"server-snippet", texts.Server, snippet.Server, &s.snippets.host},
		{"location-snippet", texts.Location, snippet.Location, &s.snippets.route},
		{"global-auth-snippet", texts.Auth, snippet.Auth, &s.snippets.auth},
		{"main-snippet", texts.Main, snippet.Other, nil},
		{"stream-snippet", texts.Stream, snippet.Other, nil},
	}
	for _, l := range list {
		b := snippet.Read(l.context, l.text, snippet.Options{})
		s.snippets.declared, s.snippets.names = append(s.snippets.declared, b.Sets...), append(s.snippets.names, b.Names()...)
		s.snippets.zones = append(s.snippets.zones, b.Zones...)
	}
	logs := &s.values.Settings.Logs
	s.problems = slices.DeleteFunc(s.problems, func(p ir.Problem) bool {
		return p.Code == configmap.CodeLogVariable &&
			(p.Field == configmap.Field("log-format-upstream") && s.isDeclared(logs.Format) || p.Field == configmap.Field("log-format-stream") && s.isDeclared(logs.StreamFormat))
	})
	object := ir.Ref{Kind: "ConfigMap", Namespace: s.object.Namespace, Name: s.object.Name}
	s.snippets.object = object
	for _, l := range list {
		if l.text == "" {
			continue
		}
		b := snippet.Read(l.context, l.text, snippet.Options{Declared: s.snippets.declared, Locations: s.snippets.names, Zones: s.snippets.zones, Beyond: o.Beyond})
		lenient := o.IgnoreSnippets || l.context == snippet.HTTP || l.context == snippet.Other
		consequence := "all routes of all Ingresses answer 503"
		s.problems = append(s.problems, snippetProblems(b, object, configmap.Field(l.key), lenient, consequence)...)
		if b.Broken() && !lenient {
			s.values.Denied = true
		}
		if l.to != nil {
			*l.to = b
		}
	}
	if b := s.snippets.http; b != nil {
		s.values.Defaults.Fields = joinFields(s.values.Defaults.Fields, b)
		s.values.Settings.Maps = b.Maps
	}
}

// snippetProblems says what is wrong with a text, with its places.
func snippetProblems(b *snippet.Block, object ir.Ref, field string, lenient bool, consequence string) (list []ir.Problem) {
	for _, p := range b.Problems {
		message := p.Place.String() + ": "
		if p.Directive != "" {
			message += p.Directive + ": "
		}
		made := ir.Problem{Object: object, Field: field, Message: message + p.Message}
		switch {
		case p.Weight == snippet.NoEffect:
			made.Code, made.Severity = CodeSnippetNoEffect, ir.SeverityNotice
		case p.Weight == snippet.Costly:
			made.Code, made.Severity = CodeCostly, ir.SeverityNotice
		case lenient, p.Weight == snippet.Lost:
			made.Code, made.Severity = CodeSnippetIgnored, ir.SeverityWarning
			made.Message += "; it is left out"
		default:
			made.Code, made.Severity = CodeSnippet, ir.SeverityError
			made.Message += "; " + consequence
		}
		list = append(list, made)
	}
	return list
}

// compileSnippets reads the snippets of the Ingress.
func (c *compilation) compileSnippets() {
	texts := c.values.Snippets
	if !texts.Any() {
		c.globalAuthSnippet()
		return
	}
	if !c.t.settings.values.AllowSnippets {
		c.refuseSnippets()
		c.globalAuthSnippet()
		return
	}
	known := &c.t.settings.snippets
	o := snippet.Options{Declared: slices.Clone(known.declared), Locations: slices.Clone(known.names), Zones: known.zones, Beyond: c.t.options.Beyond}
	for _, text := range []string{texts.Configuration, texts.Server} {
		b := snippet.Read(snippet.Location|snippet.Server, text, snippet.Options{})
		o.Declared, o.Locations = append(o.Declared, b.Sets...), append(o.Locations, b.Names()...)
	}
	c.onRoute = c.readSnippet("configuration-snippet", texts.Configuration, snippet.Location, o)
	c.onHost = c.readSnippet("server-snippet", texts.Server, snippet.Server, o)
	c.readSnippet("stream-snippet", texts.Stream, snippet.Other, o)
	auth := c.readSnippet("auth-snippet", texts.Auth, snippet.Auth, o)
	switch {
	case auth == nil:
		c.globalAuthSnippet()
	case c.values.ExternalAuth == nil || c.values.External.URL.Text == "":
		c.report(annotation.CodeNoEffect, ir.SeverityWarning, c.snippetField("auth-snippet"), "only has an effect together with auth-url")
		c.globalAuthSnippet()
	default:
		c.values.ExternalAuth = withAuthSnippet(c.values.ExternalAuth, auth)
	}
}

func (c *compilation) snippetField(name string) string {
	return annotation.Field(c.t.options.AnnotationsPrefix + "/" + name)
}

// refuseSnippets is the gate allow-snippet-annotations. What is not read may
// guard, so the routes are closed.
func (c *compilation) refuseSnippets() {
	severity, consequence := ir.SeverityError, "all routes of the Ingress answer 503"
	if c.t.options.IgnoreSnippets {
		severity, consequence = ir.SeverityWarning, "it is left out"
	} else {
		c.denied = 503
	}
	for _, name := range []string{"auth-snippet", "configuration-snippet", "server-snippet", "stream-snippet"} {
		if c.writes(name) {
			c.report(CodeSnippetsOff, severity, c.snippetField(name), "snippets are not allowed here (allow-snippet-annotations); %s: say the same with typed annotations", consequence)
		}
	}
}

// readSnippet reads one snippet, nil if it is absent.
func (c *compilation) readSnippet(name, text string, context snippet.Context, o snippet.Options) *snippet.Block {
	if strings.TrimSpace(text) == "" {
		return nil
	}
	b := snippet.Read(context, text, o)
	consequence := "all routes of the Ingress answer 503"
	if context == snippet.Server {
		consequence = "all routes of the Ingress, and of the hosts it decides for, answer 503"
	}
	c.problems = append(c.problems, snippetProblems(b, c.ref, c.snippetField(name), c.t.options.IgnoreSnippets, consequence)...)
	if b.Broken() && !c.t.options.IgnoreSnippets {
		c.denied = 503
	}
	return b
}

// globalAuthSnippet acts where the global service is asked.
func (c *compilation) globalAuthSnippet() {
	if b := c.t.settings.snippets.auth; b != nil && c.values.ExternalAuth != nil && c.values.External.URL.Text == "" {
		c.values.ExternalAuth = withAuthSnippet(c.values.ExternalAuth, b)
	}
}

func withAuthSnippet(a *ir.ExternalAuth, b *snippet.Block) *ir.ExternalAuth {
	made := *a
	made.SetHeaders = slices.Clone(a.SetHeaders)
	for _, e := range b.Edits.Request {
		made.SetHeaders = append(made.SetHeaders, ir.Field{Name: e.Name, Value: e.Value})
	}
	if len(b.Steps) > 0 {
		made.Script = &ir.Script{Steps: b.Steps}
	}
	return &made
}

// settleSnippet chooses the server-snippet of the host: that of the oldest
// Ingress.
func (h *host) settleSnippet(in *ingress) {
	switch {
	case in.onHost == nil:
	case h.onHost == nil:
		h.onHost = in
		h.closed = in.onHost.Broken() && in.denied != 0
	default:
		h.report(CodeHostSetting, in, "metadata.annotations", fmt.Sprintf("server-snippet of host %q is decided by the older %s", h.name, h.onHost.ref))
	}
}

// hostBlocks are the texts that act on the host, in their order: that of the
// Ingress, then that of the ConfigMap (nginx has them in this order).
func (h *host) hostBlocks() []*snippet.Block {
	var own *snippet.Block
	if h.onHost != nil {
		own = h.onHost.onHost
	}
	return present(own, h.snippets.host)
}

func present(blocks ...*snippet.Block) []*snippet.Block {
	return slices.DeleteFunc(blocks, func(b *snippet.Block) bool { return b == nil })
}

// fields are the edits of a route, or with nothing of its own of the host.
func (h *host) fields(own []*snippet.Block) *ir.FieldEdits {
	return joinFields(joinFields(h.global.Defaults.Fields, h.hostBlocks()...), own...)
}

// script is what comes before a route is chosen.
func (h *host) script() *ir.Script { return joinScripts(h.hostBlocks(), nil) }

// withSnippets gives a route what snippets say: own, and those that act on all
// routes.
func (h *host) withSnippets(r *ir.Route, own *snippet.Block) {
	if h.closed && r.Denied == 0 {
		r.Denied = 503
	}
	host, route := h.hostBlocks(), present(own, h.snippets.route)
	h.withBlocks(r, host, route)
}

func (h *host) withBlocks(r *ir.Route, host, route []*snippet.Block) {
	if len(host)+len(route) == 0 && h.snippets.http == nil {
		return
	}
	r.Fields = joinFields(joinFields(r.Fields, host...), route...)
	r.Script = joinScripts(route, r.Fields)
	for _, b := range slices.Concat(host, present(h.snippets.http), route) {
		for _, apply := range b.Apply {
			apply(&r.Policies)
		}
	}
	if r.Bandwidth != nil && r.Bandwidth.Rate == 0 {
		r.Bandwidth = nil
	}
	for _, b := range route {
		if b.MethodAccess != nil && r.MethodAccess == nil {
			r.MethodAccess = b.MethodAccess
		}
		r.ErrorPages = append(slices.Clip(r.ErrorPages), b.ErrorPages...)
	}
	if len(r.ErrorPages) == 0 {
		r.ErrorPages = errorPages(host)
	}
	snippet.ApplyPages(&r.Policies, present(h.snippets.http), host, route)
	snippet.ApplyZones(&r.Policies, present(h.snippets.http), host, route)
	r.Substitution = snippet.Substitutions(present(h.snippets.http), host, route)
	rules := snippet.Rules(rulesOf(route), snippet.Rules(rulesOf(host), rulesOf(present(h.snippets.http))))
	if len(rules) > 0 {
		access := ir.Access{}
		if r.Access != nil {
			access = *r.Access
		}
		access.Rules = rules
		r.Access = &access
	}
}

func errorPages(blocks []*snippet.Block) (pages []ir.ErrorPage) {
	for _, b := range blocks {
		pages = append(pages, b.ErrorPages...)
	}
	return pages
}

func rulesOf(blocks []*snippet.Block) (rules []ir.AccessRule) {
	for _, b := range blocks {
		rules = append(rules, b.Access...)
	}
	return rules
}

// joinFields adds the edits of one level to those of the levels around it. As
// in nginx, what add_header adds is that of the innermost level that has any;
// everything else comes behind what is there.
func joinFields(outer *ir.FieldEdits, level ...*snippet.Block) *ir.FieldEdits {
	var own ir.FieldEdits
	var pass []string
	for _, b := range level {
		own.Request = append(own.Request, b.Edits.Request...)
		own.Response = append(own.Response, b.Edits.Response...)
		own.Hide = append(own.Hide, b.Edits.Hide...)
		pass = append(pass, b.Pass...)
	}
	joined := joinEdits(outer, &own)
	if len(pass) > 0 && joined != nil {
		left := *joined
		left.Hide = slices.DeleteFunc(slices.Clone(joined.Hide), func(name string) bool {
			return slices.ContainsFunc(pass, func(p string) bool { return strings.EqualFold(p, name) })
		})
		joined = &left
	}
	return joined
}

func joinEdits(outer, own *ir.FieldEdits) *ir.FieldEdits {
	if len(own.Request)+len(own.Response)+len(own.Hide) == 0 {
		return outer
	}
	if outer == nil {
		return own
	}
	adds := func(e ir.FieldEdit) bool { return e.Kind == ir.EditAdd }
	response := slices.Clone(outer.Response)
	if slices.ContainsFunc(own.Response, adds) {
		response = slices.DeleteFunc(response, adds)
	}
	return &ir.FieldEdits{
		Request:  slices.Concat(outer.Request, own.Request),
		Hide:     slices.Concat(outer.Hide, own.Hide),
		Response: append(response, own.Response...),
	}
}

// joinScripts makes one script of several texts; fields are what their variants
// add to.
func joinScripts(blocks []*snippet.Block, fields *ir.FieldEdits) *ir.Script {
	var s ir.Script
	for _, b := range blocks {
		for _, step := range b.Steps {
			if step.Variant > 0 {
				step.Variant += len(s.Variants) // they come after the steps
			}
			s.Steps = append(s.Steps, step)
		}
		for _, v := range b.Variants {
			own := ir.FieldEdits{}
			if v.Fields != nil {
				own = *v.Fields
			}
			s.Variants = append(s.Variants, ir.Variant{Fields: joinEdits(fields, &own), NoLog: v.NoLog})
		}
	}
	if len(s.Steps) == 0 {
		return nil
	}
	return &s
}
