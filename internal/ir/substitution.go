package ir

// Substitution replaces texts in the content of responses.
type Substitution struct {
	// Pairs are tried in their order; letters match in both cases.
	Pairs []TextPair `json:"pairs"`
	// All replaces every occurrence of a text, not only the first.
	All bool `json:"all,omitempty"`
	// Types are media types besides text/html; "*" is any.
	Types []string `json:"types,omitempty"`
	// LastModified keeps that field, and a weak ETag.
	LastModified bool `json:"lastModified,omitempty"`
}

// TextPair is a text and what takes its place, both with variables.
type TextPair struct {
	From string `json:"from"`
	To   string `json:"to"`
}
