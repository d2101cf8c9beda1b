package proxy

import (
	"bytes"
	"net"
	"strconv"
	"strings"
	"time"

	"daemun/internal/http1"
	"daemun/internal/trace"
	"daemun/internal/upstream"
	"daemun/internal/variable"
)

// tracing is the trace that a request is part of, and when and how backends
// were asked.
type tracing struct {
	trace.Request
	asked, answered time.Time
	attempts        int
	status          int // of the last attempt
}

// beginTrace puts the request into a trace if its route wants that. It answers
// nothing. What was refused before it had a route is in no trace.
func (x *exchange) beginTrace() bool {
	r := x.match.Route
	if r == nil || r.Policies == nil || r.Policies.Trace == nil {
		return false
	}
	in := x.incomingTrace()
	x.traced.Begin(&in, r.Policies.Trace.Trust, &x.table.Sampler, x.c.random)
	return false
}

func (x *exchange) incomingTrace() (in trace.Incoming) {
	for i := range x.req.Fields {
		f := &x.req.Fields[i]
		in.Add(trace.CarrierOf(f.Name), f.Value)
	}
	return in
}

// attempt and attempted note a try at a backend. They look at no clock.
func (t *tracing) attempt(now time.Time) {
	if t.attempts++; t.attempts == 1 {
		t.asked = now
	}
}

func (t *tracing) attempted(now time.Time, status int) { t.answered, t.status = now, status }

func (t *tracing) appendVariable(b []byte, id variable.ID) []byte {
	switch id {
	case variable.TraceID:
		return t.AppendTrace(b)
	case variable.SpanID:
		return t.AppendSpan(b)
	case variable.TraceSampled:
		return t.AppendSampled(b)
	case variable.Traceparent:
		return t.AppendTraceparent(b, t.Server)
	case variable.TraceB3:
		return t.AppendB3(b, t.Server)
	}
	return b
}

// recordSpans gives the spans of a request that has ended away: that of the
// client's request, and that of the backend's if one was asked.
func (x *exchange) recordSpans(now time.Time) {
	s := x.c.server.spans
	if s == nil || !s.Recording() {
		return
	}
	state := ""
	if x.traced.Remote && !x.traced.Replaces([]byte("tracestate")) {
		in := x.incomingTrace()
		state = string(in.State())
	}
	name := x.spanName()
	s.Put(&trace.Span{
		Trace: x.traced.Trace, ID: x.traced.Server, Parent: x.traced.Parent, Remote: x.traced.Remote, State: state, Name: name,
		Kind: trace.KindServer, Start: x.start, End: now, Attributes: x.serverAttributes(), Failed: x.status >= 500,
	})
	if x.traced.attempts == 0 {
		return
	}
	s.Put(&trace.Span{
		Trace: x.traced.Trace, ID: x.traced.Client, Parent: x.traced.Server, State: state, Name: name,
		Kind: trace.KindClient, Start: x.traced.asked, End: x.traced.answered, Attributes: x.clientAttributes(), Failed: x.traced.status >= 400,
	})
}

// spanName is low in cardinality: method and path of the Ingress, unless the
// operator names spans.
func (x *exchange) spanName() string {
	r := x.match.Route
	if text := r.Policies.Trace.Name; text != nil {
		return string(text.Append(nil, x))
	}
	method, _ := knownMethod(x.req.Method)
	if method == otherMethod {
		method = "HTTP"
	}
	return method + " " + r.IR.Path
}

// otherMethod stands for methods that are not well known, so that clients
// cannot make up values.
const otherMethod = "_OTHER"

func knownMethod(method []byte) (name string, known bool) {
	switch m := string(method); m {
	case "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE", "QUERY":
		return m, true
	}
	return otherMethod, false
}

// facts collects attributes.
type facts []trace.Attribute

func (f *facts) text(key, value string) {
	if value != "" {
		*f = append(*f, trace.Attribute{Key: key, Text: value})
	}
}

func (f *facts) number(key string, n int64) {
	*f = append(*f, trace.Attribute{Key: key, Number: n})
}

func (f *facts) method(method []byte) {
	name, known := knownMethod(method)
	f.text("http.request.method", name)
	if !known {
		f.text("http.request.method_original", string(method))
	}
}

// failure is error.type: the status, as the conventions want it.
func (f *facts) failure(status, from int) {
	if status >= from {
		f.text("error.type", strconv.Itoa(status))
	}
}

// serverAttributes are those of OpenTelemetry's conventions for HTTP servers,
// and the ones that ingress-nginx adds.
func (x *exchange) serverAttributes() []trace.Attribute {
	r := x.match.Route
	f := make(facts, 0, 20)
	f.method(x.req.Method)
	f.text("url.scheme", string(x.from.scheme))
	f.text("url.path", string(x.req.Path))
	f.text("url.query", redactQuery(string(x.req.Query)))
	f.text("http.route", r.IR.Path)
	f.number("http.response.status_code", int64(x.status))
	f.failure(x.status, 500)
	f.text("server.address", string(withoutPort(x.shownHost())))
	if port, err := strconv.Atoi(string(x.from.port)); err == nil {
		f.number("server.port", int64(port))
	}
	client := x.client().Unmap().WithZone("").String()
	f.text("client.address", client)
	f.text("network.peer.address", x.c.info.Peer.Addr().Unmap().WithZone("").String())
	f.number("network.peer.port", int64(x.c.info.Peer.Port()))
	f.text("network.protocol.version", x.httpVersion())
	agent, _ := x.req.Get(http1.FieldUserAgent)
	f.text("user_agent.original", string(agent))
	f.text("ingress.namespace", r.IR.Ingress.Namespace)
	f.text("ingress.name", r.IR.Ingress.Name)
	f.text("ingress.service_name", r.IR.Service)
	if x.backend != nil {
		f.text("ingress.upstream", x.backend.LogName())
	}
	return f
}

func (x *exchange) httpVersion() string {
	switch {
	case x.c.stream != nil:
		return "2"
	case x.req.Minor == 0:
		return "1.0"
	}
	return "1.1"
}

// clientAttributes are those of the conventions for HTTP clients.
func (x *exchange) clientAttributes() []trace.Attribute {
	f := make(facts, 0, 8)
	f.method(x.req.Method)
	address := x.tried[len(x.tried)-1].Address()
	transport := x.transport()
	scheme := "http"
	if transport == upstream.TLS || transport == upstream.HTTP2TLS {
		scheme = "https"
	}
	target, query, _ := bytes.Cut(x.upstreamTarget(), []byte("?"))
	full := scheme + "://" + address + string(target)
	if len(query) > 0 {
		full += "?" + redactQuery(string(query))
	}
	f.text("url.full", full)
	if host, port, err := net.SplitHostPort(address); err == nil {
		f.text("server.address", host)
		if n, err := strconv.Atoi(port); err == nil {
			f.number("server.port", int64(n))
		}
	}
	if x.traced.status > 0 {
		f.number("http.response.status_code", int64(x.traced.status))
	}
	f.failure(x.traced.status, 400)
	if resent := x.traced.attempts - 1; resent > 0 {
		f.number("http.request.resend_count", int64(resent))
	}
	version := "1.1"
	if transport.Multiplexed() {
		version = "2"
	}
	f.text("network.protocol.version", version)
	return f
}

// signatures are parameters that grant access to whoever has the URL; the
// conventions want them redacted.
var signatures = [...]string{"AWSAccessKeyId", "Signature", "sig", "X-Goog-Signature"}

func redactQuery(query string) string {
	found := false
	for _, name := range signatures {
		found = found || strings.Contains(query, name+"=")
	}
	if !found {
		return query
	}
	parameters := strings.Split(query, "&")
	for i, p := range parameters {
		name, _, _ := strings.Cut(p, "=")
		for _, s := range signatures {
			if name == s {
				parameters[i] = name + "=REDACTED"
			}
		}
	}
	return strings.Join(parameters, "&")
}
