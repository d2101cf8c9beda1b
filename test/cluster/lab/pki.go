package lab

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// authority is a certificate authority with its files: NAME.crt and NAME.key.
type authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// leaf says what certificate is wanted: name is that of its files.
type leaf struct {
	name, commonName string
	organizations    []string
	hosts            []string // DNS names and addresses; then it may serve
}

func newAuthority(dir, name string) (*authority, error) {
	key, err := newKey(dir, name)
	if err != nil {
		return nil, err
	}
	template := certificate(leaf{commonName: name})
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage |= x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &authority{dir, cert, key}, writePEM(filepath.Join(dir, name+".crt"), "CERTIFICATE", der)
}

// readAuthority reads what newAuthority has written.
func readAuthority(dir, name string) (*authority, error) {
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key"))
	if err != nil {
		return nil, err
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("key of authority %s is a %T", name, pair.PrivateKey)
	}
	return &authority{dir, pair.Leaf, key}, nil
}

// issue writes a certificate and its key.
func (a *authority) issue(l leaf) error {
	key, err := newKey(a.dir, l.name)
	if err != nil {
		return err
	}
	der, err := x509.CreateCertificate(rand.Reader, certificate(l), a.cert, key.Public(), a.key)
	if err != nil {
		return fmt.Errorf("certificate %s: %w", l.name, err)
	}
	return writePEM(filepath.Join(a.dir, l.name+".crt"), "CERTIFICATE", der)
}

func certificate(l leaf) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		panic(err) // the kernel has no randomness
	}
	c := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: l.commonName, Organization: l.organizations},
		NotBefore:    time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	for _, h := range l.hosts {
		if ip := net.ParseIP(h); ip != nil {
			c.IPAddresses = append(c.IPAddresses, ip)
			continue
		}
		c.DNSNames = append(c.DNSNames, h)
	}
	return c
}

func newKey(dir, name string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, writePEM(filepath.Join(dir, name+".key"), "EC PRIVATE KEY", der)
}

func writePEM(path, kind string, der []byte) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}

// Certificate makes a certificate signed by itself and its key, as the values of
// a Secret: PEM in base64.
func Certificate(t testing.TB, commonName string, hosts ...string) (certificate, key string) {
	t.Helper()
	dir := t.TempDir()
	a, err := newAuthority(dir, "authority")
	if err == nil {
		err = a.issue(leaf{name: "leaf", commonName: commonName, hosts: hosts})
	}
	if err != nil {
		t.Fatal(err)
	}
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return base64.StdEncoding.EncodeToString(text)
	}
	return read("leaf.crt"), read("leaf.key")
}
