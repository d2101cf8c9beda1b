package annotation

import (
	"net/netip"

	"daemun/internal/ir"
)

// accessRows are about who may do what.
var accessRows = []Row{
	// Authentication and access.
	{
		Name: "auth-type", Scope: PerRoute, Bad: Reject,
		parse: oneOf([]string{"basic", "digest"}, func(v *Values, s string) { v.Auth.Type = s }),
		Doc:   "Asks for a name and a password: basic or digest.",
	},
	{
		Name: "auth-secret", Scope: PerRoute, Risk: Medium, Bad: Deny, Needs: "auth-type",
		parse: reference("Secret", func(v *Values, s string) { v.Auth.Secret = s }),
		Doc:   "Secret with the users: an htpasswd file, or for digest an htdigest file.",
	},
	{
		Name: "auth-secret-type", Scope: PerRoute, Default: "auth-file", Bad: Reject, Needs: "auth-type",
		parse: oneOf([]string{"auth-file", "auth-map"}, func(v *Values, s string) { v.Auth.Map = s == "auth-map" }),
		Doc:   "auth-file: the key auth of the Secret is a file; auth-map: each key is a user, its value the hash.",
	},
	{
		Name: "auth-realm", Scope: PerRoute, Risk: Medium, Bad: Reject, Needs: "auth-type",
		parse: text(realmChars, "a realm: it may hold letters, digits, blanks and -._~/: only", func(v *Values, s string) { v.Auth.Realm = s }),
		Doc:   "Realm of basic and digest authentication.",
	},
	{
		Name: "auth-url", Scope: PerRoute, Risk: High, Bad: Deny,
		parse: external(parseAuthURL),
		Doc:   "Service that is asked about each request; path and query may have variables, the host may be $host.",
	},
	{
		Name: "auth-method", Scope: PerRoute, Bad: Deny, Needs: "auth-url",
		parse: external(parseAuthMethod),
		Doc:   "Method of the request to auth-url, GET if absent; when set, the service also gets X-Original-URI and X-Scheme.",
	},
	{
		Name: "auth-signin", Scope: PerRoute, Risk: High, Needs: "auth-url",
		parse: external(textOf(urlTextChars, func(a *ExternalAuth, s string) { a.SignIn = s })),
		Doc:   "Where a 401 is redirected to; may have variables.",
	},
	{
		Name: "auth-signin-redirect-param", Scope: PerRoute, Risk: Medium, Default: "rd", Needs: "auth-url", Beside: []string{"auth-signin"},
		parse: external(textOf(paramChars, func(a *ExternalAuth, s string) { a.SignInParam = s })),
		Doc:   "Query parameter with the original URL.",
	},
	{
		Name: "auth-response-headers", Scope: PerRoute, Risk: Medium, Bad: Deny, Needs: "auth-url",
		parse: external(parseAuthFields),
		Doc:   "Fields of the answer that the backend gets in place of the client's.",
	},
	{
		Name: "auth-proxy-set-headers", Scope: PerRoute, Risk: Medium, Bad: Deny, Needs: "auth-url",
		parse: reference("ConfigMap", func(v *Values, s string) { v.External.SetHeaders = s }),
		Doc:   "ConfigMap whose entries are fields for the auth service; values may have variables.",
	},
	{
		Name: "auth-request-redirect", Scope: PerRoute, Risk: Medium, Bad: Deny, Needs: "auth-url",
		parse: external(textOf(urlChars, func(a *ExternalAuth, s string) { a.Redirect = s })),
		Doc:   "Value of X-Auth-Request-Redirect.",
	},
	{
		Name: "auth-snippet", Scope: PerRoute, Risk: Critical, Bad: Deny, parse: snippet(func(v *Values, s string) { v.Snippets.Auth = s }),
		Doc: "Directives for the request to the authentication service; docs/snippets.md lists them.",
	},
	{
		Name: "auth-cache-key", Scope: PerRoute, Risk: Medium, Needs: "auth-url",
		parse: external(textOf(keyChars, func(a *ExternalAuth, s string) { a.CacheKey = s })),
		Doc:   "Keeps answers by this text with variables.",
	},
	{
		Name: "auth-cache-duration", Scope: PerRoute, Risk: Medium, Default: "200 202 401 5m", Bad: Deny, Needs: "auth-url", Beside: []string{"auth-cache-key"},
		parse: external(parseCacheFor),
		Doc:   "How long answers are kept: statuses and a time, with commas between them.",
	},
	{
		Name: "auth-always-set-cookie", Scope: PerRoute, Default: "false", Bad: Deny, Needs: "auth-url",
		parse: boolean(func(v *Values, b bool) { v.External.AlwaysSetCookie = b }),
		Doc:   "Passes cookies of the auth service on at any status.",
	},
	{
		Name: "auth-keepalive", Scope: PerRoute, Default: "0", Support: Tuning,
		Doc: "Idle connections to the auth service.",
	},
	{
		Name: "auth-keepalive-share-vars", Scope: PerRoute, Default: "false", Support: Tuning,
		Doc: "Shares variables with the auth request.",
	},
	{
		Name: "auth-keepalive-requests", Scope: PerRoute, Default: "1000", Support: Tuning,
		Doc: "Requests per connection to the auth service.",
	},
	{
		Name: "auth-keepalive-timeout", Scope: PerRoute, Default: "60", Support: Tuning,
		Doc: "Idle time of connections to the auth service.",
	},
	{
		Name: "enable-global-auth", Scope: PerRoute, Default: "true",
		parse: boolean(func(v *Values, b bool) { v.GlobalAuth = b }),
		Doc:   "false opts out of the global auth-url.",
	},
	{
		Name: "auth-tls-secret", Scope: PerHost, Risk: Medium, Bad: Reject,
		parse: reference("Secret", func(v *Values, s string) { v.Client.Secret = s }),
		Doc:   "Secret with the CA of client certificates.",
	},
	{
		Name: "auth-tls-verify-client", Scope: PerHost, Risk: Medium, Default: "on", Needs: "auth-tls-secret",
		parse: oneOf([]string{"on", "off", "optional", "optional_no_ca"}, func(v *Values, s string) { v.Client.Mode = ir.ClientMode(s) }),
		Doc:   "on, off, optional or optional_no_ca.",
	},
	{
		Name: "auth-tls-verify-depth", Scope: PerHost, Default: "1", Needs: "auth-tls-secret",
		parse: parseDepth(func(v *Values, n int) { v.Client.Depth = n }),
		Doc:   "Longest chain of client certificates.",
	},
	{
		Name: "auth-tls-error-page", Scope: PerHost, Risk: High, Bad: Reject, Needs: "auth-tls-secret",
		parse: parseErrorPage,
		Doc:   "Where clients without a good certificate are redirected to.",
	},
	{
		Name: "auth-tls-pass-certificate-to-upstream", Scope: PerHost, Default: "false", Bad: Reject, Needs: "auth-tls-secret",
		parse: boolean(func(v *Values, b bool) { v.Client.PassCertificate = b }),
		Doc:   "Sends the client certificate to the backend.",
	},
	{
		Name: "auth-tls-match-cn", Scope: PerHost, Risk: High, Bad: Reject, Needs: "auth-tls-secret",
		parse: parseMatchCN,
		Doc:   "Expression that the subject of the client certificate must match.",
	},
	{
		Name: "allowlist-source-range", Aliases: []string{"whitelist-source-range"}, Scope: PerRoute, Risk: Medium, Bad: Deny,
		parse: networks(func(v *Values, list []netip.Prefix) { v.access().Allow = list }),
		Doc:   "Networks and addresses that have access; all others get 403.",
	},
	{
		Name: "denylist-source-range", Scope: PerRoute, Risk: Medium, Bad: Deny,
		parse: networks(func(v *Values, list []netip.Prefix) { v.access().Deny = list }),
		Doc:   "Networks and addresses that get 403, even if they are allowed too.",
	},
	{
		Name: "satisfy", Scope: PerRoute, Default: "all",
		parse: oneOf([]string{"all", "any"}, func(v *Values, s string) { v.SatisfyAny = s == "any" }),
		Doc:   "any: one of network, basic or external authentication suffices.",
	},
	{
		Name: "limit-rps", Scope: PerRoute, Bad: Reject,
		parse: count(func(v *Values, n int) { v.limits.PerSecond = n }),
		Doc:   "Requests per second of one client address; 0 is no limit.",
	},
	{
		Name: "limit-rpm", Scope: PerRoute, Bad: Reject,
		parse: count(func(v *Values, n int) { v.limits.PerMinute = n }),
		Doc:   "Requests per minute of one client address; 0 is no limit.",
	},
	{
		Name: "limit-connections", Scope: PerRoute, Bad: Reject,
		parse: count(func(v *Values, n int) { v.limits.Connections = n }),
		Doc:   "Requests of one client address that may run at one time; 0 is no limit.",
	},
	{
		Name: "limit-burst-multiplier", Scope: PerRoute, Default: "5", Beside: []string{"limit-rps", "limit-rpm"},
		parse: parseBurst,
		Doc:   "How many times limit-rps and limit-rpm may be exceeded at once.",
	},
	{
		Name: "limit-rate", Scope: PerRoute, Default: "0",
		parse: count(func(v *Values, n int) { v.limitRate = n }),
		Doc:   "Kilobytes per second of one response; 0 is no limit.",
	},
	{
		Name: "limit-rate-after", Scope: PerRoute, Default: "0",
		parse: count(func(v *Values, n int) { v.limitRateAfter = n }),
		Doc:   "Kilobytes of a response before limit-rate begins.",
	},
	{
		Name: "limit-allowlist", Aliases: []string{"limit-whitelist"}, Scope: PerRoute, Bad: Reject,
		parse: networks(func(v *Values, list []netip.Prefix) { v.limits.Exempt = list }),
		Doc:   "Networks and addresses without limits.",
	},

	// Cross-origin requests.
	{
		Name: "enable-cors", Scope: PerRoute, Default: "false",
		parse: boolean(func(v *Values, b bool) { v.enableCORS = b }),
		Doc:   "Answers preflight requests and adds the CORS fields.",
	},
	{
		Name: "cors-allow-origin", Scope: PerRoute, Risk: Medium, Default: "*", Beside: []string{"enable-cors"},
		parse: parseOrigins,
		Doc:   "Origins that are allowed: scheme://host[:port], *. before the host for any one label, null, or *.",
	},
	{
		Name: "cors-allow-methods", Scope: PerRoute, Risk: Medium, Default: "GET, PUT, POST, DELETE, PATCH, OPTIONS", Beside: []string{"enable-cors"},
		parse: text(corsMethods, "a list of methods with commas between them", func(v *Values, s string) { v.cors.Methods = s }),
		Doc:   "Value of Access-Control-Allow-Methods.",
	},
	{
		Name: "cors-allow-headers", Scope: PerRoute, Risk: Medium, Default: "DNT,Keep-Alive,User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,Range,Authorization", Beside: []string{"enable-cors"},
		parse: text(corsHeaders, "a list of field names with commas between them", func(v *Values, s string) { v.cors.Headers = s }),
		Doc:   "Value of Access-Control-Allow-Headers.",
	},
	{
		Name: "cors-expose-headers", Scope: PerRoute, Risk: Medium, Beside: []string{"enable-cors"},
		parse: text(corsExpose, "a list of field names with commas between them", func(v *Values, s string) { v.cors.Expose = s }),
		Doc:   "Value of Access-Control-Expose-Headers.",
	},
	{
		Name: "cors-allow-credentials", Scope: PerRoute, Default: "true", Beside: []string{"enable-cors"},
		parse: boolean(func(v *Values, b bool) { v.cors.Credentials = b }),
		Doc:   "Sends Access-Control-Allow-Credentials: true.",
	},
	{
		Name: "cors-max-age", Scope: PerRoute, Default: "1728000", Beside: []string{"enable-cors"},
		parse: parseMaxAge,
		Doc:   "Seconds a preflight answer is valid.",
	},
}
