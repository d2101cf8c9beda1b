package proxy

import (
	"daemun/internal/canonical"
	"daemun/internal/http1"
	"daemun/internal/policy"
)

// refuseClient is the host's wish for client certificates (§4.5).
func (x *exchange) refuseClient() bool {
	c := x.match.Host.ClientAuth
	switch {
	case x.match.Host.IR.Passthrough && x.c.secure:
		// TLS that was ended here is not the host's (H7.4).
		x.c.server.counters.other[refusedMisdirected].Add(1)
		x.answer(421)
		return true
	case c == nil:
		return false
	case c.IR.Broken:
		x.answer(403)
		return true
	case !x.c.secure:
		x.certificate = c.Judge(nil, x.start)
		if c.AnySubject() {
			return false
		}
		x.answer(403) // also where https redirects, as ingress-nginx
		return true
	case x.otherServerName():
		x.c.server.counters.other[refusedMisdirected].Add(1)
		x.answer(421)
		return true
	}
	x.certificate = c.Judge(x.c.info.TLS.PeerCertificates, x.start)
	switch {
	case !x.certificate.Good:
		x.refuseCertificate(c)
	case !c.Matches(x.certificate):
		x.answer(403)
	default:
		return false
	}
	return true
}

// otherServerName reports that the client shook hands for another host, whose
// wishes were others.
func (x *exchange) otherServerName() bool {
	sni := x.c.info.TLS.ServerName
	if sni == "" {
		return false // no certificate was asked for
	}
	name, ok := canonical.HostString(sni)
	if !ok {
		return true
	}
	host, _ := x.table.HostFor([]byte(name))
	return host != x.match.Host
}

func (x *exchange) refuseCertificate(c *policy.ClientAuth) {
	if c.ErrorPage != nil {
		x.location = c.ErrorPage.Append(x.location[:0], x)
		x.redirect(302, x.location)
		return
	}
	page := x.c.server.pages.noCertificate
	if x.certificate.Sent {
		page = x.c.server.pages.badCertificate
	}
	x.keep, x.lingering = false, true
	x.respond(400, nil, page)
}

// The fields about the client's certificate.
const (
	clientVerify  = "ssl-client-verify"
	clientSubject = "ssl-client-subject-dn"
	clientIssuer  = "ssl-client-issuer-dn"
	clientCert    = "ssl-client-cert"
)

// isClientField recognises them; a client must not be able to say them.
func isClientField(name []byte) bool {
	for _, own := range [...]string{clientVerify, clientSubject, clientIssuer, clientCert} {
		if equalFold(name, own) {
			return true
		}
	}
	return false
}

// appendClientFields tells a backend, or the service of auth-url, about the
// client's certificate.
func (x *exchange) appendClientFields(b []byte) []byte {
	v := x.certificate
	b = http1.AppendField(b, clientVerify, v.Verify)
	b, _ = http1.AppendCheckedField(b, clientSubject, v.Subject)
	b, _ = http1.AppendCheckedField(b, clientIssuer, v.Issuer)
	if v.Sent && x.match.Host.ClientAuth.IR.PassCertificate {
		b = append(b, clientCert+": "...)
		b = appendEscapedURI(b, v.PEM)
		b = append(b, "\r\n"...)
	}
	return b
}

func equalFold(a []byte, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i, c := range a {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != b[i] {
			return false
		}
	}
	return true
}
