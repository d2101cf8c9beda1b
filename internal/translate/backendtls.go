package translate

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"daemun/internal/annotation"
	"daemun/internal/ir"
	"daemun/internal/snippet"
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

// overTLS returns a backend of a location as its route speaks TLS to it: one with
// a pool of its own where that is not the usual way.
func (h *host) overTLS(l *location, b ir.Backend, r *ir.Route) ir.Backend {
	if p := r.Protocol; b.ID == "" || p == ir.ProtocolHTTP || p == ir.ProtocolFCGI || p == "GRPC" {
		return b
	}
	made, pool := l.in.upstreamTLS, l.in.upstreamTLSPrint
	if name, send := h.snippetTLS(l.in); name != nil || send != nil {
		made = h.named(l.in, r, name, send)
		pool = strings.TrimSpace(pool + " as " + made.VerifyName)
		if made.ServerName != "" {
			pool += " sni"
		}
	}
	if made == nil {
		return b
	}
	if known := h.withValues(l, made); known != made {
		made, pool = known, pool+" "+known.VerifyName
	}
	b.ID += ir.BackendID(" tls " + pool)
	b.TLS = made
	return b
}

// withValues is TLS with the values of variables in its name; the same where there
// are none.
func (h *host) withValues(l *location, b *ir.BackendTLS) *ir.BackendTLS {
	name := annotation.BackendName(b.VerifyName, func(variable string) string {
		return map[string]string{"host": h.name, "service_name": l.to.service, "namespace": l.in.name.Namespace, "ingress_name": l.in.name.Name}[variable]
	})
	if name == b.VerifyName {
		return b
	}
	made := *b
	made.VerifyName = name
	if made.ServerName != "" {
		made.ServerName = name
	}
	return &made
}

// snippetTLS is what the snippets around a route of an Ingress say; as in nginx
// the innermost counts.
func (h *host) snippetTLS(in *ingress) (name *string, send *bool) {
	for _, b := range slices.Concat(present(h.snippets.http), h.hostBlocks(), present(h.snippets.route, in.onRoute)) {
		if b.TLS.Name != nil {
			name = b.TLS.Name
		}
		if b.TLS.SendName != nil {
			send = b.TLS.SendName
		}
	}
	return name, send
}

// named is TLS with the name that snippets say. A host that is no name, where
// they mean it, closes the route.
func (h *host) named(in *ingress, r *ir.Route, name *string, send *bool) *ir.BackendTLS {
	made := ir.BackendTLS{VerifyName: ownName}
	if in.upstreamTLS != nil {
		made = *in.upstreamTLS
	}
	sends := made.ServerName != ""
	if send != nil {
		sends = *send
	}
	if name != nil {
		made.VerifyName = *name
	}
	if made.VerifyName == snippet.HostName {
		if made.VerifyName = h.name; h.name == "" || strings.Contains(h.name, "*") {
			r.Denied = 503
			h.report(CodeSnippet, in, "metadata.annotations", fmt.Sprintf("proxy_ssl_name: $host of host %q is not one name: write the name of the backend; its routes answer 503", h.name))
		}
	}
	if made.ServerName = ""; sends {
		made.ServerName = made.VerifyName
	}
	return &made
}
