package admission

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// reloadAfter is how often the files are looked at.
const reloadAfter = 10 * time.Second

// Files is a certificate in files that may be replaced at any time: those of a
// mounted Secret are. It is safe for concurrent use.
type Files struct {
	certificate, key string

	mu      sync.Mutex
	pair    *tls.Certificate
	read    time.Time // when the files were last looked at
	changed [2]time.Time
}

// NewFiles reads a certificate and its key.
func NewFiles(certificate, key string) (*Files, error) {
	f := &Files{certificate: certificate, key: key}
	if err := f.load(time.Now()); err != nil {
		return nil, err
	}
	return f, nil
}

// Get implements tls.Config.GetCertificate. Files that cannot be read, or do
// not fit together, as may be so while they are being replaced, leave the last
// good pair in service.
func (f *Files) Get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := time.Now(); now.Sub(f.read) > reloadAfter {
		_ = f.load(now)
	}
	return f.pair, nil
}

func (f *Files) load(now time.Time) error {
	f.read = now
	var changed [2]time.Time
	for i, name := range []string{f.certificate, f.key} {
		info, err := os.Stat(name)
		if err != nil {
			return err
		}
		changed[i] = info.ModTime()
	}
	if f.pair != nil && changed == f.changed {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(f.certificate, f.key)
	if err != nil {
		return fmt.Errorf("certificate %s, key %s: %w", f.certificate, f.key, err)
	}
	f.pair, f.changed = &pair, changed
	return nil
}

// TLSConfig is that of the webhook's listener. With the file of an authority
// the API server must show a certificate that it has signed.
func TLSConfig(get func(*tls.ClientHelloInfo) (*tls.Certificate, error), authority string) (*tls.Config, error) {
	c := &tls.Config{GetCertificate: get, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	if authority == "" {
		return c, nil
	}
	pem, err := os.ReadFile(authority)
	if err != nil {
		return nil, err
	}
	c.ClientCAs = x509.NewCertPool()
	if !c.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, errors.New(authority + " holds no certificate")
	}
	c.ClientAuth = tls.RequireAndVerifyClientCert
	return c, nil
}
