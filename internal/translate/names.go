package translate

import (
	"fmt"
	"regexp"
	"strings"
)

// maxPath bounds the path of an Ingress (H9.3, H6.21).
const maxPath = 1024

var (
	dnsName     = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)
	addressLike = regexp.MustCompile(`^[0-9]+(\.[0-9]+){3}$`)
)

// hostName returns the canonical form of the host of a rule (H3.5): lower
// case, without trailing dot; ok is false when it is no DNS name, optionally
// with "*." before it.
func hostName(s string) (name string, ok bool) {
	name = strings.ToLower(strings.TrimSuffix(s, "."))
	rest := strings.TrimPrefix(name, "*.")
	if len(name) > 253 || !dnsName.MatchString(rest) || addressLike.MatchString(rest) {
		return "", false
	}
	for label := range strings.SplitSeq(rest, ".") {
		if len(label) > 63 {
			return "", false
		}
	}
	return name, true
}

// checkPath says what is wrong with the path of an Ingress (H9.3), "" if
// nothing is. Whether it is an expression is not decided here.
func checkPath(path string) string {
	switch {
	case !strings.HasPrefix(path, "/"):
		return `does not begin with "/"`
	case len(path) > maxPath:
		return fmt.Sprintf("is longer than %d bytes", maxPath)
	}
	for i := range len(path) {
		if path[i] < 0x20 || path[i] == 0x7f {
			return fmt.Sprintf("holds a control character at byte %d", i+1)
		}
	}
	return ""
}

// parentOf returns "*.rest" for "first.rest", or "".
func parentOf(name string) string {
	if i := strings.IndexByte(name, '.'); i > 0 && name[0] != '*' {
		return "*" + name[i:]
	}
	return ""
}

// covers reports whether one of the names of a certificate covers a host.
func covers(names []string, host string) bool {
	parent := parentOf(host)
	for _, name := range names {
		if name == host || parent != "" && name == parent {
			return true
		}
	}
	return false
}

// wwwName returns the other name of from-to-www-redirect, or "" where there is
// none.
func wwwName(host string) string {
	if host == "" || strings.HasPrefix(host, "*.") {
		return ""
	}
	if bare, ok := strings.CutPrefix(host, "www."); ok {
		return bare
	}
	return "www." + host
}
