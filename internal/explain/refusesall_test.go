package explain

import (
	"net/netip"
	"testing"

	"daemun/internal/ir"
)

// TestRefusesAll: nobody has to say who asks where everybody is refused.
func TestRefusesAll(t *testing.T) {
	t.Parallel()
	rule := func(allow bool, network string) ir.AccessRule {
		return ir.AccessRule{Allow: allow, Net: netip.MustParsePrefix(network)}
	}
	four, six := rule(false, "0.0.0.0/0"), rule(false, "::/0")
	for name, c := range map[string]struct {
		access ir.Access
		want   bool
	}{
		"deny all":           {ir.Access{Rules: []ir.AccessRule{four, six}}, true},
		"some, then all":     {ir.Access{Rules: []ir.AccessRule{rule(false, "10.0.0.0/8"), four, six}}, true},
		"all, then some":     {ir.Access{Rules: []ir.AccessRule{four, six, rule(true, "10.0.0.0/8")}}, true},
		"some may":           {ir.Access{Rules: []ir.AccessRule{rule(true, "10.0.0.0/8"), four, six}}, false},
		"IPv4 only":          {ir.Access{Rules: []ir.AccessRule{four}}, false},
		"listed clients may": {ir.Access{Allow: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, Rules: []ir.AccessRule{four, six}}, false},
		"no rule":            {ir.Access{}, false},
	} {
		if got := refusesAll(&c.access); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
