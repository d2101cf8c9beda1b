package http1

import (
	"bytes"
	"net/netip"
)

// maxHost is the longest host name in octets; DNS allows no longer one.
const maxHost = 255

var (
	slash       = []byte("/")
	schemeHTTP  = []byte("http")
	schemeHTTPS = []byte("https")
)

// target reads the request target (H1.11, H1.12).
func (r *Request) target(high bool) Reason {
	allowed := classTarget
	if high {
		allowed |= classHigh
	}
	for _, c := range r.Target {
		if classes[c]&allowed == 0 {
			if c == ' ' {
				return ReasonRequestLine // one blank too many (H1.2)
			}
			return wrongOctet(c, ReasonTarget)
		}
	}
	if r.Target[0] == '/' {
		r.splitQuery(r.Target)
		return reasonNone
	}
	if len(r.Target) == 1 && r.Target[0] == '*' && string(r.Method) == "OPTIONS" {
		r.Form, r.Path = FormAsterisk, r.Target
		return reasonNone
	}
	return r.absolute()
}

func (r *Request) splitQuery(target []byte) {
	r.Path = target
	if i := bytes.IndexByte(target, '?'); i >= 0 {
		r.Path, r.Query, r.HasQuery = target[:i], target[i+1:], true
	}
}

// absolute reads a target in absolute form: http or https, no userinfo.
func (r *Request) absolute() Reason {
	rest := r.Target
	switch {
	case hasPrefixFold(rest, "http://"):
		r.Scheme, rest = schemeHTTP, rest[len("http://"):]
	case hasPrefixFold(rest, "https://"):
		r.Scheme, rest = schemeHTTPS, rest[len("https://"):]
	default:
		return ReasonTargetForm
	}
	end := bytes.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	if !validAuthority(rest[:end]) {
		return ReasonTargetForm
	}
	r.Form, r.Authority = FormAbsolute, rest[:end]
	r.splitQuery(rest[end:])
	if len(r.Path) == 0 {
		if string(r.Method) == "OPTIONS" && !r.HasQuery {
			// It would have to be sent on as "*" (RFC 9112 §3.2.4), which
			// others read as "/".
			return ReasonTargetForm
		}
		r.Path = slash
	}
	return reasonNone
}

// validAuthority checks "host[:port]" (H3.2). It is narrower than RFC 3986: of
// a name only unreserved octets (letters, digits, "-._~") are taken, because a
// host with others can be in no certificate and no rule and is read in
// different ways elsewhere; no empty label but after the last dot; the port is
// not empty.
func validAuthority(a []byte) bool {
	if len(a) == 0 {
		return false
	}
	if a[0] == '[' {
		end := bytes.IndexByte(a, ']')
		return end > 0 && validIPv6(a[1:end]) && validPort(a[end+1:])
	}
	host, port := a, a[len(a):]
	if i := bytes.IndexByte(a, ':'); i >= 0 {
		host, port = a[:i], a[i:]
	}
	return validRegName(host) && validPort(port)
}

func validRegName(name []byte) bool {
	if len(name) > maxHost || !allOf(name, classHost) || name[0] == '.' {
		return false
	}
	for i := 1; i < len(name); i++ {
		if name[i] == '.' && name[i-1] == '.' {
			return false
		}
	}
	return true
}

// validPort checks ":port", or nothing.
func validPort(p []byte) bool {
	if len(p) == 0 {
		return true
	}
	if p[0] != ':' || len(p) > len(":65535") || !allOf(p[1:], classDigit) {
		return false
	}
	n := 0
	for _, c := range p[1:] {
		n = n*10 + int(c-'0')
	}
	return n <= 65535
}

func validIPv6(a []byte) bool {
	const longest = len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255")
	if len(a) > longest || bytes.IndexByte(a, '%') >= 0 {
		return false
	}
	addr, err := netip.ParseAddr(string(a))
	return err == nil && addr.Is6()
}
