package admission

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"slices"
	"time"
)

// Lives of what Daemun makes for itself. An authority is followed by another
// one while certificates that it has signed are still good, and is trusted for a
// while before it signs anything: the API server must never meet a certificate
// of an authority that it has not been told of.
const (
	authorityLife   = 10 * 365 * 24 * time.Hour
	authorityRenew  = 2 * 365 * 24 * time.Hour
	certificateLife = 365 * 24 * time.Hour
	certificateRest = certificateLife / 3
	authorityWaits  = 24 * time.Hour
	// backdated allows for clocks that are slow.
	backdated = time.Hour
	// maxAuthorities bounds the bundle: the newest and those before it.
	maxAuthorities = 3
)

// Issued is a certificate for the webhook and the authority that has signed it,
// in PEM. Authorities are those to be trusted, the newest first; AuthorityKey is
// that of the newest.
type Issued struct {
	Certificate, Key          []byte
	Authorities, AuthorityKey []byte
}

// Renew returns what is to be in use at a time, which is old itself if that is
// still good: a new certificate before the old one expires, a new authority
// before that expires, and everything anew if old cannot be used. The
// certificate is for the Services of the namespace, and for an API server on the
// same machine.
func Renew(old Issued, namespace string, now time.Time) (Issued, error) {
	s, err := readIssued(old)
	if err != nil || now.After(s.authorities[0].NotAfter) {
		s, old = state{}, Issued{}
	}
	next := old
	if len(s.authorities) == 0 || s.authorities[0].NotAfter.Sub(now) < authorityRenew {
		if err := s.newAuthority(&next, now); err != nil {
			return Issued{}, err
		}
	}
	if !s.certificateIsGood(namespace, now) {
		if err := s.newCertificate(&next, namespace, now); err != nil {
			return Issued{}, err
		}
	}
	return next, nil
}

// Equal reports whether both are the same.
func (i Issued) Equal(o Issued) bool {
	return bytes.Equal(i.Certificate, o.Certificate) && bytes.Equal(i.Key, o.Key) &&
		bytes.Equal(i.Authorities, o.Authorities) && bytes.Equal(i.AuthorityKey, o.AuthorityKey)
}

// state is an Issued that has been read.
type state struct {
	authorities []*x509.Certificate
	key         crypto.Signer // of the first
	certificate *x509.Certificate
}

func readIssued(i Issued) (state, error) {
	authority, err := tls.X509KeyPair(i.Authorities, i.AuthorityKey)
	if err != nil {
		return state{}, fmt.Errorf("authority: %w", err)
	}
	var s state
	var ok bool
	if s.key, ok = authority.PrivateKey.(crypto.Signer); !ok {
		return state{}, errors.New("the authority's key cannot sign")
	}
	for _, der := range authority.Certificate {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return state{}, fmt.Errorf("authority: %w", err)
		}
		if !c.IsCA {
			return state{}, fmt.Errorf("%s is no authority", c.Subject)
		}
		s.authorities = append(s.authorities, c)
	}
	// A certificate that is wrong is made again without a new authority.
	if pair, err := tls.X509KeyPair(i.Certificate, i.Key); err == nil {
		s.certificate = pair.Leaf
	}
	return s, nil
}

// certificateIsGood reports whether the certificate may stay in use.
func (s *state) certificateIsGood(namespace string, now time.Time) bool {
	c := s.certificate
	if c == nil || now.Before(c.NotBefore) || c.NotAfter.Sub(now) < certificateRest || !slices.Equal(c.DNSNames, namesFor(namespace)) {
		return false
	}
	newest := s.authorities[0]
	if now.Sub(newest.NotBefore) > authorityWaits && c.CheckSignatureFrom(newest) != nil {
		return false
	}
	return slices.ContainsFunc(s.authorities, func(a *x509.Certificate) bool { return c.CheckSignatureFrom(a) == nil && now.Before(a.NotAfter) })
}

// namesFor are the names by which the API server calls: that of a Service, of
// whatever name, is NAME.NAMESPACE.svc.
func namesFor(namespace string) []string { return []string{"*." + namespace + ".svc", "localhost"} }

func (s *state) newAuthority(i *Issued, now time.Time) error {
	key, keyPEM, err := newKey()
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "daemun-admission-ca " + now.UTC().Format(time.DateOnly)},
		NotBefore:             now.Add(-backdated),
		NotAfter:              now.Add(authorityLife),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
	}
	der, err := sign(template, template, key.Public(), key)
	if err != nil {
		return err
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return err
	}
	s.authorities = slices.DeleteFunc(s.authorities, func(a *x509.Certificate) bool { return now.After(a.NotAfter) })
	s.authorities = append([]*x509.Certificate{c}, s.authorities[:min(len(s.authorities), maxAuthorities-1)]...)
	s.key, i.AuthorityKey, i.Authorities = key, keyPEM, nil
	for _, a := range s.authorities {
		i.Authorities = append(i.Authorities, encode("CERTIFICATE", a.Raw)...)
	}
	return nil
}

func (s *state) newCertificate(i *Issued, namespace string, now time.Time) error {
	key, keyPEM, err := newKey()
	if err != nil {
		return err
	}
	names := namesFor(namespace)
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: "daemun-admission"},
		DNSNames:    names,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		NotBefore:   now.Add(-backdated),
		NotAfter:    now.Add(certificateLife),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := sign(template, s.authorities[0], key.Public(), s.key)
	if err != nil {
		return err
	}
	i.Certificate, i.Key = encode("CERTIFICATE", der), keyPEM
	return nil
}

func newKey() (*ecdsa.PrivateKey, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	return key, encode("PRIVATE KEY", der), nil
}

func sign(template, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial
	return x509.CreateCertificate(rand.Reader, template, parent, public, key)
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
