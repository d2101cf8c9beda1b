package listen

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"daemun/internal/ir"
)

// certificate makes a self-signed pair; its common name is its ID, which is
// how the tests recognise it.
func certificate(t testing.TB, id string, key crypto.Signer, names ...string) *ir.Certificate {
	t.Helper()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: id}, DNSNames: names,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	c := &ir.Certificate{
		ID: ir.CertificateID(id), Names: names, NotAfter: template.NotAfter.UTC().Truncate(time.Second),
		Chain: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		Key:   pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}),
	}
	return fingerprinted(c)
}

func fingerprinted(c *ir.Certificate) *ir.Certificate {
	sum := sha256.Sum256(append(slices.Clone(c.Chain), c.Key...))
	c.Fingerprint = hex.EncodeToString(sum[:])
	return c
}

func ecdsaKey(t testing.TB) crypto.Signer {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func rsaKey(t testing.TB) crypto.Signer {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func host(name string, ids ...ir.CertificateID) *ir.Host {
	return &ir.Host{Name: name, Certificates: ids}
}

// served returns the common name of the certificate a client gets.
func served(t testing.TB, c *Certificates, client *tls.Config) string {
	t.Helper()
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	done := make(chan error, 1)
	go func() { done <- tls.Server(b, c.Config()).Handshake() }()
	client.InsecureSkipVerify = true
	conn := tls.Client(a, client)
	if err := conn.Handshake(); err != nil {
		t.Fatalf("client: %v", err)
	}
	if client.MaxVersion != tls.VersionTLS12 {
		go conn.Read(make([]byte, 1)) // takes the session tickets off the pipe
	}
	if err := <-done; err != nil {
		t.Fatalf("server: %v", err)
	}
	return conn.ConnectionState().PeerCertificates[0].Subject.CommonName
}

const fake = "Kubernetes Ingress Controller Fake Certificate"

func TestCertificateChoiceBySNI(t *testing.T) {
	t.Parallel()
	key := ecdsaKey(t)
	shop := host("shop.test", "n/shop")
	shop.Aliases = []string{"www.shop.test", "other.test", "taken.test", `~^x\.test$`}
	cfg := &ir.Config{
		Hosts: []*ir.Host{
			host("", "n/shop"), host("*.wild.test", "n/wild"), host("bare.test"), host("bare.wild.test"),
			host("exact.wild.test", "n/exact"), shop, host("taken.test", "n/taken"), host("gone.test", "n/missing"),
		},
		Certificates: []*ir.Certificate{
			certificate(t, "n/exact", key, "exact.wild.test"),
			certificate(t, "n/shop", key, "shop.test", "*.shop.test", "taken.test", "x.test"),
			certificate(t, "n/taken", key, "taken.test"),
			certificate(t, "n/wild", key, "*.wild.test"),
		},
	}
	withDefault := *cfg
	withDefault.Certificates = append(slices.Clone(cfg.Certificates), certificate(t, "n/default", key, "d.test"))
	withDefault.DefaultCertificate = "n/default"
	for _, tt := range []struct{ name, sni, want string }{
		{"exact", "shop.test", "n/shop"},
		{"upper case", "SHOP.Test", "n/shop"},
		{"exact beats wildcard", "exact.wild.test", "n/exact"},
		{"wildcard", "a.wild.test", "n/wild"},
		{"wildcard upper case", "A.WILD.test", "n/wild"},
		{"wildcard is one label", "a.b.wild.test", ""},
		{"wildcard is not none", "wild.test", ""},
		{"alias covered", "www.shop.test", "n/shop"},
		{"alias not covered", "other.test", ""},
		{"alias loses to host", "taken.test", "n/taken"},
		{"alias expression is no name", "x.test", ""},
		{"host without certificate", "bare.test", ""},
		{"host without certificate below wildcard", "bare.wild.test", "n/wild"},
		{"certificate missing", "gone.test", ""},
		{"unknown", "nobody.test", ""},
		{"no SNI", "", ""},
		{"one label", "localhost", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := NewCertificates()
			c.Update(cfg)
			want := tt.want
			if want == "" {
				want = fake
			}
			if got := served(t, c, &tls.Config{ServerName: tt.sni}); got != want {
				t.Errorf("SNI %q got %q, want %q", tt.sni, got, want)
			}
			c.Update(&withDefault)
			if tt.want == "" {
				want = "n/default"
			}
			if got := served(t, c, &tls.Config{ServerName: tt.sni}); got != want {
				t.Errorf("SNI %q got %q, want %q (own default)", tt.sni, got, want)
			}
		})
	}
}

// crypto/tls refuses an SNI with a trailing dot as the RFC says; the choice
// itself tolerates it (ingress-nginx §4.1).
func TestCertificateChoiceTrailingDot(t *testing.T) {
	t.Parallel()
	c := NewCertificates()
	c.Update(&ir.Config{
		Hosts:        []*ir.Host{host("a.test", "n/a")},
		Certificates: []*ir.Certificate{certificate(t, "n/a", ecdsaKey(t), "a.test")},
	})
	got, err := c.choose(&tls.ClientHelloInfo{ServerName: "a.test."})
	if err != nil || got.Leaf.Subject.CommonName != "n/a" {
		t.Errorf("got %v, %v", got.Leaf.Subject, err)
	}
}

func TestSelfMadeCertificate(t *testing.T) {
	t.Parallel()
	now := time.Now()
	a, b := selfMade(now), selfMade(now)
	if diff := cmp.Diff([]string{"Acme Co"}, a.Leaf.Subject.Organization); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"ingress.local"}, a.Leaf.DNSNames); diff != "" {
		t.Error(diff)
	}
	if a.Leaf.Subject.CommonName != fake {
		t.Errorf("common name %q", a.Leaf.Subject.CommonName)
	}
	if a.PrivateKey.(*ecdsa.PrivateKey).Equal(b.PrivateKey) {
		t.Error("two starts share a key")
	}
}

func TestECDSAAndRSASideBySide(t *testing.T) {
	t.Parallel()
	c := NewCertificates()
	ec, rs := certificate(t, "n/ec", ecdsaKey(t), "a.test"), certificate(t, "n/rsa", rsaKey(t), "a.test")
	c.Update(&ir.Config{Hosts: []*ir.Host{host("a.test", "n/ec", "n/rsa")}, Certificates: []*ir.Certificate{ec, rs}})
	for _, tt := range []struct {
		name   string
		client *tls.Config
		want   string
	}{
		{"modern", &tls.Config{}, "n/ec"},
		{"1.2 ECDSA", &tls.Config{MaxVersion: tls.VersionTLS12}, "n/ec"},
		{"1.2 RSA only", &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}}, "n/rsa"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.client.ServerName = "a.test"
			if got := served(t, c, tt.client); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestH7_1VersionsAndSuites(t *testing.T) {
	t.Parallel()
	c := NewCertificates()
	c.Update(&ir.Config{
		Hosts:        []*ir.Host{host("a.test", "n/rsa")},
		Certificates: []*ir.Certificate{certificate(t, "n/rsa", rsaKey(t), "a.test")},
	})
	for _, tt := range []struct {
		name   string
		client *tls.Config
	}{
		{"TLS 1.1", &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}},
		{"static RSA", &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}}},
		{"CBC", &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, b := net.Pipe()
			done := make(chan error, 1)
			go func() {
				done <- tls.Server(b, c.Config()).Handshake()
				b.Close()
			}()
			tt.client.ServerName, tt.client.InsecureSkipVerify = "a.test", true
			err := tls.Client(a, tt.client).Handshake()
			a.Close()
			if err == nil || <-done == nil {
				t.Error("handshake succeeded")
			}
		})
	}
}

func TestH7_7BrokenPairKeepsTheLastGood(t *testing.T) {
	t.Parallel()
	c := NewCertificates()
	good := certificate(t, "n/a", ecdsaKey(t), "a.test")
	cfg := func(x *ir.Certificate) *ir.Config {
		return &ir.Config{Hosts: []*ir.Host{host("a.test", "n/a")}, Certificates: []*ir.Certificate{x}}
	}
	c.Update(cfg(good))
	mismatch := *good
	mismatch.Key = certificate(t, "n/b", ecdsaKey(t), "a.test").Key
	fingerprinted(&mismatch)
	for range 2 { // the second time it is not a change any more
		c.Update(cfg(&mismatch))
		if got := served(t, c, &tls.Config{ServerName: "a.test"}); got != "n/a" {
			t.Errorf("got %q", got)
		}
	}
	if info := c.Info()[0]; !info.Stale || info.Fingerprint != good.Fingerprint {
		t.Errorf("info %+v", info)
	}
	if c.Broken() == 0 {
		t.Error("not counted")
	}
	// Broken from the start: the default.
	fresh := NewCertificates()
	fresh.Update(cfg(&mismatch))
	if got := served(t, fresh, &tls.Config{ServerName: "a.test"}); got != fake {
		t.Errorf("got %q", got)
	}
}

func TestInfo(t *testing.T) {
	t.Parallel()
	key := ecdsaKey(t)
	a, b := certificate(t, "n/a", key, "*.a.test", "a.test"), certificate(t, "n/b", key, "b.test")
	h := host("a.test", "n/a")
	h.Aliases = []string{"www.a.test"}
	c := NewCertificates()
	c.Update(&ir.Config{Hosts: []*ir.Host{h}, Certificates: []*ir.Certificate{a, b}, DefaultCertificate: "n/b"})
	want := []CertificateInfo{
		{ID: "n/a", Names: a.Names, NotAfter: a.NotAfter, Hosts: []string{"a.test", "www.a.test"}, Fingerprint: a.Fingerprint},
		{ID: "n/b", Names: b.Names, NotAfter: b.NotAfter, Default: true, Fingerprint: b.Fingerprint},
	}
	if diff := cmp.Diff(want, c.Info()); diff != "" {
		t.Error(diff)
	}
}

// Unchanged pairs are taken over by fingerprint, also under another ID.
func TestUpdateReusesPairs(t *testing.T) {
	t.Parallel()
	c := NewCertificates()
	a := certificate(t, "n/a", ecdsaKey(t), "a.test")
	again := *a
	again.ID = "m/copy"
	hosts := []*ir.Host{host("a.test", "n/a")}
	c.Update(&ir.Config{Hosts: hosts, Certificates: []*ir.Certificate{a}})
	hello := &tls.ClientHelloInfo{ServerName: "a.test"}
	first, _ := c.choose(hello)
	c.Update(&ir.Config{Hosts: []*ir.Host{host("a.test", "m/copy")}, Certificates: []*ir.Certificate{&again}})
	if second, _ := c.choose(hello); first != second {
		t.Error("parsed twice")
	}
}

func BenchmarkUpdate10000Hosts(b *testing.B) {
	key := ecdsaKey(b)
	cfg := &ir.Config{}
	for i := range 10000 {
		name := fmt.Sprintf("host-%05d.test", i)
		id := ir.CertificateID("n/" + name)
		cfg.Hosts = append(cfg.Hosts, host(name, id))
		cfg.Certificates = append(cfg.Certificates, certificate(b, string(id), key, name))
	}
	for b.Loop() {
		NewCertificates().Update(cfg)
	}
}

func BenchmarkChoose(b *testing.B) {
	c := NewCertificates()
	c.Update(&ir.Config{
		Hosts:        []*ir.Host{host("*.a.test", "n/a")},
		Certificates: []*ir.Certificate{certificate(b, "n/a", ecdsaKey(b), "*.a.test")},
	})
	hello := &tls.ClientHelloInfo{ServerName: "www.a.test"}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.choose(hello); err != nil {
			b.Fatal(err)
		}
	}
}
