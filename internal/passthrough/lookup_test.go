package passthrough

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	cryptorand "crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"daemun/internal/canonical"
	"daemun/internal/ir"
	"daemun/internal/listen"
	"daemun/internal/metrics"
	"daemun/internal/table"
)

// lookupNames are names of hosts and aliases that get in each other's way.
var lookupNames = []string{
	"a.test", "b.test", "c.a.test", "d.c.a.test", "test", "*.test", "*.a.test", "*.c.a.test", "*.b.test", "xn--9ca.test", "1.2.3.4",
}

// asked are server names of clients: those, in all forms, and others.
var asked = []string{
	"a.test", "A.Test", "a.test.", "b.test", "B.TEST.", "c.a.test", "d.c.a.test", "e.d.c.a.test", "test", "TEST.", "z.test", "z.a.test", "Z.A.test",
	"z.c.a.test", "z.b.test", "y.z.b.test", "xn--9ca.test", "xn--9CA.test", "other", "1.2.3.4",
}

// TestH7_3_HandshakesFindTheRoutersHost: whatever hosts and aliases there are,
// the certificate and the rules of a handshake are those of the host that the
// router finds for the same name (H3.5), however the configuration has become
// what it is.
func TestH7_3_HandshakesFindTheRoutersHost(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(7, 3))
	certificates := listen.NewCertificates()
	pairs := lookupPairs(t)
	for range 400 {
		cfg := lookupConfig(random, pairs)
		certificates.Update(cfg)
		router := table.Compile(nil, 1, cfg, table.Handles{Route: func(*ir.Host, *ir.Route) *metrics.Route { return nil }})
		for _, sni := range asked {
			name, ok := canonical.HostString(sni)
			if !ok {
				t.Fatalf("%s is no name", sni)
			}
			host, rule := router.HostFor([]byte(name))
			certificate, suite := shown(t, certificates, sni)
			if wanted := suiteOf(host.IR); suite != wanted || certificate != certificateOf(host.IR) {
				t.Fatalf("%s is %q for the router (%s); its handshake has certificate %s and rules %d, want %s and %d\n%s",
					sni, host.IR.Name, rule, certificate, suite, certificateOf(host.IR), wanted, describe(cfg))
			}
		}
	}
}

// lookupConfig has some of the names as hosts and some as aliases, each once, as
// translation gives them out. Each host with wishes has a suite of its own to
// tell it by.
func lookupConfig(random *rand.Rand, pairs []*ir.Certificate) *ir.Config {
	cfg := &ir.Config{Certificates: pairs, DefaultCertificate: pairs[0].ID}
	names := slices.Clone(lookupNames)
	random.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	n := 1 + random.IntN(len(names))
	hosts := append([]string{""}, slices.Sorted(slices.Values(names[:n]))...)
	for i, name := range hosts {
		h := &ir.Host{Name: name}
		if name != "" {
			h.Certificates = []ir.CertificateID{pairs[1+slices.Index(lookupNames, name)].ID}
		}
		if random.IntN(2) == 0 {
			h.Suites = []uint16{uint16(1 + i)}
		}
		cfg.Hosts = append(cfg.Hosts, h)
	}
	for _, alias := range names[n:] {
		if h := cfg.Hosts[random.IntN(len(cfg.Hosts))]; h.Name != "" && random.IntN(2) == 0 {
			h.Aliases = append(h.Aliases, alias)
		}
	}
	return cfg
}

// suiteOf is what tells the rules of a host; 0 are those of all.
func suiteOf(h *ir.Host) uint16 {
	if len(h.Suites) == 0 {
		return 0
	}
	return h.Suites[0]
}

func certificateOf(h *ir.Host) string {
	if len(h.Certificates) == 0 {
		return "default"
	}
	return string(h.Certificates[0])
}

// shown is what a client gets that asks for a name.
func shown(t *testing.T, c *listen.Certificates, sni string) (certificate string, suite uint16) {
	t.Helper()
	hello := &tls.ClientHelloInfo{
		ServerName: sni, SupportedVersions: []uint16{tls.VersionTLS13}, SupportedCurves: []tls.CurveID{tls.CurveP256},
		SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256},
	}
	rules, err := c.Config().GetConfigForClient(hello)
	if err != nil {
		t.Fatal(err)
	}
	chosen, err := rules.GetCertificate(hello)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(chosen.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	if len(rules.CipherSuites) == 1 {
		suite = rules.CipherSuites[0]
	}
	return leaf.Subject.CommonName, suite
}

// lookupPairs are a default certificate and one for each name, all good for all
// names.
func lookupPairs(t *testing.T) (list []*ir.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), cryptorand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for i := range len(lookupNames) + 1 {
		id := "default"
		if i > 0 {
			id = fmt.Sprint("d/", i)
		}
		template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: id}, DNSNames: []string{"a.test"}}
		cert, err := x509.CreateCertificate(cryptorand.Reader, template, template, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, &ir.Certificate{
			ID: ir.CertificateID(id), Fingerprint: id, Names: lookupNames,
			Chain: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), Key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
		})
	}
	return list
}

func describe(cfg *ir.Config) string {
	var b strings.Builder
	for _, h := range cfg.Hosts {
		fmt.Fprintf(&b, "%q aliases %q suites %v\n", h.Name, h.Aliases, h.Suites)
	}
	return b.String()
}
