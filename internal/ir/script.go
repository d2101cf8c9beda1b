package ir

import "net/netip"

// Script is what the rewriting directives of a snippet do with a request, in
// their order (ingress-nginx §12.5).
type Script struct {
	Steps []Step `json:"steps"`
	// Variants are the settings that an "if" brings with it.
	Variants []Variant `json:"variants,omitempty"`
}

// Step is one directive: an If, or an Action.
type Step struct {
	If *Condition `json:"if,omitempty"`
	// Then are the directives of an If, Variant is the number of its settings
	// from 1 on, 0 for none.
	Then    []Action `json:"then,omitempty"`
	Variant int      `json:"variant,omitempty"`

	Action
}

// Action is a directive without condition; exactly one of its fields is there.
type Action struct {
	Set     *Assignment  `json:"set,omitempty"`
	Return  *Return      `json:"return,omitempty"`
	Rewrite *RewriteStep `json:"rewrite,omitempty"`
	Break   bool         `json:"break,omitempty"`
}

// Comparison is the operator of a condition, as nginx writes it.
type Comparison string

// The comparisons. Holds is for a variable that is neither empty nor "0".
const (
	Holds       Comparison = ""
	Equal       Comparison = "="
	NotEqual    Comparison = "!="
	Matches     Comparison = "~"
	MatchesFold Comparison = "~*"
	Differs     Comparison = "!~"
	DiffersFold Comparison = "!~*"
)

// Condition compares a text with another one or with an expression.
type Condition struct {
	Left  string     `json:"left"`
	Op    Comparison `json:"op,omitempty"`
	Right string     `json:"right,omitempty"`
}

// Assignment gives a variable a value, a text.
type Assignment struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Return ends a request. With a redirect status Text is the Location, else the
// body; both are texts. Without a text the client gets the usual page.
type Return struct {
	Status int    `json:"status"`
	Text   string `json:"text,omitempty"`
	// Type is the media type of a body.
	Type string `json:"type,omitempty"`
}

// RewriteFlag says what comes after a rewrite.
type RewriteFlag string

// The flags: the next step, and a search for the route at the end; the search
// at once; no further rewriting and no search.
const (
	RewriteGoOn  RewriteFlag = ""
	RewriteLast  RewriteFlag = "last"
	RewriteBreak RewriteFlag = "break"
)

// RewriteStep replaces the path that an expression matches.
type RewriteStep struct {
	Pattern string `json:"pattern"`
	// Path is a text, and so is Args if HasArgs; the arguments of the request
	// come behind it unless DropArgs.
	Path     string      `json:"path"`
	Args     string      `json:"args,omitempty"`
	HasArgs  bool        `json:"hasArgs,omitempty"`
	DropArgs bool        `json:"dropArgs,omitempty"`
	Flag     RewriteFlag `json:"flag,omitempty"`
	// Status is that of a redirect to the new path or URL, else 0.
	Status int `json:"status,omitempty"`
}

// Variant takes the place of settings of a route once an "if" held.
type Variant struct {
	Fields *FieldEdits `json:"fields,omitempty"`
	NoLog  bool        `json:"noLog,omitempty"`
}

// AccessRule is one line of an address list in which the first match counts.
type AccessRule struct {
	Allow bool         `json:"allow,omitempty"`
	Net   netip.Prefix `json:"net"`
}

// MethodAccess holds for requests with other methods than some.
type MethodAccess struct {
	// Except are methods in upper case.
	Except []string     `json:"except"`
	Rules  []AccessRule `json:"rules"`
}

// ErrorPage answers instead of the usual page of some statuses.
type ErrorPage struct {
	// Statuses are sorted.
	Statuses []int `json:"statuses"`
	// To is a text: a path of the same host whose route answers, "@name" for one
	// of its locations, or a URL that the client is sent to.
	To string `json:"to"`
	// Status is what the client gets, 0 for the status that the page stands in
	// for. With OwnStatus it is that of the answer.
	Status    int  `json:"status,omitempty"`
	OwnStatus bool `json:"ownStatus,omitempty"`
}

// LocationMatch is how a location of a server-snippet is compared.
type LocationMatch string

// The kinds, as nginx writes them: a prefix, one that keeps expressions from
// being tried, the whole path, expressions with and without regard to case, a
// name for error pages.
const (
	LocationPrefix    LocationMatch = ""
	LocationFirm      LocationMatch = "^~"
	LocationExact     LocationMatch = "="
	LocationRegex     LocationMatch = "~"
	LocationRegexFold LocationMatch = "~*"
	LocationNamed     LocationMatch = "@"
)

// Location is a location of a server-snippet, or one within a route. It has no
// backend: it returns or refuses.
type Location struct {
	Match   LocationMatch `json:"match,omitempty"`
	Pattern string        `json:"pattern"`
	Route   *Route        `json:"route"`
}
