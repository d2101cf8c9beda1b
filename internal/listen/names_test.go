package listen

import (
	"crypto/tls"
	"slices"
	"testing"

	"daemun/internal/ir"
)

// TestNamesAreThoseOfTheCertificate: what a connection is good for is what the
// certificate says that its client was shown, the default one included.
func TestNamesAreThoseOfTheCertificate(t *testing.T) {
	t.Parallel()
	key := ecdsaKey(t)
	c := NewCertificates()
	c.Update(&ir.Config{
		Hosts:              []*ir.Host{host("a.test", "n/a")},
		Certificates:       []*ir.Certificate{certificate(t, "n/a", key, "a.test", "*.a.test"), certificate(t, "n/b", key, "b.test")},
		DefaultCertificate: "n/b",
	})
	for sni, want := range map[string][]string{"a.test": {"a.test", "*.a.test"}, "other.test": {"b.test"}, "": {"b.test"}} {
		if got := c.names(sni); !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", sni, got, want)
		}
	}
}

// TestHostsWithRulesAreKnown: where connections to unknown names are refused,
// a host with cipher suites or client certificates of its own is none of those.
func TestHostsWithRulesAreKnown(t *testing.T) {
	t.Parallel()
	key := ecdsaKey(t)
	own := func(name string) *ir.Host {
		h := host(name, "n/a")
		h.Suites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}
		return h
	}
	c := NewCertificates()
	c.Update(&ir.Config{
		Settings:     ir.Settings{TLS: ir.TLS{RejectUnknown: true}},
		Hosts:        []*ir.Host{own("a.test"), own("*.b.test"), host("c.test", "n/a"), host("*.d.test", "n/a")},
		Certificates: []*ir.Certificate{certificate(t, "n/a", key, "a.test")},
	})
	for name, want := range map[string]bool{
		"a.test": true, "x.b.test": true, "c.test": true, "x.d.test": true, "b.test": false, "x.y.b.test": false, "other.test": false, "": false, "bad_\x00": false,
	} {
		if _, known := c.index.Load().rulesFor(name); known != want {
			t.Errorf("%q: known = %v", name, known)
		}
	}
}
