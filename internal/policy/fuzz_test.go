package policy

import (
	"bytes"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"daemun/internal/ir"
)

// FuzzWalk: through any X-Forwarded-For the client is the last address that is
// not trusted, read from the end, and never one behind what is no address.
func FuzzWalk(f *testing.F) {
	for _, s := range []string{"192.0.2.7, 10.1.1.1", "10.0.0.1,10.0.0.2", " , ,", "x, 10.0.0.1", "[::1]:5,\t10.0.0.1", "10.0.0.1,"} {
		f.Add([]byte(s))
	}
	trust := NewTrust(ir.Forwarded{Believe: true, Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
	peer := netip.MustParseAddr("10.9.9.9")
	f.Fuzz(func(t *testing.T, list []byte) {
		got, more := trust.Walk(peer, list)
		want, wantMore := peer, true
		elements := strings.Split(string(list), ",")
		for i := len(elements) - 1; i >= 0; i-- {
			addr, ok := address([]byte(strings.Trim(elements[i], " \t")))
			if !ok {
				wantMore = false
				break
			}
			if want = addr; !trust.Believes(addr) {
				wantMore = false
				break
			}
		}
		if got != want || more != wantMore {
			t.Errorf("%q: %v, %v; want %v, %v", list, got, more, want, wantMore)
		}
	})
}

// FuzzDigest: what a client writes in a Digest answer is read back.
func FuzzDigest(f *testing.F) {
	f.Add("ann", "r", "n", "/x?y", "auth", "00000001", true)
	f.Add("", "", "", "", "", "", false)
	f.Fuzz(func(t *testing.T, username, realm, nonce, uri, qop, nc string, blanks bool) {
		for _, quoted := range []string{username, realm, nonce, uri} {
			if strings.Contains(quoted, `"`) {
				return
			}
		}
		for _, bare := range []string{qop, nc} {
			if strings.ContainsAny(bare, "\", \t") {
				return
			}
		}
		separator := ","
		if blanks {
			separator = " ,\t"
		}
		field := "Digest " + strings.Join([]string{
			fmt.Sprintf(`username="%s"`, username), fmt.Sprintf(`REALM="%s"`, realm), fmt.Sprintf(`nonce = "%s"`, nonce), fmt.Sprintf(`uri="%s"`, uri),
			"qop=" + qop, "unknown=x", "nc=" + nc,
		}, separator)
		p, ok := parseDigest([]byte(field))
		if len(field) > 2*longestCredentials {
			if ok {
				t.Errorf("%d octets are read", len(field))
			}
			return
		}
		if !ok || string(p.username) != username || string(p.realm) != realm || string(p.nonce) != nonce || string(p.uri) != uri || string(p.qop) != qop || string(p.nc) != nc {
			t.Errorf("%q: %v, %q", field, ok, p)
		}
	})
}

// FuzzOrigin: an origin is allowed exactly if an expression that is made of the
// pattern matches it.
func FuzzOrigin(f *testing.F) {
	f.Add("https://*.a.test", []byte("https://b.a.test"))
	f.Add("https://a.test", []byte("HTTPS://A.test"))
	f.Add("*.a", []byte(".a"))
	f.Fuzz(func(t *testing.T, pattern string, from []byte) {
		before, after, label := strings.Cut(pattern, "*")
		if pattern == "*" || strings.Contains(after, "*") || !ascii(pattern) || !ascii(string(from)) {
			return
		}
		expr := `\A` + regexp.QuoteMeta(before)
		if label {
			expr += `[a-z0-9-]+` + regexp.QuoteMeta(after)
		}
		want := regexp.MustCompile(`(?is)` + expr + `\z`).Match(from)
		if got := newCORS(&ir.CORS{Origins: []string{pattern}}).Allows(from); got != want {
			t.Errorf("%q for %q: %v", pattern, from, got)
		}
	})
}

func ascii(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= 0x80 }) < 0
}

// FuzzRefresh: a Refresh field keeps what stands around its URL, whose
// beginning alone is replaced.
func FuzzRefresh(f *testing.F) {
	f.Add([]byte("5; url=http://a/x"), "http://a/", "https://b/")
	f.Add([]byte("URL=uRl="), "", "x")
	f.Fuzz(func(t *testing.T, value []byte, from, to string) {
		if strings.HasPrefix(from, "~") {
			return // an expression
		}
		r := &Response{location: newReplacer(&ir.Replacement{From: from, To: to}, nil)}
		before, head, rest, ok := r.Refresh(value)
		if !ok {
			return
		}
		if head != to || !bytes.EqualFold(before[len(before)-4:], []byte("url=")) || string(before)+from+string(rest) != string(value) {
			t.Errorf("%q: %q %q %q", value, before, head, rest)
		}
	})
}
