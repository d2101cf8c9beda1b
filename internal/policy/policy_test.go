package policy

import (
	"net/netip"
	"strings"
	"testing"

	"daemun/internal/ir"
)

func prefixes(list ...string) (p []netip.Prefix) {
	for _, s := range list {
		p = append(p, netip.MustParsePrefix(s))
	}
	return p
}

func TestNothingIsNil(t *testing.T) {
	t.Parallel()
	if s := Compile(&ir.Policies{Protocol: ir.ProtocolHTTP, MaxBody: 1, AccessLog: true, SatisfyAny: true}, NewState(Config{})); s != nil {
		t.Errorf("a plain route has %+v", s)
	}
}

// TestOrigins pins §1.5 and §15.12: the whole origin counts.
func TestOrigins(t *testing.T) {
	t.Parallel()
	c := newCORS(&ir.CORS{Origins: []string{"https://a.test", "http://*.b.test:8080", "null", "app://x"}})
	for origin, want := range map[string]bool{
		"https://a.test": true, "HTTPS://A.test": true, "https://a.test:443": false, "http://a.test": false,
		"xhttps://a.test": false, "https://a.test.evil": false, "https://a.testx": false,
		"http://x.b.test:8080": true, "http://X-1.B.test:8080": true, "http://x.y.b.test:8080": false,
		"http://.b.test:8080": false, "http://b.test:8080": false, "http://x.b.test": false, "http://x_.b.test:8080": false,
		"http://evil/x.b.test:8080": false,
		"null":                      true, "app://x": true, "": false, "*": false,
	} {
		if got := c.Allows([]byte(origin)); got != want {
			t.Errorf("Allows(%q) = %v", origin, got)
		}
	}
	if c.Allows(nil) {
		t.Error("a request without an origin is allowed")
	}
	if newCORS(&ir.CORS{}).Allows([]byte("https://a.test")) {
		t.Error("an empty list allows")
	}
	all := newCORS(&ir.CORS{Origins: []string{"*"}})
	if !all.Allows(nil) || !all.Allows([]byte("https://a.test")) {
		t.Error("* does not allow everything")
	}
	if _, v := all.AllowOrigin([]byte("https://a.test")); string(v) != "*" {
		t.Errorf("* is answered with %q", v)
	}
}

func TestCORSReplaces(t *testing.T) {
	t.Parallel()
	c := newCORS(&ir.CORS{Origins: []string{"*"}, Methods: "GET", Headers: "X"})
	for name, want := range map[string]bool{
		"access-control-allow-origin": true, "Access-Control-Max-Age": true,
		"Access-Control-Allow-Credentials": false, "Access-Control-Expose-Headers": false, "Vary": false,
	} {
		if got := c.Replaces([]byte(name)); got != want {
			t.Errorf("Replaces(%q) = %v", name, got)
		}
	}
}

func TestAccess(t *testing.T) {
	t.Parallel()
	a := newAccess(&ir.Access{Allow: prefixes("10.0.0.0/8", "2001:db8::/32"), Deny: prefixes("10.9.0.0/16")}, nil)
	for addr, want := range map[string]AccessVerdict{
		"10.1.2.3": Allowed, "::ffff:10.1.2.3": Allowed, "10.9.0.1": Refused, "11.0.0.0": Refused, "9.255.255.255": Refused,
		"2001:db8::1": Allowed, "2001:db9::": Refused,
	} {
		if got := a.Judge(netip.MustParseAddr(addr)); got != want {
			t.Errorf("Judge(%s) = %d, want %d", addr, got, want)
		}
	}
	if got := newAccess(&ir.Access{Deny: prefixes("10.0.0.0/8")}, nil).Judge(netip.MustParseAddr("11.0.0.1")); got != Indifferent {
		t.Errorf("a deny list says %d about others", got)
	}
}

// TestNetworksLikeAWalk compares the search with asking every network.
func TestNetworksLikeAWalk(t *testing.T) {
	t.Parallel()
	var list []netip.Prefix
	for i := range 64 {
		list = append(list, netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(i * 4), byte(i * 3), 0, 0}), 8+i%17).Masked())
	}
	list = append(list, prefixes("2001:db8::/32", "2001:db8:1::/48", "::/80")...)
	for _, n := range []int{1, 2, 9, len(list)} {
		set := NewNetworks(list[:n])
		for i := range 256 {
			for _, addr := range []netip.Addr{
				netip.AddrFrom4([4]byte{byte(i), byte(i * 3), 0, 255}), netip.AddrFrom4([4]byte{byte(i * 4), byte(i*3 - 1), 255, 255}),
				netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, byte(i)}), netip.AddrFrom16([16]byte{15: byte(i)}),
			} {
				want := false
				for _, p := range list[:n] {
					want = want || p.Contains(addr.Unmap())
				}
				if got := set.Contains(addr); got != want {
					t.Errorf("%d networks: Contains(%s) = %v", n, addr, got)
				}
			}
		}
	}
}

func TestCookie(t *testing.T) {
	t.Parallel()
	both := &Response{
		cookieDomain: newReplacer(&ir.Replacement{From: "old.test", To: "new.test"}, nil),
		cookiePath:   newReplacer(&ir.Replacement{From: "/one/", To: "/"}, nil),
	}
	for in, want := range map[string]string{
		"a=b":                                "",
		"a=b; Path=/one/x":                   "a=b; Path=/x",
		"a=b; path=/one/; Domain=.OLD.test":  "a=b; path=/; Domain=.new.test",
		"a=b;Domain=old.test;Secure":         "a=b;Domain=new.test;Secure",
		"a=b; Domain = old.test ; Path=/two": "a=b; Domain = new.test ; Path=/two",
		"a=b; Domain=x.old.test; Path=/one":  "",
		"a=domain=old.test; HttpOnly":        "",
		"Domain=old.test":                    "", // the cookie itself
		"a=b; Path=":                         "",
		"a=b;":                               "",
		";;=;Path=/one/":                     ";;=;Path=/",
	} {
		out, ok := both.Cookie([]byte("x"), []byte(in))
		switch {
		case ok != (want != ""):
			t.Errorf("Cookie(%q) changed = %v", in, ok)
		case string(out) != "x"+want:
			t.Errorf("Cookie(%q) = %q, want %q", in, out, want)
		}
	}
}

func TestLocation(t *testing.T) {
	t.Parallel()
	r := &Response{location: newReplacer(&ir.Replacement{From: "http://old/", To: "https://new/x/"}, nil)}
	if head, rest, ok := r.Location([]byte("http://old/a?b")); !ok || head+string(rest) != "https://new/x/a?b" {
		t.Errorf("got %q %q %v", head, rest, ok)
	}
	for _, other := range []string{"", "http://old", "HTTP://old/", "/a"} {
		if _, _, ok := r.Location([]byte(other)); ok {
			t.Errorf("%q is changed", other)
		}
	}
	if before, head, rest, ok := r.Refresh([]byte("5; URL=http://old/a")); !ok || string(before)+head+string(rest) != "5; URL=https://new/x/a" {
		t.Errorf("got %q %q %q %v", before, head, rest, ok)
	}
	if _, _, _, ok := r.Refresh([]byte("5")); ok {
		t.Error("a Refresh without URL is changed")
	}
}

// TestExpressionsInReplacements pins that what matches is replaced as a whole.
func TestExpressionsInReplacements(t *testing.T) {
	t.Parallel()
	r := newResponse(&ir.Policies{
		CookieDomain: &ir.Replacement{From: `~\.?(a|b)\.test$`, To: "$1.new"}, CookiePath: &ir.Replacement{From: `~*^/USER/(.*)`, To: "/u/$1/$2"},
		LocationPrefix: &ir.Replacement{From: `~^http://([^/]+)(/.*)$`, To: "https://$1.new$2"},
	}, nil)
	for value, want := range map[string]string{
		"x=y; Domain=.a.test; Path=/user/1; Secure": "x=y; Domain=.a.new; Path=/u/1/; Secure",
		"x=y; Domain=c.test; Path=/other":           "",
	} {
		if got, _ := r.Cookie(nil, []byte(value)); string(got) != want {
			t.Errorf("%s: %q, want %q", value, got, want)
		}
	}
	if head, rest, ok := r.Location([]byte("http://in/x?y")); !ok || head != "https://in.new/x?y" || rest != nil {
		t.Errorf("%q %q %v", head, rest, ok)
	}
	if _, _, ok := r.Location([]byte("/x")); ok {
		t.Error("a path is changed")
	}
}

func FuzzCookie(f *testing.F) {
	f.Add("a=b; Domain=.old; Path=/one/x", "old", "/one")
	f.Add(";=;path=", "", "")
	f.Fuzz(func(t *testing.T, value, domain, path string) {
		r := &Response{cookieDomain: newReplacer(&ir.Replacement{From: domain, To: "D"}, nil), cookiePath: newReplacer(&ir.Replacement{From: path, To: "P"}, nil)}
		out, ok := r.Cookie(nil, []byte(value))
		if ok == (out == nil) {
			t.Errorf("Cookie(%q) = %q, %v", value, out, ok)
		}
		if ok && strings.Count(string(out), ";") != strings.Count(value, ";") && !strings.Contains(domain+path, ";") {
			t.Errorf("Cookie(%q) = %q has other attributes", value, out)
		}
	})
}

func TestPoliciesDoNotAllocate(t *testing.T) {
	s := Compile(&ir.Policies{
		CORS:         &ir.CORS{Origins: []string{"https://*.a.test"}, Methods: "GET", Headers: "X"},
		Access:       &ir.Access{Allow: prefixes("10.0.0.0/8")},
		CookieDomain: &ir.Replacement{From: "a", To: "b"}, ResponseFields: []ir.Field{{Name: "X-One", Value: "1"}},
		Fields: &ir.FieldEdits{Hide: []string{"X-Two"}, Response: []ir.FieldEdit{{Kind: ir.EditSet, Name: "X-Three", Value: "1", Statuses: []int{200}, Types: []string{"a/b"}}}},
	}, NewState(Config{}))
	origin, addr, cookie, name := []byte("https://b.a.test"), netip.MustParseAddr("10.1.1.1"), []byte("a=b; Domain=a"), []byte("x-one")
	buf, edits, contentType := make([]byte, 0, 64), make([]*Edit, 0, 4), []byte("a/b; c")
	if n := testing.AllocsPerRun(100, func() {
		_ = s.CORS.Allows(origin) && s.CORS.Replaces(name)
		_ = s.Access.Judge(addr)
		_, _ = s.Response.Cookie(buf, cookie)
		_ = s.Response.Replaces(name)
		active := s.Fields.OfResponse(edits, 200, contentType)
		_ = s.Fields.Hides(name) || Removes(active, name) || len(active) == 1 && Stands(active, 0)
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
