package canonical

import (
	"bytes"
	"testing"
)

func TestHost(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, in, want string }{
		{"canonical already", "shop.example", "shop.example"},
		{"upper case", "Shop.EXAMPLE", "shop.example"},
		{"port", "shop.example:8443", "shop.example"},
		{"empty port", "shop.example:", "shop.example"},
		{"highest port", "shop.example:65535", "shop.example"},
		{"one trailing dot", "shop.example.", "shop.example"},
		{"trailing dot and port", "Shop.Example.:80", "shop.example"},
		{"one label", "localhost", "localhost"},
		{"underscore", "a_b.example", "a_b.example"},
		{"IPv4", "127.0.0.1:80", "127.0.0.1"},
		{"IPv6", "[2001:DB8::1]:80", "[2001:db8::1]"},
		{"IPv6 without port", "[::1]", "[::1]"},
		{"wildcard", "*.Example", "*.example"},
		{"empty", "", ""},
		{"only a port", ":80", ""},
		{"only a dot", ".", ""},
		{"two trailing dots", "a..", ""},
		{"empty label", "a..b", ""},
		{"leading dot", ".a", ""},
		{"port too high", "a:65536", ""},
		{"long port", "a:000080", ""},
		{"port is no number", "a:b", ""},
		{"two ports", "a:80:80", ""},
		{"userinfo", "user@a", ""},
		{"slash", "a/b", ""},
		{"blank", "a b", ""},
		{"comma", "a,b", ""},
		{"percent-encoding", "a%2eb", ""},
		{"control", "a\tb", ""},
		{"not ASCII", "café.example", ""},
		{"backslash", `a\b`, ""},
		{"IPv6 without brackets", "::1", ""},
		{"IPv6 zone", "[fe80::1%25eth0]", ""},
		{"IPv4 in brackets", "[127.0.0.1]", ""},
		{"open bracket", "[::1", ""},
		{"text after bracket", "[::1]x", ""},
		{"empty brackets", "[]", ""},
	} {
		got, ok := Host(nil, []byte(c.in))
		if string(got) != c.want || ok != (c.want != "") {
			t.Errorf("%s: Host(%q) = %q, %v; want %q", c.name, c.in, got, ok, c.want)
		}
		if s, ok := HostString(c.in); s != c.want || ok != (c.want != "") {
			t.Errorf("%s: HostString(%q) = %q, %v; want %q", c.name, c.in, s, ok, c.want)
		}
	}
}

func TestFirstLabelWildcard(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"a.b.example": "*.b.example", "a_1-x.example": "*.example", "127.0.0.1": "*.0.0.1",
		"example": "", "": "", "*.example": "", "a~b.example": "", "[::1]": "", ".example": "",
	} {
		got, ok := FirstLabelWildcard(in)
		if got != want || ok != (want != "") {
			t.Errorf("FirstLabelWildcard(%q) = %q, %v; want %q", in, got, ok, want)
		}
		suffix, ok := WildcardSuffix([]byte(in))
		if want != "" && "*"+string(suffix) != want || ok != (want != "") {
			t.Errorf("WildcardSuffix(%q) = %q, %v; want %q without the star", in, suffix, ok, want)
		}
	}
}

func TestHostDoesNotAllocate(t *testing.T) {
	dst := make([]byte, 0, 64)
	for _, in := range []string{"shop.example", "Shop.Example.:8443"} {
		authority := []byte(in)
		if n := testing.AllocsPerRun(100, func() { Host(dst, authority) }); n != 0 {
			t.Errorf("Host(%q): %v allocations", in, n)
		}
	}
}

func FuzzHost(f *testing.F) {
	for _, s := range []string{"", "a", "A.b:80", "a.", "[::1]:80", "[::FFFF:1.2.3.4]", "a..b", "*.x", "a@b", "1.2.3.4"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, authority []byte) {
		in := bytes.Clone(authority)
		host, ok := Host(make([]byte, 0, 8), authority)
		if !bytes.Equal(in, authority) {
			t.Fatalf("Host(%q) changed its input", in)
		}
		if !ok {
			return
		}
		if len(host) == 0 || bytes.ContainsAny(host, "ABCDEFGHIJKLMNOPQRSTUVWXYZ/@,% \t\\") || host[len(host)-1] == '.' {
			t.Fatalf("Host(%q) = %q is not canonical", in, host)
		}
		again, ok := Host(nil, host)
		if !ok || !bytes.Equal(again, host) {
			t.Fatalf("Host(%q) = %q, and of that %q, %v", in, host, again, ok)
		}
	})
}

func BenchmarkHost(b *testing.B) {
	for _, in := range []string{"host-000042.shop.example", "Host-000042.Shop.Example:8443"} {
		b.Run(in, func(b *testing.B) {
			b.ReportAllocs()
			dst, authority := make([]byte, 0, 64), []byte(in)
			for b.Loop() {
				Host(dst, authority)
			}
		})
	}
}
