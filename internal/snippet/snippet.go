// Package snippet reads text of nginx's configuration language, as the snippet
// annotations and ConfigMap keys of ingress-nginx hold it, into typed policies.
//
//	b := snippet.Read(snippet.Location, "more_set_headers 'X-One: 1'; if ($http_x = a) { return 403; }", o)
//	for _, p := range b.Problems { … p.Place, p.Message … }
//
// It turns directives of the one table in this package into parts of the IR;
// what no row of the table takes is a problem that names directive, line and
// what to use instead (H9.1: no text is ever executed or put into another one).
// It knows nothing of Ingresses, hosts or requests. Everything in it is pure and
// safe for concurrent use.
package snippet

import (
	"slices"
	"strings"

	"daemun/internal/expression"
	"daemun/internal/ir"
	"daemun/internal/variable"
)

// Context is what a text stands in.
type Context uint16

// The contexts: of a route, of a host, of the request to an authentication
// service, of all hosts, outside of HTTP; then those of blocks.
const (
	Location Context = 1 << iota
	Server
	Auth
	HTTP
	Other
	ifLocation
	ifServer
	innerLocation
	limitExcept
)

// Options are what reading depends on.
type Options struct {
	// Declared are variables that other texts set.
	Declared []string
	// Locations are names of locations, such as "@missing", of other texts.
	Locations []string
	// Zones are those that other texts make.
	Zones []ir.Zone
	// Beyond checks expressions that the linear engine cannot run; nil refuses
	// them.
	Beyond expression.Engine
}

// Weight of a problem.
type Weight uint8

// The weights: the text cannot be used as it was meant; a directive changes
// nothing here; an expression needs the engine with back-tracking; a directive
// that guards nothing is left out.
const (
	Broken Weight = iota
	NoEffect
	Costly
	Lost
)

// Problem is something to say about a text.
type Problem struct {
	Place     Place
	Weight    Weight
	Directive string
	Message   string
	// Variable says that the text needs a variable, a named location or a zone, which
	// another one may have.
	Variable bool
}

// Block is what a text means.
type Block struct {
	// Steps and Variants are its rewriting directives.
	Steps    []ir.Step
	Variants []ir.Variant
	// Edits are changes of requests and responses; those of kind EditAdd take
	// the place of those of an outer block.
	Edits ir.FieldEdits
	// Pass are fields that are not hidden any more.
	Pass []string
	// Access takes the place of that of an outer block.
	Access       []ir.AccessRule
	MethodAccess *ir.MethodAccess
	ErrorPages   []ir.ErrorPage
	Substitution Substitution
	TLS          BackendTLS
	// LimitZones are its limits by zones, and Zones those that it makes.
	LimitZones ir.ZoneLimits
	Zones      []ir.Zone
	// Intercept and RecursivePages are nil in a text that does not say it.
	Intercept, RecursivePages *bool
	// Locations are those of a host, or within a route, in their order.
	Locations []LocationBlock
	// Apply are other settings of a route, in their order.
	Apply []func(*ir.Policies)
	// Maps are variables that others decide.
	Maps []ir.Map
	// Sets are the variables that it sets, sorted.
	Sets     []string
	Problems []Problem

	// captures says that a text has groups of an expression.
	captures bool

	names []string // of its locations
	// mapPlaces are where Maps stand.
	mapPlaces []Place
	uses      []use
	kind      string // default_type
}

// LocationBlock is a location of a server-snippet.
type LocationBlock struct {
	At      Place
	Match   ir.LocationMatch
	Pattern string
	Block   *Block
}

// use is a variable that a text needs.
type use struct {
	name, directive string
	at              Place
}

// Names are those of the locations for error pages, such as "@missing".
func (b *Block) Names() []string { return b.names }

// Broken reports whether the text cannot be used as it was meant.
func (b *Block) Broken() bool {
	return b != nil && slices.ContainsFunc(b.Problems, func(p Problem) bool { return p.Weight == Broken })
}

// Groups is what makes the groups of the expression of a location, or of a
// route, those that $1 is, in front of the Steps: nil when no text wants them.
func (b *Block) Groups(expr string, fold bool) []ir.Step {
	named := strings.Contains(expr, "(?<") || strings.Contains(expr, "(?P<")
	if b == nil || !strings.Contains(expr, "(") || !b.captures && !named {
		return nil
	}
	op := ir.Matches
	if fold {
		op = ir.MatchesFold
	}
	return []ir.Step{{If: &ir.Condition{Left: "$uri", Op: op, Right: expr}}}
}

// reader makes a Block.
type reader struct {
	*Block
	o       Options
	context Context
	// outer is that of the block around, nil at the outside.
	outer *reader
}

// Read reads a text. It never fails: what cannot be used is among the problems
// of the Block and otherwise left out.
func Read(c Context, text string, o Options) *Block {
	b := &Block{}
	r := &reader{Block: b, o: o, context: c}
	list, err := parse(text)
	if err != nil {
		e := err.(*syntaxError)
		b.Problems = append(b.Problems, Problem{Place: e.at, Message: e.msg + "; nothing of the text is used"})
		return b
	}
	r.read(list)
	r.settleVariables()
	r.settleMaps()
	slices.SortStableFunc(b.Problems, func(a, b Problem) int {
		if a.Place.Line != b.Place.Line {
			return a.Place.Line - b.Place.Line
		}
		return a.Place.Column - b.Place.Column
	})
	return b
}

func (r *reader) read(list []directive) {
	for i := range list { // named locations may be used before they stand there
		if d := &list[i]; d.name == "location" && len(d.args) == 1 && strings.HasPrefix(d.args[0].text, "@") {
			r.names = append(r.names, d.args[0].text)
		}
		if d := &list[i]; d.name == "default_type" && len(d.args) == 1 {
			r.kind = d.args[0].text
		}
	}
	for _, first := range []bool{true, false} {
		for i := range list {
			if makesZone(&list[i]) == first {
				r.directive(&list[i])
			}
		}
	}
}

// directive finds the row of a directive and reads it.
func (r *reader) directive(d *directive) {
	row, known := lookup(d.name)
	switch {
	case !known:
		r.broken(d, "there is no directive of this name, or none that is known here")
	case row.read == nil && row.tuning:
		r.problem(d, NoEffect, orElse(row.instead, "it adjusts what only nginx has; it has no effect"))
	case row.lost:
		r.problem(d, Lost, row.instead)
	case row.read == nil:
		r.broken(d, "it is not supported: "+row.instead)
	case row.in&r.context == 0 && row.shadowed&r.context != 0:
		r.problem(d, NoEffect, "it has no effect here, because every route has its own: set it in a configuration-snippet or location-snippet")
	case row.in&r.context == 0:
		r.broken(d, "it is not allowed "+r.context.where()+row.rightPlace())
	case d.isBlock != row.block:
		r.broken(d, map[bool]string{true: `it has no block: write ";" behind it`, false: "it needs a block in { }"}[d.isBlock])
	case len(d.args) < row.least || row.most >= 0 && len(d.args) > row.most:
		r.broken(d, "it has the wrong number of arguments: write "+row.usage)
	default:
		if wrong := row.read(r, d); wrong != "" {
			r.broken(d, wrong)
		}
	}
}

// rightPlace says where a directive could be written instead.
func (r *row) rightPlace() string {
	switch r.in {
	case HTTP:
		return ": write it into the ConfigMap key http-snippet"
	case Server:
		return ": write it into a server-snippet"
	}
	return ""
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func (c Context) where() string {
	switch c {
	case Server:
		return "in a server-snippet"
	case Auth:
		return "in an auth-snippet"
	case HTTP:
		return "in an http-snippet"
	case Other:
		return "in such a snippet"
	case ifLocation, ifServer:
		return "within an if"
	case innerLocation:
		return "in a location of a snippet, which has no backend: it may return, refuse and set"
	case limitExcept:
		return "within limit_except"
	}
	return "in a configuration-snippet or location-snippet"
}

func (r *reader) broken(d *directive, message string) { r.problem(d, Broken, message) }

func (r *reader) problem(d *directive, w Weight, message string) {
	r.root().Problems = append(r.root().Problems, Problem{Place: d.at, Weight: w, Directive: d.name, Message: message})
}

// root is the reader of the whole text.
func (r *reader) root() *reader {
	for r.outer != nil {
		r = r.outer
	}
	return r
}

// text notes the variables of an argument.
func (r *reader) text(d *directive, w word) string {
	text, users := variable.ParseOpen(w.text)
	for _, name := range users {
		r.root().uses = append(r.root().uses, use{name, d.name, w.at})
	}
	text.Parts(func(id variable.ID, _, arg string) {
		r.captures = r.captures || id == variable.Capture
		if id == variable.Absent && strings.HasPrefix(arg, "geoip_") { // it may decide who passes
			r.broken(d, "$"+arg+" has no value: use-geoip2 reads databases in MaxMind's format, and its variables begin with $geoip2_, such as $geoip2_city_country_code")
		}
	})
	return w.text
}

func (r *reader) declare(name string) {
	root := r.root()
	if at, found := slices.BinarySearch(root.Sets, name); !found {
		root.Sets = slices.Insert(root.Sets, at, name)
	}
}

// settleVariables reports those that nobody sets.
func (r *reader) settleVariables() {
	for _, u := range r.uses {
		if _, own := slices.BinarySearch(r.Sets, u.name); own || slices.Contains(r.o.Declared, u.name) {
			continue
		}
		r.Problems = append(r.Problems, Problem{
			Place: u.at, Directive: u.directive, Variable: true, Message: "there is no variable $" + u.name + ", and no set of this snippet, or of one around it, makes one",
		})
	}
}

// expression checks an expression and declares its named groups; wrong says why
// it cannot be used.
func (r *reader) expression(d *directive, expr string, c expression.Case) (wrong string) {
	m, err := expression.Compile(expr, c, nil)
	if err != nil && r.o.Beyond != nil {
		var again error
		if m, again = expression.Compile(expr, c, r.o.Beyond); again == nil {
			r.problem(d, Costly, "the expression needs the engine with back-tracking, which is slower and gives up on costly texts: "+err.Error())
			err = nil
		}
	}
	if err != nil {
		return "the expression cannot be used: " + err.Error()
	}
	for _, name := range m.Names() {
		if name != "" {
			r.declare(name)
		}
	}
	return ""
}
