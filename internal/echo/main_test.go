package echo

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// running is an echo server under test.
type running struct {
	out  *logBuffer
	stop context.CancelFunc
	done chan error
}

// logBuffer is where a server's lines go.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// start runs a server on free loopback ports with the given variables and
// waits until it listens on the last of kinds.
func start(t *testing.T, now func() time.Time, kinds []string, variables ...string) *running {
	t.Helper()
	env := map[string]string{
		"POD_IP": "127.0.0.1", "HTTP_PORT": "0", "H2C_PORT": "0", "HTTPS_PORT": "0", "TCP_PORT": "0", "TLS_PORT": "0", "UDP_PORT": "0",
		"NAMESPACE": "ns", "INGRESS_NAME": "ing", "SERVICE_NAME": "svc", "POD_NAME": "pod-1",
	}
	for _, v := range variables {
		name, value, _ := strings.Cut(v, "=")
		env[name] = value
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{out: &logBuffer{}, stop: cancel, done: make(chan error, 1)}
	go func() { r.done <- run(ctx, func(name string) string { return env[name] }, r.out, now) }()
	t.Cleanup(func() {
		cancel()
		if err := <-r.done; err != nil {
			t.Errorf("Run: %v", err)
		}
		r.done <- nil
	})
	eventually(t, "listening", func() bool { return r.find(kinds[len(kinds)-1]) != "" })
	return r
}

// find returns the address of a kind of listener, from the log.
func (r *running) find(kind string) string {
	m := regexp.MustCompile(`(?m)listening on (\S+) \(` + kind + `\)$`).FindStringSubmatch(r.out.String())
	if m == nil {
		return ""
	}
	return m[1]
}

func startHTTP(t *testing.T, variables ...string) *running {
	t.Helper()
	return start(t, time.Now, []string{"http", "h2c"}, variables...)
}

func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	limit := time.NewTimer(20 * time.Second)
	defer limit.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-limit.C:
			t.Fatalf("timed out: %s", what)
		}
	}
}

// authority is a certificate authority with one server and one client
// certificate.
type authority struct {
	pool           *x509.CertPool
	server, client tls.Certificate
	folder         string // server.pem, server.key, ca.pem
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	a := authority{pool: x509.NewCertPool(), folder: t.TempDir()}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	caKey := newKey(t)
	caDER := sign(t, ca, ca, caKey, caKey)
	ca, err := x509.ParseCertificate(caDER)
	if err != nil {
		t.Fatal(err)
	}
	a.pool.AddCert(ca)
	leaf := func(serial int64, name string) tls.Certificate {
		key := newKey(t)
		template := &x509.Certificate{
			SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
			NotBefore: ca.NotBefore, NotAfter: ca.NotAfter,
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		}
		return tls.Certificate{Certificate: [][]byte{sign(t, template, ca, key, caKey)}, PrivateKey: key}
	}
	a.server, a.client = leaf(2, "echo.test"), leaf(3, "client.test")
	keyDER, err := x509.MarshalPKCS8PrivateKey(a.server.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	a.write(t, "server.pem", "CERTIFICATE", a.server.Certificate[0])
	a.write(t, "server.key", "PRIVATE KEY", keyDER)
	a.write(t, "ca.pem", "CERTIFICATE", caDER)
	return a
}

func (a authority) file(name string) string { return filepath.Join(a.folder, name) }

func (a authority) write(t *testing.T, name, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(a.file(name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sign(t *testing.T, template, parent *x509.Certificate, key, by *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, by)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// dial opens a TCP connection that fails the test instead of hanging.
func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}
