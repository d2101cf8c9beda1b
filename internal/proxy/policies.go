package proxy

import (
	"net/netip"

	"daemun/internal/http1"
	"daemun/internal/ir"
	"daemun/internal/policy"
	"daemun/internal/upstream"
)

// client is the address that policies go by: the one place to ask for it.
func (x *exchange) client() netip.Addr { return x.from.addr }

// refuseBlocked is what every host refuses: addresses, user agents, referers. It
// comes before all that an Ingress says (§14.23).
func (x *exchange) refuseBlocked() bool {
	b := x.table.Block
	if b == nil {
		return false
	}
	agent, _ := x.req.Get(http1.FieldUserAgent)
	referer, _ := x.req.Get(http1.FieldReferer)
	if !b.Blocks(x.client(), agent, referer) {
		return false
	}
	x.c.server.counters.other[refusedBlocked].Add(1)
	x.answer(403)
	return true
}

// answerPreflight is CORS (§1.5): it decides whether the response gets the
// fields, and answers OPTIONS from an allowed origin, before all that guards
// the route (§14.5).
func (x *exchange) answerPreflight() bool {
	x.policies, x.cors = x.match.Route.Policies, false
	if x.policies == nil || x.policies.CORS == nil {
		return false
	}
	x.origin, _ = x.req.Get(http1.FieldOrigin)
	x.cors = x.policies.CORS.Allows(x.origin)
	if !x.cors || string(x.req.Method) != "OPTIONS" {
		return false
	}
	x.settleBody()
	x.respond(204, nil, nil)
	return true
}

// limit counts the request against the limits of the route.
func (x *exchange) limit() bool {
	p := x.policies
	return p != nil && (p.Limits != nil && x.limitClient() || p.Zones != nil && x.limitByZones())
}

// limitClient counts the request against the limits of its client (§5.7).
func (x *exchange) limitClient() bool {
	var verdict policy.LimitVerdict
	if by := x.table.LimitBy; by != nil {
		x.location = by.Append(x.location[:0], x)
		x.running, verdict = x.policies.Limits.EnterAs(x.location, x.client(), x.start)
	} else {
		x.running, verdict = x.policies.Limits.Enter(x.client(), x.start)
	}
	switch verdict {
	case policy.TooManyRunning:
		x.answer(x.runningStatus())
	case policy.TooManyRequests:
		x.answer(x.requestStatus())
	default:
		return false
	}
	return true
}

// leave ends the count of a running request and gives back what it has. It may
// be called more than once.
func (x *exchange) leave() {
	x.running.Leave()
	x.running = policy.Running{}
	x.counted.Leave()
	x.place.Leave()
	x.place = upstream.Place{}
	x.unpack()
	x.letGo()
}

// authorize asks the guards of the route in their order: address lists, basic
// or digest authentication, a service (§12.8). All of them have to accept, or with satisfy:
// any one of them.
func (x *exchange) authorize() bool {
	p := x.policies
	if p == nil || p.Access == nil && p.Auth == nil && p.External == nil {
		return false
	}
	refused := 0
	if p.Access != nil {
		switch p.Access.JudgeMethod(x.req.Method, x.client()) {
		case policy.Refused:
			refused = 403
		case policy.Allowed:
			if p.Any {
				return false
			}
		}
	}
	if p.Auth != nil && (p.Any || refused == 0) {
		verdict := x.authenticate()
		x.known = verdict == policy.AuthPassed
		switch {
		case verdict == policy.AuthBusy:
			refused, x.comeAgain = 503, true
		case !x.known:
			refused = 401
			x.challenge = p.Auth.AppendChallenge(x.challenge[:0], verdict, x.start)
		case p.Any:
			return false
		}
	}
	if p.External != nil && (p.Any || refused == 0) {
		if x.grant = x.askScript(p.External.Script); x.grant == nil {
			x.grant = x.askService()
		}
		x.takeVariables()
		switch {
		case x.grant.Status != 200:
			refused = x.grant.Status
			if refused == 401 && p.Auth == nil {
				x.challenge = append(x.challenge[:0], x.grant.Challenge...)
			}
		case p.Any:
			return false
		}
	}
	if refused == 0 {
		return false
	}
	x.guarded = true
	x.refuseAccess(refused)
	return true
}

func (x *exchange) authenticate() policy.AuthVerdict {
	field, _ := x.req.Get(http1.FieldAuthorization)
	return x.policies.Auth.Check(&policy.Attempt{Authorization: field, Method: x.ofClient(), Target: x.req.Target, Now: x.start})
}

// keepsCredentials says that the credentials of the client were for us (§1.4.2).
func (x *exchange) keepsCredentials() bool { return x.policies != nil && x.policies.Auth != nil }

// user is the name that the client gives, for the log.
func (x *exchange) user() []byte {
	field, ok := x.req.Get(http1.FieldAuthorization)
	if !ok {
		return nil
	}
	user, _, _ := policy.BasicCredentials(x.userScratch[:0], field)
	return user
}

// appendPolicyFields appends what the policies of the route add to every
// response, whoever made it.
func (x *exchange) appendPolicyFields(b []byte) []byte {
	if len(x.affinity) > 0 {
		b = x.appendAffinity(b)
	}
	p := x.policies
	if p == nil {
		return b
	}
	if x.cors {
		name, value := p.CORS.AllowOrigin(x.origin)
		if !policy.Removes(x.edits, name) {
			b = http1.AppendField(b, name, value)
		}
		b = x.appendFields(b, p.CORS.Fields())
		if x.status == 204 && string(x.req.Method) == "OPTIONS" && x.backend == nil {
			b = http1.AppendContentLength(b, 0) // as ingress-nginx answers a preflight
		}
	}
	if p.Response != nil {
		b = x.appendFields(b, p.Response.Set)
	}
	if len(x.edits) > 0 {
		b = x.appendEdits(b)
	}
	if x.grant != nil && p.External.GivesCookies(x.status) {
		for _, cookie := range x.grant.Cookies {
			b = http1.AppendField(b, "Set-Cookie", cookie)
		}
	}
	if len(x.challenge) > 0 {
		b = http1.AppendField(b, "WWW-Authenticate", x.challenge)
	}
	return b
}

func appendFields(b []byte, fields []ir.Field) []byte {
	for i := range fields {
		b = http1.AppendField(b, fields[i].Name, fields[i].Value)
	}
	return b
}

// appendFields appends fields of ours, but for those that an edit of the route
// takes away.
func (x *exchange) appendFields(b []byte, fields []ir.Field) []byte {
	if len(x.edits) == 0 {
		return appendFields(b, fields)
	}
	for i := range fields {
		if !policy.Removes(x.edits, fields[i].Name) {
			b = http1.AppendField(b, fields[i].Name, fields[i].Value)
		}
	}
	return b
}

// setsField reports whether a policy sets a field, so that our own gives way.
func (x *exchange) setsField(name string) bool {
	if x.policies == nil {
		return false
	}
	return x.policies.Response != nil && x.policies.Response.Replaces([]byte(name)) || policy.Removes(x.edits, name)
}

// appendResponseField appends a field of the backend as the policies of the
// route want it.
func (x *exchange) appendResponseField(b []byte, f *http1.Field) []byte {
	p := x.policies
	if p == nil {
		return http1.AppendField(b, f.Name, f.Value)
	}
	if x.cors && p.CORS.Replaces(f.Name) {
		return b
	}
	if fields := x.fields(); fields != nil && (fields.Hides(f.Name) || policy.Removes(x.edits, f.Name)) {
		return b
	}
	r := p.Response
	if r == nil {
		return http1.AppendField(b, f.Name, f.Value)
	}
	if r.Replaces(f.Name) {
		return b
	}
	start := len(b)
	b = append(b, f.Name...)
	b = append(b, ": "...)
	changed := false
	switch f.ID {
	case http1.FieldSetCookie:
		b, changed = r.Cookie(b, f.Value)
	case http1.FieldLocation:
		b, changed = x.appendLocation(b, f.Value)
	case http1.FieldRefresh:
		if before, head, rest, ok := r.Refresh(f.Value); ok {
			b = append(append(append(b, before...), head...), rest...)
			changed = true
		}
	}
	if !changed {
		return http1.AppendField(b[:start], f.Name, f.Value)
	}
	return append(b, "\r\n"...)
}

// appendLocation appends the Location of a backend that proxy-redirect
// changes. A path becomes absolute, as in our own redirects (§3.4).
func (x *exchange) appendLocation(b, value []byte) (out []byte, changed bool) {
	head, rest, ok := x.policies.Response.Location(value)
	if !ok {
		return b, false
	}
	if x.isPath(head) {
		b = x.appendOrigin(b)
	}
	return append(append(b, head...), rest...), true
}

// isPath reports that a Location begins as a path that has to become absolute.
func (x *exchange) isPath(location string) bool {
	return len(location) > 0 && location[0] == '/' && !x.match.Route.IR.RelativeRedirects
}

// appendOrigin appends the connection's scheme and the host name, without port
// unless the route wants it.
func (x *exchange) appendOrigin(l []byte) []byte {
	l = append(l, x.c.scheme()...)
	l = append(l, "://"...)
	switch addr := x.c.info.Local.Addr(); {
	case len(x.host) > 0:
		l = append(l, x.host...)
	case addr.Is6() && !addr.Is4In6():
		l = append(append(append(l, '['), addr.WithZone("").String()...), ']')
	default:
		l = append(l, addr.Unmap().String()...)
	}
	return x.appendPort(l)
}
