package table

import (
	"strings"

	"daemun/internal/canonical"
)

// Rewrite appends the rewritten and re-escaped path to dst. It must only be
// called when m.Route.IR.Rewrite is set. The whole path is replaced by the
// target with its captures, missing ones being empty; the result is escaped
// but not normalised again (ingress-nginx §1.1, §15.2), and gets a "/" in
// front when it has none, because nothing else can be sent.
//
// Nothing is appended when the expression does not match: the target is then
// forwarded as received. redirect says that what was appended is a URL to
// answer with 302 (the target begins with http:// or https://); its captures
// are escaped, so that they stay within the path of the target.
func (m *Match) Rewrite(dst []byte) (out []byte, redirect bool) {
	r := m.Route
	if r.rewrite == nil || !r.rewrite.Captures(m.Path, &m.caps) {
		return dst, false
	}
	target := r.IR.Rewrite.Target
	if strings.HasPrefix(target, "http://") || strings.HasPrefix(target, "https://") {
		return m.expand(dst, target, verbatim), true
	}
	start := len(dst)
	dst = m.expand(dst, target, escaped)
	if len(dst) == start || dst[start] != '/' {
		dst = append(dst, 0)
		copy(dst[start+1:], dst[start:])
		dst[start] = '/'
	}
	return dst, false
}

// ForwardedPrefix appends the expanded X-Forwarded-Prefix to dst. Its $1..$9
// are the captures of the rewrite's expression or, without a rewrite, of the
// route's. They are escaped like a path: a decoded line break must not reach a
// header field.
func (m *Match) ForwardedPrefix(dst []byte) []byte {
	prefix := m.Route.IR.ForwardedPrefix
	if !strings.Contains(prefix, "$") {
		return append(dst, prefix...)
	}
	p := m.Route.rewrite
	if p == nil {
		p, _ = m.Route.matcher.(capturer)
	}
	if p == nil || !p.Captures(m.Path, &m.caps) {
		for i := range m.caps {
			m.caps[i] = -1
		}
	}
	return m.expand(dst, prefix, verbatim)
}

// literalText says what happens to the text between captures.
type literalText uint8

const (
	escaped  literalText = iota // like the captures: it is part of a decoded path
	verbatim                    // it is written by the user for the wire
)

// expand appends target with $1..$9 replaced by the captures, which are always
// escaped. "$" before anything else is itself; "$10" is $1 and "0", as in nginx.
func (m *Match) expand(dst []byte, target string, lit literalText) []byte {
	for {
		i := strings.IndexByte(target, '$')
		if i < 0 {
			return appendText(dst, target, lit)
		}
		dst = appendText(dst, target[:i], lit)
		target = target[i+1:]
		if target == "" || target[0] < '1' || target[0] > '9' {
			dst = append(dst, '$')
			continue
		}
		dst = canonical.AppendEscapedPath(dst, m.caps.Group(m.Path, int(target[0]-'0')))
		target = target[1:]
	}
}

func appendText(dst []byte, text string, lit literalText) []byte {
	if lit == verbatim {
		return append(dst, text...)
	}
	return canonical.AppendEscapedPath(dst, []byte(text))
}
