package translate

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"strings"

	"daemun/internal/annotation"
	"daemun/internal/ir"
	"daemun/internal/store"
)

// ownName is what nginx takes for the name of a backend where none is given; no
// certificate has it.
const ownName = "upstream_balancer"

// compileBackendTLS reads how TLS is spoken to the backends of the Ingress. What
// cannot be used closes its routes.
func (c *compilation) compileBackendTLS() {
	a := c.values.BackendTLS
	if a.Secret == "" {
		return
	}
	made := a.BackendTLS
	full, wrong := c.referenced("Secret", a.Secret)
	if wrong == "" {
		wrong = c.backendSecret(full, &made)
	}
	if wrong != "" {
		c.deny("proxy-ssl-secret", wrong)
		return
	}
	name := a.Name
	if wrong := c.hostsTell(name); wrong != "" && (made.Verify || a.SendName) {
		c.deny("proxy-ssl-name", wrong)
		return
	}
	if name == "" {
		name = ownName
		if made.Verify {
			c.report(annotation.CodeNoEffect, ir.SeverityWarning, annotation.Field(c.t.options.AnnotationsPrefix+"/proxy-ssl-verify"),
				"needs proxy-ssl-name, the name in the certificate of the backend; without it no certificate is accepted and requests get 502")
		}
	}
	made.VerifyName = name
	if a.SendName {
		made.ServerName = name
	}
	c.upstreamTLS = &made
	sum := sha256.New()
	fmt.Fprintf(sum, "%+v %x %x %x", made, made.CAs, made.Chain, made.Key)
	c.upstreamTLSPrint = hex.EncodeToString(sum.Sum(nil))[:16]
}

// hostsTell says why the host of a rule is not what $host will be in a name.
func (c *compilation) hostsTell(name string) (wrong string) {
	annotation.BackendName(name, func(variable string) string {
		for _, rule := range c.used.Spec.Rules {
			if variable == "host" && (rule.Host == "" || strings.HasPrefix(rule.Host, "*.")) {
				wrong = fmt.Sprintf("%.80q means the host of the request, which a rule for host %q does not tell beforehand: write the name itself", name, rule.Host)
			}
		}
		return ""
	})
	return wrong
}

func (c *compilation) backendSecret(full store.Name, to *ir.BackendTLS) (wrong string) {
	name := full.Namespace + "/" + full.Name
	object, wrong := c.secretObject(name)
	if wrong != "" {
		return wrong
	}
	to.Secret, to.CAs, to.Chain, to.Key = name, secretKey(object, "ca.crt"), secretKey(object, "tls.crt"), secretKey(object, "tls.key")
	if len(to.Chain) > 0 || len(to.Key) > 0 {
		if _, err := tls.X509KeyPair(to.Chain, to.Key); err != nil {
			return fmt.Sprintf("Secret %q: tls.crt and tls.key are no certificate with its key", name)
		}
	}
	switch {
	case len(to.CAs) > 0 && !x509.NewCertPool().AppendCertsFromPEM(to.CAs):
		return fmt.Sprintf("Secret %q: ca.crt holds no certificate in PEM", name)
	case len(to.CAs) == 0 && len(to.Chain) == 0:
		return fmt.Sprintf("Secret %q has neither tls.crt with tls.key nor ca.crt", name)
	case to.Verify && len(to.CAs) == 0:
		return fmt.Sprintf("Secret %q has no ca.crt, which proxy-ssl-verify needs", name)
	}
	return ""
}

// overTLS returns a backend of a location of a host as the Ingress speaks TLS to
// it: one with a pool of its own where that is not the usual way.
func (in *ingress) overTLS(b ir.Backend, p ir.Protocol, l *location, host string) ir.Backend {
	if in.upstreamTLS == nil || b.ID == "" || p == ir.ProtocolHTTP || p == ir.ProtocolFCGI || p == "GRPC" {
		return b
	}
	b.ID += ir.BackendID(" tls " + in.upstreamTLSPrint)
	b.TLS = in.upstreamTLS
	name := annotation.BackendName(b.TLS.VerifyName, func(variable string) string {
		return map[string]string{"host": host, "service_name": l.to.service, "namespace": in.name.Namespace, "ingress_name": in.name.Name}[variable]
	})
	if name == b.TLS.VerifyName {
		return b
	}
	b.ID += ir.BackendID(" " + name)
	made := *b.TLS
	made.VerifyName = name
	if made.ServerName != "" {
		made.ServerName = name
	}
	b.TLS = &made
	return b
}
