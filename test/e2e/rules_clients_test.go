package e2e

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// authority makes certificates of clients.
type authority struct {
	*x509.Certificate
	key *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	template := &x509.Certificate{Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	key, cert := signed(t, template, nil)
	return &authority{cert, key}
}

// signed makes a certificate of template, by itself if by is nil.
func signed(t *testing.T, template *x509.Certificate, by *authority) (*ecdsa.PrivateKey, *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber, template.NotBefore, template.NotAfter = big.NewInt(time.Now().UnixNano()), time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := template, key
	if by != nil {
		parent, signer = by.Certificate, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return key, cert
}

// client is a certificate of a client with a name.
func (a *authority) client(t *testing.T, name string) *tls.Certificate {
	t.Helper()
	key, cert := signed(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: name, Organization: []string{"Acme"}}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, a)
	return &tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key}
}

// secret is a Secret with the authority's certificate.
func (a *authority) secret(name string) string {
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.Raw})
	return fmt.Sprintf("---\napiVersion: v1\nkind: Secret\nmetadata: {name: %s}\ndata: {ca.crt: %s}\n", name, base64.StdEncoding.EncodeToString(text))
}

// TestRulesOfClientCertificates: auth-tls-*.
func TestRulesOfClientCertificates(t *testing.T) {
	t.Parallel()
	ours, theirs := newAuthority(t, "ours"), newAuthority(t, "theirs")
	alice, mallory := ours.client(t, "alice"), theirs.client(t, "mallory")
	ca := "auth-tls-secret: default/ca"
	d := rulesUp(t, nil, ours.secret("ca"), users, backends(t, "web", speaker("web")),
		site("on", "on.test!", on(ca), "/ Prefix web"),
		site("pass", "pass.test!", on(ca, "auth-tls-pass-certificate-to-upstream: true", "ssl-redirect: false"), "/ Prefix web"),
		site("optional", "optional.test!", on(ca, "auth-tls-verify-client: optional"), "/ Prefix web"),
		site("anyca", "anyca.test!", on(ca, "auth-tls-verify-client: optional_no_ca"), "/ Prefix web"),
		site("off", "off.test!", on(ca, "auth-tls-verify-client: off"), "/ Prefix web"),
		site("page", "page.test!", on(ca, "auth-tls-error-page: https://help.test/?u=$request_uri"), "/ Prefix web"),
		site("cn", "cn.test!", on(ca, "auth-tls-match-cn: CN=ali.e"), "/ Prefix web"),
		site("cnlist", "cnlist.test!", on(ca, "auth-tls-match-cn: CN=(bob|alice)"), "/ Prefix web"),
		site("cnno", "cnno.test!", on(ca, "auth-tls-match-cn: CN=bob"), "/ Prefix web"),
		site("none", "none.test!", on("auth-tls-secret: default/none"), "/ Prefix web"),
		site("barename", "barename.test!", on("auth-tls-secret: ca"), "/ Prefix web"),
		site("noca", "noca.test!", on("auth-tls-secret: default/users"), "/ Prefix web"),
		site("badcn", "badcn.test!", on(ca, "auth-tls-match-cn: alice"), "/ Prefix web"),
		site("badmode", "badmode.test!", on(ca, "auth-tls-verify-client: maybe"), "/ Prefix web"),
	)
	forgery := []string{"ssl-client-verify: SUCCESS", "ssl-client-subject-dn: CN=root", "ssl-client-cert: x"}
	for _, group := range []struct {
		who  *tls.Certificate
		rows []row
	}{
		{alice, []row{
			{"4.5 a good certificate", "GET https://on.test/", forgery, "", []string{
				"200", "sent ssl-client-verify: SUCCESS", "sent ssl-client-subject-dn: CN=alice,O=Acme", "sent ssl-client-issuer-dn: CN=ours", "unsent ssl-client-cert",
			}},
			{"4.5 auth-tls-pass-certificate-to-upstream", "GET https://pass.test/", nil, "", []string{"200", "says -----BEGIN%20CERTIFICATE-----"}},
			{"4.5 off: none is asked for", "GET https://off.test/", nil, "", []string{"200", "sent ssl-client-verify: NONE"}},
			{"4.5 match-cn", "GET https://cn.test/", nil, "", []string{"200"}},
			{"4.5 match-cn: one of several", "GET https://cnlist.test/", nil, "", []string{"200"}},
			{"4.5 match-cn: another", "GET https://cnno.test/", nil, "", []string{"403"}},
			{"4.5 bad mode is on", "GET https://badmode.test/", nil, "", []string{"200"}},
			{"4.5 SNI of another host", "GET https://on.test/", []string{"Host: cnno.test"}, "", []string{"421"}},
		}},
		{mallory, []row{
			{"4.5 of another authority", "GET https://on.test/", nil, "", []string{"400", "says The SSL certificate error"}},
			{"4.5 optional: a bad one", "GET https://optional.test/", nil, "", []string{"400"}},
			{"4.5 optional_no_ca", "GET https://anyca.test/", nil, "", []string{"200", "sent ssl-client-verify: FAILED:unable to get local issuer certificate", "sent ssl-client-subject-dn: CN=mallory,O=Acme"}},
			{"4.5 error page: a bad one", "GET https://page.test/x", nil, "", []string{"302", "Location: https://help.test/?u=/x"}},
		}},
		{nil, []row{
			{"4.5 none", "GET https://on.test/", forgery, "", []string{"400", "says No required SSL certificate was sent"}},
			{"4.5 optional: none", "GET https://optional.test/", forgery, "", []string{"200", "sent ssl-client-verify: NONE", "unsent ssl-client-cert"}},
			{"4.5 error page: none", "GET https://page.test/x", nil, "", []string{"302"}},
			{"4.5 bad mode is on: none", "GET https://badmode.test/", nil, "", []string{"400"}},
			{"4.5 on http the redirect", "GET http://on.test/", nil, "", []string{"308"}},
			{"4.5 on http without the redirect", "GET http://pass.test/", forgery, "", []string{"200", "sent ssl-client-verify: NONE", "unsent ssl-client-cert"}},
			{"4.5 match-cn on http", "GET http://cn.test/", nil, "", []string{"403"}},
			{"4.5 missing Secret", "GET https://none.test/", nil, "", []string{"403"}},
			{"4.5 missing Secret on http", "GET http://none.test/", nil, "", []string{"403"}},
			{"4.5 a bare name", "GET https://barename.test/", nil, "", []string{"403"}},
			{"4.5 no ca.crt", "GET https://noca.test/", nil, "", []string{"403"}},
			{"4.5 match-cn: bad", "GET https://badcn.test/", nil, "", []string{"404"}},
		}},
	} {
		as := d
		as.certificate = group.who
		as.check(t, group.rows)
	}
}

// TestRulesOfProxyProtocol: what the header says, and that it has to be there.
func TestRulesOfProxyProtocol(t *testing.T) {
	t.Parallel()
	d := instance{preface: "PROXY TCP4 9.9.9.9 10.0.0.1 5000 80\r\n"}
	d.Instance = up(t, map[string]string{"all.yaml": settings("use-proxy-protocol: true") + backends(t, "web", speaker("web")) +
		site("plain", "plain.test", nil, "/ Prefix web") + site("tls", "tls.test!", nil, "/ Prefix web") + site("list", "list.test", on("whitelist-source-range: 9.9.9.9"), "/ Prefix web")}, bySettings...)
	d.check(t, []row{
		{"5.2 the address of the header", "GET http://plain.test/x", []string{"X-Forwarded-For: 8.8.8.8", "X-Forwarded-Proto: https"}, "", []string{
			"200", "sent X-Real-IP: 9.9.9.9", "sent X-Forwarded-For: 9.9.9.9", "sent X-Forwarded-Port: 80", "sent X-Forwarded-Proto: http",
		}},
		{"5.2 lists go by it", "GET http://list.test/", nil, "", []string{"200"}},
		{"3.1 port 80 is http", "GET http://tls.test/x", nil, "", []string{"308"}},
		{"5.2 over TLS", "GET https://tls.test/x", nil, "", []string{"200", "sent X-Real-IP: 9.9.9.9", "sent X-Forwarded-Proto: https"}},
	})
	d.preface = "PROXY TCP4 9.9.9.8 10.0.0.1 5000 443\r\n"
	d.check(t, []row{
		{"5.2 port 443 is https", "GET http://tls.test/x", nil, "", []string{"200", "sent X-Forwarded-Port: 443", "sent X-Forwarded-Proto: https", "no Strict-Transport-Security"}},
		{"5.2 lists go by it: another", "GET http://list.test/", nil, "", []string{"403"}},
	})
	c, err := net.Dial("tcp", d.HTTP)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(c, requestText("GET", "plain.test", "/", nil, "")) // it may be gone already
	if resp, err := http.ReadResponse(bufio.NewReader(c), nil); err == nil {
		resp.Body.Close()
		t.Errorf("5.2 without the header: %s", resp.Status)
	} else if strings.Contains(err.Error(), "timeout") {
		t.Errorf("5.2 without the header: %v", err)
	}
}
