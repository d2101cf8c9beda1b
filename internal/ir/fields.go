package ir

// FieldEdits change the fields of requests on their way to the backend, and of
// responses on their way to the client. Each list acts in its order.
type FieldEdits struct {
	// Request acts on the head that the backend gets.
	Request []FieldEdit `json:"request,omitempty"`
	// Hide names fields of the backend that no client gets.
	Hide []string `json:"hide,omitempty"`
	// Response acts on every response, whoever made it.
	Response []FieldEdit `json:"response,omitempty"`
}

// EditKind says what a FieldEdit does.
type EditKind string

// The kinds: a set takes the place of all fields of the name, and without a
// value of none; an add comes beside them; a clear removes them.
const (
	EditSet   EditKind = "set"
	EditAdd   EditKind = "add"
	EditClear EditKind = "clear"
)

// FieldEdit is one change of a head.
type FieldEdit struct {
	Kind EditKind `json:"kind"`
	// Name is a valid field name. That of a clear may end with "*".
	Name string `json:"name"`
	// Value is a text with variables.
	Value string `json:"value,omitempty"`
	// OfClient limits a change of a request to what the client sent: what
	// Daemun says itself stays.
	OfClient bool `json:"ofClient,omitempty"`
	// Existing limits a set to heads that have the field.
	Existing bool `json:"existing,omitempty"`
	// Statuses are sorted, Types are media types without parameters, in lower
	// case: a change of a response is limited to them unless they are empty.
	Statuses []int    `json:"statuses,omitempty"`
	Types    []string `json:"types,omitempty"`
	// Dated makes the value a date, DateAfter from now.
	Dated     bool     `json:"dated,omitempty"`
	DateAfter Duration `json:"dateAfter,omitempty"`
}
