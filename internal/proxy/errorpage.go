package proxy

import (
	"bytes"

	"daemun/internal/canonical"
	"daemun/internal/http1"
	"daemun/internal/policy"
	"daemun/internal/upstream"
)

// maxPages is how often error pages may lead to one another with
// recursive_error_pages: as often as nginx changes the path of a request.
const maxPages = 10

// answerPage is error_page: the route of a path of the host, or one of its named
// locations, answers in place of a page of ours, or the client is sent to a URL.
// What that answers is not replaced again, unless the route wants it.
func (x *exchange) answerPage(status int) bool {
	if x.policies == nil || x.policies.Pages == nil || x.replacing && !x.mayPageAgain() {
		return false
	}
	page := x.policies.Pages.For(status)
	if page == nil {
		return false
	}
	x.replacing = true
	x.paged++
	to := page.To.Append(nil, x)
	switch {
	case len(to) == 0:
		return false
	case to[0] == '/':
		x.goToPage(page, status, to)
	case to[0] == '@':
		x.goToNamed(page, status, to)
	default:
		x.redirect(page.Redirect(), to)
	}
	return true
}

// mayPageAgain says that error pages stand in for what others have led to.
func (x *exchange) mayPageAgain() bool {
	return x.paged > 0 && x.paged < maxPages && x.match.Route != nil && x.match.Route.IR.RecursivePages
}

// goToPage answers as a request for a path of the host is answered, by its
// guards, too. As in nginx, the path is as written, not in its escaped form.
func (x *exchange) goToPage(page *policy.Page, status int, to []byte) {
	path, args, _ := bytes.Cut(to, []byte{'?'})
	x.leaveRoute(page.Shown(status))
	x.scriptFrame().Move(path, args)
	x.rerouted = canonical.AppendEscapedPath(x.rerouted[:0], path)
	if !x.follow() && !x.refuseAgain() && !x.runHostScript() {
		x.answerInside()
	}
}

// refuseAgain asks what guards all routes of the host once more: an error page
// must not lead past it.
func (x *exchange) refuseAgain() bool {
	return x.refuseBlocked() || x.refuseMisdirected() || x.refuseClient()
}

// goToNamed answers as a location of the host does that no path leads to.
func (x *exchange) goToNamed(page *policy.Page, status int, name []byte) {
	route := x.match.Host.Named(name)
	if route == nil { // that of another server-snippet, which does not count
		x.respond(500, nil, x.c.server.pages.of(500))
		return
	}
	x.leaveRoute(page.Shown(status))
	x.internal, x.match.Route = true, route
	x.answerInside()
}

// leaveRoute forgets what belongs to the route that could not answer. The request
// becomes a GET without a body, of which the client is asked nothing more.
func (x *exchange) leaveRoute(shown int) {
	if x.keep { // otherwise the end of the connection is settled
		x.settleBody()
	}
	x.override = shown
	x.policies, x.cors, x.grant, x.known = x.match.Host.Policies, false, nil, false
	x.backend, x.fallback, x.canary, x.comeAgain = nil, false, false, false
	x.dropPrefix()
	x.affinity, x.tried, x.whole = x.affinity[:0], x.tried[:0], true
	x.rewritten, x.cutShort = false, false
	x.leave()
	x.closeInspection()
	if x.frame != nil {
		x.frame.Variant, x.frame.Stopped = nil, false
	}
	if x.method == nil {
		x.method = x.req.Method
	}
	if string(x.method) != "HEAD" {
		x.req.Method = methodGET
	}
	x.req.Body, x.req.ContentLength, x.req.ExpectContinue, x.req.Upgrade = http1.BodyNone, -1, false, nil
}

var methodGET = []byte("GET")

// answerInside is the order of work of a request that an error page has sent to
// another route. Limits are not counted a second time.
func (x *exchange) answerInside() {
	switch {
	case x.deny():
	case x.answerPreflight():
	case x.runScript():
	case x.redirectFixed():
	case x.rewrite():
	case x.redirectToHTTPS():
	case x.answerWithoutEndpoint():
	case x.inspectHead():
	case x.authorize():
	case x.answerDefault():
	case x.refuseCrowd():
	default:
		x.forward()
	}
}

// ofClient is the method that the client has sent.
func (x *exchange) ofClient() []byte {
	if x.method != nil {
		return x.method
	}
	return x.req.Method
}

// shown is the status that the client gets for an answer: an error page says so,
// until a page of ours stands in for it.
func (x *exchange) shown(status int) int {
	if x.override != 0 {
		return x.override
	}
	return status
}

// interceptsPage reports whether an error page stands in for a response of the
// backend. In place of what an error page has led to there is our own page.
func (x *exchange) interceptsPage(status int) bool {
	p := x.policies
	if p == nil || p.Pages == nil || x.resp.Status == 101 {
		return false
	}
	intercept := x.match.Route.IR.Intercept || p.Errors != nil && !p.Errors.OwnOnly
	return intercept && p.Pages.For(status) != nil
}

// bodiless answers with a status that has no content in place of a response that
// has one. The other way round it gives the response an empty content.
func (x *exchange) bodiless(up *upstream.Conn) bool {
	if x.override == 0 {
		return false
	}
	if !contentless(x.override) {
		if contentless(x.resp.Status) {
			x.resp.ContentLength = 0
		}
		return false
	}
	x.dropUpstream(up)
	x.respond(x.override, nil, nil)
	return true
}

func contentless(status int) bool { return status == 204 || status == 304 }

// respondText answers with a text of a script.
func (x *exchange) respondText(status int, text []byte) {
	if contentless(status) {
		text = nil
	}
	x.respond(status, nil, text)
}
