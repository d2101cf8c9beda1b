package conformance

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// authority is a root with one intermediate, which issues certificates and
// answers for them: openssl ocsp makes the answers.
type authority struct {
	dir       string
	root      string // file
	issuer    *x509.Certificate
	key       crypto.Signer
	responder *httptest.Server
	index     bytes.Buffer // as openssl ca keeps it
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{dir: t.TempDir()}
	rootKey, key := ecdsaKey(t), ecdsaKey(t)
	root := issue(t, &x509.Certificate{Subject: pkix.Name{CommonName: "Root"}, KeyUsage: x509.KeyUsageCertSign, IsCA: true}, nil, rootKey.Public(), rootKey)
	a.key = key
	a.issuer = issue(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "Intermediate"}, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature, IsCA: true,
	}, root, key.Public(), rootKey)
	a.root = a.write(t, "root.pem", certificatePEM(root))
	a.write(t, "issuer.pem", certificatePEM(a.issuer))
	a.write(t, "issuer.key", keyPEM(t, key))
	a.responder = httptest.NewServer(http.HandlerFunc(a.answer))
	t.Cleanup(a.responder.Close)
	return a
}

func (a *authority) write(t *testing.T, name string, content []byte) (path string) {
	t.Helper()
	path = filepath.Join(a.dir, name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// must is the extension of RFC 7633 that demands a stapled answer.
var must = pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 24}, Value: []byte{0x30, 0x03, 0x02, 0x01, 0x05}}

// leaf issues a certificate that names the responder and returns it with its
// issuer, and its key.
func (a *authority) leaf(t *testing.T, host string, key crypto.Signer, extra ...pkix.Extension) (chain, private []byte) {
	t.Helper()
	leaf := issue(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: host}, DNSNames: []string{host}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, OCSPServer: []string{a.responder.URL}, ExtraExtensions: extra,
	}, a.issuer, key.Public(), a.key)
	// Names have to differ; the number is one.
	fmt.Fprintf(&a.index, "V\t%s\t\t%X\tunknown\t/CN=%[2]X\n", leaf.NotAfter.UTC().Format("060102150405Z"), leaf.SerialNumber)
	a.write(t, "index.txt", a.index.Bytes())
	return append(certificatePEM(leaf), certificatePEM(a.issuer)...), keyPEM(t, key)
}

// answer lets openssl answer a question. It serves it rather than listening
// itself, which it does on all addresses.
func (a *authority) answer(w http.ResponseWriter, r *http.Request) {
	dir, err := os.MkdirTemp(a.dir, "ocsp")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	question, reply := filepath.Join(dir, "question"), filepath.Join(dir, "answer")
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = os.WriteFile(question, body, 0o600)
	}
	if err == nil {
		issuer := filepath.Join(a.dir, "issuer.pem")
		var out []byte
		out, err = exec.CommandContext(r.Context(), "openssl", "ocsp", "-index", filepath.Join(a.dir, "index.txt"), "-CA", issuer, "-rsigner", issuer,
			"-rkey", filepath.Join(a.dir, "issuer.key"), "-ndays", "1", "-reqin", question, "-respout", reply).CombinedOutput()
		if err != nil {
			fmt.Fprintf(os.Stderr, "openssl ocsp: %v\n%s", err, out)
		}
	}
	if err == nil {
		body, err = os.ReadFile(reply)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/ocsp-response")
	_, _ = w.Write(body)
}

// issue signs a certificate that counts from an hour ago for 90 days; without a
// parent it is its own.
func issue(t *testing.T, c, parent *x509.Certificate, public crypto.PublicKey, signer crypto.Signer) *x509.Certificate {
	t.Helper()
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		t.Fatal(err)
	}
	// The highest octet is not zero: openssl's index wants whole octets.
	c.SerialNumber = serial.SetBit(serial, 126, 1)
	c.NotBefore, c.BasicConstraintsValid = time.Now().Add(-time.Hour), true
	c.NotAfter = c.NotBefore.Add(90 * 24 * time.Hour)
	if parent == nil {
		parent = c
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, public, signer)
	if err != nil {
		t.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func ecdsaKey(t *testing.T) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func rsaKey(t *testing.T) crypto.Signer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func certificatePEM(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

func keyPEM(t *testing.T, key crypto.Signer) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}
