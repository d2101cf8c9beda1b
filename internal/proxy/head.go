package proxy

import (
	"bytes"
	"strings"

	"daemun/internal/http1"
)

// ownRequestFields are the fields of a client that never go upstream as they
// came: Daemun writes its own, or they mean nothing behind it (§5.1, H4.3,
// H4.7).
var ownRequestFields = [256]bool{
	http1.FieldHost: true, http1.FieldContentLength: true, http1.FieldExpect: true, http1.FieldProxy: true,
	http1.FieldXForwardedFor: true, http1.FieldXForwardedHost: true, http1.FieldXForwardedPort: true, http1.FieldXForwardedProto: true,
	http1.FieldXForwardedScheme: true, http1.FieldXForwardedPrefix: true, http1.FieldXScheme: true, http1.FieldXRealIP: true,
	http1.FieldXRequestID: true, http1.FieldXOriginalForwardedFor: true, http1.FieldXOriginalForwardedHost: true,
}

// ownResponseFields are the fields of an upstream that do not reach the client
// as they came (§5.3); X-Accel-* is talk between nginx and its upstream.
var ownResponseFields = [256]bool{
	http1.FieldContentLength: true, http1.FieldServer: true,
	http1.FieldXAccelRedirect: true, http1.FieldXAccelBuffering: true, http1.FieldXAccelLimitRate: true,
	http1.FieldXAccelExpires: true, http1.FieldXAccelCharset: true,
}

// appendUpstreamHead appends the head that the upstream gets (§5.1): Host, what
// Daemun says about the client, then the client's fields in their order.
func (x *exchange) appendUpstreamHead(b []byte) []byte {
	r := x.match.Route.IR
	b = http1.AppendRequestLine(b, x.req.Method, x.upstreamTarget(), x.minor())
	fields := len(b)
	authority := x.shownHost()
	b = x.appendHost(b, authority)
	b = x.appendRequestID(b)
	b = append(b, x.from.fields...)
	b = http1.AppendField(b, "X-Forwarded-Host", authority)
	forwarded := &x.table.Settings.Forwarded
	b = x.appendOriginal(b, told{http1.FieldXForwardedFor, forwarded.ForField}, "X-Original-Forwarded-For")
	b = x.appendOriginal(b, told{http1.FieldXForwardedHost, forwarded.HostField}, "X-Original-Forwarded-Host")
	if x.table.Settings.OriginalURI {
		b = append(x.appendURI(append(b, "X-Original-URI: "...)), "\r\n"...)
	}
	if r.ForwardedPrefix != "" && r.Rewrite != nil { // §14.8
		x.location = x.match.ForwardedPrefix(x.location[:0])
		b, _ = http1.AppendCheckedField(b, "X-Forwarded-Prefix", x.location)
	}
	if x.fallback {
		b = x.appendFallbackFields(b)
	}
	b = x.traced.AppendFields(b)
	external := x.external()
	x.hideTwins()
	if x.certificate != nil {
		b = x.appendClientFields(b)
	}
	if x.grant != nil {
		b = appendFields(b, x.grant.Fields)
	}
	for i := range x.req.Fields {
		f := &x.req.Fields[i]
		if !x.withholds(f) && (external == nil || !external.Replaces(f.Name)) {
			b = http1.AppendField(b, f.Name, f.Value)
		}
	}
	b = x.editRequest(b, fields)
	switch {
	case x.chunked():
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	case x.contentLength() >= 0:
		b = http1.AppendContentLength(b, x.contentLength())
	}
	if r.ConnectionField != "" {
		b = http1.AppendField(b, "Connection", r.ConnectionField)
	}
	if x.transport().Multiplexed() && x.wantsTrailers() {
		b = append(b, "TE: trailers\r\n"...)
	}
	if x.wantsTunnel() {
		b = append(b, "Connection: upgrade\r\n"...)
		b = http1.AppendField(b, "Upgrade", x.req.Upgrade)
	}
	return http1.AppendHeadEnd(b)
}

// appendHost appends the Host field: that of upstream-vhost, or the client's. Of
// variables that make no host nothing is taken.
func (x *exchange) appendHost(b, authority []byte) []byte {
	host := x.match.Route.IR.UpstreamVhost
	switch {
	case host == "":
		return http1.AppendField(b, "Host", authority)
	case x.policies == nil || x.policies.Vhost == nil:
		return http1.AppendField(b, "Host", host)
	}
	if x.location = x.policies.Vhost.Append(x.location[:0], x); http1.ValidAuthority(x.location) {
		return http1.AppendField(b, "Host", x.location)
	}
	return http1.AppendField(b, "Host", authority)
}

// withholds tells whether a field of the client does not go on to the backend:
// Daemun says it itself, or it is between the client and Daemun.
func (x *exchange) withholds(f *http1.Field) bool {
	switch {
	case f.ID == http1.FieldXForwardedPrefix && x.from.believed: // that of a proxy which takes a prefix away
		r := x.match.Route.IR
		return r.ForwardedPrefix != "" && r.Rewrite != nil
	case f.Hop || ownRequestFields[f.ID]:
		return true
	case f.ID == http1.FieldXOriginalURI:
		return x.table.Settings.OriginalURI
	case f.ID == http1.FieldAuthorization:
		return x.keepsCredentials()
	}
	return x.fallback && isFallbackField(f.Name) || x.certificate != nil && isClientField(f.Name) || x.traced.Replaces(f.Name)
}

// upstreamTarget is the target as received, or the rewritten one (§15.2).
func (x *exchange) upstreamTarget() []byte {
	switch {
	case x.rewritten:
		return x.target
	case x.req.Form == http1.FormOrigin:
		return x.req.Target
	}
	x.target = x.appendURI(x.target[:0])
	return x.target
}

// appendOriginal appends all values of a client's field, joined, under the
// name by which it is passed on.
func (x *exchange) appendOriginal(b []byte, which told, name string) []byte {
	start := len(b)
	b = append(b, name...)
	b = append(b, ": "...)
	values := len(b)
	b = x.appendTold(b, which)
	if len(b) == values {
		return b[:start]
	}
	return append(b, "\r\n"...)
}

// fallbackFields are what a default backend learns about the request that has
// come to it instead (§11.3).
var fallbackFields = []string{"X-Code", "X-Format", "X-Namespace", "X-Ingress-Name", "X-Service-Name", "X-Service-Port"}

func isFallbackField(name []byte) bool {
	for _, f := range fallbackFields {
		if strings.EqualFold(f, string(name)) {
			return true
		}
	}
	return false
}

func (x *exchange) appendFallbackFields(b []byte) []byte {
	r := x.match.Route.IR
	b = append(b, "X-Code: 503\r\n"...)
	if accept, ok := x.req.Get(http1.FieldAccept); ok {
		b = http1.AppendField(b, "X-Format", accept)
	}
	b, _ = http1.AppendCheckedField(b, "X-Namespace", r.Ingress.Namespace)
	b, _ = http1.AppendCheckedField(b, "X-Ingress-Name", r.Ingress.Name)
	b, _ = http1.AppendCheckedField(b, "X-Service-Name", r.Service)
	b, _ = http1.AppendCheckedField(b, "X-Service-Port", r.ServicePort)
	return b
}

// wantsTunnel reports that the client asked for the one upgrade that is passed
// on (H4.4).
func (x *exchange) wantsTunnel() bool {
	return x.req.Upgrade != nil && bytes.EqualFold(x.req.Upgrade, []byte("websocket")) && x.match.Route.IR.ConnectionField == "" && !x.transport().Multiplexed() && !x.speaksFastCGI() && !x.asksOnce()
}

// wantsTrailers reports that the client takes trailers (RFC 9110 §10.1.4), which
// gRPC backends ask of their clients.
func (x *exchange) wantsTrailers() bool {
	te, ok := x.req.Get(http1.FieldTE)
	return ok && bytes.EqualFold(te, []byte("trailers"))
}

// idempotent reports whether the method may be repeated (RFC 9110 §9.2.2).
func (x *exchange) idempotent() bool {
	switch string(x.req.Method) {
	case "GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PROPFIND":
		return true
	}
	return false
}

// hideTwins drops the fields with an underscore that a backend could take for
// one that means something, above all for what Daemun says (H4.9): many read
// X_Real_IP and X-Real-IP as one.
func (x *exchange) hideTwins() {
	if x.table.Heads == nil {
		return // the parser has dropped them
	}
	for i := range x.req.Fields {
		f := &x.req.Fields[i]
		if bytes.IndexByte(f.Name, '_') < 0 {
			continue
		}
		var scratch [64]byte
		if len(f.Name) > len(scratch) {
			continue // longer than all of ours
		}
		name := scratch[:copy(scratch[:], f.Name)]
		for j, c := range name {
			if c == '_' {
				name[j] = '-'
			}
		}
		f.Hop = f.Hop || http1.LookupField(name) != http1.FieldOther || x.certificate != nil && isClientField(name)
	}
}
