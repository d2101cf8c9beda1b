package proxy

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"daemun/internal/ir"
	"daemun/internal/listen"
)

// authority signs certificates for clients.
type authority struct {
	t    testing.TB
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newAuthority(t testing.TB, name string, parent *authority) *authority {
	t.Helper()
	a := &authority{t: t}
	a.key, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	signer, key := template, a.key
	if parent != nil {
		signer, key = parent.cert, parent.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, signer, &a.key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	a.cert, _ = x509.ParseCertificate(der)
	return a
}

func (a *authority) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

// client issues a certificate; chain are CAs that are sent along.
func (a *authority) client(name string, serial int64, until time.Duration, chain ...*authority) *tls.Certificate {
	a.t.Helper()
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name, Organization: []string{"Acme"}},
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(until), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, a.cert, &key.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	c := &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	for _, ca := range chain {
		c.Certificate = append(c.Certificate, ca.cert.Raw)
	}
	return c
}

// askTLS sends one GET with a certificate, or none.
func (r *rig) askTLS(cert *tls.Certificate, sni, host, fields string) (*http.Response, string) {
	r.t.Helper()
	nc, err := net.Dial("tcp", r.listener.Addr().String())
	if err != nil {
		r.t.Fatal(err)
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(patience))
	config := &tls.Config{InsecureSkipVerify: true, ServerName: sni}
	if cert != nil {
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert, nil }
	}
	c := tls.Client(nc, config)
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: "+host+"\r\n"+fields+"\r\n"); err != nil {
		r.t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		r.t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp, string(body)
}

// TestClientCertificates pins §4.5, with the listener's own TLS.
func TestClientCertificates(t *testing.T) {
	t.Parallel()
	ca, stranger := newAuthority(t, "ca", nil), newAuthority(t, "stranger", nil)
	between := newAuthority(t, "between", ca)
	deeper := newAuthority(t, "deeper", between)
	good, expired, strange := ca.client("ann", 2, time.Hour), ca.client("ann", 3, -time.Hour), stranger.client("ann", 4, time.Hour)
	revoked := ca.client("ann", 5, time.Hour)
	crl, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: big.NewInt(1), ThisUpdate: time.Now(), NextUpdate: time.Now().Add(time.Hour),
		RevokedCertificateEntries: []x509.RevocationListEntry{{SerialNumber: big.NewInt(5), RevocationTime: time.Now()}},
	}, ca.cert, ca.key)
	if err != nil {
		t.Fatal(err)
	}
	mode := func(m ir.ClientMode) func(*ir.ClientAuth) { return func(c *ir.ClientAuth) { c.Mode = m } }
	match := func(expr string) func(*ir.ClientAuth) { return func(c *ir.ClientAuth) { c.MatchCN = expr } }
	for _, tt := range []struct {
		name   string
		change func(*ir.ClientAuth)
		cert   *tls.Certificate
		status int
		verify string // what the backend is told
	}{
		{"good", nil, good, 200, "SUCCESS"},
		{"good, not passed on", func(c *ir.ClientAuth) { c.PassCertificate = false }, good, 200, "SUCCESS"},
		{"none", nil, nil, 400, ""},
		{"expired", nil, expired, 400, ""},
		{"of a stranger", nil, strange, 400, ""},
		{"revoked", nil, revoked, 400, ""},
		{"with a CA between", nil, between.client("ann", 6, time.Hour, between), 200, "SUCCESS"},
		{"with two CAs between", nil, deeper.client("ann", 7, time.Hour, deeper, between), 400, ""},
		{"with two CAs between and depth 2", func(c *ir.ClientAuth) { c.Depth = 2 }, deeper.client("ann", 7, time.Hour, deeper, between), 200, "SUCCESS"},
		{"optional, none", mode(ir.ClientOptional), nil, 200, "NONE"},
		{"optional, bad", mode(ir.ClientOptional), strange, 400, ""},
		{"any CA, of a stranger", mode(ir.ClientAnyCA), strange, 200, "FAILED:unable to get local issuer certificate"},
		{"any CA, expired", mode(ir.ClientAnyCA), expired, 400, ""},
		{"off", mode(ir.ClientOff), good, 200, "NONE"},
		{"broken", func(c *ir.ClientAuth) { c.Broken = true }, good, 403, ""},
		{"error page", func(c *ir.ClientAuth) { c.ErrorPage = "https://help.test/?u=$request_uri" }, nil, 302, ""},
		{"matching subject", match("CN=an"), good, 200, "SUCCESS"},
		{"other subject", match("CN=bob"), good, 403, ""},
		{"no subject", func(c *ir.ClientAuth) { c.Mode = ir.ClientOptional; c.MatchCN = "CN=ann" }, nil, 403, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			heads := make(chan string, 1)
			r, _ := up(t, func(_ int, c *client) {
				heads <- c.head()
				_, _ = io.WriteString(c, ok)
			}, func(h *ir.Host, _ *ir.Route) {
				h.ClientAuth = &ir.ClientAuth{
					Mode: ir.ClientRequired, Depth: 1, PassCertificate: true, Fingerprint: "f",
					CAs: ca.pem(), CRLs: pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: crl}),
				}
				if tt.change != nil {
					tt.change(h.ClientAuth)
				}
			})
			certificates := listen.NewCertificates()
			certificates.Update(r.config)
			r.tls.Store(true)
			r.wrap.Store(certificates.Config())
			resp, body := r.askTLS(tt.cert, "a.test", "a.test", "SSL-Client-Verify: evil\r\nssl-client-cert: evil\r\n")
			if resp.StatusCode != tt.status {
				t.Fatalf("%d %q, want %d", resp.StatusCode, body, tt.status)
			}
			switch tt.status {
			case 302:
				if got := resp.Header.Get("Location"); got != "https://help.test/?u=/" {
					t.Errorf("to %q", got)
				}
			case 400:
				want := "The SSL certificate error"
				if tt.cert == nil {
					want = "No required SSL certificate was sent"
				}
				if !strings.Contains(body, want) {
					t.Errorf("page %q", body)
				}
			case 200:
				head := <-heads
				if !hasField(head, "ssl-client-verify: "+tt.verify) || strings.Contains(head, "evil") {
					t.Errorf("the backend got %q", head)
				}
				if tt.cert != nil && tt.verify != "NONE" {
					own := url.QueryEscape(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: tt.cert.Certificate[0]})))
					passed := hasField(head, "ssl-client-cert: "+strings.ReplaceAll(own, "+", "%20"))
					if want := r.config.Hosts[1].ClientAuth.PassCertificate; passed != want || !want && strings.Contains(head, "ssl-client-cert:") {
						t.Errorf("the certificate is passed on: %v, want %v", passed, want)
					}
					if !hasField(head, "ssl-client-subject-dn: CN=ann,O=Acme") {
						t.Errorf("the backend got %q", head)
					}
				}
			}
		})
	}
}

// TestClientCertificateOfAnotherHost: a handshake for one host is none for
// another; plain http is asked for the subject only.
func TestClientCertificateOfAnotherHost(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t, "ca", nil)
	wants := func(match string) (*rig, *ir.Config) {
		r, _ := up(t, answering(ok), func(h *ir.Host, r *ir.Route) {
			r.ForceSSLRedirect = true
			h.ClientAuth = &ir.ClientAuth{Mode: ir.ClientRequired, Depth: 1, Fingerprint: "f", CAs: ca.pem(), MatchCN: match}
		})
		return r, r.config
	}
	r, cfg := wants("")
	certificates := listen.NewCertificates()
	certificates.Update(cfg)
	r.tls.Store(true)
	r.wrap.Store(certificates.Config())
	good := ca.client("ann", 2, time.Hour)
	for sni, want := range map[string]int{"a.test": 200, "b.test": 421, "": 400} {
		if resp, _ := r.askTLS(good, sni, "a.test", ""); resp.StatusCode != want {
			t.Errorf("name %q in the handshake: %d, want %d", sni, resp.StatusCode, want)
		}
	}
	if resp, _ := r.askTLS(good, "b.test", "b.test", ""); resp.StatusCode != 404 {
		t.Errorf("another host: %d", resp.StatusCode)
	}
	plain, _ := wants("")
	if resp, _ := plain.dial().get("/"); resp.StatusCode != 308 {
		t.Errorf("plain http: %d", resp.StatusCode)
	}
	matching, _ := wants("CN=ann")
	if resp, _ := matching.dial().get("/"); resp.StatusCode != 403 {
		t.Errorf("plain http where the subject counts: %d", resp.StatusCode)
	}
}
