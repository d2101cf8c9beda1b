package snippet

import (
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
		{Name: "tier", Source: "$host:$up", Hostnames: true, Volatile: true, Texts: []ir.MapEntry{{From: "*.a.test", To: "one"}, {From: "default", To: "two"}},
			Expressions: []ir.MapEntry{{From: "~^x(?<y>.)", To: "$1$y"}, {From: "~*^z", To: "three"}}},
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
		{"geo $x { ranges; 10.0.0.0-10.0.0.9 1; }", "a line has a network and a value"},
		{"geo $x { proxy 10.0.0.0/8; }", "proxy is not supported"},
		{"geo $x { 10.0.0.0/33 1; }", "10.0.0.0/33 is neither default nor a network"},
		{"geo $x { 10.0.0.0/8 $host; }", "a variable is not supported"},
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
