package proxy

import (
	"crypto/x509"
	"math/big"
	"strings"
	"testing"
	"time"

	"daemun/internal/variable"
)

// TestVariablesOfACertificate pins OpenSSL's forms, which backends parse.
func TestVariablesOfACertificate(t *testing.T) {
	t.Parallel()
	cert := &x509.Certificate{
		Raw: []byte("abc"), SerialNumber: big.NewInt(0xa0b1c),
		NotBefore: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), NotAfter: time.Now().Add(49 * time.Hour),
	}
	got := ""
	for _, id := range []variable.ID{variable.SSLClientFingerprint, variable.SSLClientSerial, variable.SSLClientStart, variable.SSLClientRemain} {
		got += string(appendOfCertificate(nil, cert, id)) + "|"
	}
	if want := "a9993e364706816aba3e25717850c26c9cd0d89d|0A0B1C|Jan  2 03:04:05 2026 GMT|2|"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if end := string(appendOfCertificate(nil, cert, variable.SSLClientEnd)); !strings.HasSuffix(end, " GMT") {
		t.Error(end)
	}
}
