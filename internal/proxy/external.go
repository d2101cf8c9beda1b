package proxy

import (
	"bytes"
	"crypto/sha256"
	"strconv"
	"strings"
	"time"

	"daemun/internal/http1"
	"daemun/internal/ir"
	"daemun/internal/policy"
	"daemun/internal/table"
	"daemun/internal/upstream"
	"daemun/internal/variable"
)

// askService asks the service of the route about the request (§1.4.1), or finds
// an answer that was kept.
func (x *exchange) askService() *policy.AuthAnswer {
	e := x.policies.External
	var key [sha256.Size]byte
	if e.Keyed != nil {
		r := x.match.Route.IR
		key = e.Key([]byte(x.match.Host.IR.Name), []byte(r.Path), []byte(r.PathType), e.Keyed.Append(nil, x))
		if kept := e.Kept(key, x.start); kept != nil {
			return kept
		}
	}
	answer, status := &policy.AuthAnswer{Status: 500}, 0
	s, ok := x.serviceRequest()
	if !ok {
		return answer
	}
	began := time.Now()
	err := s.run(func(resp *http1.Response) {
		status = resp.Status
		answer = answerOf(resp, e.IR.ResponseHeaders)
		for _, p := range e.Parts {
			answer.Parts = append(answer.Parts, s.part(resp, p))
		}
	})
	x.logService(s, began, status)
	if err == nil && e.Keyed != nil {
		e.Keep(key, status, answer, x.start)
	}
	return answer
}

// serviceRequest makes the request for the service. ok is false when there is
// nobody to ask.
func (x *exchange) serviceRequest() (s *subrequest, ok bool) {
	e := x.policies.External
	policies := &x.match.Route.IR.Policies
	s = &subrequest{
		server: x.c.server, tls: e.IR.TLS, method: e.IR.Method,
		connect: policies.ConnectTimeout.D(), patience: policies.ReadTimeout.D(),
		using: func(up *upstream.Conn) { x.c.use(up) },
	}
	if s.method == "" {
		s.method = "GET"
	}
	target := e.Target.Append(nil, x)
	host := []byte(e.IR.Host)
	if e.IR.OwnHost {
		host = withoutPort(x.authority())
		if target, ok = x.ownService(s, target); !ok {
			return nil, false
		}
	} else if s.backend = x.match.Route.AuthBackend; s.backend == nil {
		return nil, false
	}
	if !http1.ValidTarget(target) {
		return nil, false
	}
	b := http1.AppendRequestLine(nil, []byte(s.method), target, 1)
	b = http1.AppendField(b, "Host", host)
	s.octets = http1.AppendHeadEnd(x.appendServiceFields(b))
	return s, true
}

// ownService finds the route that the request's own host has for the target. Its
// guards are not asked: the request does not come from a client.
func (x *exchange) ownService(s *subrequest, target []byte) (out []byte, ok bool) {
	path, query, hasQuery := bytes.Cut(target, []byte{'?'})
	var m table.Match
	if x.table.Resolve(x.host, path, &m) != table.Found || m.Route == nil || m.Route.Backend == nil || m.Route.IR.Denied != 0 {
		return nil, false
	}
	s.backend = m.Route.Backend
	s.tls = m.Route.IR.Protocol == ir.ProtocolHTTPS || m.Route.IR.Protocol == ir.ProtocolAuto && x.c.secure
	if m.Route.IR.Rewrite == nil {
		return target, true
	}
	rewritten, redirect := m.Rewrite(nil)
	if redirect {
		return nil, false
	}
	if len(rewritten) > 0 {
		path = rewritten
	}
	if hasQuery {
		path = append(append(path, '?'), query...)
	}
	return path, true
}

// appendServiceFields appends what the service learns: the client's fields, and
// about the request what the client cannot say itself.
func (x *exchange) appendServiceFields(b []byte) []byte {
	e := x.policies.External
	b = x.appendRequestID(b)
	b = http1.AppendField(b, "X-Original-URL", x.appendURI(append(append(append([]byte(nil), x.c.scheme()...), "://"...), x.authority()...)))
	b = http1.AppendField(b, "X-Original-Method", x.req.Method)
	b = append(b, "X-Sent-From: nginx-ingress-controller\r\n"...)
	b = http1.AppendField(b, "X-Real-IP", x.client().Unmap().String())
	b = append(append(append(b, "X-Forwarded-For: "...), x.from.chain...), "\r\n"...)
	b, _ = http1.AppendCheckedField(b, "X-Auth-Request-Redirect", e.Redirect.Append(nil, x))
	if e.IR.Method != "" {
		b = http1.AppendField(b, "X-Original-URI", x.appendURI(nil))
		b = http1.AppendField(b, "X-Scheme", x.from.scheme)
	}
	if x.certificate != nil {
		b = x.appendClientFields(b)
	}
	for i := range e.Set {
		if value := e.Set[i].Value.Append(nil, x); len(value) > 0 { // as proxy_set_header
			b, _ = http1.AppendCheckedField(b, e.Set[i].Name, value)
		}
	}
	b = x.traced.AppendFields(b)
	for i := range x.req.Fields {
		f := &x.req.Fields[i]
		if f.Hop || ownRequestFields[f.ID] || e.Hides(f.Name) || x.certificate != nil && isClientField(f.Name) || x.traced.Replaces(f.Name) {
			continue
		}
		b = http1.AppendField(b, f.Name, f.Value)
	}
	return b
}

// answerOf copies what is needed of the answer of a service.
func answerOf(resp *http1.Response, wanted []string) *policy.AuthAnswer {
	a := &policy.AuthAnswer{Status: policy.Verdict(resp.Status), Keep: true}
	for i := range resp.Fields {
		f := &resp.Fields[i]
		switch f.ID {
		case http1.FieldSetCookie:
			a.Cookies, a.Keep = append(a.Cookies, string(f.Value)), false
		case http1.FieldWWWAuthenticate:
			if a.Challenge == "" {
				a.Challenge = string(f.Value)
			}
		case http1.FieldCacheControl:
			v := strings.ToLower(string(f.Value))
			if strings.Contains(v, "no-store") || strings.Contains(v, "no-cache") || strings.Contains(v, "private") {
				a.Keep = false
			}
		}
	}
	for _, name := range wanted {
		var values []string
		for i := range resp.Fields {
			if f := &resp.Fields[i]; !f.Hop && variable.AnyCase(f.Name, name) {
				values = append(values, string(f.Value))
			}
		}
		if len(values) > 0 {
			a.Fields = append(a.Fields, ir.Field{Name: name, Value: strings.Join(values, ", ")})
		}
	}
	return a
}

// part is what a variable says of the answer of a service.
func (s *subrequest) part(resp *http1.Response, p policy.AuthPart) []byte {
	switch p.ID {
	case variable.UpstreamStatus:
		return strconv.AppendInt(nil, int64(resp.Status), 10)
	case variable.UpstreamAddr:
		return []byte(s.asked)
	case variable.UpstreamCookie:
		for i := range resp.Fields {
			if value, ok := setCookie(&resp.Fields[i], p.Arg); ok {
				return bytes.Clone(value)
			}
		}
		return nil
	}
	return joinedField(resp, p.Arg)
}

// joinedField is a field of an answer by the argument of its variable; several
// are one list.
func joinedField(resp *http1.Response, arg string) (value []byte) {
	for i := range resp.Fields {
		f := &resp.Fields[i]
		if f.Hop || !variable.FieldIs(f.Name, arg) {
			continue
		}
		if value != nil {
			value = append(value, ", "...)
		}
		value = append(value, f.Value...)
	}
	return value
}

// takeVariables gives the variables that snippets take from the answer of the
// service their values, whatever it has decided. Without an answer they are
// empty.
func (x *exchange) takeVariables() {
	e := x.policies.External
	for i := range e.Variables {
		v := &e.Variables[i]
		x.scriptFrame().Set(v.Name, e.AppendValue(nil, v, x.grant, x))
	}
}

// refuseAccess answers a request that the guards of the route do not let pass.
// A 401 may lead to a page to sign in at.
func (x *exchange) refuseAccess(status int) {
	if e := x.external(); status == 401 && e != nil && e.SignIn != nil {
		x.challenge = x.challenge[:0]
		x.location = e.AppendSignIn(x.location[:0], x, string(x.from.scheme), x.authority(), x.AppendVariable(nil, variable.EscapedRequestURI, ""))
		x.redirect(302, x.location)
		return
	}
	if status == 500 {
		x.refuse(status) // §15.13
		return
	}
	x.answer(status)
}

// external is the service that the route asks, nil for none.
func (x *exchange) external() *policy.External {
	if x.policies == nil {
		return nil
	}
	return x.policies.External
}
