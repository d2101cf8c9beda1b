package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
)

// pairSecret is a Secret with the authority's certificate, and a pair that it
// has signed.
func (a *authority) pairSecret(t *testing.T, name string, pair *tls.Certificate) string {
	t.Helper()
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	in := func(kind string, der []byte) string {
		return base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return fmt.Sprintf("---\napiVersion: v1\nkind: Secret\nmetadata: {name: %s}\ndata: {ca.crt: %s, tls.crt: %s, tls.key: %s}\n",
		name, in("CERTIFICATE", a.Raw), in("CERTIFICATE", pair.Certificate[0]), in("PRIVATE KEY", key))
}

// mutual is a Service over TLS, named inner.test and, by nginx's variables,
// mutual.default.svc, that wants certificates of the authority; the answer says
// what it has seen.
func (a *authority) mutual(t *testing.T, name string) string {
	t.Helper()
	key, cert := signed(t, &x509.Certificate{DNSNames: []string{"inner.test", name + ".default.svc", name + "host.test"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}, a)
	clients := x509.NewCertPool()
	clients.AddCert(a.Certificate)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Named", r.TLS.ServerName)
		w.Header().Set("X-Client", r.TLS.PeerCertificates[0].Subject.CommonName)
		w.Header().Set("X-Version", tls.VersionName(r.TLS.Version))
		w.Header().Set("X-Suite", tls.CipherSuiteName(r.TLS.CipherSuite))
		speaker(name).ServeHTTP(w, r)
	}))
	s.TLS = &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients,
	}
	s.StartTLS()
	t.Cleanup(s.Close)
	return backendsAt(name, s.Listener.Addr().String())
}

// TestRulesOfBackendCertificates: proxy-ssl-*, as ingress-nginx's suite asks.
func TestRulesOfBackendCertificates(t *testing.T) {
	t.Parallel()
	ours := newAuthority(t, "ours")
	over := func(annotations ...string) []string {
		return append(on("backend-protocol: HTTPS", "proxy-ssl-secret: default/up"), annotations...)
	}
	d := rulesUp(t, nil, ours.pairSecret(t, "up", ours.client(t, "daemun")), ours.mutual(t, "mutual"), backends(t, "web", speaker("web")),
		site("shown", "shown.test", over(), "/ Prefix mutual"),
		site("verified", "verified.test", over("proxy-ssl-verify: on", "proxy-ssl-verify-depth: 2", "proxy-ssl-server-name: on", "proxy-ssl-name: inner.test"), "/ Prefix mutual"),
		site("wrong", "wrong.test", over("proxy-ssl-verify: on", "proxy-ssl-name: outer.test"), "/ Prefix mutual"),
		site("nameless", "nameless.test", over("proxy-ssl-verify: on", "proxy-ssl-server-name: on"), "/ Prefix mutual"),
		site("byservice", "byservice.test", over("proxy-ssl-verify: on", "proxy-ssl-server-name: on", "proxy-ssl-name: $service_name.${namespace}.svc"), "/ Prefix mutual"),
		site("byhost", "mutualhost.test", over("proxy-ssl-verify: on", "proxy-ssl-server-name: on", "proxy-ssl-name: $host"), "/ Prefix mutual"),
		site("anyhost", "*.any.test", over("proxy-ssl-verify: on", "proxy-ssl-name: $host"), "/ Prefix mutual"),
		site("suites", "suites.test", over("proxy-ssl-ciphers: HIGH:!AES"), "/ Prefix mutual"),
		site("newer", "newer.test", over("proxy-ssl-protocols: TLSv1.2 TLSv1.3"), "/ Prefix mutual"),
		site("older", "older.test", over("proxy-ssl-protocols: TLSv1 TLSv1.1 TLSv1.2 TLSv1.3"), "/ Prefix mutual"),
		site("badly", "badly.test", over("proxy-ssl-protocols: TLSv111 SSLv1", "proxy-ssl-verify: w00t", "proxy-ssl-verify-depth: abcd", "proxy-ssl-server-name: w00t"), "/ Prefix mutual"),
		site("plain", "plain.test!", on("proxy-ssl-secret: default/up", "proxy-ssl-verify: on", "proxy-ssl-server-name: on"), "/ Prefix web"),
	)
	d.check(t, []row{
		{"1.6 proxy-ssl-secret", "GET http://shown.test/", nil, "", []string{"200", "X-Client: daemun", "X-Named: ", "X-Version: TLS 1.2"}},
		{"1.6 proxy-ssl-verify, -name and -server-name", "GET http://verified.test/", nil, "", []string{"200", "X-Client: daemun", "X-Named: inner.test"}},
		{"1.6 proxy-ssl-name: another", "GET http://wrong.test/", nil, "", []string{"502"}},
		{"1.6 proxy-ssl-verify without a name", "GET http://nameless.test/", nil, "", []string{"502"}},
		{"1.6 proxy-ssl-name: variables", "GET http://byservice.test/", nil, "", []string{"200", "X-Named: mutual.default.svc"}},
		{"1.6 proxy-ssl-name: $host", "GET http://mutualhost.test/", nil, "", []string{"200", "X-Named: mutualhost.test"}},
		{"1.6 proxy-ssl-name: $host of a wildcard", "GET http://a.any.test/", nil, "", []string{"503"}},
		{"1.6 proxy-ssl-ciphers", "GET http://suites.test/", nil, "", []string{"200", "X-Suite: TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"}},
		{"1.6 proxy-ssl-protocols", "GET http://newer.test/", nil, "", []string{"200", "X-Version: TLS 1.3"}},
		{"1.6 proxy-ssl-protocols with older ones", "GET http://older.test/", nil, "", []string{"200", "X-Version: TLS 1.3"}},
		{"1.6 bad values are the defaults", "GET http://badly.test/", nil, "", []string{"200", "X-Version: TLS 1.2", "X-Named: "}},
		{"1.6 a backend without TLS: the redirect", "GET http://plain.test/x", nil, "", []string{"308"}},
		{"1.6 a backend without TLS", "GET https://plain.test/x", nil, "", []string{"200", "to web /x"}},
	})
}
