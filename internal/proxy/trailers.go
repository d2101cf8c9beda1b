package proxy

import (
	"slices"

	"daemun/internal/http1"
)

// trailers are the fields behind the request body that go upstream (H2.8).
func (x *exchange) trailers() []http1.Field {
	fields := x.sentTrailers()
	if len(fields) == 0 || !slices.ContainsFunc(fields, x.isOurs) {
		return fields
	}
	return slices.DeleteFunc(slices.Clone(fields), x.isOurs)
}

// sentTrailers are those that the client has sent.
func (x *exchange) sentTrailers() []http1.Field {
	if x.c.stream == nil {
		return x.body.Trailers()
	}
	lines := x.c.stream.Trailers()
	if lines == nil {
		return nil
	}
	fields, err := http1.ParseTrailers(lines, x.c.server.heads())
	if err != nil {
		return nil // over a limit: dropped as a whole
	}
	return fields
}

// isOurs reports that a trailer has the name of a field in whose place in the head
// Daemun, or the service of auth-url, says something else: many servers make
// trailers part of the head.
func (x *exchange) isOurs(f http1.Field) bool {
	if e := x.external(); e != nil && e.Replaces(f.Name) {
		return true
	}
	if x.certificate != nil && isClientField(f.Name) || x.fallback && isFallbackField(f.Name) || x.traced.Replaces(f.Name) {
		return true
	}
	fields := x.fields()
	if fields == nil {
		return false
	}
	edits := fields.Request()
	for i := range edits {
		if edits[i].NamesField(f.Name) {
			return true
		}
	}
	return false
}
