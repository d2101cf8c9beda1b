package admission

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"daemun/internal/ir"
)

// reloadAfter is how often the files are looked at.
const reloadAfter = 10 * time.Second

// CodeCertificate is the code of a problem with the webhook's certificate.
const CodeCertificate = "DMN0244"

// Files is a certificate in files that may be replaced at any time: those of a
// mounted Secret are. It is safe for concurrent use.
type Files struct {
	certificate, key string
	logger           *slog.Logger

	pair    atomic.Pointer[tls.Certificate]
	failure atomic.Pointer[string] // why the files cannot be used, or nil
	// changed is when the files that were read last had changed; it belongs to
	// the goroutine of Run.
	changed [2]time.Time
}

// NewFiles reads a certificate and its key. logger hears of files that cannot
// be used later.
func NewFiles(certificate, key string, logger *slog.Logger) (*Files, error) {
	f := &Files{certificate: certificate, key: key, logger: logger}
	if err := f.load(); err != nil {
		return nil, err
	}
	return f, nil
}

// Get implements tls.Config.GetCertificate.
func (f *Files) Get(*tls.ClientHelloInfo) (*tls.Certificate, error) { return f.pair.Load(), nil }

// Run looks at the files until ctx ends. Files that cannot be read, or do not
// fit together, as may be so while they are being replaced, leave the last good
// pair in service.
func (f *Files) Run(ctx context.Context) error {
	tick := time.NewTicker(reloadAfter)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			f.look()
		}
	}
}

// look says each failure once: it comes again with every look, and the last
// good pair will expire some day.
func (f *Files) look() {
	err := f.load()
	if err == nil {
		f.failure.Store(nil)
		return
	}
	text := err.Error()
	if last := f.failure.Swap(&text); last == nil || *last != text {
		f.logger.Error("the webhook's new certificate cannot be used; the last good one stays in service", "err", err)
	}
}

// Problems says that the files cannot be used, or that the certificate has
// expired.
func (f *Files) Problems() []ir.Problem {
	p := ir.Problem{Code: CodeCertificate, Severity: ir.SeverityError}
	failure, leaf := f.failure.Load(), f.pair.Load().Leaf
	switch {
	case failure != nil:
		p.Message = "the webhook's certificate cannot be used, the last good one stays in service: " + *failure
	case time.Now().After(leaf.NotAfter):
		p.Message = fmt.Sprintf("the webhook's certificate in %s has expired (%s): put a new one there", f.certificate, leaf.NotAfter.UTC().Format(time.DateTime))
	default:
		return nil
	}
	return []ir.Problem{p}
}

func (f *Files) load() error {
	var changed [2]time.Time
	for i, name := range []string{f.certificate, f.key} {
		info, err := os.Stat(name)
		if err != nil {
			return err
		}
		changed[i] = info.ModTime()
	}
	if f.pair.Load() != nil && changed == f.changed {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(f.certificate, f.key)
	if err != nil {
		return fmt.Errorf("certificate %s, key %s: %w", f.certificate, f.key, err)
	}
	f.pair.Store(&pair)
	f.changed = changed
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
