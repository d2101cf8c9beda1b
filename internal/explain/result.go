package explain

import (
	"fmt"
	"strconv"
	"strings"

	"daemun/internal/annotation"
	"daemun/internal/ir"
)

// policyRow shows one setting; an empty value means that it does not act.
type policyRow struct {
	name  string
	value func(h *ir.Host, r *ir.Route) string
}

// policyRows are the settings in the order in which they act on a request;
// names are those of the annotations.
func policyRows() []policyRow { return append(requestRows(), responseRows()...) }

// requestRows are those that act on a request.
func requestRows() []policyRow {
	return []policyRow{
		{"ssl-passthrough", func(h *ir.Host, _ *ir.Route) string { return on(h.Passthrough) }},
		{"auth-tls-secret", func(h *ir.Host, _ *ir.Route) string { return clientAuth(h.ClientAuth) }},
		{"app-root", func(h *ir.Host, _ *ir.Route) string { return h.AppRoot }},
		{"server-snippet", func(h *ir.Host, _ *ir.Route) string { return script(h.Script) }},
		{"enable-cors", func(_ *ir.Host, r *ir.Route) string { return cors(r.CORS) }},
		{"configuration-snippet", func(_ *ir.Host, r *ir.Route) string { return snippetText(r) }},
		{"permanent-redirect", func(_ *ir.Host, r *ir.Route) string { return redirect(r) }},
		{"rewrite-target", func(_ *ir.Host, r *ir.Route) string {
			if r.Rewrite == nil {
				return ""
			}
			return fmt.Sprintf("%s → %s", r.Rewrite.Pattern, r.Rewrite.Target)
		}},
		{"force-ssl-redirect", func(_ *ir.Host, r *ir.Route) string { return on(r.ForceSSLRedirect) }},
		{"ssl-redirect", func(h *ir.Host, r *ir.Route) string { return on(r.SSLRedirect && h.TLSRedirect) }},
		{"limit-rps", func(_ *ir.Host, r *ir.Route) string { return limit(r, func(l *ir.Limits) int { return l.PerSecond }) }},
		{"limit-rpm", func(_ *ir.Host, r *ir.Route) string { return limit(r, func(l *ir.Limits) int { return l.PerMinute }) }},
		{"limit-connections", func(_ *ir.Host, r *ir.Route) string { return limit(r, func(l *ir.Limits) int { return l.Connections }) }},
		{"denylist-source-range", func(_ *ir.Host, r *ir.Route) string {
			if r.Access == nil {
				return ""
			}
			return prefixes(r.Access.Deny)
		}},
		{"allowlist-source-range", func(_ *ir.Host, r *ir.Route) string {
			if r.Access == nil {
				return ""
			}
			return prefixes(r.Access.Allow)
		}},
		{"auth-type", func(_ *ir.Host, r *ir.Route) string { return basicAuth(r.BasicAuth) }},
		{"auth-url", func(_ *ir.Host, r *ir.Route) string { return externalAuth(r.ExternalAuth) }},
		{"satisfy", func(_ *ir.Host, r *ir.Route) string {
			if r.SatisfyAny {
				return "any"
			}
			return ""
		}},
		{"proxy-body-size", func(_ *ir.Host, r *ir.Route) string { return size(r.MaxBody) }},
		{"proxy-request-buffering", func(_ *ir.Host, r *ir.Route) string {
			if r.RequestBuffering {
				return ""
			}
			return "off"
		}},
		{"proxy-http-version", func(_ *ir.Host, r *ir.Route) string {
			if r.HTTP10 {
				return "1.0"
			}
			return ""
		}},
		{"backend-protocol", func(_ *ir.Host, r *ir.Route) string { return string(r.Protocol) }},
		{"proxy-set-headers", func(_ *ir.Host, r *ir.Route) string {
			return edits(r.Fields, func(f *ir.FieldEdits) []ir.FieldEdit { return f.Request })
		}},
		{"upstream-vhost", func(_ *ir.Host, r *ir.Route) string { return r.UpstreamVhost }},
		{"x-forwarded-prefix", func(_ *ir.Host, r *ir.Route) string { return r.ForwardedPrefix }},
		{"connection-proxy-header", func(_ *ir.Host, r *ir.Route) string { return r.ConnectionField }},
		{"proxy-connect-timeout", func(_ *ir.Host, r *ir.Route) string { return r.ConnectTimeout.D().String() }},
		{"proxy-send-timeout", func(_ *ir.Host, r *ir.Route) string { return r.SendTimeout.D().String() }},
		{"proxy-read-timeout", func(_ *ir.Host, r *ir.Route) string { return r.ReadTimeout.D().String() }},
		{"request-timeout", func(_ *ir.Host, r *ir.Route) string {
			if r.RequestTimeout == 0 {
				return ""
			}
			return r.RequestTimeout.D().String()
		}},
		{"proxy-next-upstream-tries", func(_ *ir.Host, r *ir.Route) string { return tries(r.Retry.Tries) }},
		{"default-backend", func(_ *ir.Host, r *ir.Route) string { return string(r.FallbackBackend) }},
	}
}

// responseRows are those that act on what comes back, or look at both.
func responseRows() []policyRow {
	return []policyRow{
		{"limit-rate", func(_ *ir.Host, r *ir.Route) string {
			if r.Bandwidth == nil {
				return ""
			}
			return fmt.Sprintf("%s/s after %s", size(r.Bandwidth.Rate), sizeOrNothing(r.Bandwidth.After))
		}},
		{"proxy-buffering", func(_ *ir.Host, r *ir.Route) string { return responseBuffering(r.ResponseBuffering) }},
		{"mirror-target", func(_ *ir.Host, r *ir.Route) string {
			if r.Mirror == nil {
				return ""
			}
			return r.Mirror.URL
		}},
		{"custom-http-errors", func(_ *ir.Host, r *ir.Route) string {
			if r.Errors == nil {
				return ""
			}
			return fmt.Sprintf("%v from %s", r.Errors.Statuses, r.Errors.Backend)
		}},
		{"proxy-redirect-from", func(_ *ir.Host, r *ir.Route) string { return replacement(r.LocationPrefix) }},
		{"proxy-cookie-domain", func(_ *ir.Host, r *ir.Route) string { return replacement(r.CookieDomain) }},
		{"proxy-cookie-path", func(_ *ir.Host, r *ir.Route) string { return replacement(r.CookiePath) }},
		{"hide-headers", func(_ *ir.Host, r *ir.Route) string {
			if r.Fields == nil {
				return ""
			}
			return strings.Join(r.Fields.Hide, ", ")
		}},
		{"add-headers", func(_ *ir.Host, r *ir.Route) string {
			return edits(r.Fields, func(f *ir.FieldEdits) []ir.FieldEdit { return f.Response })
		}},
		{"custom-headers", func(_ *ir.Host, r *ir.Route) string { return fieldNames(r.ResponseFields) }},
		{"relative-redirects", func(_ *ir.Host, r *ir.Route) string { return on(r.RelativeRedirects) }},
		{"use-port-in-redirects", func(_ *ir.Host, r *ir.Route) string { return on(r.PortInRedirects) }},
		{"enable-rewrite-log", func(_ *ir.Host, r *ir.Route) string { return on(r.RewriteLog) }},
		{"enable-modsecurity", func(_ *ir.Host, r *ir.Route) string { return firewall(r.Firewall) }},
		{"enable-opentelemetry", func(_ *ir.Host, r *ir.Route) string { return traced(r.Trace) }},
		{"enable-access-log", func(_ *ir.Host, r *ir.Route) string {
			if r.AccessLog {
				return ""
			}
			return "false"
		}},
	}
}

// policies lists what acts on the route. The built-in route has nothing that
// anybody could set.
func (e *explanation) policies() []Policy {
	if e.route.IR.Ingress.Name == "" {
		return nil
	}
	var list []Policy
	for _, row := range policyRows() {
		value := row.value(e.host.IR, e.route.IR)
		if value == "" {
			continue
		}
		p := Policy{Name: row.name, Value: value, Source: "default"}
		switch red := e.route.IR.Redirect; {
		case row.name == "permanent-redirect" && red.AppendSlash:
			p.Name = "slash redirect" // follows from the path itself
		case row.name == "permanent-redirect" && e.written(e.route.IR.Ingress, "temporal-redirect") != "":
			p.Name = "temporal-redirect"
		}
		for _, owner := range e.setters(p.Name) {
			if key := e.spelling(owner, p.Name); key != "" {
				p.Source, p.Place = "annotation", e.annotationPlace(owner, key)
				break
			}
		}
		list = append(list, p)
	}
	list = append(list, e.balancePolicies()...)
	return append(list, e.globalPolicies()...)
}

// setters are the Ingresses that may have set a policy: that of the route, and
// for what concerns the whole host all of the host.
func (e *explanation) setters(name string) []ir.Ref {
	own := []ir.Ref{e.route.IR.Ingress}
	if name != "app-root" && name != "auth-tls-secret" && name != "server-snippet" {
		return own
	}
	for _, s := range e.Trail.Steps {
		if s.Ingress.Name != "" {
			own = append(own, s.Ingress)
		}
	}
	return own
}

func (e *explanation) written(ingress ir.Ref, name string) string {
	if object := e.ingress(ingress); object != nil {
		return strings.TrimSpace(object.Annotations[e.Prefix+"/"+name])
	}
	return ""
}

// spelling is the name by which an Ingress has an annotation: its own, or an
// alias; "" if it has none.
func (e *explanation) spelling(ingress ir.Ref, name string) string {
	for _, n := range annotation.Spellings(name) {
		if e.written(ingress, n) != "" {
			return n
		}
	}
	return ""
}

func (e *explanation) annotationPlace(ingress ir.Ref, name string) string {
	if e.Place != nil {
		if at := e.Place(ingress, annotation.Field(e.Prefix+"/"+name)); at != "" {
			return at
		}
	}
	return ingress.String()
}

func on(b bool) string {
	if b {
		return "true"
	}
	return ""
}

func tries(n int) string {
	if n == 0 {
		return "unlimited"
	}
	return strconv.Itoa(n)
}

// size prints a number of octets as the annotation is written.
func size(n int64) string {
	switch {
	case n == 0:
		return "unlimited"
	case n%(1<<30) == 0:
		return strconv.FormatInt(n>>30, 10) + "g"
	case n%(1<<20) == 0:
		return strconv.FormatInt(n>>20, 10) + "m"
	case n%(1<<10) == 0:
		return strconv.FormatInt(n>>10, 10) + "k"
	}
	return strconv.FormatInt(n, 10)
}

func redirect(r *ir.Route) string {
	switch {
	case r.Redirect == nil:
		return ""
	case r.Redirect.AppendSlash:
		return fmt.Sprintf("%d to the path with a final slash", r.Redirect.Code)
	}
	return fmt.Sprintf("%d to %s", r.Redirect.Code, r.Redirect.Location)
}

// healthPath is the fixed path of the catch-all block (ingress-nginx §2.4).
const healthPath = "/healthz"

// result says what the client gets, in the order in which the proxy decides.
func (e *explanation) result() {
	h, r := e.host.IR, e.route.IR
	target, away := e.target()
	switch {
	case h.Passthrough && e.u.Scheme == "https":
		e.passedThrough()
	case h.AppRoot != "" && e.Trail.Readings.Matched == "/":
		e.Result = "302 to " + h.AppRoot
	case h.Name == "" && strings.HasPrefix(e.Trail.Readings.Matched, healthPath) && len(r.Path) < len(healthPath):
		e.Result = "200 from Daemun itself: " + healthPath + " is its health check for hosts without rules"
	case r.Denied != 0:
		e.Result = fmt.Sprintf("%d: a setting of %s cannot be used, so that nothing of it is served unguarded", r.Denied, r.Ingress)
	case e.preflight():
		e.Result = "204 from Daemun itself: the answer to the question of a browser (enable-cors)"
	case r.Redirect != nil:
		e.Result = redirect(r)
	case away:
		e.Result = "302 to " + target
	case e.u.Scheme == "http" && (r.ForceSSLRedirect || r.SSLRedirect && e.host.HasTLS([]byte(e.Trail.Host))):
		location := "https://" + e.u.Hostname() + e.u.RequestURI()
		if !r.PreserveTrailingSlash {
			location = strings.TrimSuffix(location, "/")
		}
		e.Result = strconv.Itoa(e.Table.Settings.HTTPRedirectCode) + " to " + location
		e.toHTTPS = true
	default:
		e.forwarded(target)
		if !strings.HasPrefix(e.Result, "503") {
			e.guarded()
		}
	}
}

// passedThrough is the result for a connection whose TLS is the backend's.
func (e *explanation) passedThrough() {
	r := e.host.Passthrough
	e.Certificate = "that of the backend: TLS passes through unopened"
	switch {
	case r == nil:
		e.Result = "the connection is closed: ssl-passthrough, and no path / of the host has a Service"
	case r.IR.Denied != 0:
		e.Result = fmt.Sprintf("the connection is closed: a setting of %s cannot be used", r.IR.Ingress)
	case r.Backend.Len() == 0:
		e.Result = fmt.Sprintf("the connection is closed: %s has no ready endpoint, because %s", r.IR.Backend, e.whyNone(r.IR))
	default:
		e.Result = fmt.Sprintf("TLS passes through to %s unopened; paths, and annotations about HTTP, have no say", r.IR.Backend)
	}
}

// forwarded is the result for a request that is meant for a backend.
func (e *explanation) forwarded(target string) {
	r := e.route
	name, because := r.IR.Backend, ""
	switch {
	case r.Backend == nil:
		e.Result = "404 from the built-in default backend"
		return
	case r.Backend.Len() > 0:
		name, because = e.side()
	case r.Fallback != nil && r.Fallback.Len() > 0:
		name = r.IR.FallbackBackend
	case r.IR.DefaultBackend:
		e.Result = fmt.Sprintf("404 from the built-in default backend: %s has no ready endpoint, because %s", name, e.whyNone(r.IR))
		return
	default:
		e.Result = fmt.Sprintf("503: backend %s has no ready endpoint, because %s", name, e.whyNone(r.IR))
		return
	}
	e.Result = fmt.Sprintf("forwarded to %s as %s", name, target)
	if because != "" {
		e.Result += ": " + because
	} else if name != r.IR.Backend {
		e.Result += fmt.Sprintf(": the default-backend annotation, as %s has no ready endpoint, because %s", r.IR.Backend, e.whyNone(r.IR))
	}
	scheme, version := "http", "HTTP/1.1"
	switch p := r.IR.Protocol; {
	case p == ir.ProtocolHTTPS || p == ir.ProtocolAuto && e.u.Scheme == "https":
		scheme = "https"
	case p == ir.ProtocolGRPC || p == ir.ProtocolH2C:
		version = "HTTP/2"
	case p == ir.ProtocolFCGI:
		scheme, version = "FastCGI", "HTTP/1.1"
	case p == ir.ProtocolGRPCS:
		scheme, version = "https", "HTTP/2"
	}
	host := e.u.Host
	if r.IR.UpstreamVhost != "" {
		host = r.IR.UpstreamVhost
	}
	e.Upstream = fmt.Sprintf("%s %s %s, Host: %s, over %s", e.Method, target, version, host, scheme)
}

// target is the request target the backend sees; away says that it is a URL to
// redirect to instead.
func (e *explanation) target() (target string, away bool) {
	target = e.path
	if e.route.IR.Rewrite != nil {
		var rewritten []byte
		if rewritten, away = e.match.Rewrite(nil); len(rewritten) > 0 {
			target = string(rewritten)
		}
	}
	if e.u.RawQuery != "" {
		target += "?" + e.u.RawQuery
	}
	return target, away
}
