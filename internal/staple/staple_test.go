package staple

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"daemun/internal/ir"
)

// authority issues certificates and answers about them.
type authority struct {
	*testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	url  string

	mu     sync.Mutex
	reply  func(question *ocsp.Request) []byte
	asked  int
	status int
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{T: t, key: newKey(t), status: http.StatusOK}
	a.cert = a.sign(&x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, a.key)
	server := httptest.NewServer(http.HandlerFunc(a.serve))
	t.Cleanup(server.Close)
	a.url = server.URL
	a.answer(ocsp.Good, time.Now(), time.Now().Add(time.Hour), nil)
	return a
}

// sign makes a certificate; the first is the authority's own.
func (a *authority) sign(template *x509.Certificate, key *ecdsa.PrivateKey) *x509.Certificate {
	a.Helper()
	parent := a.cert
	if parent == nil {
		parent = template
	}
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().AddDate(1, 0, 0)
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, a.key)
	if err != nil {
		a.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		a.Fatal(err)
	}
	return c
}

// leaf is a certificate that names the responder.
func (a *authority) leaf(extensions ...pkix.Extension) *x509.Certificate {
	return a.sign(&x509.Certificate{SerialNumber: big.NewInt(7), DNSNames: []string{"shop.example"}, OCSPServer: []string{a.url}, ExtraExtensions: extensions}, newKey(a.T))
}

func chainOf(certs ...*x509.Certificate) []byte {
	var b bytes.Buffer
	for _, c := range certs {
		_ = pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
	}
	return b.Bytes()
}

func (a *authority) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	question, wrong := ocsp.ParseRequest(body)
	if err != nil || wrong != nil || r.Header.Get("Content-Type") != "application/ocsp-request" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked++
	w.WriteHeader(a.status)
	_, _ = w.Write(a.reply(question))
}

// answer is what the responder says from now on; signer is nil for the
// authority itself.
func (a *authority) answer(status int, this, next time.Time, signer *x509.Certificate) {
	key := a.key
	if signer != nil {
		key = newKey(a.T)
		signer = a.sign(signer, key)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.reply = func(question *ocsp.Request) []byte {
		by := a.cert
		if signer != nil {
			by = signer
		}
		b, err := ocsp.CreateResponse(a.cert, by, ocsp.Response{
			Status: status, SerialNumber: question.SerialNumber, ThisUpdate: this, NextUpdate: next, RevokedAt: this, Certificate: signer,
		}, key)
		if err != nil {
			a.Error(err)
		}
		return b
	}
}

// applied remembers what a stapler gave away.
type applied struct {
	mu   sync.Mutex
	last map[string][]byte
}

func (p *applied) apply(fingerprint string, answer []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last[fingerprint] = answer
}

func (p *applied) of(fingerprint string) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last[fingerprint]
}

func config(on bool, certificates ...*ir.Certificate) *ir.Config {
	return &ir.Config{Settings: ir.Settings{Staple: on}, Certificates: certificates}
}

func certificate(fingerprint string, chain ...*x509.Certificate) *ir.Certificate {
	return &ir.Certificate{ID: ir.CertificateID("shop/" + fingerprint), Fingerprint: fingerprint, Chain: chainOf(chain...)}
}

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

var mustStaple = pkix.Extension{Id: featureTLS, Value: []byte{0x30, 0x03, 0x02, 0x01, 0x05}}

// TestAnswers: what becomes of each answer of a responder.
func TestAnswers(t *testing.T) {
	t.Parallel()
	now := time.Now()
	delegate := func(usage ...x509.ExtKeyUsage) *x509.Certificate {
		return &x509.Certificate{SerialNumber: big.NewInt(9), Subject: pkix.Name{CommonName: "delegate"}, ExtKeyUsage: usage}
	}
	for _, tt := range []struct {
		name   string
		set    func(a *authority)
		demand bool
		code   string
		says   string
	}{
		{name: "good", set: func(*authority) {}},
		{name: "good, of a delegate", set: func(a *authority) {
			a.answer(ocsp.Good, now, now.Add(time.Hour), delegate(x509.ExtKeyUsageOCSPSigning))
		}},
		{name: "good, without an end", set: func(a *authority) { a.answer(ocsp.Good, now, time.Time{}, nil) }},
		{name: "of another certificate of the issuer", set: func(a *authority) { a.answer(ocsp.Good, now, now.Add(time.Hour), delegate(x509.ExtKeyUsageServerAuth)) }, code: CodeNoAnswer, says: "may not answer"},
		{name: "revoked", set: func(a *authority) { a.answer(ocsp.Revoked, now, now.Add(time.Hour), nil) }, code: CodeRevoked, says: "replace it"},
		{name: "unknown", set: func(a *authority) { a.answer(ocsp.Unknown, now, now.Add(time.Hour), nil) }, code: CodeNoAnswer, says: "does not know"},
		{name: "expired", set: func(a *authority) { a.answer(ocsp.Good, now.Add(-2*time.Hour), now.Add(-time.Hour), nil) }, code: CodeNoAnswer, says: "expired"},
		{name: "of the future", set: func(a *authority) { a.answer(ocsp.Good, now.Add(time.Hour), now.Add(2*time.Hour), nil) }, code: CodeNoAnswer, says: "clocks"},
		{name: "failing", set: func(a *authority) { a.status = http.StatusInternalServerError }, code: CodeNoAnswer, says: "status 500"},
		{name: "failing, and demanded", set: func(a *authority) { a.status = http.StatusInternalServerError }, demand: true, code: CodeDemanded, says: "demands an OCSP answer"},
		{name: "redirecting", set: func(a *authority) { a.status = http.StatusFound }, code: CodeNoAnswer, says: "status 302"},
		{name: "too long", set: func(a *authority) { a.reply = func(*ocsp.Request) []byte { return make([]byte, maxAnswer+1) } }, code: CodeNoAnswer, says: "more than"},
		{name: "rubbish", set: func(a *authority) { a.reply = func(*ocsp.Request) []byte { return []byte("hello") } }, code: CodeNoAnswer, says: "cannot be used"},
		{name: "about another certificate", set: func(a *authority) {
			reply := a.reply
			a.reply = func(q *ocsp.Request) []byte { other := *q; other.SerialNumber = big.NewInt(8); return reply(&other) }
		}, code: CodeNoAnswer, says: "cannot be used"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a, given := newAuthority(t), &applied{last: map[string][]byte{}}
			tt.set(a)
			leaf := a.leaf()
			if tt.demand {
				leaf = a.leaf(mustStaple)
			}
			s := New(Config{Apply: given.apply})
			s.Update(config(true, certificate("a", leaf, a.cert)))
			s.round(t.Context())
			if (given.of("a") != nil) != (tt.code == "") {
				t.Errorf("answer of %d octets", len(given.of("a")))
			}
			problems := s.Problems()
			if tt.code == "" && len(problems) > 0 || tt.code != "" && (len(problems) != 1 || problems[0].Code != tt.code || !strings.Contains(problems[0].Message, tt.says)) {
				t.Errorf("problems %v", problems)
			}
		})
	}
}

// TestIntermediateEmbedsItsOwn: an issuer that is itself issued may send its
// certificate along; another authority that does so is nobody.
func TestIntermediateEmbedsItsOwn(t *testing.T) {
	t.Parallel()
	root, issuer := newAuthority(t), newAuthority(t)
	issuer.cert = root.sign(&x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "intermediate"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, issuer.key)
	leaf, now := issuer.leaf(), time.Now()
	answered := func(by *authority) []byte {
		b, err := ocsp.CreateResponse(issuer.cert, by.cert, ocsp.Response{
			Status: ocsp.Good, SerialNumber: leaf.SerialNumber, ThisUpdate: now, NextUpdate: now.Add(time.Hour), Certificate: by.cert,
		}, by.key)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	if _, err := check(answered(issuer), leaf, issuer.cert, now); err != nil {
		t.Errorf("the issuer's own answer: %v", err)
	}
	if _, err := check(answered(newAuthority(t)), leaf, issuer.cert, now); err == nil {
		t.Error("an answer of another authority is accepted")
	}
}

// TestNobodyIsAsked: certificates that name no responder, or whose issuer is
// not known, and a responder at an address that is not allowed.
func TestNobodyIsAsked(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	silent := func(extensions ...pkix.Extension) *x509.Certificate {
		return a.sign(&x509.Certificate{SerialNumber: big.NewInt(7), ExtraExtensions: extensions}, newKey(t))
	}
	foreign := a.sign(&x509.Certificate{SerialNumber: big.NewInt(7), OCSPServer: []string{"ldap://x"}}, newKey(t))
	for _, tt := range []struct {
		name, code, says string
		c                *ir.Certificate
	}{
		{"no responder", "", "", certificate("a", silent(), a.cert)},
		{"no responder, and demanded", CodeDemanded, "names no responder", certificate("a", silent(mustStaple), a.cert)},
		{"no issuer", CodeNoAnswer, "append the issuer", certificate("a", a.leaf())},
		{"other issuer", CodeNoAnswer, "append the issuer", certificate("a", a.leaf(), newAuthority(t).cert)},
		{"other scheme", CodeNoAnswer, "no http address", certificate("a", foreign, a.cert)},
		{"not allowed", CodeNoAnswer, "never", certificate("a", a.leaf(), a.cert)},
	} {
		given := &applied{last: map[string][]byte{}}
		s := New(Config{Apply: given.apply, Filter: func(netip.AddrPort) error { return errors.New("never") }})
		s.Update(config(true, tt.c))
		s.round(t.Context())
		problems := s.Problems()
		if tt.code == "" && len(problems) > 0 || tt.code != "" && (len(problems) != 1 || problems[0].Code != tt.code || !strings.Contains(problems[0].Message, tt.says)) {
			t.Errorf("%s: problems %v", tt.name, problems)
		}
	}
	if a.asked != 0 {
		t.Errorf("%d questions", a.asked)
	}
}

// TestRenewal: an answer is renewed half-way, kept while that fails, dropped
// when it expires or is no longer wanted.
func TestRenewal(t *testing.T) {
	t.Parallel()
	a, given, time0 := newAuthority(t), &applied{last: map[string][]byte{}}, &clock{t: time.Now()}
	s := New(Config{Apply: given.apply, now: time0.now})
	cert := certificate("a", a.leaf(), a.cert)
	s.Update(config(true, cert))
	s.round(t.Context())
	first := given.of("a")
	if first == nil {
		t.Fatalf("no answer: %v", s.Problems())
	}
	s.round(t.Context())
	if a.asked != 1 {
		t.Errorf("%d questions, want 1", a.asked)
	}
	time0.add(31 * time.Minute)
	a.answer(ocsp.Good, time0.now(), time0.now().Add(time.Hour), nil)
	s.round(t.Context())
	second := given.of("a")
	if bytes.Equal(first, second) || second == nil {
		t.Error("not renewed")
	}
	a.status = http.StatusInternalServerError
	time0.add(31 * time.Minute)
	s.round(t.Context())
	if !bytes.Equal(given.of("a"), second) || len(s.Problems()) > 0 {
		t.Errorf("an answer that counts was dropped: %v", s.Problems())
	}
	time0.add(30 * time.Minute)
	s.round(t.Context())
	if given.of("a") != nil || len(s.Problems()) != 1 {
		t.Errorf("an answer that does not count was kept: %v", s.Problems())
	}
	a.status = http.StatusOK
	a.answer(ocsp.Good, time0.now(), time0.now().Add(time.Hour), nil)
	time0.add(30 * time.Minute)
	s.round(t.Context())
	if given.of("a") == nil || len(s.Problems()) > 0 {
		t.Errorf("not asked again: %v", s.Problems())
	}
	s.Update(config(false, cert))
	if given.of("a") != nil {
		t.Error("an answer that is not wanted was kept")
	}
}

// TestRun: Update wakes a sleeping Run, and the end of the context ends it.
func TestRun(t *testing.T) {
	t.Parallel()
	a, given := newAuthority(t), &applied{last: map[string][]byte{}}
	asked := make(chan error, 1)
	s := New(Config{Apply: given.apply, asked: func(_ ir.CertificateID, err error) { asked <- err }})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	s.Update(config(true, certificate("a", a.leaf(), a.cert)))
	if err := <-asked; err != nil || given.of("a") == nil {
		t.Errorf("answer of %d octets, %v", len(given.of("a")), err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// FuzzCheck: no answer panics, and none is good that the issuer did not sign.
func FuzzCheck(f *testing.F) {
	f.Add([]byte("hello"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := check(b, &x509.Certificate{SerialNumber: big.NewInt(7)}, &x509.Certificate{}, time.Now()); err == nil {
			t.Error("accepted")
		}
	})
}
