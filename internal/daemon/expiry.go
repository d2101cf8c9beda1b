package daemon

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"daemun/internal/ir"
)

// codeExpired: a certificate has expired; it is served all the same (H7.7).
const codeExpired = "DMN0806"

// lookEvery is the time between two looks at the same certificates.
const lookEvery = time.Minute

// expiry knows the certificates that have expired. Translation cannot: it knows
// no clock.
type expiry struct {
	config func() *ir.Config
	now    func() time.Time

	mu     sync.Mutex // guards the following
	looked time.Time
	at     *ir.Config
	found  []ir.Problem
}

// problems is a problemSource.
func (e *expiry) problems() []ir.Problem {
	cfg, now := e.config(), e.now()
	e.mu.Lock()
	defer e.mu.Unlock()
	if age := now.Sub(e.looked); cfg == e.at && age >= 0 && age < lookEvery {
		return e.found
	}
	e.at, e.looked, e.found = cfg, now, nil
	if cfg == nil {
		return nil
	}
	for _, c := range cfg.Certificates {
		if now.Before(c.NotAfter) {
			continue
		}
		namespace, name, _ := strings.Cut(string(c.ID), "/")
		e.found = append(e.found, ir.Problem{
			Code: codeExpired, Severity: ir.SeverityWarning, Object: ir.Ref{Kind: "Secret", Namespace: namespace, Name: name}, Field: "data[tls.crt]",
			Message: fmt.Sprintf("the certificate has expired on %s; it is served all the same, and clients will warn of it: put a new one there", c.NotAfter.UTC().Format(time.DateOnly)),
		})
	}
	return e.found
}
