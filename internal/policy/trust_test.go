package policy

import (
	"net/netip"
	"testing"

	"daemun/internal/ir"
)

// TestH4_7_Walk: the client is the first address from the end of the chain that
// is not trusted.
func TestH4_7_Walk(t *testing.T) {
	some := NewTrust(ir.Forwarded{BelieveAddress: true, Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}})
	all := NewTrust(ir.Forwarded{Believe: true})
	for _, tt := range []struct {
		name  string
		trust *Trust
		list  string
		want  string
		more  bool
	}{
		{"one", some, "192.0.2.7", "192.0.2.7", false},
		{"spoofed in front", some, "1.1.1.1, 192.0.2.7", "192.0.2.7", false},
		{"through proxies", some, "1.1.1.1, 192.0.2.7, 10.1.1.1,10.2.2.2", "192.0.2.7", false},
		{"all trusted", some, "10.9.9.9, 10.1.1.1", "10.9.9.9", true},
		{"everybody trusted", all, "1.1.1.1, 192.0.2.7", "1.1.1.1", true},
		{"rubbish", some, "unknown", "10.0.0.1", false},
		{"rubbish behind a proxy", some, "1.1.1.1, unknown, 10.1.1.1", "10.1.1.1", false},
		{"empty", some, "", "10.0.0.1", false},
		{"empty element", some, "192.0.2.7, , 10.1.1.1", "10.1.1.1", false},
		{"with port", some, "192.0.2.7:4711, 10.1.1.1:80", "192.0.2.7", false},
		{"IPv6", some, "2001:db9::1, 2001:db8::5", "2001:db9::1", false},
		{"IPv6 in brackets", some, "[2001:db9::1], [2001:db8::5]:443", "2001:db9::1", false},
		{"mapped", some, "::ffff:192.0.2.7", "192.0.2.7", false},
		{"octal", some, "192.0.2.010", "10.0.0.1", false},
		{"zone", some, "fe80::1%eth0", "10.0.0.1", false},
		{"too large", some, "256.0.0.1", "10.0.0.1", false},
		{"three octets", some, "10.0.1", "10.0.0.1", false},
	} {
		got, more := tt.trust.Walk(netip.MustParseAddr("10.0.0.1"), []byte(tt.list))
		if got.String() != tt.want || more != tt.more {
			t.Errorf("%s: %v, %v", tt.name, got, more)
		}
	}
	if NewTrust(ir.Forwarded{Append: true}) != nil {
		t.Error("trust without belief")
	}
	list := []byte("192.0.2.7, 10.1.1.1")
	if n := testing.AllocsPerRun(100, func() { some.Walk(netip.Addr{}, list) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzAddress: what is read as an address is one for the standard library.
func FuzzAddress(f *testing.F) {
	for _, s := range []string{"1.2.3.4", "1.2.3.4:5", "[::1]:5", "::ffff:1.2.3.4", "01.2.3.4", "[1.2.3.4]", "[::1"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		addr, ok := address(b)
		if std, err := netip.ParseAddr(string(b)); err == nil && std.Zone() == "" && (!ok || addr != std.Unmap()) {
			t.Errorf("%q: %v, %v", b, addr, ok)
		}
		if ok && (!addr.IsValid() || addr.Zone() != "" || addr.Is4In6()) {
			t.Errorf("%q: %v", b, addr)
		}
	})
}
