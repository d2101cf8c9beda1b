package proxy

import (
	"bytes"
	"time"

	"daemun/internal/accesslog"
	"daemun/internal/http1"
	"daemun/internal/variable"
)

// log writes the line of a finished request.
func (x *exchange) log(now time.Time) {
	if x.match.Route != nil && !x.match.Route.IR.AccessLog || x.unlogged() || x.c.server.log.Skips(x.requestURI()) {
		return
	}
	e := &x.entry
	x.describe(e, now)
	e.Status = x.status
	e.BodyBytesSent = max(0, x.written-int64(x.head))
	e.RequestLength, e.RequestTime = x.received+x.body.Wire(), now.Sub(x.start)
	e.UpstreamName, e.AlternativeName = "upstream-default-backend", ""
	if x.canary {
		e.UpstreamName, e.AlternativeName = x.match.Route.Backend.LogName(), x.backend.LogName()
	} else if x.backend != nil {
		e.UpstreamName = x.backend.LogName()
	} else if x.match.Route != nil && x.match.Route.Backend != nil {
		e.UpstreamName = x.match.Route.Backend.LogName()
	} else if x.match.Route == nil {
		e.UpstreamName = ""
	}
	x.c.server.log.Log(e)
}

// describe says who asked for what.
func (x *exchange) describe(e *accesslog.Entry, now time.Time) {
	e.Time, e.Remote = now, x.client()
	e.Method, e.Target, e.Proto = x.ofClient(), x.req.Target, x.protocol()
	e.RemoteUser, e.RequestID, e.Source = x.user(), x.requestID(), x
	e.Referer, _ = x.req.Get(http1.FieldReferer)
	e.UserAgent, _ = x.req.Get(http1.FieldUserAgent)
}

func (x *exchange) protocol() []byte {
	if x.c.stream != nil {
		return protocolHTTP2
	}
	return protocols[x.req.Minor]
}

// requestURI is path and query as received.
func (x *exchange) requestURI() []byte {
	if len(x.req.Target) > 0 && x.req.Target[0] == '/' {
		return x.req.Target
	}
	return x.appendURI(nil)
}

// logService writes the line of a request to the service of auth-url, where
// those are asked for. status is 0 without an answer.
func (x *exchange) logService(s *subrequest, began time.Time, status int) {
	if !x.table.Settings.Logs.AuthRequests || x.c.server.log == nil || x.c.server.log.Skips(x.requestURI()) {
		return
	}
	now := time.Now()
	a := accesslog.Attempt{Addr: s.asked, Status: status, ResponseTime: now.Sub(began), BytesSent: int64(len(s.octets))}
	e := accesslog.Entry{Status: status, RequestTime: a.ResponseTime, UpstreamName: s.backend.LogName()}
	if status == 0 {
		e.Status, a.ResponseTime = 500, -1
	}
	if s.asked != "" {
		e.Attempts = []accesslog.Attempt{a}
	}
	x.describe(&e, now)
	x.c.server.log.Log(&e)
}

// countAttempt completes what is known of a try at an upstream.
func (x *exchange) countAttempt(a *accesslog.Attempt, f failure) {
	if !a.Connected {
		return
	}
	a.BytesSent = int64(len(x.opening) + len(x.behind))
	if !x.streaming {
		a.BytesSent += max(0, x.body.Payload()-int64(len(x.prefix)))
	}
	if f.status == 0 {
		a.HeaderTime = x.seen.Header
		a.BytesReceived = int64(x.upstreamHead) + x.respBody.Wire()
	}
}

// captured are fields of responses that the format of the log wants: the
// buffers that they were in are gone when the line is made.
type captured struct {
	parts []capturedPart
	text  []byte
}

type capturedPart struct {
	accesslog.Captured
	end int // in text
}

func (c *captured) reset() { c.parts, c.text = c.parts[:0], c.text[:0] }

func (c *captured) add(what accesslog.Captured, value []byte) {
	c.text = append(c.text, value...)
	c.parts = append(c.parts, capturedPart{what, len(c.text)})
}

// get returns the last value: that of the last attempt.
func (c *captured) get(id variable.ID, arg string) []byte {
	for i := len(c.parts) - 1; i >= 0; i-- {
		if p := &c.parts[i]; p.ID == id && p.Arg == arg {
			start := 0
			if i > 0 {
				start = c.parts[i-1].end
			}
			return c.text[start:p.end]
		}
	}
	return nil
}

// captureSent keeps what the log wants of a response head for the client.
func (x *exchange) captureSent(head []byte) {
	wanted := x.c.server.log.Captured()
	if len(wanted) == 0 || x.quiet {
		return
	}
	for len(head) > 0 {
		var line []byte
		line, head, _ = bytes.Cut(head, []byte("\r\n"))
		name, value, ok := bytes.Cut(line, []byte(": "))
		if !ok {
			continue
		}
		for _, w := range wanted {
			if w.ID == variable.SentField && variable.FieldIs(name, w.Arg) {
				x.captured.add(w, value)
			}
		}
	}
}

// captureReceived keeps what the log wants of the response of an upstream.
func (x *exchange) captureReceived() {
	for _, w := range x.c.server.log.Captured() {
		for i := range x.resp.Fields {
			f := &x.resp.Fields[i]
			switch w.ID {
			case variable.UpstreamField:
				if variable.FieldIs(f.Name, w.Arg) {
					x.captured.add(w, f.Value)
				}
			case variable.UpstreamCookie:
				if v, ok := setCookie(f, w.Arg); ok {
					x.captured.add(w, v)
				}
			}
		}
	}
}

// setCookie is the value that a field gives to a cookie.
func setCookie(f *http1.Field, name string) (value []byte, ok bool) {
	if f.ID != http1.FieldSetCookie {
		return nil, false
	}
	pair, _, _ := bytes.Cut(f.Value, []byte{';'})
	n, v, found := bytes.Cut(pair, []byte{'='})
	return bytes.TrimSpace(v), found && variable.Exactly(bytes.TrimSpace(n), name)
}
