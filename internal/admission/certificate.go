package admission

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
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
	logger           *slog.Logger

	mu      sync.Mutex
	pair    *tls.Certificate
	read    time.Time // when the files were last looked at
	changed [2]time.Time
	failure string // what was last said about files that cannot be used
}

// NewFiles reads a certificate and its key. logger hears of files that cannot
// be used later.
func NewFiles(certificate, key string, logger *slog.Logger) (*Files, error) {
	f := &Files{certificate: certificate, key: key, logger: logger}
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
		f.tell(f.load(now))
	}
	return f.pair, nil
}

// tell says each failure once: it comes again every reloadAfter, and the last
// good pair will expire some day.
func (f *Files) tell(err error) {
	now := ""
	if err != nil {
		now = err.Error()
	}
	if now != "" && now != f.failure {
		f.logger.Error("the webhook's new certificate cannot be used; the last good one stays in service", "err", err)
	}
	f.failure = now
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
