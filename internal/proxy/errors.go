package proxy

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"daemun/internal/http1"
	"daemun/internal/ir"
	"daemun/internal/upstream"
)

// errorPage is the longest response of an error backend that is passed on; for
// longer ones, and if it does not answer, the client gets our own page.
const errorPage = 1 << 20

// replaces reports whether a status is replaced by what the error backend of the
// route says (custom-http-errors, §11.3).
func (x *exchange) replaces(status int) bool {
	if x.match.Route == nil || x.policies == nil || x.policies.Errors == nil || x.replacing || x.isGRPC() {
		return false
	}
	_, listed := slices.BinarySearch(x.policies.Errors.Statuses, status)
	return listed && x.match.Route.ErrorBackend != nil && x.match.Route.ErrorBackend.Len() > 0
}

// replaceError answers with what the error backend says about a status, and
// reports whether it did. A refusal of a guard keeps its status whatever that
// backend answers: nothing may make it look like an allowed request (§14.22).
func (x *exchange) replaceError(status int) bool {
	if x.answerPage(status) {
		return true
	}
	if !x.replaces(status) {
		return false
	}
	x.replacing = true
	policies := &x.match.Route.IR.Policies
	s := &subrequest{
		server: x.c.server, backend: x.match.Route.ErrorBackend, method: string(x.req.Method), octets: x.appendErrorRequest(status),
		connect: policies.ConnectTimeout.D(), patience: policies.ReadTimeout.D(), wanted: errorPage,
		using: func(up *upstream.Conn) { x.c.use(up) },
	}
	var fields []ir.Field
	code := 0
	err := s.run(func(resp *http1.Response) {
		code, fields = resp.Status, fields[:0]
		for i := range resp.Fields {
			if f := &resp.Fields[i]; !f.Hop && !ownResponseFields[f.ID] {
				fields = append(fields, ir.Field{Name: string(f.Name), Value: string(f.Value)})
			}
		}
	})
	if err != nil {
		return false
	}
	if x.guarded {
		code = status
	}
	if x.keep { // otherwise the end of the connection is settled
		x.settleBody()
	}
	x.respondWith(code, fields, s.got)
	return true
}

// intercepts is replaces for the response of the backend, whose head was read:
// it drops that, and x.intercepted is its status, which is then answered as our
// own.
func (x *exchange) intercepts(up *upstream.Conn) bool {
	status := x.resp.Status
	if !x.interceptsPage(status) && (!x.replaces(status) || x.policies.Errors.OwnOnly) {
		return false
	}
	if !x.atHand() {
		x.keep, x.lingering = false, true
	}
	if challenge, ok := x.resp.Get(http1.FieldWWWAuthenticate); ok && status == 401 {
		x.challenge = append(x.challenge[:0], challenge...)
	}
	x.intercepted = status
	x.dropUpstream(up)
	return true
}

// appendErrorRequest returns the request to the error backend.
func (x *exchange) appendErrorRequest(status int) []byte {
	r := x.match.Route.IR
	b := http1.AppendRequestLine(nil, x.req.Method, []byte("/"), 1)
	b = http1.AppendField(b, "Host", x.shownHost())
	b = x.appendRequestID(b)
	b = append(b, x.from.fields...)
	b = http1.AppendField(b, "X-Code", string(http1.AppendStatusLine(nil, status, []byte{})[9:12]))
	if accept, ok := x.req.Get(http1.FieldAccept); ok {
		b = http1.AppendField(b, "X-Format", accept)
	}
	b = http1.AppendField(b, "X-Original-URI", x.appendURI(nil))
	b, _ = http1.AppendCheckedField(b, "X-Namespace", r.Ingress.Namespace)
	b, _ = http1.AppendCheckedField(b, "X-Ingress-Name", r.Ingress.Name)
	b, _ = http1.AppendCheckedField(b, "X-Service-Name", r.Service)
	b, _ = http1.AppendCheckedField(b, "X-Service-Port", r.ServicePort)
	for i := range x.req.Fields {
		f := &x.req.Fields[i]
		if f.Hop || ownRequestFields[f.ID] || isFallbackField(f.Name) || f.ID == http1.FieldXOriginalURI ||
			f.ID == http1.FieldAuthorization && x.keepsCredentials() {
			continue
		}
		b = http1.AppendField(b, f.Name, f.Value)
	}
	if x.req.Body != http1.BodyNone { // which is not sent again
		b = http1.AppendContentLength(b, 0)
	}
	return http1.AppendHeadEnd(b)
}

// respondWith writes an answer that another backend has made.
func (x *exchange) respondWith(status int, fields []ir.Field, body []byte) {
	x.status, x.committed = status, true
	x.settleEdits(status, contentTypeOf(fields))
	changes := x.changes(fields)
	if changes {
		body = x.substituted(contentTypeOf(fields), body)
	}
	b := http1.AppendStatusLine(x.out[:0], status, nil)
	dated := false
	for i := range fields {
		f := http1.Field{Name: []byte(fields[i].Name), Value: []byte(fields[i].Value)}
		f.ID = http1.LookupField(f.Name)
		dated = dated || f.ID == http1.FieldDate
		if x.hsts() && f.ID == http1.FieldStrictTransportSecurity || changes && !x.policies.Substitution.LastModified && (f.ID == http1.FieldETag || f.ID == http1.FieldLastModified) {
			continue
		}
		if changes && f.ID == http1.FieldETag && strings.HasPrefix(fields[i].Value, `"`) {
			f.Value = []byte("W/" + fields[i].Value)
		}
		b = x.appendResponseField(b, &f)
	}
	if !dated {
		b = http1.AppendField(b, "Date", x.c.server.date.at(time.Now()))
	}
	if status != 204 && status != 304 {
		b = http1.AppendContentLength(b, int64(len(body)))
	}
	b = x.appendPolicyFields(b)
	b = x.appendOwnFields(b)
	b = http1.AppendHeadEnd(b)
	x.head = len(b)
	x.captureSent(b)
	if !bytes.Equal(x.req.Method, methodHEAD) && status != 204 && status != 304 {
		b = append(b, body...)
	}
	x.out = b
	if x.finishHead() != nil {
		x.keep, x.lingering = false, false
	}
}

func contentTypeOf(fields []ir.Field) []byte {
	for i := range fields {
		if http1.LookupField([]byte(fields[i].Name)) == http1.FieldContentType {
			return []byte(fields[i].Value)
		}
	}
	return nil
}
