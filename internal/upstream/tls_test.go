package upstream

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"daemun/internal/ir"
)

// pairFor makes a self-signed certificate for a name.
func pairFor(t *testing.T, name string) (chain, key []byte) {
	t.Helper()
	k, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
}

// TestBackendTLS pins what proxy-ssl-* do to a handshake.
func TestBackendTLS(t *testing.T) {
	t.Parallel()
	chain, key := pairFor(t, "app.test")
	other, _ := pairFor(t, "app.test")
	clientChain, clientKey := pairFor(t, "client")
	server, err := tls.X509KeyPair(chain, key)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		tls    *ir.BackendTLS
		server func(*tls.Config)
		ok     bool
		sni    string
		client string
	}{
		{"usual way", nil, nil, true, "", ""},
		{"nothing verified", &ir.BackendTLS{CAs: other}, nil, true, "", ""},
		{"name sent", &ir.BackendTLS{ServerName: "app.test"}, nil, true, "app.test", ""},
		{"verified", &ir.BackendTLS{Verify: true, VerifyName: "app.test", CAs: chain, Depth: 1}, nil, true, "", ""},
		{"another name", &ir.BackendTLS{Verify: true, VerifyName: "b.test", CAs: chain, Depth: 1}, nil, false, "", ""},
		{"another CA", &ir.BackendTLS{Verify: true, VerifyName: "app.test", CAs: other, Depth: 1}, nil, false, "", ""},
		{"no CA", &ir.BackendTLS{Verify: true, VerifyName: "app.test", Depth: 1}, nil, false, "", ""},
		{"client certificate", &ir.BackendTLS{Chain: clientChain, Key: clientKey}, func(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert }, true, "", "client"},
		{"too new", &ir.BackendTLS{MaxVersion: tls.VersionTLS12}, func(c *tls.Config) { c.MinVersion = tls.VersionTLS13 }, false, "", ""},
		{"suite", &ir.BackendTLS{MaxVersion: tls.VersionTLS12, Suites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}}, nil, false, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			config := &tls.Config{Certificates: []tls.Certificate{server}}
			if tt.server != nil {
				tt.server(config)
			}
			states := make(chan tls.ConnectionState, 2)
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			var serving sync.WaitGroup
			serving.Go(func() {
				for {
					nc, err := l.Accept()
					if err != nil {
						return
					}
					serving.Go(func() {
						defer nc.Close()
						c := tls.Server(nc, config)
						if c.Handshake() == nil {
							states <- c.ConnectionState()
						}
						_, _ = c.Read(make([]byte, 1))
					})
				}
			})
			t.Cleanup(func() { l.Close(); serving.Wait() })
			r := NewRegistry(Config{})
			t.Cleanup(r.Close)
			r.Configure(&ir.Backend{ID: "d/s/443", TLS: tt.tls})
			r.Update(ir.EndpointSet{Backend: "d/s/443", Endpoints: []ir.Endpoint{{Addr: l.Addr().(*net.TCPAddr).AddrPort()}}})
			c, err := r.Backend("d/s/443").Pick(nil).Dial(t.Context(), TLS, patience)
			if (err == nil) != tt.ok {
				t.Fatalf("handshake: %v", err)
			}
			if err != nil {
				return
			}
			c.Discard()
			s := <-states
			client := ""
			if len(s.PeerCertificates) > 0 {
				client = s.PeerCertificates[0].Subject.CommonName
			}
			if s.ServerName != tt.sni || client != tt.client {
				t.Errorf("the backend saw name %q, client %q", s.ServerName, client)
			}
		})
	}
}
