package policy

import (
	"net/netip"
	"testing"

	"daemun/internal/ir"
	"daemun/internal/variable"
)

// mapped is a Source whose Host and RemoteAddr are the subject.
type mapped string

func (m mapped) AppendVariable(dst []byte, id variable.ID, arg string) []byte {
	switch id {
	case variable.Host, variable.RemoteAddr:
		return append(dst, m...)
	case variable.User:
		return append(append(dst, "user "...), arg...)
	}
	return dst
}

// TestMaps pins the order in which nginx looks for a text.
func TestMaps(t *testing.T) {
	t.Parallel()
	maps := NewMaps([]ir.Map{
		{
			Name: "plain", Source: "$host", Default: "none of $host",
			Texts:       []ir.MapEntry{{From: "", To: "empty"}, {From: "Some", To: "text"}, {From: "*.x", To: "star"}},
			Expressions: []ir.MapEntry{{From: "~^s(?<rest>o.*)$", To: "$rest $1 $other"}, {From: "~*^S", To: "fold"}},
		},
		{Name: "names", Source: "$host", Hostnames: true, Texts: []ir.MapEntry{
			{From: "*.a.test", To: "a"}, {From: "*.b.a.test", To: "b"}, {From: "x.b.a.test", To: "whole"}, {From: ".c.test", To: "c"}, {From: "www.*", To: "www"}, {From: "www.a.*", To: "www a"},
		}},
		{Name: "split", Source: "$host", Shares: []ir.MapShare{{Below: 1 << 30, To: "a"}, {Rest: true, To: "b"}}},
		{Name: "place", Source: "$remote_addr", Default: "far", Networks: []ir.MapNetwork{
			{Net: netip.MustParsePrefix("10.0.0.0/8"), To: "ten"}, {Net: netip.MustParsePrefix("10.1.0.0/16"), To: "near"}, {Net: netip.MustParsePrefix("::1/128"), To: "here"},
		}},
	}, nil)
	for _, tt := range []struct{ name, subject, want string }{
		{"plain", "", "empty"},
		{"plain", "sOMe", "text"},
		{"plain", "*.X", "star"},
		{"plain", "a.x", "none of a.x"},
		{"plain", "sofa", "ofa ofa user other"},
		{"plain", "SOFA", "fold"},
		{"names", "x.a.test", "a"},
		{"names", "y.b.a.test", "b"},
		{"names", "x.b.a.test.", "whole"},
		{"names", "c.test", "c"},
		{"names", "d.c.test", "c"},
		{"names", "www.example", "www"},
		{"names", "www.a.example", "www a"},
		{"names", "a.test", ""},
		{"split", "", "a"},
		{"split", "10.0.0.1AAA", "a"},
		{"split", "y", "b"},
		{"place", "10.1.2.3", "near"},
		{"place", "10.2.2.3", "ten"},
		{"place", "::ffff:10.2.2.3", "ten"},
		{"place", "::1", "here"},
		{"place", "192.0.2.1", "far"},
		{"place", "x", "far"},
	} {
		if got := string(maps[tt.name].Append(nil, mapped(tt.subject))); got != tt.want {
			t.Errorf("%s %q: %q, want %q", tt.name, tt.subject, got, tt.want)
		}
	}
}
