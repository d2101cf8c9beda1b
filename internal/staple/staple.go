// Package staple turns certificates into OCSP answers about them, to be sent
// along with handshakes.
//
//	s := staple.New(staple.Config{Apply: certificates.Staple, Filter: mayDial})
//	go func() { errs <- s.Run(ctx) }()
//	s.Update(cfg) // with each configuration
//
// Answers are asked of the responder that a certificate names, checked, kept
// until they expire and renewed half-way. No handshake ever waits for one: until
// there is an answer there is no staple.
//
// It knows nothing of handshakes, nor of Secrets. Run owns its goroutines.
package staple

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"daemun/internal/ir"
)

// The problem codes of OCSP answers.
const (
	// CodeDemanded: a certificate demands an answer that cannot be had.
	CodeDemanded = "DMN0326"
	// CodeNoAnswer: a responder does not give a usable answer.
	CodeNoAnswer = "DMN0327"
	// CodeRevoked: the certificate has been revoked.
	CodeRevoked = "DMN0328"
)

const (
	// atOnce is how many responders are asked at once.
	atOnce = 4
	// firstRetry and lastRetry are the waits after a failure, doubled each
	// time. They also bound how often a responder is asked anew.
	firstRetry = time.Minute
	lastRetry  = time.Hour
	// usualTime is how long an answer counts that names no end.
	usualTime = time.Hour
)

// Config says where answers come from and go to.
type Config struct {
	// Apply takes over the answer about the certificate of a fingerprint; nil
	// takes it away.
	Apply func(fingerprint string, answer []byte)
	// Filter may refuse the address of a responder; nil allows all.
	Filter func(netip.AddrPort) error
	// Logger takes failures; nil discards them.
	Logger *slog.Logger

	now func() time.Time
	// asked hears of each answer that was settled, for tests.
	asked func(id ir.CertificateID, err error)
}

// Stapler keeps the answers about the certificates of a configuration. Its
// methods may be called at any time.
type Stapler struct {
	config Config
	asker  *asker
	wake   chan struct{}

	// mu guards the following.
	mu      sync.Mutex
	last    []*ir.Certificate
	entries map[string]*entry // by fingerprint
}

// entry is what is known about one certificate.
type entry struct {
	id           ir.CertificateID
	fingerprint  string
	leaf, issuer *x509.Certificate
	// demanded: clients refuse the certificate without an answer.
	demanded bool

	due     time.Time // of the next question; zero is none
	wait    time.Duration
	expires time.Time // of the answer; zero without one
	problem *ir.Problem
}

// New returns a stapler without certificates.
func New(c Config) *Stapler {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.now == nil {
		c.now = time.Now
	}
	if c.asked == nil {
		c.asked = func(ir.CertificateID, error) {}
	}
	return &Stapler{config: c, asker: newAsker(c.Filter), wake: make(chan struct{}, 1), entries: map[string]*entry{}}
}

// Update takes over the certificates of cfg, or none where it wants no answers.
// A certificate that stays keeps its answer.
func (s *Stapler) Update(cfg *ir.Config) {
	var wanted []*ir.Certificate
	if cfg.Settings.Staple {
		wanted = cfg.Certificates
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.Equal(wanted, s.last) {
		return
	}
	s.last = wanted
	next := make(map[string]*entry, len(wanted))
	for _, c := range wanted {
		e := s.entries[c.Fingerprint]
		if e == nil {
			e = s.entryOf(c)
		}
		next[c.Fingerprint] = e
	}
	for fingerprint, e := range s.entries {
		if next[fingerprint] == nil && !e.expires.IsZero() {
			s.config.Apply(fingerprint, nil)
		}
	}
	s.entries = next
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// entryOf reads a certificate. One without a responder, as is usual by now, is
// never asked about; that matters only where it demands an answer.
func (s *Stapler) entryOf(c *ir.Certificate) *entry {
	e := &entry{id: c.ID, fingerprint: c.Fingerprint, wait: firstRetry}
	e.leaf, e.issuer = firstTwo(c.Chain)
	if e.leaf == nil {
		return e
	}
	e.demanded = demandsAnswer(e.leaf)
	switch {
	case len(e.leaf.OCSPServer) == 0:
		if e.demanded {
			e.fail(errors.New("it names no responder"))
		}
	case e.issuer == nil:
		e.fail(errors.New("its issuer does not follow it in tls.crt; append the issuer's certificate"))
	default:
		e.due = s.config.now()
	}
	return e
}

// firstTwo are the first certificates of a chain, if the second has signed the
// first.
func firstTwo(chain []byte) (leaf, issuer *x509.Certificate) {
	for block, rest := pem.Decode(chain); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		switch {
		case err != nil:
			return leaf, nil
		case leaf == nil:
			leaf = c
		case tooLarge(c):
			return leaf, nil
		case leaf.CheckSignatureFrom(c) != nil:
			return leaf, nil
		default:
			return leaf, c
		}
	}
	return leaf, nil
}

// largestKey is the RSA key that crypto/tls takes at most, in bits. Checking a
// signature takes time by the square of it: one of as many octets as fit into a
// Secret would take an hour.
const largestKey = 8192

func tooLarge(issuer *x509.Certificate) bool {
	key, ok := issuer.PublicKey.(*rsa.PublicKey)
	return ok && key.N.BitLen() > largestKey
}

func secretOf(id ir.CertificateID) ir.Ref {
	namespace, name, _ := strings.Cut(string(id), "/")
	return ir.Ref{Kind: "Secret", Namespace: namespace, Name: name}
}

// fail notes why there is no answer.
func (e *entry) fail(err error) {
	p := ir.Problem{Code: CodeNoAnswer, Severity: ir.SeverityNotice, Object: secretOf(e.id), Field: "data[tls.crt]"}
	switch {
	case errors.Is(err, errRevoked):
		p.Code, p.Severity = CodeRevoked, ir.SeverityError
		p.Message = "the certificate has been revoked by its issuer; replace it"
	case e.demanded:
		p.Code, p.Severity = CodeDemanded, ir.SeverityError
		p.Message = "the certificate demands an OCSP answer, and clients may refuse it, as there is none: " + err.Error()
	default:
		p.Message = "no OCSP answer is sent along with the certificate: " + err.Error()
	}
	e.problem = &p
}

// Problems returns what is wrong with the answers, sorted.
func (s *Stapler) Problems() (list []ir.Problem) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.entries {
		if e.problem != nil {
			list = append(list, *e.problem)
		}
	}
	slices.SortFunc(list, ir.Problem.Compare)
	return list
}

// Run asks for answers until ctx ends.
func (s *Stapler) Run(ctx context.Context) error {
	defer s.asker.close()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.wake:
		case <-timer.C:
		}
		s.round(ctx)
		timer.Reset(s.pause())
	}
}

// longestPause bounds the sleep, so that a clock that was set is noticed.
const longestPause = 10 * time.Minute

// pause is how long nothing has to be done.
func (s *Stapler) pause() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	wait, now := longestPause, s.config.now()
	for _, e := range s.entries {
		for _, at := range []time.Time{e.due, e.expires} {
			if !at.IsZero() {
				wait = min(wait, max(at.Sub(now), time.Second))
			}
		}
	}
	return wait
}

// round drops what has expired and asks all that is due.
func (s *Stapler) round(ctx context.Context) {
	var due []*entry
	now := s.config.now()
	s.mu.Lock()
	for _, e := range s.entries {
		if !e.expires.IsZero() && !e.expires.After(now) {
			e.expires = time.Time{}
			s.config.Apply(e.fingerprint, nil)
		}
		if !e.due.IsZero() && !e.due.After(now) {
			due = append(due, e)
		}
	}
	s.mu.Unlock()
	var all sync.WaitGroup
	room := make(chan struct{}, atOnce)
	for _, e := range due {
		room <- struct{}{} // at most as long as a question may take
		all.Go(func() {
			defer func() { <-room }()
			a, err := s.asker.ask(ctx, e.leaf, e.issuer, s.config.now())
			if ctx.Err() == nil {
				s.settle(e, a, err)
				s.config.asked(e.id, err)
			}
		})
	}
	all.Wait()
}

// settle notes the outcome of a question. The last answer stays until it
// expires, unless the certificate has been revoked.
func (s *Stapler) settle(e *entry, a answer, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.entries[e.fingerprint] != e {
		return // no longer wanted
	}
	now := s.config.now()
	if err != nil {
		s.config.Logger.Warn("no OCSP answer", "certificate", string(e.id), "err", err)
		e.due, e.wait = now.Add(e.wait), min(2*e.wait, lastRetry)
		revoked := errors.Is(err, errRevoked)
		if revoked && !e.expires.IsZero() {
			e.expires = time.Time{}
			s.config.Apply(e.fingerprint, nil)
		}
		if revoked || e.expires.IsZero() {
			e.fail(err)
		}
		return
	}
	e.problem, e.wait, e.expires = nil, firstRetry, a.until
	e.due = now.Add(max(a.until.Sub(now)/2, firstRetry))
	s.config.Apply(e.fingerprint, a.octets)
}
