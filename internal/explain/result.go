package explain

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"daemun/internal/ir"
	"daemun/internal/table"
)

// policyRow shows one setting; an empty value means that it does not act.
type policyRow struct {
	name  string
	value func(h *ir.Host, r *ir.Route) string
}

// policies are the settings in the order in which they act on a request; names
// are those of the annotations.
func policies() []policyRow {
	return []policyRow{
		{"app-root", func(h *ir.Host, _ *ir.Route) string { return h.AppRoot }},
		{"permanent-redirect", redirect},
		{"rewrite-target", func(_ *ir.Host, r *ir.Route) string {
			if r.Rewrite == nil {
				return ""
			}
			return fmt.Sprintf("%s → %s", r.Rewrite.Pattern, r.Rewrite.Target)
		}},
		{"force-ssl-redirect", func(_ *ir.Host, r *ir.Route) string { return on(r.ForceSSLRedirect) }},
		{"ssl-redirect", func(h *ir.Host, r *ir.Route) string { return on(r.SSLRedirect && h.TLSRedirect) }},
		{"proxy-body-size", func(_ *ir.Host, r *ir.Route) string {
			if r.MaxBody == 0 {
				return "unlimited"
			}
			return strconv.FormatInt(r.MaxBody, 10) + " octets"
		}},
		{"backend-protocol", func(_ *ir.Host, r *ir.Route) string { return string(r.Protocol) }},
		{"upstream-vhost", func(_ *ir.Host, r *ir.Route) string { return r.UpstreamVhost }},
		{"x-forwarded-prefix", func(_ *ir.Host, r *ir.Route) string { return r.ForwardedPrefix }},
		{"proxy-connect-timeout", func(_ *ir.Host, r *ir.Route) string { return r.ConnectTimeout.D().String() }},
		{"proxy-send-timeout", func(_ *ir.Host, r *ir.Route) string { return r.SendTimeout.D().String() }},
		{"proxy-read-timeout", func(_ *ir.Host, r *ir.Route) string { return r.ReadTimeout.D().String() }},
		{"proxy-next-upstream-tries", func(_ *ir.Host, r *ir.Route) string { return strconv.Itoa(r.Retry.Tries) }},
		{"default-backend", func(_ *ir.Host, r *ir.Route) string { return string(r.FallbackBackend) }},
		{"enable-access-log", func(_ *ir.Host, r *ir.Route) string {
			if r.AccessLog {
				return ""
			}
			return "false"
		}},
	}
}

func on(b bool) string {
	if b {
		return "true"
	}
	return ""
}

func redirect(_ *ir.Host, r *ir.Route) string {
	switch {
	case r.Redirect == nil:
		return ""
	case r.Redirect.AppendSlash:
		return fmt.Sprintf("%d to the path with a slash", r.Redirect.Code)
	}
	return fmt.Sprintf("%d to %s", r.Redirect.Code, r.Redirect.Location)
}

// result says what the client gets, in the order in which the proxy decides.
func result(u *url.URL, t *table.Table, h *table.Host, r *table.Route, path string) string {
	switch {
	case h.IR.AppRoot != "" && path == "/":
		return "302 to " + h.IR.AppRoot
	case r.IR.Denied != 0:
		return fmt.Sprintf("%d: a setting of %s cannot be used", r.IR.Denied, r.IR.Ingress)
	case r.IR.Redirect != nil:
		return redirect(h.IR, r.IR)
	case u.Scheme == "http" && (r.IR.ForceSSLRedirect || r.IR.SSLRedirect && h.IR.TLSRedirect):
		return fmt.Sprintf("%d to https", t.Settings.HTTPRedirectCode)
	case r.Backend == nil:
		return "404 from the built-in default backend"
	case len(r.Backend.Status()) == 0 && (r.Fallback == nil || len(r.Fallback.Status()) == 0):
		return fmt.Sprintf("503: backend %s has no ready endpoint", r.IR.Backend)
	case len(r.Backend.Status()) == 0:
		return fmt.Sprintf("forwarded to %s, because %s has no ready endpoint", r.IR.FallbackBackend, r.IR.Backend)
	}
	return fmt.Sprintf("forwarded to %s as %s", r.IR.Backend, forwarded(t, h, u, path))
}

// forwarded is the request target the backend sees.
func forwarded(t *table.Table, h *table.Host, u *url.URL, path string) string {
	var m table.Match
	target := path
	if t.Resolve([]byte(strings.ToLower(u.Hostname())), []byte(path), &m) == table.Found && m.Route.IR.Rewrite != nil {
		rewritten, _ := m.Rewrite(nil)
		target = string(rewritten)
	}
	if u.RawQuery != "" {
		target += "?" + u.RawQuery
	}
	return target
}
