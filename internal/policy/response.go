package policy

import (
	"bytes"
	"strings"

	"daemun/internal/expression"
	"daemun/internal/ir"
	"daemun/internal/variable"
)

// Response is what becomes of the fields of a backend's response.
type Response struct {
	// Set are fields that every response of the route gets. They must not be
	// changed.
	Set []ir.Field

	cookieDomain, cookiePath, location *replacer
	flags                              []cookieFlags
}

// replacer is a replacement as it runs.
type replacer struct {
	*ir.Replacement
	// expr is what From has behind "~" or "~*"; nil when From is a plain text.
	// What matches is then replaced as a whole.
	expr expression.Matcher
	to   *variable.Text
}

// newReplacer returns nil for nil, and for an expression that does not compile,
// which translation has refused.
func newReplacer(r *ir.Replacement, beyond expression.Engine) *replacer {
	if r == nil {
		return nil
	}
	expr, isExpression := strings.CutPrefix(r.From, "~")
	if !isExpression {
		return &replacer{Replacement: r}
	}
	expr, fold := strings.CutPrefix(expr, "*")
	m, err := expression.Compile(expr, expression.Case(fold), beyond)
	if err != nil {
		return nil
	}
	made := &replacer{Replacement: r, expr: m}
	made.to, _ = variable.ParseOpen(r.To)
	return made
}

// groups are the captures of a replacement; other variables have no value.
type groups struct {
	text []byte
	caps expression.Captures
}

// AppendVariable makes groups a variable.Source.
func (g *groups) AppendVariable(dst []byte, id variable.ID, arg string) []byte {
	if id != variable.Capture {
		return dst
	}
	return append(dst, g.caps.Group(g.text, int(arg[0]-'0'))...)
}

// expand returns what takes the place of a text that the expression matches.
func (r *replacer) expand(text []byte) (with string, ok bool) {
	g := groups{text: text}
	if matched, err := r.expr.Match(text, &g.caps); !matched || err != nil {
		return "", false
	}
	return string(r.to.Append(nil, &g)), true
}

func newResponse(p *ir.Policies, beyond expression.Engine) *Response {
	if len(p.ResponseFields) == 0 && p.CookieDomain == nil && p.CookiePath == nil && p.LocationPrefix == nil && len(p.CookieFlags) == 0 {
		return nil
	}
	return &Response{
		Set: p.ResponseFields, cookieDomain: newReplacer(p.CookieDomain, beyond), cookiePath: newReplacer(p.CookiePath, beyond),
		location: newReplacer(p.LocationPrefix, beyond), flags: newCookieFlags(p.CookieFlags, beyond),
	}
}

// Replaces reports whether a field of the backend gives way to one of Set.
func (r *Response) Replaces(name []byte) bool { return names(r.Set, name) }

// Cookie appends the value of a Set-Cookie field with its Domain, Path and flags
// rewritten (proxy-cookie-domain, proxy-cookie-path, proxy_cookie_flags); ok is
// false, and nothing is appended, when it stays as it is.
func (r *Response) Cookie(dst, value []byte) (out []byte, ok bool) {
	if len(r.flags) == 0 {
		return r.appendCookie(dst, value)
	}
	if moved, ok := r.appendCookie(nil, value); ok {
		value = moved
		if out, flagged := r.appendFlags(dst, value); flagged {
			return out, true
		}
		return append(dst, value...), true
	}
	return r.appendFlags(dst, value)
}

// appendCookie is Cookie for Domain and Path.
func (r *Response) appendCookie(dst, value []byte) (out []byte, ok bool) {
	if r.cookieDomain == nil && r.cookiePath == nil {
		return dst, false
	}
	start, copied := len(dst), 0
	for at := bytes.IndexByte(value, ';'); at >= 0 && at < len(value); {
		end := len(value)
		if n := bytes.IndexByte(value[at+1:], ';'); n >= 0 {
			end = at + 1 + n
		}
		if from, to, with, ok := r.attribute(value, at+1, end); ok {
			dst = append(dst, value[copied:from]...)
			dst = append(dst, with...)
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
// a replacement takes the place of, and it; ok is false when none does. As in nginx a Domain is
// compared as a whole and without its first dot, a Path by its beginning.
func (r *Response) attribute(value []byte, from, end int) (start, stop int, with string, ok bool) {
	eq := bytes.IndexByte(value[from:end], '=')
	if eq < 0 {
		return 0, 0, "", false
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
		if r.cookieDomain.expr != nil {
			with, ok = r.cookieDomain.expand(text)
			return start, start + len(text), with, ok
		}
		return start, start + len(text), r.cookieDomain.To, equalFold(text, r.cookieDomain.From)
	case r.cookiePath != nil && equalFold(name, "path"):
		if r.cookiePath.expr != nil {
			with, ok = r.cookiePath.expand(text)
			return start, start + len(text), with, ok
		}
		return start, start + len(r.cookiePath.From), r.cookiePath.To, bytes.HasPrefix(text, []byte(r.cookiePath.From))
	}
	return 0, 0, "", false
}

// Location returns the Location of the backend in two parts when
// proxy-redirect changes it: what is new, and what stays behind it.
func (r *Response) Location(value []byte) (head string, rest []byte, ok bool) {
	if r.location != nil && r.location.expr != nil {
		head, ok = r.location.expand(value)
		return head, nil, ok
	}
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
