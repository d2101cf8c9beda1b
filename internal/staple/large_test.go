package staple

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"testing"
	"time"
)

// hugeChain is a certificate whose issuer has an RSA key of so many bits; the
// signature is of the same length, and means nothing.
func hugeChain(t *testing.T, bits int) []byte {
	t.Helper()
	octets := make([]byte, bits/8)
	if _, err := rand.Read(octets); err != nil {
		t.Fatal(err)
	}
	octets[0] |= 0x80
	octets[len(octets)-1] |= 1
	signer, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	parent := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "issuer"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	huge := &rsa.PublicKey{N: new(big.Int).SetBytes(octets), E: 1<<31 - 1}
	issuer, err := x509.CreateCertificate(rand.Reader, parent, parent, huge, signer)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(2), NotAfter: time.Now().Add(time.Hour)}, parent, signer.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	var parts struct {
		TBS, Algorithm asn1.RawValue
		Signature      asn1.BitString
	}
	if _, err := asn1.Unmarshal(leaf, &parts); err != nil {
		t.Fatal(err)
	}
	octets[0] = 1 // less than the modulus
	parts.Signature = asn1.BitString{Bytes: octets, BitLength: bits}
	if leaf, err = asn1.Marshal(parts); err != nil {
		t.Fatal(err)
	}
	return append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf}), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: issuer})...)
}

// TestHugeIssuers: whoever may write a Secret cannot have the configuration wait
// for the check of a signature. With the check this takes an hour.
func TestHugeIssuers(t *testing.T) {
	t.Parallel()
	if leaf, issuer := firstTwo(hugeChain(t, 2<<20)); leaf == nil || issuer != nil {
		t.Errorf("leaf %v, issuer %v", leaf != nil, issuer != nil)
	}
}
