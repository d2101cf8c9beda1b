package policy

import (
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"slices"
	"time"

	"daemun/internal/expression"
	"daemun/internal/ir"
	"daemun/internal/variable"
)

// ClientAuth judges the certificates of clients.
type ClientAuth struct {
	// IR is the source.
	IR *ir.ClientAuth
	// ErrorPage is nil when a bad certificate is answered with 400.
	ErrorPage *variable.Text

	cas     *x509.CertPool
	revoked []*x509.RevocationList
	// match is nil with anySubject, and when it does not compile: then nobody
	// is let in.
	match      expression.Matcher
	anySubject bool
	state      *State
}

// NewClientAuth returns nil for nil.
func NewClientAuth(c *ir.ClientAuth, s *State) *ClientAuth {
	if c == nil {
		return nil
	}
	made := &ClientAuth{IR: c, cas: authorities(c.CAs), state: s}
	for rest := c.CRLs; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if list, err := x509.ParseRevocationList(block.Bytes); err == nil {
			made.revoked = append(made.revoked, list)
		}
	}
	if c.ErrorPage != "" {
		made.ErrorPage = textOf(c.ErrorPage)
	}
	if made.anySubject = c.MatchCN == ""; !made.anySubject {
		made.match, _ = expression.Compile(c.MatchCN, expression.Exact, s.config.Beyond)
	}
	return made
}

// largestKey is the RSA key that crypto/tls takes at most of a peer, in bits:
// checking a signature takes time by the square of it, and whoever may write a
// Secret could have a handshake take minutes.
const largestKey = 8192

// authorities reads certificates; those that cannot be used vouch for nobody.
func authorities(text []byte) *x509.CertPool {
	pool := x509.NewCertPool()
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" || len(block.Headers) > 0 {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			continue
		}
		if key, ok := cert.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() > largestKey {
			continue
		}
		pool.AddCert(cert)
	}
	return pool
}

// ClientVerdict is what became of the certificate of a client. It is immutable.
type ClientVerdict struct {
	// Good says that the request may go on.
	Good bool
	// Sent says that there was a certificate.
	Sent bool
	// Verify is "SUCCESS", "NONE" or "FAILED:" and a reason.
	Verify string
	// Subject and Issuer are in the form of RFC 2253.
	Subject, Issuer string
	subject         []byte // Subject, to be matched
	// PEM is the certificate.
	PEM []byte
}

// Matches reports whether the subject is one that the host wants.
func (c *ClientAuth) Matches(v *ClientVerdict) bool {
	if c.anySubject || c.match == nil {
		return c.anySubject
	}
	matched, err := c.match.Match(v.subject, nil)
	return matched && err == nil
}

// AnySubject reports whether the host takes every subject.
func (c *ClientAuth) AnySubject() bool { return c.anySubject }

// Judge returns the verdict about a chain, the client's own certificate first.
// It does not check a chain again that was checked lately.
func (c *ClientAuth) Judge(chain []*x509.Certificate, now time.Time) *ClientVerdict {
	if len(chain) == 0 {
		return &ClientVerdict{Good: c.IR.Mode != ir.ClientRequired, Verify: "NONE"}
	}
	sum := sha256.New()
	sum.Write([]byte(c.IR.Fingerprint))
	sum.Write([]byte{byte(c.IR.Depth), byte(len(c.IR.Mode))})
	for _, cert := range chain {
		sum.Write(cert.Raw)
	}
	var key [sha256.Size]byte
	sum.Sum(key[:0])
	if known := c.state.clients.get(key, now); known != nil {
		return known
	}
	v := c.judge(chain, now)
	c.state.clients.put(key, v, now.Add(judgedFor))
	return v
}

func (c *ClientAuth) judge(chain []*x509.Certificate, now time.Time) *ClientVerdict {
	leaf := chain[0]
	v := &ClientVerdict{
		subject: []byte(leaf.Subject.String()),
		Sent:    true, Good: true, Verify: "SUCCESS", Subject: leaf.Subject.String(), Issuer: leaf.Issuer.String(),
		PEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Raw}),
	}
	if err := c.check(chain, now); err != nil {
		v.Verify = "FAILED:" + reasonOf(err)
		var unknown x509.UnknownAuthorityError
		v.Good = c.IR.Mode == ir.ClientAnyCA && (errors.As(err, &unknown) || err == errDepth)
	}
	return v
}

var (
	errDepth   = errors.New("certificate chain too long")
	errRevoked = errors.New("certificate revoked")
)

func (c *ClientAuth) check(chain []*x509.Certificate, now time.Time) error {
	between := x509.NewCertPool()
	for _, cert := range chain[1:] {
		between.AddCert(cert)
	}
	found, err := chain[0].Verify(x509.VerifyOptions{
		Roots: c.cas, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return err
	}
	for _, path := range found {
		if len(path)-2 <= c.IR.Depth {
			return c.checkRevoked(path)
		}
	}
	return errDepth
}

// checkRevoked looks every certificate of a path up in the lists of its issuer.
func (c *ClientAuth) checkRevoked(path []*x509.Certificate) error {
	for i, cert := range path[:len(path)-1] {
		for _, list := range c.revoked {
			if !slices.Equal(list.RawIssuer, cert.RawIssuer) || list.CheckSignatureFrom(path[i+1]) != nil {
				continue
			}
			for _, entry := range list.RevokedCertificateEntries {
				if entry.SerialNumber.Cmp(cert.SerialNumber) == 0 {
					return errRevoked
				}
			}
		}
	}
	return nil
}

// reasonOf is a reason on one line and without the certificate's own words.
func reasonOf(err error) string {
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &unknown):
		return "unable to get local issuer certificate"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "certificate has expired or is not yet valid"
	case err == errDepth, err == errRevoked:
		return err.Error()
	}
	return "certificate is not acceptable"
}

// judgedFor is how long a verdict is kept, maxJudged about how many are.
const (
	judgedFor = time.Minute
	maxJudged = 8192
)
