package canonical

import (
	"net/netip"
	"strings"
)

// Host returns the canonical form of an authority ("host[:port]"): lower case,
// without port and without one trailing dot (H3.5). ok is false when authority
// is not a legal host as H3.2 has it: empty, with an empty label, userinfo, a
// slash, blank, comma, percent sign or octet outside ASCII, a port that is not
// 0 to 65535, or brackets around something that is no IPv6 address.
//
// The result is a part of authority when that is canonical already, else it is
// written over dst[:0]; either way it is valid as long as both are left alone.
// Only IPv6 literals allocate.
func Host(dst, authority []byte) (host []byte, ok bool) {
	if len(authority) > 0 && authority[0] == '[' {
		return ipv6Host(dst, authority)
	}
	upper, label := false, 0 // label: octets since the last dot
	end := len(authority)
scan:
	for i, c := range authority {
		switch hostClass[c] {
		case hostOrdinary:
			label++
		case hostUpper:
			label++
			upper = true
		case hostDot:
			if label == 0 {
				return nil, false
			}
			label = 0
		case hostColon:
			if !validPort(authority[i+1:]) {
				return nil, false
			}
			end = i
			break scan
		default:
			return nil, false
		}
	}
	host = authority[:end]
	if len(host) > 0 && host[len(host)-1] == '.' {
		host = host[:len(host)-1]
	}
	if len(host) == 0 {
		return nil, false
	}
	if upper {
		host = appendLower(dst[:0], host)
	}
	return host, true
}

// HostString is Host for the control side. It also accepts the wildcard form
// "*.example.com", because "*" is a legal octet of a registered name.
func HostString(authority string) (host string, ok bool) {
	b, ok := Host(make([]byte, 0, len(authority)), []byte(authority))
	if !ok {
		return "", false
	}
	if len(b) == len(authority) && string(b) == authority {
		return authority, true
	}
	return string(b), true
}

// FirstLabelWildcard replaces the first label of a canonical host by "*":
// "a.example.com" gives "*.example.com". ok is false when there is no such
// wildcard: a single label, an address, or a first label that a wildcard
// does not cover (ingress-nginx §2.4: one label of letters, digits, "_", "-").
func FirstLabelWildcard(host string) (wildcard string, ok bool) {
	i := strings.IndexByte(host, '.')
	if i < 0 || !wildcardCovers([]byte(host[:i])) {
		return "", false
	}
	return "*" + host[i:], true
}

// WildcardSuffix is the part of a canonical host that a wildcard name has in
// common with it: ".example.com" for "a.example.com". It is FirstLabelWildcard
// without the "*", for lookups that must not allocate.
func WildcardSuffix(host []byte) (suffix []byte, ok bool) {
	for i, c := range host {
		if c == '.' {
			return host[i:], i > 0
		}
		if !labelOctet(c) {
			break
		}
	}
	return nil, false
}

func wildcardCovers(label []byte) bool {
	for _, c := range label {
		if !labelOctet(c) {
			return false
		}
	}
	return len(label) > 0
}

// labelOctet is [\w-] of an octet that is lower case already.
func labelOctet(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_'
}

// ipv6Host is Host for "[address]" with an optional port. A zone is refused:
// it means something on the client's machine only.
func ipv6Host(dst, authority []byte) ([]byte, bool) {
	for i, c := range authority {
		if c != ']' {
			continue
		}
		if rest := authority[i+1:]; len(rest) > 0 && (rest[0] != ':' || !validPort(rest[1:])) {
			return nil, false
		}
		addr, err := netip.ParseAddr(string(authority[1:i]))
		if err != nil || !addr.Is6() || addr.Zone() != "" {
			return nil, false
		}
		return appendLower(dst[:0], authority[:i+1]), true
	}
	return nil, false
}

// validPort accepts an empty port too (RFC 3986 §3.2.3).
func validPort(p []byte) bool {
	if len(p) > 5 {
		return false
	}
	n := 0
	for _, c := range p {
		if c < '0' || c > '9' {
			return false
		}
		n = n*10 + int(c-'0')
	}
	return n <= 65535
}

func appendLower(dst, b []byte) []byte {
	for _, c := range b {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		dst = append(dst, c)
	}
	return dst
}

// The classes of octets in an authority.
const (
	hostIllegal = iota
	hostOrdinary
	hostUpper
	hostDot
	hostColon
)

// hostClass holds the octets of a registered name (RFC 3986 §3.2.2) without
// the comma, which separates list members elsewhere, and without the percent
// sign, which H3.2 refuses.
var hostClass = func() (t [256]uint8) {
	for c := byte('a'); c <= 'z'; c++ {
		t[c], t[c-0x20] = hostOrdinary, hostUpper
	}
	for _, c := range []byte("0123456789-_~!$&'()*+;=") {
		t[c] = hostOrdinary
	}
	t['.'], t[':'] = hostDot, hostColon
	return t
}()
