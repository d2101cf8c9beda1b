package proxy

import (
	"bytes"
	"crypto/sha256"
	"strconv"
	"time"

	"daemun/internal/http1"
	"daemun/internal/ir"
	"daemun/internal/policy"
	"daemun/internal/table"
	"daemun/internal/upstream"
	"daemun/internal/variable"
)

// serviceCall is the request to the service of a route, in memory that serves
// again: it is taken for as long as the service is asked.
type serviceCall struct {
	subrequest
	x       *exchange // that asks
	target  []byte
	scratch []byte
	status  int // of the answer
	answer  *policy.AuthAnswer

	// Made once, to not allocate with each use.
	use  func(*upstream.Conn)
	read func(*http1.Response)
}

func newServiceCall() any {
	s := &serviceCall{}
	s.use = func(up *upstream.Conn) { s.x.c.use(up) }
	s.read = s.take
	return s
}

// begin makes s ready for a service.
func (s *serviceCall) begin(x *exchange) {
	e, policies := x.policies.External, &x.match.Route.IR.Policies
	s.x, s.status, s.answer = x, 0, nil
	s.subrequest = subrequest{
		server: x.c.server, tls: e.IR.TLS, method: e.IR.Method,
		connect: policies.ConnectTimeout.D(), patience: policies.ReadTimeout.D(),
		using: s.use, octets: s.octets[:0], resp: s.resp,
	}
	if s.method == "" {
		s.method = "GET"
	}
}

// end gives s back, without what is too large to be kept.
func (s *serviceCall) end() {
	server := s.server
	for _, b := range [...]*[]byte{&s.octets, &s.target, &s.scratch} {
		if cap(*b) > largestKept {
			*b = nil
		}
	}
	s.resp.Reset()
	s.x, s.answer, s.subrequest = nil, nil, subrequest{octets: s.octets, resp: s.resp}
	server.services.Put(s)
}

// take copies what is needed of the answer of the service.
func (s *serviceCall) take(resp *http1.Response) {
	e := s.x.policies.External
	s.status = resp.Status
	s.answer = answerOf(resp, e.IR.ResponseHeaders)
	if len(e.Parts) == 0 {
		return
	}
	own := *s.answer
	for _, p := range e.Parts {
		own.Parts = append(own.Parts, s.part(resp, p))
	}
	s.answer = &own
}

// askService asks the service of the route about the request (§1.4.1), or finds
// an answer that was kept.
func (x *exchange) askService() *policy.AuthAnswer {
	e := x.policies.External
	s := x.c.server.services.Get().(*serviceCall)
	s.begin(x)
	defer s.end()
	var key [sha256.Size]byte
	if e.Keyed != nil {
		r := x.match.Route.IR
		s.scratch = e.Keyed.Append(s.scratch[:0], x)
		key = e.Key(x.match.Host.IR.Name, r.Path, string(r.PathType), s.scratch)
		if kept := e.Kept(key, x.start); kept != nil {
			return kept
		}
	}
	if !x.fillServiceCall(s) {
		return failedGrant
	}
	began := x.beganService()
	err := s.run(s.read)
	x.logService(&s.subrequest, began, s.status)
	if s.answer == nil {
		return failedGrant
	}
	if err == nil && e.Keyed != nil {
		e.Keep(key, s.status, s.answer, x.start)
	}
	return s.answer
}

// beganService is the time for the log, which is read only for that.
func (x *exchange) beganService() (t time.Time) {
	if x.table.Settings.Logs.AuthRequests {
		t = time.Now()
	}
	return t
}

// The answers that say nothing but a status. They are never written to.
var (
	failedGrant = &policy.AuthAnswer{Status: 500}
	plainGrant  = &policy.AuthAnswer{Status: 200, Keep: true}
)

// fillServiceCall makes the request for the service. It reports false when
// there is nobody to ask.
func (x *exchange) fillServiceCall(s *serviceCall) bool {
	e := x.policies.External
	s.target = e.Target.Append(s.target[:0], x)
	target, host := s.target, []byte(nil)
	if e.IR.OwnHost {
		var ok bool
		if target, ok = x.ownService(&s.subrequest, s.target); !ok {
			return false
		}
		host = withoutPort(x.authority())
	} else if s.backend = x.match.Route.AuthBackend; s.backend == nil {
		return false
	}
	if !http1.ValidTarget(target) {
		return false
	}
	b := http1.AppendRequestLine(s.octets[:0], []byte(s.method), target, 1)
	if e.IR.OwnHost {
		b = http1.AppendField(b, "Host", host)
	} else {
		b = http1.AppendField(b, "Host", e.IR.Host)
	}
	s.octets = http1.AppendHeadEnd(x.appendServiceFields(b, s))
	return true
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
func (x *exchange) appendServiceFields(b []byte, s *serviceCall) []byte {
	e := x.policies.External
	x.hideTwins()
	b = x.appendRequestID(b)
	b = append(append(append(append(b, "X-Original-URL: "...), x.c.scheme()...), "://"...), x.authority()...)
	b = append(x.appendURI(b), "\r\n"...)
	b = http1.AppendField(b, "X-Original-Method", x.req.Method)
	b = append(b, "X-Sent-From: nginx-ingress-controller\r\n"...)
	b = append(x.client().Unmap().AppendTo(append(b, "X-Real-IP: "...)), "\r\n"...)
	b = append(append(append(b, "X-Forwarded-For: "...), x.from.chain...), "\r\n"...)
	s.scratch = e.Redirect.Append(s.scratch[:0], x)
	b, _ = http1.AppendCheckedField(b, "X-Auth-Request-Redirect", s.scratch)
	if e.IR.Method != "" {
		b = append(x.appendURI(append(b, "X-Original-URI: "...)), "\r\n"...)
		b = http1.AppendField(b, "X-Scheme", x.from.scheme)
	}
	if x.certificate != nil {
		b = x.appendClientFields(b)
	}
	for i := range e.Set {
		if s.scratch = e.Set[i].Value.Append(s.scratch[:0], x); len(s.scratch) > 0 { // as proxy_set_header
			b, _ = http1.AppendCheckedField(b, e.Set[i].Name, s.scratch)
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

// answerOf copies what is needed of the answer of a service. Most say nothing
// but that the request may pass, and need no memory.
func answerOf(resp *http1.Response, wanted []string) *policy.AuthAnswer {
	a := policy.AuthAnswer{Status: policy.Verdict(resp.Status), Keep: true}
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
			if forbidsKeeping(f.Value) {
				a.Keep = false
			}
		}
	}
	for _, name := range wanted {
		if value, ok := joinedNamed(resp, name); ok {
			a.Fields = append(a.Fields, ir.Field{Name: name, Value: value})
		}
	}
	if a.Status == 200 && a.Keep && a.Cookies == nil && a.Fields == nil && a.Challenge == "" {
		return plainGrant
	}
	kept := a
	return &kept
}

// forbidsKeeping reads the value of a Cache-Control field.
func forbidsKeeping(value []byte) bool {
	for at := range value {
		for _, word := range [...]string{"no-store", "no-cache", "private"} {
			if len(value)-at >= len(word) && variable.AnyCase(value[at:at+len(word)], word) {
				return true
			}
		}
	}
	return false
}

// joinedNamed is the value of a field of an answer; several are one list.
func joinedNamed(resp *http1.Response, name string) (value string, ok bool) {
	for i := range resp.Fields {
		f := &resp.Fields[i]
		switch {
		case f.Hop || !variable.AnyCase(f.Name, name):
		case ok:
			value += ", " + string(f.Value)
		default:
			value, ok = string(f.Value), true
		}
	}
	return value, ok
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
