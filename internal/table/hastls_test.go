package table

import (
	"testing"

	"daemun/internal/ir"
)

// TestHasTLS: what redirects to https is the host itself, and those of its
// aliases that have a certificate.
func TestHasTLS(t *testing.T) {
	t.Parallel()
	h := &Host{IR: &ir.Host{Name: "a.test", TLSRedirect: true, Aliases: []string{"b.test", "*.c.test", "d.test"}, TLSAliases: []string{"b.test", "*.c.test"}}}
	for name, want := range map[string]bool{
		"a.test": true, "b.test": true, "x.c.test": true, "d.test": false, "c.test": false, "x.y.c.test": false, "x.b.test": false,
	} {
		if h.HasTLS([]byte(name)) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
	if all := (&Host{IR: &ir.Host{Name: "a.test", TLSRedirect: true}}); !all.HasTLS([]byte("a.test")) {
		t.Error("a host without aliases has none")
	}
	if none := (&Host{IR: &ir.Host{Name: "a.test"}}); none.HasTLS([]byte("a.test")) {
		t.Error("a host without a certificate has one")
	}
}
