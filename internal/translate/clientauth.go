package translate

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"

	"daemun/internal/annotation"
	"daemun/internal/ir"
)

// compileClientAuth reads the CAs of client certificates. What cannot be used
// closes every host of the Ingress (ingress-nginx §4.5).
func (c *compilation) compileClientAuth() {
	a := c.values.Client
	if a.Secret == "" {
		return
	}
	made := a.ClientAuth
	made.Secret = a.Secret
	if wrong := c.clientCAs(a.Secret, &made); wrong != "" {
		c.report(annotation.CodeReference, ir.SeverityError, annotation.Field(c.t.options.AnnotationsPrefix+"/auth-tls-secret"),
			"%s; every request to the hosts of the Ingress gets 403", wrong)
		made = ir.ClientAuth{Secret: a.Secret, Broken: true, Mode: made.Mode}
	}
	c.clientAuth = &made
}

func (c *compilation) clientCAs(name string, to *ir.ClientAuth) (wrong string) {
	full, wrong := c.referenced("Secret", name)
	if wrong != "" {
		return wrong
	}
	object, wrong := c.secretObject(full.Namespace + "/" + full.Name)
	if wrong != "" {
		return wrong
	}
	to.CAs, to.CRLs = secretKey(object, "ca.crt"), secretKey(object, "ca.crl")
	if len(to.CAs) == 0 {
		return fmt.Sprintf("Secret %q has no key \"ca.crt\" with the CAs of client certificates", name)
	}
	if !x509.NewCertPool().AppendCertsFromPEM(to.CAs) {
		return fmt.Sprintf("Secret %q: ca.crt holds no certificate in PEM", name)
	}
	sum := sha256.Sum256(append(append([]byte(nil), to.CAs...), to.CRLs...))
	to.Fingerprint = hex.EncodeToString(sum[:])
	return ""
}

// settleClientAuth gives the host the wishes of its oldest Ingress that has
// some; one that cannot be fulfilled closes it, whoever has it.
func (h *host) settleClientAuth(in *ingress) {
	switch {
	case in.clientAuth == nil:
	case h.clientAuth == nil, in.clientAuth.Broken:
		h.clientAuth = in.clientAuth
	}
}
