// Package configmap is the one table of the keys of ingress-nginx's ConfigMap:
// name, parser to a typed value, default, documentation line, and what Daemun
// makes of the key.
//
//	r := configmap.Parse(ref, cm.Data)
//	… r.Values.Settings, annotation.ParseOver(r.Values.Defaults, …)
//
// It turns the data of one ConfigMap into settings of all hosts and defaults
// of annotations, plus problems. A key that is the default of an annotation is
// parsed by the row of that annotation, so that both mean the same by the same
// text. It knows nothing of objects other than the ConfigMap. Everything in it
// is pure and safe for concurrent use.
package configmap

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"daemun/internal/annotation"
	"daemun/internal/ir"
	"daemun/internal/nearest"
)

// The problem codes of this package.
const (
	// CodeDefault: a bad value was ignored, the default applies.
	CodeDefault = "DMN0701"
	// CodeUnknown: no key has this name.
	CodeUnknown = "DMN0704"
	// CodeSnippet: configuration text is never accepted (H9.1).
	CodeSnippet = "DMN0705"
	// CodeGuard: a bad value of what guards something, so all routes answer
	// 503.
	CodeGuard = "DMN0707"
	// CodeNoEffect: the key has no effect here, or no longer anywhere.
	CodeNoEffect = "DMN0706"
)

// Support says what Daemun makes of a key.
type Support uint8

// The kinds of support: the key works; it tunes something that only nginx has;
// configuration text is refused; ingress-nginx has dropped it.
const (
	Supported Support = iota
	Tuning
	Refused
	Obsolete
)

// String returns the word of the generated documentation.
func (s Support) String() string {
	return [...]string{"yes", "not needed", "refused", "obsolete"}[s]
}

// Row is one key. Rows are never written.
type Row struct {
	Name string
	// Default is the effective value without the key, as text.
	Default string
	// Support is computed for the default of an annotation: as that is.
	Support Support
	// Guard marks what protects something: it must not be ignored.
	Guard bool
	// Doc is one line for people.
	Doc string

	// secret values are not shown to anybody.
	secret bool
	// parse writes the value of a supported key to its place.
	parse func(value string, v *Values) error
	// annotation is the name of the one whose default the key is.
	annotation string
	// because is why a key that tunes has no effect; empty for what only nginx
	// has.
	because string
	// remark says what of an accepted value has no effect; empty is nothing.
	remark func(value string) string
}

// Values are the typed keys of one ConfigMap.
type Values struct {
	Settings ir.Settings
	// Defaults are the values of an Ingress without annotations.
	Defaults annotation.Values
	// GlobalAuth asks a service about the requests of all Ingresses that have
	// none of their own; without a URL it does not.
	GlobalAuth annotation.ExternalAuth
	// Firewall is that of all hosts.
	Firewall annotation.Firewall
	// Denied: every route of every Ingress answers 503.
	Denied bool
	// NoAccessLog turns the access log off, whatever annotations say;
	// DefaultBackendLog turns it on for requests that match nothing.
	NoAccessLog, DefaultBackendLog bool
	// MaxRisk is the highest risk of an annotation that is loaded.
	MaxRisk annotation.Risk
	// NamespaceRisks are lower ones by namespace; RiskIn reads both.
	NamespaceRisks map[string]annotation.Risk
	// Ceilings are those of each namespace.
	Ceilings Ceilings
	// Blocklist are texts that no annotation may contain.
	Blocklist []string
	// NoTLSRedirect and NoAuth are path prefixes that are never redirected to
	// https, and never ask for authentication.
	NoTLSRedirect, NoAuth []string
	// AllowedResponseHeaders are the fields that custom-headers may set.
	AllowedResponseHeaders []string
	// SetHeaders and AddHeaders are "namespace/name" of ConfigMaps with fields
	// for all backends and for all responses; HideHeaders are names of fields
	// that backends send in vain.
	SetHeaders, AddHeaders string
	HideHeaders            []string
	// AllowSnippets lets annotations hold snippets and rules of the firewall; Snippets are those of the
	// ConfigMap.
	AllowSnippets bool
	Snippets      Snippets
	// CrossNamespace lets annotations name Secrets and ConfigMaps of other
	// namespaces.
	CrossNamespace bool
	// StrictPathType: the webhook refuses paths that do not fit their type.
	StrictPathType bool
	// ShutdownTimeout bounds the drain of connections.
	ShutdownTimeout time.Duration

	// What follows is settled after all keys.
	nonIdempotent bool
	proxyTimeout  time.Duration
	// noSessions and tickets are what keys say about resumption; leftOut are
	// names of cipher suites that are not there.
	noSessions, tickets bool
	leftOut             []string
	compression         compression
	pool                ir.Pool
	streams             ir.Streams
	oneEndpoint         bool // of a TCP service is tried
	tracing             ir.Tracing
	useGeo              bool
	geo                 ir.Geo
	logPath             string
	syslog              syslog
}

// Snippets are the texts in nginx's configuration language, as written.
type Snippets struct {
	Main, HTTP, Server, Location, Stream, Auth string
}

// acmePath lets certificates be ordered.
const acmePath = "/.well-known/acme-challenge"

// Default are the values without a ConfigMap.
func Default() Values {
	return Values{
		Settings: ir.DefaultSettings(), Defaults: annotation.Defaults(), MaxRisk: annotation.High,
		GlobalAuth:    annotation.DefaultExternalAuth(),
		NoTLSRedirect: []string{acmePath}, NoAuth: []string{acmePath},
		StrictPathType:  true,
		ShutdownTimeout: 240 * time.Second, proxyTimeout: 5 * time.Second,
		compression: defaultCompression(), pool: ir.DefaultPool(), streams: ir.DefaultStreams(), tracing: defaultTracing(), syslog: syslog{port: 514},
	}
}

// Result is what Parse found.
type Result struct {
	Values Values
	// Problems are sorted by key.
	Problems []ir.Problem
}

// Parse reads the data of a ConfigMap. object is put into the problems.
func Parse(object ir.Ref, data map[string]string) Result {
	p := parsing{object: object}
	p.Values = Default()
	index := indexed()
	for _, key := range slices.Sorted(maps.Keys(data)) {
		value := strings.TrimSpace(data[key])
		i, known := index[key]
		switch {
		case !known:
			p.unknown(key)
		case value != "":
			p.use(&rows[i], value)
		}
	}
	p.settle()
	return p.Result
}

type parsing struct {
	Result
	object ir.Ref
}

// settle finishes what depends on several keys.
func (p *parsing) settle() {
	v := &p.Values
	if v.nonIdempotent {
		v.Defaults.Retry.On |= ir.RetryNonIdempotent
	}
	if v.pool != ir.DefaultPool() {
		pool := v.pool
		v.Settings.Pool = &pool
	}
	p.settleStreams()
	v.Settings.Compression = v.compression.settle()
	p.settleTracing()
	p.settleFirewall()
	if v.useGeo {
		v.Settings.Geo = new(v.geo)
	}
	if s := &v.Settings; s.KeepAlive == 0 { // no reuse at all, as in nginx
		s.KeepAlive, s.KeepAliveRequests = ir.DefaultSettings().KeepAlive, 1
	}
	if s := &v.Settings; s.ProxyProtocol != nil {
		s.ProxyProtocol.Timeout = ir.Duration(v.proxyTimeout)
	}
	v.Settings.TLS.NoResumption = v.noSessions && !v.tickets
	p.settleTrust()
	p.tellLeftOut()
	p.settleLogs()
}

func (p *parsing) use(r *Row, value string) {
	support := r.support()
	if support != Supported && r.sameAsDefault(value) {
		return
	}
	switch support {
	case Supported:
		if err := r.set(value, &p.Values); err != nil {
			p.bad(r, value, err)
		} else if r.remark != nil {
			if text := r.remark(value); text != "" {
				p.report(CodeLogVariable, ir.SeverityWarning, r.Name, text)
			}
		}
	case Tuning:
		if r.because != "" {
			p.report(CodeNoEffect, ir.SeverityNotice, r.Name, "has no effect: "+r.because)
			return
		}
		p.report(CodeNoEffect, ir.SeverityNotice, r.Name, "tunes something that Daemun does not have; it has no effect and can be removed")
	case Obsolete:
		p.report(CodeNoEffect, ir.SeverityNotice, r.Name, "no longer known to ingress-nginx; it has no effect and can be removed")
	case Refused:
		p.report(CodeSnippet, ir.SeverityError, r.Name, "configuration text for nginx is never accepted; say the same with typed keys and annotations; ignored")
	}
}

// bad takes the default, except for what guards: that fails closed.
func (p *parsing) bad(r *Row, value string, err error) {
	if r.secret {
		value = "(secret)"
	}
	if _, ok := errors.AsType[*partly](err); ok {
		p.report(CodeDefault, ir.SeverityWarning, r.Name, fmt.Sprintf("value %.80q %v", value, err))
		return
	}
	if r.Guard {
		p.Values.Denied = true
		p.report(CodeGuard, ir.SeverityError, r.Name, fmt.Sprintf("value %.80q %v; because it guards access, all routes of all Ingresses answer 503", value, err))
		return
	}
	use := "it is ignored"
	switch {
	case len(r.Default) > 40: // a list
		use = "the default applies"
	case r.Default != "":
		use = "the default " + r.Default + " applies"
	}
	p.report(CodeDefault, ir.SeverityWarning, r.Name, fmt.Sprintf("value %.80q %v; %s", value, err, use))
}

func (p *parsing) unknown(key string) {
	known := make([]string, 0, len(rows))
	for i := range rows {
		known = append(known, rows[i].Name)
	}
	msg := "there is no key of this name; ignored"
	if near := nearest.Name(key, known); near != "" {
		msg += "; did you mean " + near + "?"
	}
	p.report(CodeUnknown, ir.SeverityWarning, key, msg)
}

func (p *parsing) report(code string, severity ir.Severity, key, message string) {
	p.Problems = append(p.Problems, ir.Problem{Code: code, Severity: severity, Object: p.object, Field: Field(key), Message: message})
}

// Field returns the problem field of a key.
func Field(key string) string { return "data[" + key + "]" }

// support is that of the annotation whose default the key is.
func (r *Row) support() Support {
	if r.annotation == "" {
		return r.Support
	}
	if a, _ := annotation.Lookup(r.annotation); a.Support == annotation.Tuning {
		return Tuning
	}
	return Supported
}

func (r *Row) set(value string, v *Values) error {
	if r.annotation != "" {
		return annotation.SetDefault(r.annotation, value, &v.Defaults)
	}
	return r.parse(value, v)
}

// sameAsDefault reports whether a value asks for what happens anyway.
func (r *Row) sameAsDefault(value string) bool {
	if strings.EqualFold(value, r.Default) {
		return true
	}
	want, err := strconv.ParseBool(r.Default)
	got, err2 := strconv.ParseBool(value)
	return err == nil && err2 == nil && want == got
}

// All returns the table in the order of the documentation, with the computed
// support.
func All() []Row {
	list := slices.Clone(rows)
	for i := range list {
		list[i].Support = list[i].support()
	}
	return list
}

func indexed() map[string]int {
	m := make(map[string]int, len(rows))
	for i := range rows {
		m[rows[i].Name] = i
	}
	return m
}
