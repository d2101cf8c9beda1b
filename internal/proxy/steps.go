package proxy

import (
	"bytes"
	"fmt"
	"strconv"

	"daemun/internal/canonical"
	"daemun/internal/http1"
	"daemun/internal/table"
)

// run is the order of work of one request (ingress-nginx §12), the one place
// to look for what comes before what. A step that returns true has answered.
func (x *exchange) run() {
	switch {
	case x.refuseWithoutTable():
	case x.refuseBadHostOrPath():
	case x.refuseBlocked():
	case x.beginTrace():
	case x.refuseMisdirected():
	case x.refuseClient():
	case x.redirectToOtherName():
	case x.redirectToAppRoot():
	case x.runHostScript():
	case x.answerHealth():
	case x.answerStatus():
	case x.refuseOverload():
	case x.deny():
	case x.answerPreflight():
	case x.runScript():
	case x.redirectFixed():
	case x.rewrite():
	case x.redirectToHTTPS():
	case x.answerWithoutEndpoint():
	case x.limit():
	case x.inspectHead():
	case x.authorize():
	case x.answerDefault():
	case x.refuseLargeBody():
	case x.refuseCrowd():
	default:
		x.forward()
	}
}

func (x *exchange) refuseWithoutTable() bool {
	if x.table != nil {
		return false
	}
	x.refuse(503)
	return true
}

// refuseBadHostOrPath routes; what cannot be read in one way only is refused
// (H3.2, H3.7, H3.8), and so is "OPTIONS *" (§15.8).
func (x *exchange) refuseBadHostOrPath() bool {
	var why refusal
	switch host, ok := canonical.Host(x.hostScratch[:0], x.req.Authority); {
	case !ok && len(x.req.Authority) > 0:
		why = refusedHost
	case x.req.Form == http1.FormAsterisk:
		why = refusedAsterisk
	default:
		x.host = host
		switch x.table.Resolve(x.host, x.req.Path, &x.match) {
		case table.Found:
			x.policies = x.match.Host.Policies
			return false
		case table.BadPath:
			why = refusedBadPath
		default:
			why = refusedAmbiguousPath
		}
	}
	x.match.Route = nil
	x.c.server.counters.other[why].Add(1)
	x.refuse(400)
	return true
}

// redirectToOtherName is from-to-www-redirect (§3.3): the port is always
// there, one final slash goes.
func (x *exchange) redirectToOtherName() bool {
	to := x.match.Host.IR.RedirectTo
	if to == "" {
		return false
	}
	l := append(x.location[:0], x.from.scheme...)
	l = append(l, "://"...)
	l = append(l, to...)
	l = append(l, ':')
	l = append(l, x.from.port...)
	l = x.appendURI(l)
	x.location = bytes.TrimSuffix(l, []byte("/"))
	x.redirect(x.table.Settings.HTTPRedirectCode, x.location)
	return true
}

// redirectToAppRoot is app-root (§1.1): it keeps the listener's scheme and the
// Host field as sent.
func (x *exchange) redirectToAppRoot() bool {
	root := x.match.Host.IR.AppRoot
	if root == "" || string(x.match.Path) != "/" {
		return false
	}
	l := append(x.location[:0], x.c.scheme()...)
	l = append(l, "://"...)
	l = append(l, x.authority()...)
	x.location = append(l, root...)
	x.redirect(302, x.location)
	return true
}

const healthPath = "/healthz"

// fixed reports that the path belongs to a fixed location of the catch-all
// block (§2.4), which only a more specific route of its own replaces.
func (x *exchange) fixed(path string) bool {
	if x.match.Host.IR.Name != "" || !bytes.HasPrefix(x.match.Path, []byte(path)) {
		return false
	}
	r := x.match.Route
	return r == nil || len(r.IR.Path) < len(path)
}

func (x *exchange) answerHealth() bool {
	if !x.fixed(healthPath) {
		return false
	}
	x.quiet = true
	x.settleBody()
	x.respond(200, nil, nil)
	return true
}

const statusPath = "/nginx_status"

// answerStatus is nginx's page of connection counts, for this machine only.
func (x *exchange) answerStatus() bool {
	if !x.fixed(statusPath) {
		return false
	}
	// Of this machine must be who connects, whatever it says, and who it says.
	if !x.c.info.Peer.Addr().Unmap().IsLoopback() || !x.client().Unmap().IsLoopback() {
		x.answer(403)
		return true
	}
	st := x.c.server.Stats()
	x.settleBody()
	x.respond(200, nil, fmt.Appendf(nil, "Active connections: %d \nserver accepts handled requests\n %d %d %d \nReading: 0 Writing: %d Waiting: %d \n",
		st.Active+st.Tunnels+st.Idle, st.Accepted, st.Accepted, st.Requests, st.Active+st.Tunnels, st.Idle))
	return true
}

func (x *exchange) deny() bool {
	status := x.match.Route.IR.Denied
	if status == 0 && x.match.Route.IR.Internal && !x.internal {
		status, x.policies = 404, x.match.Route.Policies
	}
	if status == 0 {
		return false
	}
	x.answer(status)
	return true
}

// redirectFixed is permanent-redirect, temporal-redirect and the automatic
// slash. A path becomes absolute with the connection's scheme and the host
// name without port (§3.4).
func (x *exchange) redirectFixed() bool {
	r := x.match.Route.IR.Redirect
	if r == nil || x.stopped() {
		return false
	}
	l := x.location[:0]
	if r.AppendSlash && !x.match.Route.IR.RelativeRedirects || x.isPath(r.Location) {
		l = x.appendOrigin(l)
	}
	if r.AppendSlash {
		// The path as it was matched, as nginx has it: of what was received a
		// browser could read the beginning as another host.
		l = append(canonical.AppendEscapedPath(l, x.match.Path), '/')
		l = x.appendArgs(l)
	} else {
		l = append(l, r.Location...)
	}
	x.location = l
	x.redirect(r.Code, l)
	return true
}

// rewrite makes the upstream target; a target with a scheme is a redirect.
func (x *exchange) rewrite() bool {
	if x.match.Route.IR.Rewrite == nil || x.stopped() {
		return false
	}
	before := len(x.target)
	out, redirect := x.match.Rewrite(x.target[:0])
	if len(out) == 0 { // the expression does not match: as received
		x.target = out[:before]
		return false
	}
	x.target = x.appendArgs(out)
	if redirect {
		x.redirect(302, x.target)
		return true
	}
	if !http1.ValidTarget(x.target) {
		x.answer(500)
		return true
	}
	x.rewritten = true
	x.tellRewrite()
	return false
}

// redirectToHTTPS is ssl-redirect (§3.1).
func (x *exchange) redirectToHTTPS() bool {
	r := x.match.Route.IR
	if string(x.from.scheme) != "http" || !r.ForceSSLRedirect && !(r.SSLRedirect && x.match.Host.HasTLS(x.host)) {
		return false
	}
	l := append(x.location[:0], "https://"...)
	l = append(l, withoutPort(x.shownHost())...)
	if r.PortInRedirects { // always there, as in ingress-nginx
		l = strconv.AppendUint(append(l, ':'), uint64(x.c.server.securePort), 10)
	}
	l = x.appendURI(l)
	if !r.PreserveTrailingSlash {
		l = bytes.TrimSuffix(l, []byte("/"))
	}
	x.location = l
	x.redirect(x.table.Settings.HTTPRedirectCode, l)
	return true
}

// answerWithoutEndpoint chooses the backend: the route's, or its fallback while
// that has no endpoint (§2.1, §11.2). The built-in 404 server is none; it stands
// in for the global default backend.
func (x *exchange) answerWithoutEndpoint() bool {
	r := x.match.Route
	switch {
	case r.Backend == nil:
	case r.Backend.Len() > 0:
		x.backend = r.Backend
		if x.toCanary() {
			x.backend, x.canary = r.Canary, true
		}
	case r.Fallback != nil && r.Fallback.Len() > 0:
		x.backend, x.fallback = r.Fallback, true
	case !r.IR.DefaultBackend:
		x.comeAgain = true
		x.answer(503)
		return true
	}
	return false
}

// answerDefault is the built-in 404 server. It comes after the guards of the
// route (§2.1.3).
func (x *exchange) answerDefault() bool {
	if x.backend != nil {
		return false
	}
	x.answer(404)
	return true
}

// refuseLargeBody is proxy-body-size for a body of known length; others are
// counted while they are read.
func (x *exchange) refuseLargeBody() bool {
	limit := x.match.Route.IR.MaxBody
	if limit == 0 || x.req.Body != http1.BodyLength || x.req.ContentLength <= limit {
		return false
	}
	x.c.server.counters.other[refusedBodySize].Add(1)
	x.refuse(413)
	return true
}

// authority is the Host field, or for HTTP/1.0 without one our address.
func (x *exchange) authority() []byte {
	if len(x.req.Authority) > 0 {
		return x.req.Authority
	}
	return x.c.info.Local.AppendTo(nil)
}

// appendURI appends the path as received, and the query.
func (x *exchange) appendURI(l []byte) []byte { return x.appendQuery(append(l, x.req.Path...)) }

func (x *exchange) appendQuery(l []byte) []byte {
	if x.req.HasQuery {
		l = append(l, '?')
		l = append(l, x.req.Query...)
	}
	return l
}

// withoutPort cuts ":port" off, but nothing of a bracketed IPv6 address.
func withoutPort(authority []byte) []byte {
	if i := bytes.LastIndexByte(authority, ':'); i >= 0 && bytes.IndexByte(authority[i:], ']') < 0 {
		return authority[:i]
	}
	return authority
}
