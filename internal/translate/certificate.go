package translate

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"

	"daemun/internal/ir"
	"daemun/internal/store"

	corev1 "k8s.io/api/core/v1"
)

// certificate is what became of a Secret; it is parsed once per object.
type certificate struct {
	secret *corev1.Secret
	// usable is nil when the Secret holds no usable pair; beside a problem it
	// is the last good one.
	usable        *ir.Certificate
	code, problem string
}

// certificate returns the key pair of a Secret from memory or parses it.
func (t *Translator) certificate(name store.Name, secret *corev1.Secret) *certificate {
	known := t.certificates[name]
	if known != nil && known.secret == secret {
		return known
	}
	c := &certificate{secret: secret}
	c.usable, c.code, c.problem = parseSecret(name, secret)
	if c.usable == nil && known != nil && known.secret.UID == secret.UID {
		c.usable = known.usable // H7.7
	}
	t.certificates[name] = c
	return c
}

func secretKey(s *corev1.Secret, key string) []byte {
	if b, ok := s.Data[key]; ok {
		return b
	}
	return []byte(s.StringData[key])
}

func parseSecret(name store.Name, s *corev1.Secret) (c *ir.Certificate, code, problem string) {
	chain, key := secretKey(s, corev1.TLSCertKey), secretKey(s, corev1.TLSPrivateKeyKey)
	if len(chain) == 0 || len(key) == 0 {
		return nil, CodeSecretKeys, fmt.Sprintf("it is of type %q and lacks data[tls.crt] or data[tls.key]; a Secret of type kubernetes.io/tls with both is needed", s.Type)
	}
	leaf, problem := parseChain(chain)
	if problem != "" {
		return nil, CodeCertificate, problem
	}
	if _, err := tls.X509KeyPair(chain, key); err != nil {
		if strings.Contains(err.Error(), "does not match") {
			return nil, CodeKeyPair, "data[tls.key] does not belong to the first certificate of data[tls.crt]"
		}
		return nil, CodeCertificate, "data[tls.key] cannot be read: " + oneLine(err)
	}
	sum := sha256.New()
	sum.Write(chain)
	sum.Write([]byte{0})
	sum.Write(key)
	return &ir.Certificate{
		ID:          ir.CertificateID(name.Namespace + "/" + name.Name),
		Names:       certificateNames(leaf),
		NotAfter:    leaf.NotAfter.UTC(),
		Chain:       chain,
		Key:         key,
		Fingerprint: hex.EncodeToString(sum.Sum(nil)),
	}, "", ""
}

// parseChain reads all certificates of a bundle and returns the first.
func parseChain(bundle []byte) (leaf *x509.Certificate, problem string) {
	for rest := bundle; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, "data[tls.crt] cannot be read: " + oneLine(err)
		}
		if leaf == nil {
			leaf = c
		}
	}
	if leaf == nil {
		return nil, "data[tls.crt] holds no PEM block of type CERTIFICATE"
	}
	return leaf, ""
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

// certificateNames returns the DNS names of a certificate, or its common name
// when it has no subject alternative names at all, as old ones do.
func certificateNames(c *x509.Certificate) []string {
	names := make([]string, 0, len(c.DNSNames)+1)
	for _, n := range c.DNSNames {
		names = append(names, strings.ToLower(strings.TrimSuffix(n, ".")))
	}
	if len(c.DNSNames)+len(c.IPAddresses)+len(c.EmailAddresses)+len(c.URIs) == 0 && c.Subject.CommonName != "" {
		names = append(names, strings.ToLower(c.Subject.CommonName))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// settleDefaultCertificate resolves --default-ssl-certificate; nil is the
// self-made one.
func (t *Translator) settleDefaultCertificate(v *store.View, problems *[]ir.Problem) *ir.Certificate {
	o := t.options.DefaultCertificate
	if o == "" {
		return nil
	}
	report := func(message string) {
		*problems = append(*problems, ir.Problem{
			Code: CodeDefaultCertificate, Severity: ir.SeverityError, Field: "--default-ssl-certificate", Message: message,
		})
	}
	namespace, base, ok := strings.Cut(o, "/")
	name := store.Name{Namespace: namespace, Name: base}
	if !ok {
		report(fmt.Sprintf("%q is not of the form namespace/name; a self-made certificate is served instead", o))
		return nil
	}
	secret := v.Secrets[name]
	if secret == nil {
		report(fmt.Sprintf("there is no Secret %q in namespace %q; a self-made certificate is served until it exists", base, namespace))
		return nil
	}
	c := t.certificate(name, secret)
	if c.problem != "" {
		report(fmt.Sprintf("Secret %q: %s", o, c.problem))
	}
	return c.usable
}
