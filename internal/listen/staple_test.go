package listen

import (
	"crypto/tls"
	"net"
	"testing"

	"daemun/internal/ir"
)

// stapleOf is the OCSP answer that a client gets along with a certificate.
func stapleOf(t *testing.T, c *Certificates, name string) string {
	t.Helper()
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	done := make(chan error, 1)
	go func() { done <- tls.Server(b, c.Config()).Handshake() }()
	client := tls.Client(a, &tls.Config{InsecureSkipVerify: true, ServerName: name, MaxVersion: tls.VersionTLS12})
	if err := client.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return string(client.OCSPResponse())
}

// TestStaple: an answer goes along with its certificate only, through updates,
// until it is taken away or the certificate changes.
func TestStaple(t *testing.T) {
	t.Parallel()
	c := NewCertificates()
	one, two := certificate(t, "one", ecdsaKey(t), "one.test"), certificate(t, "two", ecdsaKey(t), "two.test")
	cfg := func(one *ir.Certificate) *ir.Config {
		return &ir.Config{Hosts: []*ir.Host{host("one.test", "one"), host("two.test", "two")}, Certificates: []*ir.Certificate{one, two}}
	}
	want := func(when, one, two string) {
		t.Helper()
		if a, b := stapleOf(t, c, "one.test"), stapleOf(t, c, "two.test"); a != one || b != two {
			t.Errorf("%s: %q and %q, want %q and %q", when, a, b, one, two)
		}
	}
	c.Update(cfg(one))
	want("before", "", "")
	c.Staple(one.Fingerprint, []byte("good"))
	c.Staple("nobody", []byte("good"))
	want("given", "good", "")
	c.Update(cfg(one))
	want("after an update", "good", "")
	c.Staple(one.Fingerprint, []byte("better"))
	want("renewed", "better", "")
	c.Staple(one.Fingerprint, nil)
	want("taken away", "", "")
	c.Staple(one.Fingerprint, []byte("good"))
	c.Update(cfg(certificate(t, "one", ecdsaKey(t), "one.test")))
	want("of another pair", "", "")
}
