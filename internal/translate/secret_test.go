package translate

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"

	"daemun/internal/store"

	corev1 "k8s.io/api/core/v1"
)

// FuzzSecret: any octets as certificate and key are a certificate or a problem
// that says what would be right, never both.
func FuzzSecret(f *testing.F) {
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"), []byte("-----BEGIN PRIVATE KEY-----\nMA==\n-----END PRIVATE KEY-----\n"))
	f.Add([]byte(""), []byte("x"))
	chain, key := goodPair(f)
	f.Add(chain, key)
	f.Fuzz(func(t *testing.T, chain, key []byte) {
		c, code, problem := parseSecret(store.Name{Namespace: "a", Name: "b"}, &corev1.Secret{Data: map[string][]byte{corev1.TLSCertKey: chain, corev1.TLSPrivateKeyKey: key}})
		if (c == nil) != (code != "") || (code != "") != (problem != "") {
			t.Errorf("%v, %q, %q", c, code, problem)
		}
		if strings.ContainsAny(problem, "\r\n") {
			t.Errorf("the problem has several lines: %q", problem)
		}
	})
}

// goodPair is a self-signed certificate with its key.
func goodPair(f *testing.F) (chain, key []byte) {
	f.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"a.test"}}
	made, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		f.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		f.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: made}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})
}
