package snippet

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"

	"daemun/internal/ir"

	"github.com/google/go-cmp/cmp"
)

// TestReadMaps pins what map and geo mean.
func TestReadMaps(t *testing.T) {
	t.Parallel()
	b := Read(HTTP, `
		map $http_upgrade $up { default upgrade; '' close; }
		map "$host:$up" $tier { hostnames; volatile; *.a.test one; "\default" two; ~^x(?<y>.) "$1$y"; ~*^z three; }
		geo $near { default 0; 10.0.0.0/8 1; 192.0.2.1 2; 10.1.2.3/8 3; }
		geo $http_x_client $far { ::1 1; }`, Options{})
	if len(b.Problems) > 0 {
		t.Fatal(b.Problems)
	}
	want := []ir.Map{
		{Name: "up", Source: "$http_upgrade", Default: "upgrade", Texts: []ir.MapEntry{{From: "", To: "close"}}},
		{
			Name: "tier", Source: "$host:$up", Hostnames: true, Volatile: true, Texts: []ir.MapEntry{{From: "*.a.test", To: "one"}, {From: "default", To: "two"}},
			Expressions: []ir.MapEntry{{From: "~^x(?<y>.)", To: "$1$y"}, {From: "~*^z", To: "three"}},
		},
		{Name: "near", Source: "$remote_addr", Default: "0", Networks: []ir.MapNetwork{{Net: netip.MustParsePrefix("192.0.2.1/32"), To: "2"}, {Net: netip.MustParsePrefix("10.0.0.0/8"), To: "3"}}},
		{Name: "far", Source: "$http_x_client", Networks: []ir.MapNetwork{{Net: netip.MustParsePrefix("::1/128"), To: "1"}}},
	}
	if d := cmp.Diff(want, b.Maps, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if got := strings.Join(b.Sets, " "); got != "far near tier up y" {
		t.Errorf("sets %s", got)
	}
}

// TestRanges pins that a range is made of the networks that have its addresses,
// and no other ones.
func TestRanges(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, want string }{
		{"10.0.0.0-10.0.0.255", "10.0.0.0/24"},
		{"10.0.0.1-10.0.0.6", "10.0.0.1/32 10.0.0.2/31 10.0.0.4/31 10.0.0.6/32"},
		{"0.0.0.0-255.255.255.255", "0.0.0.0/0"},
		{"255.255.255.254-255.255.255.255", "255.255.255.254/31"},
		{"0.0.0.0-0.0.0.0", "0.0.0.0/32"},
	} {
		s, ok := parseSpan(tt.text)
		var got []string
		for _, net := range s.networks() {
			got = append(got, net.String())
		}
		if strings.Join(got, " ") != tt.want || !ok {
			t.Errorf("%s: %v, want %s", tt.text, got, tt.want)
		}
	}
}

// TestSplit pins where nginx cuts: the example of its own documentation.
func TestSplit(t *testing.T) {
	t.Parallel()
	b := Read(HTTP, `split_clients "${remote_addr}AAA" $variant { 0.5% .one; 2.0% .two; * ""; }`, Options{})
	want := []ir.Map{{Name: "variant", Source: "${remote_addr}AAA", Shares: []ir.MapShare{
		{Below: 21474836, To: ".one"}, {Below: 107374181, To: ".two"}, {Below: 4294967293, Rest: true},
	}}}
	if d := cmp.Diff(want, b.Maps); d != "" || len(b.Problems) > 0 {
		t.Errorf("%v, -want +got:\n%s", b.Problems, d)
	}
}

// FuzzRange: the networks of a range have its ends, and follow each other without
// a gap.
func FuzzRange(f *testing.F) {
	f.Add(uint32(0), uint32(1<<32-1))
	f.Add(uint32(5), uint32(5))
	f.Fuzz(func(t *testing.T, a, b uint32) {
		s := span{min(a, b), max(a, b)}
		next := uint64(s.first)
		for _, net := range s.networks() {
			four := net.Addr().As4()
			if at := uint64(binary.BigEndian.Uint32(four[:])); at != next || net.Masked() != net {
				t.Fatalf("%v: %v, want one from %d on", s, net, next)
			}
			next += 1 << (32 - net.Bits())
		}
		if next != uint64(s.last)+1 {
			t.Fatalf("%v ends before %d", s, next)
		}
	})
}

// TestMapProblems pins that the line is told, and that a map that is wrong makes
// no variable.
func TestMapProblems(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, want string }{
		{"map $host x { a b; }", "its last argument is no variable"},
		{"map $host $uri { a b; }", "$uri is a variable of nginx"},
		{"map $host $x { a b; }\nmap $host $x { a b; }", "there is another one that makes $x"},
		{"map $host $x {\n  a b c;\n}", "line 2, column 3: map: a line has a text and a value"},
		{"map $host $x { include y; }", "include is not supported"},
		{"map $host $x { a b; A c; }", "there is another line for A"},
		{"map $host $x { ~( b; }", "the expression cannot be used"},
		{"map $host $x { a { b c; } }", "a line of a map has no block"},
		{"map $host $x { a $nobody; }", "there is no variable $nobody"},
		{"map $x $y { a b; }\nmap $y $x { a b; }", "line 2, column 1: map: $x needs its own value"},
		{"map $host $x { default a$x; }", "$x needs its own value"},
		{"geo $x { ranges; 10.0.0.0/8 1; }", "10.0.0.0/8 is no range of IPv4 addresses"},
		{"geo $x { ranges; 10.0.0.9-10.0.0.1 1; }", "10.0.0.9-10.0.0.1 is no range"},
		{"geo $x { ranges; ::1-::2 1; }", "::1-::2 is no range"},
		{"geo $x { 10.0.0.0/8 1; ranges; }", "ranges is not the first line"},
		{"geo $x { ranges; 10.0.0.1-10.0.0.9 1; 10.0.0.5-10.0.0.12 2; }", "10.0.0.5-10.0.0.12 lies across an earlier range"},
		{"geo $x { ranges; 10.0.0.5-10.0.0.6 1; 10.0.0.1-10.0.0.9 2; }", "10.0.0.1-10.0.0.9 lies across an earlier range"},
		{"split_clients $host $x { 50% a; 60% b; }", "the shares are more than 100%"},
		{"split_clients $host $x { * a; 5% b; }", "the shares are more than 100%"},
		{"split_clients $host $x { 0.005% a; }", "0.005% is no share"},
		{"split_clients $host $x { half a; }", "half is no share"},
		{"split_clients $host $x { 5% $uri; }", "a value has no variables"},
		{"geo $x { proxy 10.0.0.0/8; }", "proxy is not supported"},
		{"geo $x { 10.0.0.0/33 1; }", "10.0.0.0/33 is neither default nor a network"},
		{"geo $x { 10.0.0.0/8 $host; }", "a value has no variables"},
		{"map $host $x { " + strings.Repeat("~a b; ", 101) + "}", "too many expressions"},
	} {
		b := Read(HTTP, tt.text, Options{})
		found := false
		for _, p := range b.Problems {
			found = found || strings.Contains(p.Place.String()+": "+p.Directive+": "+p.Message, tt.want)
		}
		if !found {
			t.Errorf("%s: %v, want %s", tt.text, b.Problems, tt.want)
		}
	}
}
