package policy

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"testing"
	"time"
)

// TestHugeAuthoritiesAreLeftOut: a signature of theirs would take minutes to
// check; those of usual size stay.
func TestHugeAuthoritiesAreLeftOut(t *testing.T) {
	t.Parallel()
	signer, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	text := []byte("-----BEGIN CERTIFICATE-----\nbm90aGluZw==\n-----END CERTIFICATE-----\n")
	for _, bits := range []int{4096, largestKey, largestKey + 8, 1 << 20} {
		octets := bytes.Repeat([]byte{0xff}, bits/8)
		parent := &x509.Certificate{
			SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: big.NewInt(int64(bits)).String()},
			NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		}
		der, err := x509.CreateCertificate(rand.Reader, parent, parent, &rsa.PublicKey{N: new(big.Int).SetBytes(octets), E: 65537}, signer)
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	want := x509.NewCertPool()
	want.AppendCertsFromPEM(text)
	if got := authorities(text); got.Equal(want) || len(got.Subjects()) != 2 {
		t.Errorf("%d authorities", len(got.Subjects()))
	}
}
