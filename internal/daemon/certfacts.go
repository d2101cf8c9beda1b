package daemon

import (
	"crypto/x509"
	"encoding/pem"
	"strings"
	"sync"

	"daemun/internal/ir"
	"daemun/internal/metrics"
)

// certificateFacts remembers what certificates say of themselves: with
// thousands of them, a scrape must not parse them all.
type certificateFacts struct {
	mu   sync.Mutex
	read map[string]metrics.Certificate // by fingerprint
}

// add completes entries of certificates by their fingerprint.
func (f *certificateFacts) add(list []metrics.Certificate, cfg *ir.Config) {
	f.mu.Lock()
	defer f.mu.Unlock()
	next := make(map[string]metrics.Certificate, len(f.read))
	if cfg != nil {
		for _, c := range cfg.Certificates {
			facts, ok := f.read[c.Fingerprint]
			if !ok {
				facts = factsOf(c.Chain)
			}
			next[c.Fingerprint] = facts
		}
	}
	f.read = next
	for i := range list {
		facts, c := next[list[i].Identifier], &list[i]
		c.IssuerOrganization, c.IssuerCommonName = facts.IssuerOrganization, facts.IssuerCommonName
		c.SerialNumber, c.PublicKeyAlgorithm = facts.SerialNumber, facts.PublicKeyAlgorithm
	}
}

// factsOf reads the first certificate of a chain; translation has seen that it
// can be read.
func factsOf(chain []byte) (facts metrics.Certificate) {
	block, _ := pem.Decode(chain)
	if block == nil {
		return facts
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return facts
	}
	return metrics.Certificate{
		IssuerOrganization: strings.Join(c.Issuer.Organization, ","), IssuerCommonName: c.Issuer.CommonName,
		SerialNumber: c.SerialNumber.String(), PublicKeyAlgorithm: c.PublicKeyAlgorithm.String(),
	}
}
