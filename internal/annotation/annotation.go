// Package annotation is the one table of all ingress-nginx annotations: name,
// aliases, scope, parser to a typed value, default, documentation line, and
// what happens to a bad value.
//
//	r := annotation.Parse("nginx.ingress.kubernetes.io", ref, ing.Annotations)
//	if r.Rejected { … keep the last good version … }
//
// It turns the annotations of one Ingress into typed values plus problems. It
// knows nothing of hosts, routes or objects other than the Ingress. Everything
// in it is pure and safe for concurrent use.
package annotation

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"daemun/internal/expression"
	"daemun/internal/ir"
	"daemun/internal/variable"
)

// The problem codes of this package.
const (
	// CodeDefault: a bad value was ignored, the default applies.
	CodeDefault = "DMN0301"
	// CodeRejected: a bad value keeps the whole Ingress from being loaded.
	CodeRejected = "DMN0302"
	// CodeDenied: a bad value makes the routes of the Ingress answer 503.
	CodeDenied = "DMN0303"
	// CodeCostly: an expression needs the engine with back-tracking.
	CodeCostly = "DMN0335"
	// CodeUnknown: no annotation has this name.
	CodeUnknown = "DMN0306"
	// CodeSnippet: configuration text is never accepted (H9.1).
	CodeSnippet = "DMN0307"
	// CodeObsolete: an annotation that ingress-nginx itself ignores by now.
	CodeObsolete = "DMN0308"
	// CodeNoEffect: a good value that has no effect beside the others.
	CodeNoEffect = "DMN0309"
	// CodeReference: a Secret or ConfigMap that an annotation names cannot be
	// used, so the routes of the Ingress answer 503.
	CodeReference = "DMN0311"
	// CodeUsers: a Secret with users has some who can never pass, or none.
	CodeUsers = "DMN0312"
	// CodeTuning: a known annotation that has nothing to adjust here.
	CodeTuning = "DMN0313"
)

// Scope says what an annotation acts on.
type Scope string

// The scopes: every route of the Ingress; the host block, where the first
// Ingress by age wins; the backend, shared by all who use the same Service
// port; the Ingress as a whole.
const (
	PerRoute   Scope = "route"
	PerHost    Scope = "host"
	PerBackend Scope = "backend"
	PerIngress Scope = "ingress"
)

// Risk is the class that annotations-risk-level compares.
type Risk uint8

// The risks, in rising order.
const (
	Low Risk = iota
	Medium
	High
	Critical
)

// String returns the name as annotations-risk-level spells it.
func (r Risk) String() string { return [...]string{"Low", "Medium", "High", "Critical"}[r] }

// Outcome is what happens to a bad value (ingress-nginx §0).
type Outcome uint8

// The outcomes.
const (
	// UseDefault ignores the value.
	UseDefault Outcome = iota
	// Reject does not load the Ingress; one that is loaded already keeps its
	// last good version.
	Reject
	// Deny makes every route of the Ingress answer 503.
	Deny
)

// String returns the words of the generated documentation.
func (o Outcome) String() string { return [...]string{"default", "reject", "503"}[o] }

// Support says what Daemun makes of an annotation.
type Support uint8

// The kinds of support.
const (
	// Supported annotations have a parser.
	Supported Support = iota
	// Refused annotations are never supported: the Ingress is rejected.
	Refused
	// Obsolete annotations are ignored by ingress-nginx, too.
	Obsolete
	// Tuning annotations adjust what only nginx has: they are accepted and
	// have no effect.
	Tuning
)

// String returns the words of the generated documentation.
func (s Support) String() string {
	return [...]string{"yes", "refused", "obsolete", "no effect"}[s]
}

// Row is one annotation. Rows are never written.
type Row struct {
	// Name and Aliases are without prefix. The name wins over its aliases.
	Name    string
	Aliases []string
	Scope   Scope
	Risk    Risk
	// Default is the effective value without the annotation, as text.
	Default string
	// Bad is what happens to a value that does not parse.
	Bad Outcome
	// Support is Supported exactly if the row has a parser.
	Support Support
	// Needs names the annotation without which this one is not read.
	Needs string
	// Beside names annotations of which one has to be there for this one to
	// have an effect; it is read in any case.
	Beside []string
	// Off lists values that ask for what happens without the annotation
	// anyway, so that they are no problem.
	Off []string
	// Doc is one line for people.
	Doc string

	// because is why an annotation that tunes has no effect; empty for what
	// only nginx has.
	because string
	// parse writes the value of a supported annotation to its place.
	parse func(value string, v *Values) error
}

// Values are the typed annotations of one Ingress. Policies hold what goes to
// every route unchanged; the rest needs knowledge of hosts and paths.
type Values struct {
	ir.Policies
	// ProtocolWritten says that Protocol is not the default: the appProtocol
	// of a Service port then has no say.
	ProtocolWritten bool

	RewriteTarget string
	// Suites are those of TLS 1.2 towards clients; LeftOut are names of some
	// that do not exist here.
	Suites  []uint16
	LeftOut []string
	// Passthrough leaves TLS to the backend.
	Passthrough bool
	// ForwardedPrefix is only sent together with a rewrite.
	ForwardedPrefix string
	UseRegex        bool
	AppRoot         string
	FromToWWW       bool
	// ServerAlias is sorted and without duplicates; entries are as written
	// and may begin with "~".
	ServerAlias []string
	// DefaultBackend is a Service name in the namespace of the Ingress.
	DefaultBackend string

	// Balance are settings of the backends that the Ingress names.
	Balance ir.Balance
	// Canary is set for a canary Ingress, without its destination.
	Canary *ir.Canary
	// ErrorStatuses are sorted; OwnErrorsOnly leaves those of backends alone.
	ErrorStatuses []int
	OwnErrorsOnly bool
	*Draft
}

// Draft is the part of Values that has to be made into policies by who knows
// other objects, and what parsing needs meanwhile. It is large: whoever keeps
// Values lets go of it when that is done.
type Draft struct {
	Auth Auth
	// External is without a URL when no service is asked. GlobalAuth says that
	// the global settings apply then.
	External   ExternalAuth
	GlobalAuth bool
	// MirrorTarget is without a host when nothing is mirrored.
	MirrorTarget URLText
	MirrorHost   string
	MirrorBody   bool
	// Client is about client certificates.
	Client ClientAuth
	// BackendTLS is about TLS towards backends.
	BackendTLS BackendTLS
	// CustomHeaders is "namespace/name" of a ConfigMap.
	CustomHeaders string
	Snippets      Snippets
	// WAF is about rules that judge requests.
	WAF Firewall
	// FastCGIParams is the name of a ConfigMap, FastCGIIndex a file name.
	FastCGIParams, FastCGIIndex string
	// Tracing is about traces.
	Tracing Tracing

	// beyond checks expressions that the linear engine cannot run, costly says
	// why one needs it.
	beyond expression.Engine
	costly string
	// variables are those that snippets make.
	variables []string

	permanent, temporal         string
	permanentCode, temporalCode int
	redirectFrom, redirectTo    string
	enableCORS                  bool
	cors                        ir.CORS
	limits                      ir.Limits
	limitRate, limitRateAfter   int
	hasAffinity, isCanary       bool
	affinity                    ir.Affinity
	canary                      ir.Canary
	responseBuffering           bool
	bufferSize, responseDisk    int64
	buffersNumber               int
	hashSubset                  bool
	subsetSize                  int
}

// Defaults are the values of an Ingress without annotations, from the defaults
// of the ConfigMap (ingress-nginx §8).
func Defaults() Values {
	return Values{
		Policies: ir.Policies{
			SSLRedirect: true,
			Protocol:    ir.ProtocolHTTP,
			MaxBody:     1 << 20,

			RequestBuffering: true,
			BodyMemory:       8 << 10,

			ConnectTimeout: ir.Duration(5 * time.Second),
			SendTimeout:    ir.Duration(60 * time.Second),
			ReadTimeout:    ir.Duration(60 * time.Second),
			Retry:          ir.Retry{On: ir.RetryError | ir.RetryTimeout, Tries: 3},
			AccessLog:      true,
		},
		Draft: &Draft{
			External:      DefaultExternalAuth(),
			BackendTLS:    BackendTLS{BackendTLS: ir.BackendTLS{Depth: 1, MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12}},
			Client:        ClientAuth{ClientAuth: ir.ClientAuth{Mode: ir.ClientRequired, Depth: 1}},
			GlobalAuth:    true,
			Tracing:       Tracing{Trace: ir.Trace{Trust: true}},
			MirrorBody:    true,
			permanentCode: 301,
			temporalCode:  302,
			redirectFrom:  "off",
			redirectTo:    "off",
			cors:          defaultCORS(),
			limits:        ir.Limits{Burst: 5},
			affinity:      ir.Affinity{Name: "INGRESSCOOKIE"},
			canary:        ir.Canary{Total: 100},
			subsetSize:    3,
			bufferSize:    4 << 10,
			buffersNumber: 4,
			responseDisk:  1 << 30,
		},
	}
}

// NotLoaded ends the message about a value that rejects a version.
const NotLoaded = "; the Ingress is not loaded in this version"

// Result is what Parse found.
type Result struct {
	Values Values
	// Rejected: the Ingress must not be loaded in this version. OnlyRealm: for
	// nothing but auth-realm, which is not read when its Secret cannot be used.
	Rejected, OnlyRealm bool
	// Denied: every route of the Ingress answers 503.
	Denied bool
	// Problems are in the order of the table.
	Problems []ir.Problem
}

// Parse reads the annotations of one Ingress that begin with prefix and "/".
// All others are not touched. object is put into the problems.
func Parse(prefix string, object ir.Ref, annotations map[string]string) Result {
	return ParseOver(Defaults(), prefix, object, annotations)
}

// With returns defaults with which expressions may need an engine with
// back-tracking, and texts variables that snippets make.
func (v Values) With(beyond expression.Engine, variables []string) Values {
	v.Draft = new(*v.Draft)
	v.beyond, v.variables = beyond, variables
	return v
}

// text checks a text with variables.
func (v *Values) text(s string) error {
	_, err := variable.Parse(s)
	if err == nil {
		return nil
	}
	_, users := variable.ParseOpen(s)
	if len(users) == 0 || slices.ContainsFunc(users, func(name string) bool { return !slices.Contains(v.variables, name) }) {
		return err
	}
	return nil
}

// expression checks an expression, and notes when it needs the engine with
// back-tracking.
func (v *Values) expression(s string) error {
	_, err := expression.Compile(s, expression.Exact, nil)
	if err == nil || v.beyond == nil {
		return err
	}
	if _, again := expression.Compile(s, expression.Exact, v.beyond); again == nil {
		v.costly = err.Error()
		return nil
	}
	return err
}

// ParseOver is Parse with other defaults, as a ConfigMap may set them.
func ParseOver(defaults Values, prefix string, object ir.Ref, annotations map[string]string) Result {
	p := parsing{prefix: prefix + "/", object: object}
	p.Values = defaults
	p.Values.Draft = new(*defaults.Draft)
	if defaults.Access != nil { // its parts are written one by one
		p.Values.Access = new(*defaults.Access)
	}
	found, unknown := p.find(annotations)
	written := make(map[string]bool, len(found))
	canary := false
	for _, f := range found {
		written[rows[f.row].Name] = true
		if rows[f.row].Name == "canary" {
			canary, _ = strconv.ParseBool(f.value)
		}
	}
	for _, f := range found {
		r := &rows[f.row]
		if canary && r.Support == Supported && !ofCanary(r.Name) {
			p.report(CodeNoEffect, ir.SeverityNotice, f.key, "has no effect on a canary, whose routes have the annotations of the main Ingress")
			continue
		}
		if r.Needs != "" && !written[r.Needs] {
			p.report(CodeNoEffect, ir.SeverityWarning, f.key, "only has an effect together with "+r.Needs)
			continue
		}
		before := len(p.Problems)
		p.use(r, f.key, f.value)
		if len(p.Problems) == before && len(r.Beside) > 0 && !slices.ContainsFunc(r.Beside, func(name string) bool { return written[name] }) {
			p.report(CodeNoEffect, ir.SeverityWarning, f.key, "only has an effect together with "+strings.Join(r.Beside, " or "))
		}
	}
	p.settleRedirect()
	p.settleLocation()
	p.settleCORS()
	p.settleLimits()
	p.settleBalance(written)
	p.settleBuffering()
	p.Values.Trace = p.Values.Tracing.Policy()
	slices.Sort(unknown)
	for _, key := range unknown {
		p.unknown(key)
	}
	return p.Result
}

// ofCanary reports whether an annotation means something on a canary Ingress.
func ofCanary(name string) bool {
	switch name {
	case "load-balance", "affinity-canary-behavior":
		return true
	}
	return strings.HasPrefix(name, "canary") || strings.HasPrefix(name, "upstream-hash-by")
}

// parsing is one run of Parse.
type parsing struct {
	Result
	prefix string
	object ir.Ref
}

// finding is an annotation with a value, and the row that it belongs to.
type finding struct {
	row        int
	key, value string
	alias      bool
}

// find looks the annotations up in the table, in table order. An empty value
// counts as unset, so that aliases are then tried.
func (p *parsing) find(annotations map[string]string) (found []finding, unknown []string) {
	for key, value := range annotations {
		name, ours := strings.CutPrefix(key, p.prefix)
		if !ours {
			continue
		}
		i, known := byName[name]
		switch {
		case !known:
			unknown = append(unknown, key)
		case strings.TrimSpace(value) != "":
			found = append(found, finding{row: i, key: key, value: value, alias: name != rows[i].Name})
		}
	}
	slices.SortFunc(found, func(a, b finding) int {
		return cmp.Or(cmp.Compare(a.row, b.row), compareBool(a.alias, b.alias), cmp.Compare(a.key, b.key))
	})
	found = slices.CompactFunc(found, func(a, b finding) bool { return a.row == b.row })
	return found, unknown
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// use applies one annotation.
func (p *parsing) use(r *Row, key, value string) {
	switch r.Support {
	case Supported:
		if err := r.parse(value, &p.Values); err != nil {
			p.bad(r, key, value, err)
		}
		if why := p.Values.costly; why != "" {
			p.Values.costly = ""
			p.report(CodeCostly, ir.SeverityNotice, key, "the expression needs the engine with back-tracking, which is slower and gives up on costly texts: "+why)
		}
	case Tuning:
		if slices.Contains(r.Off, strings.TrimSpace(value)) {
			return
		}
		if r.because != "" {
			p.report(CodeTuning, ir.SeverityNotice, key, "has no effect: "+r.because)
			return
		}
		p.report(CodeTuning, ir.SeverityNotice, key, "adjusts what only nginx has; it is accepted and has no effect")
	case Refused:
		p.Rejected, p.OnlyRealm = true, false
		p.report(CodeSnippet, ir.SeverityError, key, "snippets are never accepted, because text of an Ingress must not become configuration; "+
			"the Ingress is not loaded: remove the annotation and say the same with typed annotations")
	case Obsolete:
		p.report(CodeObsolete, ir.SeverityNotice, key, r.Doc+"; it has no effect and can be removed")
	}
}

func (p *parsing) bad(r *Row, key, value string, err error) {
	msg := fmt.Sprintf("value %s %v", quote(value), err)
	if _, ok := errors.AsType[*partlyBad](err); ok {
		p.report(CodeDefault, ir.SeverityWarning, key, msg)
		return
	}
	switch outcome := outcomeOf(err, r.Bad); outcome {
	case Reject:
		p.OnlyRealm = r.Name == "auth-realm" && (p.OnlyRealm || !p.Rejected)
		p.Rejected = true
		p.report(CodeRejected, ir.SeverityError, key, msg+NotLoaded)
	case Deny:
		p.Denied = true
		p.report(CodeDenied, ir.SeverityError, key, msg+"; all routes of the Ingress answer 503")
	default:
		use := "it is ignored"
		if r.Default != "" {
			use = "the default " + r.Default + " applies"
		}
		p.report(CodeDefault, ir.SeverityWarning, key, msg+"; "+use)
	}
}

func (p *parsing) unknown(key string) {
	msg := "there is no annotation of this name; ignored"
	if near := nearestName(strings.TrimPrefix(key, p.prefix)); near != "" {
		msg += "; did you mean " + p.prefix + near + "?"
	}
	p.report(CodeUnknown, ir.SeverityWarning, key, msg)
}

func (p *parsing) report(code string, severity ir.Severity, key, message string) {
	p.Problems = append(p.Problems, ir.Problem{
		Code: code, Severity: severity, Object: p.object, Field: Field(key), Message: message,
	})
}

// Field returns the problem field of an annotation given by its full name.
func Field(key string) string { return "metadata.annotations[" + key + "]" }

// quote prints a value for a message: on one line and not too long.
func quote(s string) string {
	const limit = 80
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "") + "…"
	}
	return fmt.Sprintf("%q", s)
}

// Spellings returns the name of an annotation and its aliases, in the order in
// which they count.
func Spellings(name string) []string {
	i, ok := byName[name]
	if !ok {
		return []string{name}
	}
	return append([]string{rows[i].Name}, rows[i].Aliases...)
}

// All returns the table in the order of the documentation.
func All() []Row { return slices.Clone(rows) }
