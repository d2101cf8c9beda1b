package policy

import (
	"bytes"

	"daemun/internal/ir"
)

// Response is what becomes of the fields of a backend's response.
type Response struct {
	// Set are fields that every response of the route gets. They must not be
	// changed.
	Set []ir.Field

	cookieDomain, cookiePath, location *ir.Replacement
}

func newResponse(p *ir.Policies) *Response {
	if len(p.ResponseFields) == 0 && p.CookieDomain == nil && p.CookiePath == nil && p.LocationPrefix == nil {
		return nil
	}
	return &Response{Set: p.ResponseFields, cookieDomain: p.CookieDomain, cookiePath: p.CookiePath, location: p.LocationPrefix}
}

// Replaces reports whether a field of the backend gives way to one of Set.
func (r *Response) Replaces(name []byte) bool { return names(r.Set, name) }

// Cookie appends the value of a Set-Cookie field with its Domain and Path
// rewritten (proxy-cookie-domain, proxy-cookie-path); ok is false, and nothing
// is appended, when it stays as it is.
func (r *Response) Cookie(dst, value []byte) (out []byte, ok bool) {
	if r.cookieDomain == nil && r.cookiePath == nil {
		return dst, false
	}
	start, copied := len(dst), 0
	for at := bytes.IndexByte(value, ';'); at >= 0 && at < len(value); {
		end := len(value)
		if n := bytes.IndexByte(value[at+1:], ';'); n >= 0 {
			end = at + 1 + n
		}
		if from, to, with := r.attribute(value, at+1, end); with != nil {
			dst = append(dst, value[copied:from]...)
			dst = append(dst, with.To...)
			copied = to
		}
		at = end
	}
	if copied == 0 {
		return dst[:start], false
	}
	return append(dst, value[copied:]...), true
}

// attribute looks at the attribute value[from:end]. It returns the octets that
// a replacement takes the place of, nil when none does. As in nginx a Domain is
// compared as a whole and without its first dot, a Path by its beginning.
func (r *Response) attribute(value []byte, from, end int) (start, stop int, with *ir.Replacement) {
	eq := bytes.IndexByte(value[from:end], '=')
	if eq < 0 {
		return 0, 0, nil
	}
	name := bytes.TrimSpace(value[from : from+eq])
	start = from + eq + 1
	for start < end && value[start] == ' ' {
		start++
	}
	text := bytes.TrimRight(value[start:end], " \t")
	switch {
	case r.cookieDomain != nil && equalFold(name, "domain"):
		if len(text) > 0 && text[0] == '.' {
			start, text = start+1, text[1:]
		}
		if equalFold(text, r.cookieDomain.From) {
			return start, start + len(text), r.cookieDomain
		}
	case r.cookiePath != nil && equalFold(name, "path"):
		if bytes.HasPrefix(text, []byte(r.cookiePath.From)) {
			return start, start + len(r.cookiePath.From), r.cookiePath
		}
	}
	return 0, 0, nil
}

// Location returns the Location of the backend in two parts when
// proxy-redirect changes it: what is new, and what stays behind it.
func (r *Response) Location(value []byte) (head string, rest []byte, ok bool) {
	if r.location == nil || !bytes.HasPrefix(value, []byte(r.location.From)) {
		return "", nil, false
	}
	return r.location.To, value[len(r.location.From):], true
}

// Refresh returns the Refresh field of the backend in three parts when
// proxy-redirect changes its URL.
func (r *Response) Refresh(value []byte) (before []byte, head string, rest []byte, ok bool) {
	for at := 0; at+4 <= len(value); at++ {
		if hasPrefixFold(value[at:], "url=") {
			head, rest, ok = r.Location(value[at+4:])
			return value[:at+4], head, rest, ok
		}
	}
	return nil, "", nil, false
}
