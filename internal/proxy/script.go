package proxy

import (
	"daemun/internal/canonical"
	"daemun/internal/policy"
	"daemun/internal/table"
)

// maxReroutes is how often a script may send a request to another route, as in
// nginx; after that it runs in a circle.
const maxReroutes = 10

// scriptFrame is what scripts know of the request. Only requests that meet a
// script have one.
func (x *exchange) scriptFrame() *policy.Frame {
	if x.frame == nil {
		x.frame = new(policy.Frame)
		x.frame.Reset()
	}
	return x.frame
}

// runHostScript is the server-snippet: it comes before the route is chosen, so
// that a rewrite chooses it anew whatever its flag.
func (x *exchange) runHostScript() bool {
	s := x.match.Host.Script
	if s == nil {
		return false
	}
	outcome, answer := s.Run(x.scriptFrame(), x, x.match.Path)
	if outcome == policy.Answered {
		x.answerScript(answer)
		return true
	}
	if _, moved := x.frame.URI(); moved {
		return x.reroute()
	}
	x.takeArgs()
	return false
}

// runScript is the configuration-snippet of the route. It reports whether it
// has answered.
func (x *exchange) runScript() bool {
	for range maxReroutes {
		if x.policies == nil || x.policies.Script == nil {
			return false
		}
		outcome, answer := x.policies.Script.Run(x.scriptFrame(), x, x.match.Path)
		r := x.match.Route.IR
		switch {
		case outcome == policy.Answered:
			x.answerScript(answer)
			return true
		case outcome == policy.Passed:
			x.takeArgs()
			return false
		case outcome == policy.Stopped, outcome == policy.Moved && (r.Redirect != nil || r.Rewrite != nil):
			x.frame.Stopped = outcome == policy.Stopped
			if uri, moved := x.frame.URI(); moved {
				x.match.Path = uri
				x.takeTarget(canonical.AppendEscapedPath(x.target[:0], uri))
			} else {
				x.takeArgs()
			}
			return false
		case x.reroute() || x.deny() || x.answerPreflight():
			return true
		}
	}
	x.refuse(500)
	return true
}

// reroute finds the route of the path that a script has made; it reports that
// the path is refused. What the former route wanted does not count any more.
func (x *exchange) reroute() bool {
	uri, _ := x.frame.URI()
	x.rerouted = canonical.AppendEscapedPath(x.rerouted[:0], uri)
	x.policies, x.cors, x.traced = x.match.Host.Policies, false, tracing{}
	return x.follow() || x.beginTrace()
}

// follow makes the route of the path x.rerouted that of the request, and the
// path what the backend gets; it reports that the path is refused.
func (x *exchange) follow() bool {
	x.internal = true
	if x.table.Resolve(x.host, x.rerouted, &x.match) != table.Found || x.match.Route == nil {
		x.match.Route = nil
		x.refuse(400)
		return true
	}
	x.takeTarget(append(x.target[:0], x.rerouted...))
	return false
}

// takeTarget makes an escaped path, with the arguments, what the backend gets.
func (x *exchange) takeTarget(path []byte) {
	x.target, x.rewritten = x.appendArgs(path), true
	x.tellRewrite()
}

// takeArgs makes arguments that a script has set part of the target.
func (x *exchange) takeArgs() {
	if _, set := x.frame.Args(); set {
		x.takeTarget(x.appendCurrentPath(x.target[:0]))
	}
}

// appendCurrentPath appends the path as it was received, or the escaped one
// that a script or an error page has made.
func (x *exchange) appendCurrentPath(b []byte) []byte {
	if x.frame != nil {
		if uri, moved := x.frame.URI(); moved {
			return canonical.AppendEscapedPath(b, uri)
		}
	}
	return append(b, x.req.Path...)
}

// appendArgs appends the arguments with their "?", as scripts have left them.
func (x *exchange) appendArgs(b []byte) []byte {
	if x.frame != nil {
		if args, set := x.frame.Args(); set {
			if len(args) == 0 {
				return b
			}
			return append(append(b, '?'), args...)
		}
	}
	return x.appendQuery(b)
}

// stopped says that a script forbids all rewriting that would follow.
func (x *exchange) stopped() bool { return x.frame != nil && x.frame.Stopped }

// statusClosed is nginx's way to say that a client gets nothing.
const statusClosed = 444

// answerScript answers as a script says.
func (x *exchange) answerScript(a *policy.Answer) {
	text := a.Literal
	if a.Text != nil {
		text = a.Text.Append(nil, x)
	}
	switch status := a.Status; {
	case status == statusClosed:
		x.status, x.keep = status, false
	case text == nil && status >= 400:
		x.guarded = true // nothing may make it look like an allowed request
		x.answer(status)
	case text == nil && status >= 300:
		x.settleBody()
		x.respond(status, nil, x.c.server.pages.of(status))
	case status == 301, status == 302, status == 303, status == 307, status == 308:
		x.redirectTo(status, text)
	default:
		if text == nil {
			text = []byte{}
		}
		x.pageType = a.Type
		x.settleBody()
		x.respondText(x.shown(status), text)
	}
}

// redirectTo makes a path absolute, as every redirect of our own (§3.4).
func (x *exchange) redirectTo(status int, location []byte) {
	l := x.location[:0]
	if len(location) > 0 && location[0] == '/' && (x.match.Route == nil || !x.match.Route.IR.RelativeRedirects) {
		l = x.appendOrigin(l)
	}
	x.location = append(l, location...)
	x.redirect(status, x.location)
}

// askScript lets an auth-snippet answer in place of the service.
func (x *exchange) askScript(s *policy.Script) *policy.AuthAnswer {
	if s == nil {
		return nil
	}
	outcome, answer := s.Run(x.scriptFrame(), x, x.match.Path)
	if outcome != policy.Answered {
		return nil
	}
	return &policy.AuthAnswer{Status: policy.Verdict(answer.Status)}
}

// fields are the edits of heads: those of the last "if" that held, or of the
// route.
func (x *exchange) fields() *policy.Fields {
	switch {
	case x.policies == nil:
		return nil
	case x.frame != nil && x.frame.Variant != nil:
		return x.frame.Variant.Fields
	}
	return x.policies.Fields
}

// mediaType is that of a page of ours.
func (x *exchange) mediaType(status int) []byte {
	if x.pageType != "" {
		return []byte(x.pageType)
	}
	return ownType(status)
}

// unlogged says that a script has turned the access log off.
func (x *exchange) unlogged() bool {
	return x.frame != nil && x.frame.Variant != nil && x.frame.Variant.NoLog
}
