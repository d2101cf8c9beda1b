package annotation

import (
	"flag"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"daemun/internal/ir"

	"github.com/google/go-cmp/cmp"
)

const prefix = "nginx.ingress.kubernetes.io"

var update = flag.Bool("update", false, "rewrite golden files")

var ref = ir.Ref{Kind: "Ingress", Namespace: "shop", Name: "web"}

// sameValues lets cmp look into Values.
var sameValues = cmp.Options{
	cmp.AllowUnexported(Draft{}),
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
}

func parse(kv ...string) Result {
	m := map[string]string{}
	for i := 0; i < len(kv); i += 2 {
		m[prefix+"/"+kv[i]] = kv[i+1]
	}
	return Parse(prefix, ref, m)
}

func TestValues(t *testing.T) {
	t.Parallel()
	secs := func(n int) ir.Duration { return ir.Duration(time.Duration(n) * time.Second) }
	tests := []struct {
		name, value string
		want        func(v *Values)
		code        string // "" is a good value
	}{
		{"rewrite-target", "/$2", func(v *Values) { v.RewriteTarget = "/$2" }, ""},
		{"rewrite-target", "https://a.test/$1", func(v *Values) { v.RewriteTarget = "https://a.test/$1" }, ""},
		{"rewrite-target", "/a?b=c", nil, CodeDefault},
		{"rewrite-target", "/a\n", nil, CodeDefault},
		{"use-regex", "T", func(v *Values) { v.UseRegex = true }, ""},
		{"use-regex", "yes", nil, CodeDefault},
		{"use-regex", " true", nil, CodeDefault},
		{"app-root", "/app1", func(v *Values) { v.AppRoot = "/app1" }, ""},
		{"app-root", "app1", nil, CodeDefault},
		{"app-root", "http://a.test/", nil, CodeDefault},
		{"ssl-redirect", "False", func(v *Values) { v.SSLRedirect = false }, ""},
		{"force-ssl-redirect", "1", func(v *Values) { v.ForceSSLRedirect = true }, ""},
		{"preserve-trailing-slash", "true", func(v *Values) { v.PreserveTrailingSlash = true }, ""},
		{"permanent-redirect", "https://a.test/x?y=1", func(v *Values) {
			v.permanent, v.Redirect = "https://a.test/x?y=1", &ir.Redirect{Code: 301, Location: "https://a.test/x?y=1"}
		}, ""},
		{"permanent-redirect", "https://a.test/1,2", func(v *Values) {
			v.permanent, v.Redirect = "https://a.test/1,2", &ir.Redirect{Code: 301, Location: "https://a.test/1,2"}
		}, ""},
		{"permanent-redirect", "https://a.test$request_uri", nil, CodeRejected},
		{"permanent-redirect-code", "307", func(v *Values) { v.permanentCode = 307 }, CodeNoEffect},
		{"permanent-redirect-code", "200", nil, CodeDefault},
		{"permanent-redirect-code", "moved", nil, CodeRejected},
		{"temporal-redirect", "http://a.test/", func(v *Values) {
			v.temporal, v.Redirect = "http://a.test/", &ir.Redirect{Code: 302, Location: "http://a.test/"}
		}, ""},
		{"temporal-redirect", "ftp://a.test/", nil, CodeNoEffect},
		{"temporal-redirect-code", "308", nil, CodeDefault},
		{"from-to-www-redirect", "true", func(v *Values) { v.FromToWWW = true }, ""},
		{"from-to-www-redirect", "on", nil, CodeRejected},
		{"server-alias", "b.test, a.test,,b.test", func(v *Values) { v.ServerAlias = []string{"a.test", "b.test"} }, ""},
		{"server-alias", "a b", nil, CodeRejected},
		{"backend-protocol", "https", func(v *Values) { v.Protocol, v.ProtocolWritten = ir.ProtocolHTTPS, true }, ""},
		{"backend-protocol", "auto_http", func(v *Values) { v.Protocol, v.ProtocolWritten = ir.ProtocolAuto, true }, ""},
		{"backend-protocol", "grpc", func(v *Values) { v.Protocol, v.ProtocolWritten = ir.ProtocolGRPC, true }, ""},
		{"backend-protocol", "GRPCS", func(v *Values) { v.Protocol, v.ProtocolWritten = ir.ProtocolGRPCS, true }, ""},
		{"backend-protocol", "fcgi", func(v *Values) { v.Protocol, v.ProtocolWritten = ir.ProtocolFCGI, true }, ""},
		{"backend-protocol", "SPDY", nil, CodeDefault},
		{"proxy-body-size", "0", func(v *Values) { v.MaxBody = 0 }, ""},
		{"proxy-body-size", "8M", func(v *Values) { v.MaxBody = 8 << 20 }, ""},
		{"proxy-body-size", "2g", func(v *Values) { v.MaxBody = 2 << 30 }, ""},
		{"proxy-body-size", "100", func(v *Values) { v.MaxBody = 100 }, ""},
		{"proxy-body-size", "100b", nil, CodeDefault},
		{"proxy-body-size", "8 MB", nil, CodeDefault},
		{"proxy-body-size", "9223372036854775807k", nil, CodeDefault},
		{"proxy-connect-timeout", "7", func(v *Values) { v.ConnectTimeout = secs(7) }, ""},
		{"proxy-send-timeout", "+8", func(v *Values) { v.SendTimeout = secs(8) }, ""},
		{"proxy-read-timeout", "3600", func(v *Values) { v.ReadTimeout = secs(3600) }, ""},
		{"proxy-read-timeout", "60s", nil, CodeDefault},
		{"proxy-read-timeout", "0", nil, CodeDefault},
		{"proxy-read-timeout", "9999999999999", nil, CodeDefault},
		{"proxy-next-upstream", "error http_502 non_idempotent", func(v *Values) {
			v.Retry.On = ir.RetryError | ir.RetryHTTP502 | ir.RetryNonIdempotent
		}, ""},
		{"proxy-next-upstream", "off", func(v *Values) { v.Retry.On = 0 }, ""},
		{"proxy-next-upstream", "http_501", nil, CodeDefault},
		{"proxy-next-upstream-tries", "1", func(v *Values) { v.Retry.Tries = 1 }, ""},
		{"proxy-next-upstream-tries", "-1", nil, CodeDefault},
		{"proxy-next-upstream-timeout", "9", func(v *Values) { v.Retry.Timeout = secs(9) }, ""},
		{"upstream-vhost", "a.test:80", func(v *Values) { v.UpstreamVhost = "a.test:80" }, ""},
		{"upstream-vhost", "a b", nil, CodeRejected},
		{"upstream-vhost", "$service_name.${namespace}.svc", func(v *Values) { v.UpstreamVhost = "$service_name.${namespace}.svc" }, ""},
		{"upstream-vhost", "$nothing.test", nil, CodeDefault},
		{"x-forwarded-prefix", "/p", func(v *Values) { v.ForwardedPrefix = "/p" }, CodeNoEffect},
		{"x-forwarded-prefix", "/p q", nil, CodeRejected},
		{"default-backend", "sorry", func(v *Values) { v.DefaultBackend = "sorry" }, ""},
		{"default-backend", "Sorry", nil, CodeRejected},
		{"enable-access-log", "false", func(v *Values) { v.AccessLog = false }, ""},
		{"proxy-buffering", "off", nil, ""},
		{"proxy-buffering", "on", func(v *Values) {
			v.responseBuffering, v.ResponseBuffering = true, &ir.ResponseBuffering{Memory: 16 << 10, Disk: 1 << 30}
		}, ""},
		{"proxy-buffering", "maybe", nil, CodeDefault},
		{"proxy-busy-buffers-size", "8k", nil, CodeTuning},
		{"proxy-buffer-size", "128k", func(v *Values) { v.bufferSize, v.ResponseHead = 128<<10, 128<<10 }, ""},
		{"proxy-buffer-size", "16k", func(v *Values) { v.bufferSize = 16 << 10 }, ""},
		{"proxy-buffer-size", "1m", nil, CodeDefault},
		{"proxy-buffers-number", "8", func(v *Values) { v.buffersNumber = 8 }, ""},
		{"proxy-buffers-number", "0", nil, CodeDefault},
		{"proxy-max-temp-file-size", "0", func(v *Values) { v.responseDisk = 0 }, ""},
		{"proxy-max-temp-file-size", "x", nil, CodeDefault},
		{"client-body-buffer-size", "1m", func(v *Values) { v.BodyMemory = 1 << 20 }, ""},
		{"client-body-buffer-size", "1b", nil, CodeDefault},
		{"client-body-buffer-size", "1g", nil, CodeDefault},
		{"client-body-buffer-size", "much", nil, CodeRejected},
		{"proxy-request-buffering", "off", func(v *Values) { v.RequestBuffering = false }, ""},
		{"proxy-request-buffering", "no", nil, CodeDefault},
		{"proxy-ssl-secret", "ns/up", func(v *Values) { v.BackendTLS.Secret = "ns/up" }, ""},
		{"proxy-ssl-secret", "ns/u p", nil, CodeRejected},
		{"proxy-ssl-verify", "on", nil, CodeNoEffect},
		{"auth-url", "http://auth.test", func(v *Values) {
			v.External.URL = URLText{Text: "http://auth.test", Host: "auth.test", Port: 80, Target: "/"}
		}, ""},
		{"auth-url", "https://$host/auth?u=$request_uri", func(v *Values) {
			v.External.URL = URLText{Text: "https://$host/auth?u=$request_uri", Secure: true, OwnHost: true, Target: "/auth?u=$request_uri"}
		}, ""},
		{"auth-url", "https://[2001:db8::1]:8443?x", func(v *Values) {
			v.External.URL = URLText{Text: "https://[2001:db8::1]:8443?x", Secure: true, Host: "2001:db8::1", Port: 8443, Target: "/?x"}
		}, ""},
		{"auth-url", "http://$namespace.test/", nil, CodeDenied},
		{"auth-url", "http://a..test/", nil, CodeDenied},
		{"auth-url", "http://a.test:0/", nil, CodeDenied},
		{"auth-url", "http:///x", nil, CodeDenied},
		{"auth-url", "ftp://a.test/", nil, CodeDenied},
		{"auth-url", "/auth", nil, CodeDenied},
		{"auth-url", "http://a.test/$nothing", nil, CodeDenied},
		{"auth-url", "http://user@a.test/", nil, CodeDenied},
		{"auth-url", "http://a.test/\";}", nil, CodeRejected},
		{"auth-method", "POST", nil, CodeNoEffect},
		{"auth-keepalive", "10", nil, CodeTuning},
		{"enable-global-auth", "false", func(v *Values) { v.GlobalAuth = false }, ""},
		{"enable-global-auth", "no", nil, CodeDefault},
		{"mirror-target", "https://m.test/x$request_uri", func(v *Values) {
			v.MirrorTarget = URLText{Text: "https://m.test/x$request_uri", Secure: true, Host: "m.test", Port: 443, Target: "/x$request_uri"}
		}, ""},
		{"mirror-target", "http://m.test:81$request_uri", func(v *Values) {
			v.MirrorTarget = URLText{Text: "http://m.test:81$request_uri", Host: "m.test", Port: 81, Target: "$request_uri"}
		}, ""},
		{"mirror-target", "m.test", nil, CodeDefault},
		{"mirror-target", "http://$host/", nil, CodeDefault},
		{"mirror-host", "x", nil, CodeNoEffect},
		{"auth-tls-secret", "ns/ca", func(v *Values) { v.Client.Secret = "ns/ca" }, ""},
		{"auth-tls-secret", "ns/c a", nil, CodeRejected},
		{"auth-tls-match-cn", "CN=x", nil, CodeNoEffect},
		{"custom-http-errors", "503, 404,404", func(v *Values) { v.ErrorStatuses = []int{404, 503} }, ""},
		{"custom-http-errors", "200", nil, CodeRejected},
		{"custom-http-errors", "4xx", nil, CodeRejected},
		{"disable-proxy-intercept-errors", "true", func(v *Values) { v.OwnErrorsOnly = true }, ""},
		{"disable-proxy-intercept-errors", "on", nil, CodeDefault},
		{"whitelist-source-range", "10.0.0.0/8,::ffff:192.0.2.1", func(v *Values) {
			v.Access = &ir.Access{Allow: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.1/32")}}
		}, ""},
		{"denylist-source-range", "2001:db8::1/32", func(v *Values) {
			v.Access = &ir.Access{Deny: []netip.Prefix{netip.MustParsePrefix("2001:db8::/32")}}
		}, ""},
		{"denylist-source-range", ",", nil, CodeDenied},
		{"allowlist-source-range", "fe80::1%eth0", nil, CodeDenied},
		{"allowlist-source-range", "::ffff:0:0/90", nil, CodeDenied},
		{"proxy-cookie-domain", ".a.test b.test", func(v *Values) { v.CookieDomain = &ir.Replacement{From: "a.test", To: "b.test"} }, ""},
		{"proxy-cookie-domain", "a.test", nil, CodeDefault},
		{"proxy-cookie-path", "/a /", func(v *Values) { v.CookiePath = &ir.Replacement{From: "/a", To: "/"} }, ""},
		{"proxy-cookie-path", "/a /;x", nil, CodeDefault},
		{"proxy-redirect-to", "http://a.test/", func(v *Values) { v.redirectTo = "http://a.test/" }, CodeNoEffect},
		{"proxy-redirect-from", "default", func(v *Values) { v.redirectFrom = "default" }, ""},
		{"connection-proxy-header", "close", func(v *Values) { v.ConnectionField = "close" }, ""},
		{"connection-proxy-header", "upgrade", nil, CodeRejected},
		{"custom-headers", "ns/name", func(v *Values) { v.CustomHeaders = "ns/name" }, ""},
		{"custom-headers", "a/b/c", nil, CodeDefault},
		{"relative-redirects", "true", func(v *Values) { v.RelativeRedirects = true }, ""},
		{"relative-redirects", "on", nil, CodeRejected},
		{"enable-cors", "true", func(v *Values) { v.enableCORS, v.CORS = true, new(defaultCORS()) }, ""},
		{"enable-cors", "on", nil, CodeDefault},
		{"cors-allow-origin", "https://b.test", func(v *Values) { v.cors.Origins = []string{"https://b.test"} }, CodeNoEffect},
		{"cors-allow-origin", "b.test", func(v *Values) { v.cors.Origins = nil }, CodeDefault},
		{"cors-allow-methods", "GET", func(v *Values) { v.cors.Methods = "GET" }, CodeNoEffect},
		{"cors-allow-headers", "A , B,  C", func(v *Values) { v.cors.Headers = "A , B,  C" }, CodeNoEffect},
		{"cors-allow-headers", "A\nB", nil, CodeDefault},
		{"cors-max-age", "5", func(v *Values) { v.cors.MaxAge = 5 }, CodeNoEffect},
		{"limit-rps", "5", func(v *Values) {
			v.limits.PerSecond, v.limits.ID = 5, "shop/web"
			v.Limits = &ir.Limits{ID: "shop/web", PerSecond: 5, Burst: 5}
		}, ""},
		{"limit-rps", "0", nil, ""},
		{"limit-rpm", "-3", nil, ""},
		{"limit-rpm", "1/s", nil, CodeRejected},
		{"limit-connections", "99999999999", nil, CodeRejected},
		{"limit-burst-multiplier", "-1", nil, CodeDefault},
		{"limit-whitelist", "10.0.0.0/8", func(v *Values) { v.limits.Exempt = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} }, CodeNoEffect},
		{"limit-whitelist", "home", nil, CodeRejected},
		{"limit-rate", "10", func(v *Values) { v.limitRate, v.Bandwidth = 10, &ir.Bandwidth{Rate: 10240} }, ""},
		{"limit-rate", "10k", nil, CodeDefault},
		{"satisfy", "all", nil, ""},
		{"enable-modsecurity", "true", func(v *Values) { v.WAF.On, v.WAF.Written = true, true }, ""},
		{"enable-modsecurity", "yes", nil, CodeDenied},
		{"enable-owasp-core-rules", "true", func(v *Values) { v.WAF.CoreRules = true }, ""},
		{"modsecurity-transaction-id", "$request_id", func(v *Values) { v.WAF.TransactionID = "$request_id" }, ""},
		{"modsecurity-transaction-id", "$nothing", nil, CodeDefault},
		{"modsecurity-snippet", "SecRuleEngine On", func(v *Values) { v.WAF.Snippet = "SecRuleEngine On" }, ""},
		{"enable-opentelemetry", "true", func(v *Values) { v.Tracing.On, v.Trace = true, &ir.Trace{Trust: true} }, ""},
		{"canary", "true", func(v *Values) { v.isCanary, v.Canary = true, &ir.Canary{Total: 100} }, ""},
		{"canary", "false", nil, ""},
		{"canary", "yes", nil, CodeDefault},
		{"canary-weight", "10", nil, CodeNoEffect},
		{"load-balance", "ewma", func(v *Values) { v.Balance.EWMA = true }, ""},
		{"load-balance", "chash", nil, CodeDefault},
		{"load-balance", "EWMA", nil, CodeRejected},
		{"upstream-hash-by", "$request_uri$http_x_id", func(v *Values) { v.Balance.HashBy = "$request_uri$http_x_id" }, ""},
		{"upstream-hash-by", "$nothing", nil, CodeRejected},
		{"upstream-hash-by", "$host;", nil, CodeRejected},
		{"upstream-hash-by-subset", "true", func(v *Values) { v.hashSubset = true }, CodeNoEffect},
		{"upstream-hash-by-subset", "on", nil, CodeRejected},
		{"upstream-hash-by-subset-size", "0", nil, CodeNoEffect},
		{"upstream-hash-by-subset-size", "x", nil, CodeRejected},
		{"affinity", "cookie", func(v *Values) {
			v.hasAffinity, v.Balance.Affinity = true, &ir.Affinity{Name: "INGRESSCOOKIE"}
		}, ""},
		{"affinity", "ip", nil, CodeDefault},
		{"session-cookie-name", "x", nil, CodeNoEffect},
		{"service-upstream", "true", func(v *Values) { v.Balance.ServiceUpstream = true }, ""},
		{"service-upstream", "on", nil, CodeDefault},
		{"proxy-request-buffering", " off ", func(v *Values) { v.RequestBuffering = false }, ""},
		{"fastcgi-index", "../x", nil, CodeRejected},
		{"fastcgi-index", strings.Repeat("x", 256), nil, CodeRejected},
		{"secure-backends", "true", nil, CodeObsolete},
		{"rewrite-taget", "/", nil, CodeUnknown},
		{"rewrite-target", "", nil, ""},
		{"permanent-redirect", " \n ", nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name+"="+tt.value, func(t *testing.T) {
			t.Parallel()
			got := parse(tt.name, tt.value)
			want := Defaults()
			if tt.want != nil {
				tt.want(&want)
			}
			if d := cmp.Diff(want, got.Values, sameValues); d != "" {
				t.Errorf("values (-want +got):\n%s", d)
			}
			code := ""
			for _, p := range got.Problems {
				code += p.Code
			}
			if code != tt.code {
				t.Errorf("problems %v, want code %q", got.Problems, tt.code)
			}
			wantFlags := [2]bool{code == CodeRejected || code == CodeSnippet, code == CodeDenied}
			if flags := [2]bool{got.Rejected, got.Denied}; flags != wantFlags {
				t.Errorf("rejected, denied = %v, want %v", flags, wantFlags)
			}
		})
	}
}

// TestAnnotationsThatNeedOthers: what does nothing by itself is said, and what
// loses against another.
func TestAnnotationsThatNeedOthers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		annotations []string
		field, says string
	}{
		{[]string{"cors-max-age", "5"}, "cors-max-age", "together with enable-cors"},
		{[]string{"cors-max-age", "5", "enable-cors", "false"}, "", ""},
		{[]string{"limit-burst-multiplier", "2"}, "limit-burst-multiplier", "together with limit-rps or limit-rpm"},
		{[]string{"limit-burst-multiplier", "2", "limit-rpm", "5"}, "", ""},
		{[]string{"canary", "true", "canary-by-header-value", "x"}, "canary-by-header-value", "together with canary-by-header"},
		{[]string{"canary", "true", "canary-by-header-value", "x", "canary-by-header", "X-Y"}, "", ""},
		{[]string{"affinity", "cookie", "upstream-hash-by", "$host"}, "upstream-hash-by", "affinity is set too and wins"},
		{[]string{"load-balance", "ewma", "upstream-hash-by", "$host"}, "load-balance", "upstream-hash-by is set too and wins"},
		{[]string{"load-balance", "round_robin", "upstream-hash-by", "$host"}, "", ""},
		{[]string{"fastcgi-index", "index.php", "backend-protocol", "FCGI"}, "", ""},
	} {
		got := parse(tt.annotations...)
		switch {
		case tt.field == "":
			if len(got.Problems) > 0 {
				t.Errorf("%q: %v", tt.annotations, got.Problems)
			}
		case len(got.Problems) != 1 || got.Problems[0].Code != CodeNoEffect || got.Problems[0].Field != Field(prefix+"/"+tt.field) || !strings.Contains(got.Problems[0].Message, tt.says):
			t.Errorf("%q: %v", tt.annotations, got.Problems)
		}
	}
}

func TestRedirectGroup(t *testing.T) {
	t.Parallel()
	both := parse("permanent-redirect", "/a", "temporal-redirect", "http://b.test", "temporal-redirect-code", "307")
	if d := cmp.Diff(&ir.Redirect{Code: 307, Location: "http://b.test"}, both.Values.Redirect); d != "" {
		t.Errorf("temporal does not beat permanent (-want +got):\n%s", d)
	}
	group := parse("permanent-redirect", "/a", "temporal-redirect", "mailto:b", "from-to-www-redirect", "true")
	if group.Values.Redirect != nil || group.Values.FromToWWW {
		t.Errorf("a temporal redirect with another scheme leaves %+v", group.Values)
	}
}

// TestGroups pins what annotations with a leader mean together.
func TestGroups(t *testing.T) {
	t.Parallel()
	number := func(n int64) *int64 { return &n }
	for _, tt := range []struct {
		in       []string
		balance  ir.Balance
		canary   *ir.Canary
		problems int
	}{
		{[]string{
			"affinity", "cookie", "affinity-mode", "persistent", "session-cookie-name", "route", "session-cookie-path", "/p", "session-cookie-domain", "a.test",
			"session-cookie-max-age", "60", "session-cookie-expires", "-1", "session-cookie-samesite", "Lax", "session-cookie-secure", "true",
			"session-cookie-conditional-samesite-none", "true", "session-cookie-change-on-failure", "true",
		}, ir.Balance{Affinity: &ir.Affinity{
			Persistent: true, ChangeOnFailure: true, Name: "route", Path: "/p", Domain: "a.test",
			MaxAge: number(60), Expires: number(-1), SameSite: "Lax", ConditionalNone: true, Secure: true,
		}}, nil, 0},
		{[]string{
			"affinity", "cookie", "affinity-mode", "sticky", "session-cookie-name", "a b", "session-cookie-path", "/;", "session-cookie-domain", "a;b",
			"session-cookie-max-age", "1h", "session-cookie-expires", "", "session-cookie-samesite", "lax", "session-cookie-secure", "on",
			"session-cookie-conditional-samesite-none", "on", "session-cookie-change-on-failure", "on",
		}, ir.Balance{Affinity: &ir.Affinity{Name: "INGRESSCOOKIE"}}, nil, 9},
		{[]string{"upstream-hash-by", "$host", "upstream-hash-by-subset", "true"}, ir.Balance{HashBy: "$host", Subset: 3}, nil, 0},
		{[]string{"upstream-hash-by", "$host", "upstream-hash-by-subset", "true", "upstream-hash-by-subset-size", "5"}, ir.Balance{HashBy: "$host", Subset: 5}, nil, 0},
		{
			[]string{
				"canary", "true", "canary-weight", "20", "canary-weight-total", "1000", "canary-by-header", "X-C", "canary-by-header-value", "v",
				"canary-by-header-pattern", "^a|b$", "canary-by-cookie", "c", "affinity-canary-behavior", "legacy",
			},
			ir.Balance{},
			&ir.Canary{Weight: 20, Total: 1000, Header: "X-C", HeaderValue: "v", HeaderPattern: "^a|b$", Cookie: "c", Legacy: true}, 0,
		},
		{[]string{
			"canary", "true", "canary-weight", "x", "canary-weight-total", "10", "canary-by-header", "X C", "canary-by-header-value", "v\nw",
			"canary-by-header-pattern", "(?!a)", "canary-by-cookie", "c;", "affinity-canary-behavior", "off",
		}, ir.Balance{}, &ir.Canary{Total: 100, HeaderPattern: "(?!a)"}, 7},
	} {
		got := parse(tt.in...)
		if d := cmp.Diff(tt.balance, got.Values.Balance); d != "" {
			t.Errorf("%q: -want +got:\n%s", tt.in, d)
		}
		if d := cmp.Diff(tt.canary, got.Values.Canary); d != "" {
			t.Errorf("%q: -want +got:\n%s", tt.in, d)
		}
		if len(got.Problems) != tt.problems || got.Rejected || got.Denied {
			t.Errorf("%q: %d problems, want %d: %v", tt.in, len(got.Problems), tt.problems, got.Problems)
		}
	}
}

func TestExternalAuthGroup(t *testing.T) {
	t.Parallel()
	base := func(change func(*ExternalAuth)) ExternalAuth {
		a := DefaultExternalAuth()
		a.URL = URLText{Text: "http://a.test/", Host: "a.test", Port: 80, Target: "/"}
		if change != nil {
			change(&a)
		}
		return a
	}
	for _, tt := range []struct {
		name, value string
		want        func(*ExternalAuth)
		code        string
	}{
		{"auth-method", "POST", func(a *ExternalAuth) { a.Method = "POST" }, ""},
		{"auth-method", "BREW", nil, CodeDenied},
		{"auth-signin", "https://$host/oauth2/start?rd=$escaped_request_uri", func(a *ExternalAuth) {
			a.SignIn = "https://$host/oauth2/start?rd=$escaped_request_uri"
		}, ""},
		{"auth-signin", "https://a.test/;", nil, CodeDefault},
		{"auth-signin-redirect-param", "next", func(a *ExternalAuth) { a.SignInParam = "next" }, ""},
		{"auth-signin-redirect-param", "a&b", nil, CodeDefault},
		{"auth-response-headers", "X-User, X-Group,", func(a *ExternalAuth) { a.ResponseHeaders = []string{"X-User", "X-Group"} }, ""},
		{"auth-response-headers", "X User", nil, CodeDenied},
		{"auth-response-headers", "X-User, Content-length", nil, CodeDenied},
		{"auth-response-headers", "Host", nil, CodeDenied},
		{"auth-proxy-set-headers", "ns/cm", func(a *ExternalAuth) { a.SetHeaders = "ns/cm" }, ""},
		{"auth-request-redirect", "/x?y", func(a *ExternalAuth) { a.Redirect = "/x?y" }, ""},
		{"auth-request-redirect", "$request_uri", nil, CodeDenied},
		{"auth-cache-key", "$remote_user$http_authorization", func(a *ExternalAuth) { a.CacheKey = "$remote_user$http_authorization" }, ""},
		{"auth-cache-key", "$nothing", nil, CodeDefault},
		{"auth-cache-duration", "200 202 10m, any 5s, 1h", func(a *ExternalAuth) {
			a.CacheFor = []ir.CacheFor{
				{Statuses: []int{200, 202}, For: ir.Duration(10 * time.Minute)},
				{For: ir.Duration(5 * time.Second)},
				{Statuses: []int{200, 301, 302}, For: ir.Duration(time.Hour)},
			}
		}, ""},
		{"auth-cache-duration", "1M,404 1y", func(a *ExternalAuth) {
			a.CacheFor = []ir.CacheFor{{Statuses: []int{200, 301, 302}, For: ir.Duration(30 * 24 * time.Hour)}, {Statuses: []int{404}, For: ir.Duration(365 * 24 * time.Hour)}}
		}, ""},
		{"auth-cache-duration", "5m 200", nil, CodeDenied},
		{"auth-cache-duration", "200", nil, CodeDenied},
		{"auth-cache-duration", "200 soon", nil, CodeDenied},
		{"auth-cache-duration", "999 5m", nil, CodeDenied},
		{"auth-always-set-cookie", "true", func(a *ExternalAuth) { a.AlwaysSetCookie = true }, ""},
		{"auth-always-set-cookie", "yes", nil, CodeDenied},
	} {
		got := parse("auth-url", "http://a.test/", tt.name, tt.value)
		code := ""
		for _, p := range got.Problems {
			if p.Code != CodeNoEffect { // alone
				code += p.Code
			}
		}
		if code != tt.code || got.Denied != (code == CodeDenied) {
			t.Errorf("%s=%s: %v", tt.name, tt.value, got.Problems)
		}
		if tt.code != "" {
			continue
		}
		if d := cmp.Diff(base(tt.want), got.Values.External); d != "" {
			t.Errorf("%s=%s: -want +got:\n%s", tt.name, tt.value, d)
		}
	}
}

func TestCanonicalNameBeatsAlias(t *testing.T) {
	t.Parallel()
	got := parse("whitelist-source-range", "x", "allowlist-source-range", "y")
	if len(got.Problems) != 1 || got.Problems[0].Field != Field(prefix+"/allowlist-source-range") {
		t.Errorf("problems %v", got.Problems)
	}
	got = parse("whitelist-source-range", "x", "allowlist-source-range", "")
	if len(got.Problems) != 1 || got.Problems[0].Field != Field(prefix+"/whitelist-source-range") {
		t.Errorf("an empty name must let the alias count; problems %v", got.Problems)
	}
}

func TestOtherPrefixesAreNotTouched(t *testing.T) {
	t.Parallel()
	got := Parse(prefix, ref, map[string]string{
		"kubernetes.io/ingress.class": "x", "cert-manager.io/cluster-issuer": "y", "nginx.org/rewrite": "z", prefix: "w",
	})
	if len(got.Problems) != 0 {
		t.Errorf("problems %v", got.Problems)
	}
	if got := Parse("my.test", ref, map[string]string{"my.test/use-regex": "true"}); !got.Values.UseRegex {
		t.Error("another prefix is not read")
	}
}

func TestNearestName(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"rewrite-taget": "rewrite-target", "ssl-redirects": "ssl-redirect", "proxy-body-limit": "proxy-body-size", "zzzzzzzzzzzz": "",
	} {
		if got := nearestName(in); got != want {
			t.Errorf("nearestName(%q) = %q, want %q", in, got, want)
		}
	}
}

// TestTable checks what every row must obey.
func TestTable(t *testing.T) {
	t.Parallel()
	var names []string
	for _, r := range All() {
		names = append(append(names, r.Name), r.Aliases...)
		if (r.parse != nil) != (r.Support == Supported) {
			t.Errorf("%s: a row is supported exactly if it has a parser", r.Name)
		}
		if r.Doc == "" || r.Scope == "" {
			t.Errorf("%s: no doc line or scope", r.Name)
		}
		if strings.HasSuffix(r.Name, "-snippet") && r.Risk != Critical {
			t.Errorf("%s: the risk of snippets is Critical", r.Name)
		}
	}
	slices.Sort(names)
	if len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Error("a name occurs twice")
	}
}

// TestValuesThatAskForNothing are no problem; what is refused is rejected.
func TestValuesThatAskForNothing(t *testing.T) {
	t.Parallel()
	for _, r := range All() {
		for _, name := range append(r.Aliases, r.Name) {
			got := parse(name, "something")
			if r.Support == Refused && !got.Rejected {
				t.Errorf("%s: not rejected", name)
			}
			for _, off := range r.Off {
				if got := parse(name, off); len(got.Problems) != 0 || got.Denied {
					t.Errorf("%s=%s asks for nothing, but %v", name, off, got.Problems)
				}
			}
		}
	}
}

// TestDefaultsOfTheTable parses the documented default of every row: it must
// be what Defaults has.
func TestDefaultsOfTheTable(t *testing.T) {
	t.Parallel()
	for _, r := range All() {
		if r.Support != Supported || r.Default == "" {
			continue
		}
		v := Defaults()
		if err := r.parse(r.Default, &v); err != nil {
			t.Errorf("%s: default %q: %v", r.Name, r.Default, err)
		}
		v.ProtocolWritten = false // that it is written is no other value
		if d := cmp.Diff(Defaults(), v, sameValues); d != "" {
			t.Errorf("%s: documented default %q differs (-Defaults +documented):\n%s", r.Name, r.Default, d)
		}
	}
}

func TestMarkdown(t *testing.T) {
	t.Parallel()
	const golden = "testdata/annotations.md"
	if *update {
		if err := os.WriteFile(golden, []byte(Markdown()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), Markdown()); d != "" {
		t.Errorf("run with -update (-want +got):\n%s", d)
	}
}

func FuzzParse(f *testing.F) {
	for _, r := range All() {
		f.Add(r.Name, r.Default)
	}
	f.Add("proxy-body-size", "9223372036854775807g")
	f.Add("temporal-redirect", "http://")
	f.Fuzz(func(t *testing.T, name, value string) {
		got := parse(name, value)
		v := got.Values
		if v.ConnectTimeout <= 0 || v.SendTimeout <= 0 || v.ReadTimeout <= 0 || v.MaxBody < 0 || v.Retry.Tries < 0 || v.Retry.Timeout < 0 {
			t.Errorf("out of range: %+v", v.Policies)
		}
		if l := v.Limits; l != nil && (l.PerSecond < 0 || l.PerMinute < 0 || l.Connections < 0 || l.Burst < 0) {
			t.Errorf("out of range: %+v", l)
		}
		if c := v.CORS; c != nil && strings.ContainsAny(c.Methods+c.Headers+c.Expose, "\r\n\x00") {
			t.Errorf("control in %+v", c)
		}
		for _, r := range []*ir.Replacement{v.CookieDomain, v.CookiePath, v.LocationPrefix} {
			if r != nil && strings.ContainsAny(r.From+r.To, "\r\n\x00;") {
				t.Errorf("control in %+v", r)
			}
		}
		for _, s := range []string{v.RewriteTarget, v.AppRoot, v.UpstreamVhost, v.ForwardedPrefix, v.DefaultBackend} {
			if strings.ContainsAny(s, "\r\n\x00") {
				t.Errorf("control in %q", s)
			}
		}
		if v.Redirect != nil && (v.Redirect.Code < 300 || v.Redirect.Code > 308 || strings.ContainsAny(v.Redirect.Location, "\r\n")) {
			t.Errorf("redirect %+v", v.Redirect)
		}
		for _, p := range got.Problems {
			if strings.ContainsAny(p.Message, "\r\n") || p.Object != ref {
				t.Errorf("problem %+v", p)
			}
		}
	})
}

// TestSameSiteTellsTheSpelling: who has the right word in the wrong case is told
// so, who has another word is told the words.
func TestSameSiteTellsTheSpelling(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{"lax": "spelled Lax", "STRICT": "spelled Strict", "loose": "none of None, Lax, Strict"} {
		got := parse("affinity", "cookie", "session-cookie-samesite", value)
		if len(got.Problems) != 1 || !strings.Contains(got.Problems[0].Message, want) {
			t.Errorf("%s: %v, want %q", value, got.Problems, want)
		}
	}
}

// TestSetDefault: a key of the ConfigMap changes what Ingresses without the
// annotation have, and a bad value nothing.
func TestSetDefault(t *testing.T) {
	t.Parallel()
	v := Defaults()
	if err := SetDefault("proxy-body-size", "3m", &v); err != nil || v.MaxBody != 3<<20 {
		t.Errorf("%v, %d", err, v.MaxBody)
	}
	if err := SetDefault("proxy-body-size", "much", &v); err == nil || v.MaxBody != 3<<20 {
		t.Errorf("a bad value: %v, %d", err, v.MaxBody)
	}
	if err := SetDefault("no-such-annotation", "1", &v); err != nil {
		t.Errorf("an unknown name: %v", err)
	}
}
