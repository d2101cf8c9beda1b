package staple

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"syscall"
	"time"

	"golang.org/x/crypto/ocsp"
)

const (
	// askTimeout bounds a question, maxAnswer the octets of an answer.
	askTimeout = 10 * time.Second
	maxAnswer  = 64 << 10
	// skew is how far the clocks of responders may be ahead.
	skew = 5 * time.Minute
)

// errRevoked is an answer, if not a good one.
var errRevoked = errors.New("the certificate has been revoked")

// answer is one that has been checked.
type answer struct {
	octets []byte
	until  time.Time
}

// asker speaks to responders.
type asker struct {
	client    *http.Client
	transport *http.Transport
}

// newAsker makes one that goes without the proxies of the environment, follows
// nobody, and lets the filter see each address after resolution: certificates,
// and with them the names of responders, come from whoever may write Secrets.
func newAsker(filter func(netip.AddrPort) error) *asker {
	d := net.Dialer{Control: func(_, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil || filter == nil {
			return err
		}
		return filter(to)
	}}
	t := &http.Transport{DialContext: d.DialContext, DisableKeepAlives: true, MaxResponseHeaderBytes: 16 << 10}
	return &asker{transport: t, client: &http.Client{Transport: t, Timeout: askTimeout, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}}
}

func (a *asker) close() { a.transport.CloseIdleConnections() }

// ask asks the first responder that a certificate names.
func (a *asker) ask(ctx context.Context, leaf, issuer *x509.Certificate, now time.Time) (answer, error) {
	responder := leaf.OCSPServer[0]
	u, err := url.Parse(responder)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return answer{}, fmt.Errorf("its responder %.200q is no http address", responder)
	}
	question, err := ocsp.CreateRequest(leaf, issuer, &ocsp.RequestOptions{Hash: crypto.SHA1}) // what all responders know
	if err != nil {
		return answer{}, err
	}
	octets, err := a.post(ctx, u.String(), question)
	if err != nil {
		return answer{}, fmt.Errorf("ask %.200s: %w", responder, err)
	}
	until, err := check(octets, leaf, issuer, now)
	if errors.Is(err, errRevoked) {
		return answer{}, err
	}
	if err != nil {
		return answer{}, fmt.Errorf("the answer of %.200s cannot be used: %w", responder, err)
	}
	return answer{octets, until}, nil
}

func (a *asker) post(ctx context.Context, to string, question []byte) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(question))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/ocsp-request")
	r.Header.Set("Accept", "application/ocsp-response")
	resp, err := a.client.Do(r)
	if err != nil {
		var wrapped *url.Error // names the address, as the caller does
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", resp.StatusCode)
	}
	octets, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err == nil && len(octets) > maxAnswer {
		err = fmt.Errorf("more than %d octets", maxAnswer)
	}
	return octets, err
}

// check reads an answer about leaf and returns until when it counts.
func check(octets []byte, leaf, issuer *x509.Certificate, now time.Time) (until time.Time, err error) {
	// Without the issuer only the signature of an embedded certificate is
	// checked: with it an intermediate that embeds its own would be refused, as
	// it is not the one who signed that.
	r, err := ocsp.ParseResponseForCert(octets, leaf, nil)
	if err == nil {
		err = checkSigner(r, issuer, now)
	}
	switch {
	case err != nil:
		return until, err
	case r.Status == ocsp.Revoked:
		return until, errRevoked
	case r.Status != ocsp.Good:
		return until, errors.New("the responder does not know the certificate")
	case r.ThisUpdate.After(now.Add(skew)):
		return until, errors.New("it is of the future; compare the clocks")
	}
	until = r.NextUpdate
	if until.IsZero() {
		until = now.Add(usualTime)
	}
	if !until.After(now) {
		return until, fmt.Errorf("it expired at %s", until.UTC().Format(time.RFC3339))
	}
	return until, nil
}

// checkSigner applies RFC 6960 §4.2.2.2: an answer is signed by the issuer
// itself, or by one whom it has given that right. If a certificate is embedded,
// it is known to be the signer's.
func checkSigner(r *ocsp.Response, issuer *x509.Certificate, now time.Time) error {
	signer := r.Certificate
	switch {
	case signer == nil:
		return r.CheckSignatureFrom(issuer)
	case signer.Equal(issuer):
		return nil
	}
	if err := issuer.CheckSignature(signer.SignatureAlgorithm, signer.RawTBSCertificate, signer.Signature); err != nil {
		return fmt.Errorf("who signed it has no certificate of the issuer: %w", err)
	}
	if !slices.Contains(signer.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning) || now.Before(signer.NotBefore) || now.After(signer.NotAfter) {
		return errors.New("who signed it may not answer for the issuer")
	}
	return nil
}

// featureTLS is the extension of RFC 7633; its value 5 demands an answer.
var featureTLS = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 24}

// demandsAnswer says whether a certificate is "must-staple".
func demandsAnswer(leaf *x509.Certificate) bool {
	for _, x := range leaf.Extensions {
		if !x.Id.Equal(featureTLS) {
			continue
		}
		var features []int
		if _, err := asn1.Unmarshal(x.Value, &features); err == nil && slices.Contains(features, 5) {
			return true
		}
	}
	return false
}
