package annotation

import (
	"net/netip"

	"daemun/internal/ir"
)

// rows is the table. To support another annotation give its row a parser
// instead of Support: Later, and a field of Values (or ir.Policies) that the
// parser writes. It is never written.
var rows = []Row{
	// Rewrite and redirect.
	{
		Name: "rewrite-target", Scope: PerRoute, Risk: Medium,
		parse: text(pathChars, "a path: it may hold letters, digits and -._~/:$ only", func(v *Values, s string) { v.RewriteTarget = s }),
		Doc:   "Replaces the path that the Ingress path matches; $1 to $9 are its groups. Makes all paths of the host regular expressions.",
	},
	{
		Name: "use-regex", Scope: PerRoute, Default: "false",
		parse: boolean(func(v *Values, b bool) { v.UseRegex = b }),
		Doc:   "Paths are regular expressions. Makes all paths of the host regular expressions.",
	},
	{
		Name: "app-root", Scope: PerHost, Risk: Medium,
		parse: parseAppRoot,
		Doc:   "Redirects / of the host to this path with 302.",
	},
	{
		Name: "ssl-redirect", Scope: PerRoute, Default: "true",
		parse: boolean(func(v *Values, b bool) { v.SSLRedirect = b }),
		Doc:   "Redirects http to https when the host has TLS.",
	},
	{
		Name: "force-ssl-redirect", Scope: PerRoute, Risk: Medium, Default: "false",
		parse: boolean(func(v *Values, b bool) { v.ForceSSLRedirect = b }),
		Doc:   "Redirects http to https even when the host has no TLS.",
	},
	{
		Name: "preserve-trailing-slash", Scope: PerRoute, Risk: Medium, Default: "false",
		parse: boolean(func(v *Values, b bool) { v.PreserveTrailingSlash = b }),
		Doc:   "Keeps a final slash in the https redirect.",
	},
	{
		Name: "permanent-redirect", Scope: PerRoute, Risk: Medium, Bad: Reject,
		parse: text(urlChars, "a URL or path of letters, digits and -._~/:?&= (variables are not accepted)", func(v *Values, s string) { v.permanent = s }),
		Doc:   "Answers with 301 to this URL or path; the request path is not appended.",
	},
	{
		Name: "permanent-redirect-code", Scope: PerRoute, Default: "301", Bad: Reject, Beside: []string{"permanent-redirect"},
		parse: statusCode(308, func(v *Values, code int) { v.permanentCode = code }),
		Doc:   "Status of permanent-redirect, 300 to 308.",
	},
	{
		Name: "temporal-redirect", Scope: PerRoute, Risk: Medium, Bad: Reject,
		parse: text(urlChars, "a URL or path of letters, digits and -._~/:?&= (variables are not accepted)", func(v *Values, s string) { v.temporal = s }),
		Doc:   "Answers with 302 to this URL; wins over permanent-redirect.",
	},
	{
		Name: "temporal-redirect-code", Scope: PerRoute, Default: "302", Bad: Reject, Beside: []string{"temporal-redirect"},
		parse: statusCode(307, func(v *Values, code int) { v.temporalCode = code }),
		Doc:   "Status of temporal-redirect, 300 to 307.",
	},
	{
		Name: "from-to-www-redirect", Scope: PerHost, Default: "false", Bad: Reject,
		parse: boolean(func(v *Values, b bool) { v.FromToWWW = b }),
		Doc:   "Redirects the name with or without www. to the host of the Ingress.",
	},
	{
		Name: "relative-redirects", Scope: PerRoute, Default: "false", Bad: Reject,
		parse: boolean(func(v *Values, b bool) { v.RelativeRedirects = b }),
		Doc:   "Leaves scheme and host out of Locations that are made of a path.",
	},
	{
		Name: "use-port-in-redirects", Scope: PerRoute, Default: "false",
		parse: boolean(func(v *Values, b bool) { v.PortInRedirects = b }),
		Doc:   "Puts the port of the listener into generated Locations, and the HTTPS port into redirects to https.",
	},
	{
		Name: "proxy-redirect-from", Scope: PerRoute, Risk: Medium, Default: "off",
		parse: locationPart(func(v *Values, s string) { v.redirectFrom = s }),
		Doc:   "Prefix of Location and Refresh in responses that proxy-redirect-to replaces.",
	},
	{
		Name: "proxy-redirect-to", Scope: PerRoute, Risk: Medium, Default: "off",
		parse: locationPart(func(v *Values, s string) { v.redirectTo = s }),
		Doc:   "What replaces proxy-redirect-from.",
	},

	// Proxying.
	{
		Name: "backend-protocol", Scope: PerRoute, Default: "HTTP",
		parse: parseProtocol,
		Doc:   "HTTP, HTTPS, AUTO_HTTP (as the client), GRPC, GRPCS or FCGI.",
	},
	{
		Name: "proxy-body-size", Scope: PerRoute, Risk: Medium, Default: "1m",
		parse: parseSize,
		Doc:   "Largest request body (413 above it); 0 is unlimited.",
	},
	{
		Name: "proxy-connect-timeout", Scope: PerRoute, Default: "5",
		parse: seconds(1, func(v *Values, d ir.Duration) { v.ConnectTimeout = d }),
		Doc:   "Seconds to connect to an endpoint.",
	},
	{
		Name: "proxy-send-timeout", Scope: PerRoute, Default: "60",
		parse: seconds(1, func(v *Values, d ir.Duration) { v.SendTimeout = d }),
		Doc:   "Seconds between two writes to the endpoint.",
	},
	{
		Name: "proxy-read-timeout", Scope: PerRoute, Default: "60",
		parse: seconds(1, func(v *Values, d ir.Duration) { v.ReadTimeout = d }),
		Doc:   "Seconds between two reads from the endpoint; also the idle limit of upgraded connections.",
	},
	{
		Name: "proxy-buffering", Scope: PerRoute, Default: "off",
		parse: onOff(func(v *Values, b bool) { v.responseBuffering = b }),
		Doc:   "Takes responses from the backend as fast as it gives them, so that a slow client does not hold it.",
	},
	{
		Name: "proxy-buffers-number", Scope: PerRoute, Default: "4",
		parse: parseBuffersNumber,
		Doc:   "Memory for a response with proxy-buffering, in units of proxy-buffer-size: 32k in all at least, 16m at most.",
	},
	{
		Name: "proxy-buffer-size", Scope: PerRoute, Default: "4k",
		parse: parseBufferSize,
		Doc:   "Largest head of a response (502 above it): 64k at least, 512k at most.",
	},
	{
		Name: "proxy-busy-buffers-size", Scope: PerRoute, Support: Tuning,
		Doc: "Tuning of response buffers.",
	},
	{
		Name: "proxy-max-temp-file-size", Scope: PerRoute, Default: "1024m",
		parse: size(func(v *Values, n int64) error { v.responseDisk = n; return nil }),
		Doc:   "Largest part of a response that is kept on disk with proxy-buffering; 0 is none.",
	},
	{
		Name: "proxy-request-buffering", Scope: PerRoute, Default: "on",
		parse: onOff(func(v *Values, b bool) { v.RequestBuffering = b }),
		Doc:   "Reads request bodies whole before a backend is contacted, so that a slow client holds none; off streams them.",
	},
	{
		Name: "client-body-buffer-size", Scope: PerRoute, Default: "8k", Bad: Reject,
		parse: bodyMemory,
		Doc:   "Memory for a request body before it goes to disk: 64k at least, 16m at most.",
	},
	{
		Name: "proxy-http-version", Scope: PerRoute, Default: "1.1",
		parse: parseHTTPVersion,
		Doc:   "HTTP version towards endpoints, 1.0 or 1.1; with 1.0 each request has a connection of its own, and nothing is upgraded.",
	},
	{
		Name: "proxy-next-upstream", Scope: PerRoute, Risk: Medium, Default: "error timeout",
		parse: parseRetryOn,
		Doc:   "When another endpoint is tried.",
	},
	{
		Name: "proxy-next-upstream-timeout", Scope: PerRoute, Default: "0",
		parse: seconds(0, func(v *Values, d ir.Duration) { v.Retry.Timeout = d }),
		Doc:   "Seconds in which attempts may start in total; 0 is no limit.",
	},
	{
		Name: "proxy-next-upstream-tries", Scope: PerRoute, Default: "3",
		parse: parseTries,
		Doc:   "Attempts in total; 0 is twice the number of endpoints, 3 at least.",
	},
	{
		Name: "proxy-cookie-domain", Scope: PerRoute, Risk: Medium, Default: "off",
		parse: pair(domainChars, `"from to", two domains`, setCookieDomain),
		Doc:   "Replaces the Domain of cookies of the backend: from and to, or off.",
	},
	{
		Name: "proxy-cookie-path", Scope: PerRoute, Risk: Medium, Default: "off",
		parse: pair(locationChars, `"from to", two paths`, func(v *Values, r *ir.Replacement) { v.CookiePath = r }),
		Doc:   "Replaces the beginning of the Path of cookies of the backend: from and to, or off.",
	},
	{
		Name: "upstream-vhost", Scope: PerRoute, Bad: Reject,
		parse: parseVhost,
		Doc:   "Host field sent to the backend; may have variables, such as $service_name.$namespace.svc.",
	},
	{
		Name: "connection-proxy-header", Scope: PerRoute, Bad: Reject,
		parse: parseConnection,
		Doc:   "Connection field sent to the backend, close or keep-alive; nothing is upgraded then.",
	},
	{
		Name: "x-forwarded-prefix", Scope: PerRoute, Risk: Medium, Bad: Reject,
		parse: text(pathChars, "a path: it may hold letters, digits and -._~/:$ only", func(v *Values, s string) { v.ForwardedPrefix = s }),
		Doc:   "X-Forwarded-Prefix sent to the backend; only together with rewrite-target.",
	},
	{
		Name: "service-upstream", Scope: PerBackend, Default: "false",
		parse: boolean(func(v *Values, b bool) { v.Balance.ServiceUpstream = b }),
		Doc:   "Uses the cluster IP of the Service as the only endpoint.",
	},
	{
		Name: "custom-headers", Scope: PerRoute, Risk: Medium,
		parse: reference("ConfigMap", func(v *Values, s string) { v.CustomHeaders = s }),
		Doc:   "ConfigMap whose entries are fields of every response; only those that global-allowed-response-headers lists.",
	},
	{
		Name: "http2-push-preload", Scope: PerRoute, Default: "false", Support: Obsolete,
		Doc: "HTTP/2 push from Link fields is refused, because browsers have dropped it: they act on the Link field itself, which reaches them",
	},
	{
		Name: "fastcgi-index", Scope: PerRoute, Risk: Medium, Bad: Reject, Beside: []string{"backend-protocol"},
		parse: parseFastCGIIndex,
		Doc:   "What is appended to paths that end with a slash, such as index.php; for FCGI backends.",
	},
	{
		Name: "fastcgi-params-configmap", Scope: PerRoute, Risk: Medium, Bad: Reject, Beside: []string{"backend-protocol"},
		parse: reference("ConfigMap", func(v *Values, s string) { v.FastCGIParams = s }),
		Doc:   "ConfigMap of the Ingress's namespace whose entries are parameters for FCGI backends; values may have variables.",
	},
	{
		Name: "enable-access-log", Scope: PerRoute, Default: "true",
		parse: boolean(func(v *Values, b bool) { v.AccessLog = b }),
		Doc:   "Writes access log lines.",
	},
	{
		Name: "enable-rewrite-log", Scope: PerRoute, Default: "false",
		parse: boolean(func(v *Values, b bool) { v.RewriteLog = b }),
		Doc:   "Tells the log of Daemun, at level info, of each target that is rewritten.",
	},

	// Daemun's own.
	{
		Name: "request-timeout", Scope: PerRoute, Default: "0",
		parse: seconds(0, func(v *Values, d ir.Duration) { v.RequestTimeout = d }),
		Doc:   "Daemun's own: seconds that a whole request may take, from the first octet of its head to the last of the response; then 504, or the response breaks off. 0 is no bound. Upgraded connections are not bounded.",
	},
	{
		Name: "max-requests-in-flight", Scope: PerBackend, Default: "0", Bad: Reject,
		parse: parseMaxRequests,
		Doc:   "Daemun's own: requests to the Service that each Daemun may have in flight, WebSockets and event streams among them; further ones get 503 with Retry-After. 0 is no bound.",
	},

	// Balancing, affinity, canary.
	{
		Name: "load-balance", Scope: PerBackend, Default: "round_robin", Bad: Reject,
		parse: parseLoadBalance,
		Doc:   "round_robin or ewma.",
	},
	{
		Name: "upstream-hash-by", Scope: PerBackend, Risk: High, Bad: Reject,
		parse: parseHashBy,
		Doc:   "Chooses the endpoint by a hash of a text with variables, such as $request_uri.",
	},
	{
		Name: "upstream-hash-by-subset", Scope: PerBackend, Default: "false", Bad: Reject,
		parse: boolean(func(v *Values, b bool) { v.hashSubset = b }),
		Doc:   "Hashes to a subset of the endpoints.",
	},
	{
		Name: "upstream-hash-by-subset-size", Scope: PerBackend, Default: "3", Bad: Reject, Beside: []string{"upstream-hash-by-subset"},
		parse: parseSubsetSize,
		Doc:   "Size of such a subset.",
	},
	{
		Name: "affinity", Scope: PerBackend,
		parse: oneOf([]string{"cookie"}, func(v *Values, _ string) { v.hasAffinity = true }),
		Doc:   "cookie: a client stays at one endpoint.",
	},
	{
		Name: "affinity-mode", Scope: PerBackend, Risk: Medium, Default: "balanced", Needs: "affinity",
		parse: oneOf([]string{"balanced", "persistent"}, func(v *Values, s string) { v.affinity.Persistent = s == "persistent" }),
		Doc:   "balanced: new endpoints take over a part of the clients; persistent: clients stay until their endpoint is gone.",
	},
	{
		Name: "affinity-canary-behavior", Scope: PerBackend, Default: "sticky", Needs: "canary",
		parse: oneOf([]string{"sticky", "legacy"}, func(v *Values, s string) { v.canary.Legacy = s == "legacy" }),
		Doc:   "On the canary: sticky lets the affinity cookie speak for it too, legacy not.",
	},
	{
		Name: "session-cookie-name", Scope: PerBackend, Risk: Medium, Default: "INGRESSCOOKIE", Needs: "affinity",
		parse: text(tokenChars, "a cookie name: it may hold letters, digits and -._~ only", func(v *Values, s string) { v.affinity.Name = s }),
		Doc:   "Name of the affinity cookie.",
	},
	{
		Name: "session-cookie-path", Scope: PerBackend, Risk: Medium, Needs: "affinity",
		parse: text(cookiePath, "a path: it may hold letters, digits and -._~/:?&= only", func(v *Values, s string) { v.affinity.Path = s }),
		Doc:   "Path of the affinity cookie; the Ingress path by default.",
	},
	{
		Name: "session-cookie-domain", Scope: PerBackend, Risk: Medium, Needs: "affinity",
		parse: text(tokenChars, "a domain: it may hold letters, digits and -._~ only", func(v *Values, s string) { v.affinity.Domain = s }),
		Doc:   "Domain of the affinity cookie.",
	},
	{
		Name: "session-cookie-max-age", Scope: PerBackend, Risk: Medium, Needs: "affinity",
		parse: lifetime(func(a *ir.Affinity, n *int64) { a.MaxAge = n }),
		Doc:   "Max-Age of the affinity cookie in seconds.",
	},
	{
		Name: "session-cookie-expires", Scope: PerBackend, Risk: Medium, Needs: "affinity",
		parse: lifetime(func(a *ir.Affinity, n *int64) { a.Expires = n }),
		Doc:   "Expires of the affinity cookie in seconds from now.",
	},
	{
		Name: "session-cookie-samesite", Scope: PerBackend, Needs: "affinity",
		parse: parseSameSite,
		Doc:   "SameSite of the affinity cookie.",
	},
	{
		Name: "session-cookie-conditional-samesite-none", Scope: PerBackend, Default: "false", Needs: "affinity", Beside: []string{"session-cookie-samesite"},
		parse: boolean(func(v *Values, b bool) { v.affinity.ConditionalNone = b }),
		Doc:   "Drops SameSite=None for clients that cannot read it.",
	},
	{
		Name: "session-cookie-secure", Scope: PerBackend, Needs: "affinity",
		parse: boolean(func(v *Values, b bool) { v.affinity.Secure = b }),
		Doc:   "Marks the affinity cookie Secure on plain http too.",
	},
	{
		Name: "session-cookie-change-on-failure", Scope: PerBackend, Default: "false", Needs: "affinity",
		parse: boolean(func(v *Values, b bool) { v.affinity.ChangeOnFailure = b }),
		Doc:   "A failed endpoint changes the affinity.",
	},
	{
		Name: "canary", Scope: PerIngress, Default: "false",
		parse: boolean(func(v *Values, b bool) { v.isCanary = b }),
		Doc:   "The Ingress takes a share of the requests of another one.",
	},
	{
		Name: "canary-weight", Scope: PerIngress, Default: "0", Needs: "canary",
		parse: parseCanaryWeight,
		Doc:   "How many of canary-weight-total requests go to the canary.",
	},
	{
		Name: "canary-weight-total", Scope: PerIngress, Default: "100", Needs: "canary",
		parse: parseCanaryTotal,
		Doc:   "What canary-weight is a share of.",
	},
	{
		Name: "canary-by-header", Scope: PerIngress, Risk: Medium, Needs: "canary",
		parse: text(fieldChars, "a field name", func(v *Values, s string) { v.canary.Header = s }),
		Doc:   "Request field that decides: always or never, unless canary-by-header-value or -pattern says otherwise.",
	},
	{
		Name: "canary-by-header-value", Scope: PerIngress, Risk: Medium, Needs: "canary", Beside: []string{"canary-by-header"},
		parse: text(headerValue, "a field value: it may hold printable ASCII characters only", func(v *Values, s string) { v.canary.HeaderValue = s }),
		Doc:   "Its value for the canary.",
	},
	{
		Name: "canary-by-header-pattern", Scope: PerIngress, Risk: Medium, Needs: "canary", Beside: []string{"canary-by-header"},
		parse: parseCanaryPattern,
		Doc:   "Its values for the canary, as an expression.",
	},
	{
		Name: "canary-by-cookie", Scope: PerIngress, Risk: Medium, Needs: "canary",
		parse: text(tokenChars, "a cookie name: it may hold letters, digits and -._~ only", func(v *Values, s string) { v.canary.Cookie = s }),
		Doc:   "Cookie that decides: always or never.",
	},

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

	// Errors, default backend, mirror, WAF, tracing, TLS.
	{
		Name: "custom-http-errors", Scope: PerRoute, Bad: Reject,
		parse: parseErrors,
		Doc:   "Statuses, 400 to 599, whose responses come from the default-backend of the Ingress or the global one.",
	},
	{
		Name: "default-backend", Scope: PerRoute, Bad: Reject,
		parse: text(dnsLabel, "a Service name: write the name of a Service in the namespace of the Ingress", func(v *Values, s string) { v.DefaultBackend = s }),
		Doc:   "Service that takes over while the backend has no ready endpoint, and answers for custom-http-errors.",
	},
	{
		Name: "disable-proxy-intercept-errors", Scope: PerRoute, Default: "false",
		parse: boolean(func(v *Values, b bool) { v.OwnErrorsOnly = b }),
		Doc:   "Lets responses of the backend pass; only those that Daemun makes are replaced.",
	},
	{
		Name: "server-alias", Scope: PerHost, Risk: High, Bad: Reject,
		parse: parseAliases,
		Doc:   "More names of the host, with commas between them; ~ begins an expression.",
	},
	{
		Name: "mirror-target", Scope: PerRoute, Risk: High,
		parse: parseMirror,
		Doc:   "URL that gets a copy of each request; path and query may have variables.",
	},
	{
		Name: "mirror-request-body", Scope: PerRoute, Default: "on", Needs: "mirror-target",
		parse: oneOf([]string{"on", "off"}, func(v *Values, s string) { v.MirrorBody = s == "on" }),
		Doc:   "Copies bodies of up to 1 MiB too; requests with longer ones are not copied.",
	},
	{
		Name: "mirror-host", Scope: PerRoute, Risk: High, Needs: "mirror-target",
		parse: text(hostChars, "a host name", func(v *Values, s string) { v.MirrorHost = s }),
		Doc:   "Host field of the copies; the host of mirror-target by default.",
	},
	{
		Name: "enable-modsecurity", Scope: PerRoute, Guard: true,
		parse: parseFirewall,
		Doc:   "Web application firewall (builds with the tag waf, and the image): the recommended settings, which only log.",
	},
	{
		Name: "enable-owasp-core-rules", Scope: PerRoute, Default: "false", Guard: true,
		parse: boolean(func(v *Values, b bool) { v.WAF.CoreRules = b }),
		Doc:   "Adds the core rule set of OWASP.",
	},
	{
		Name: "modsecurity-transaction-id", Scope: PerRoute, Risk: High,
		parse: parseTransactionID,
		Doc:   "Text with variables that names requests in the log of the firewall; the request id by default.",
	},
	{
		Name: "modsecurity-snippet", Scope: PerRoute, Risk: Critical, Guard: true,
		parse: parseRules,
		Doc:   "Rules in ModSecurity's language in place of the recommended settings; needs allow-snippet-annotations, too.",
	},
	{
		Name: "enable-opentelemetry", Scope: PerRoute, Default: "false",
		parse: boolean(func(v *Values, b bool) { v.Tracing.On = b }),
		Doc:   "Makes requests part of traces: backends get traceparent, and spans go to otlp-collector-host of the ConfigMap.",
	},
	{
		Name: "opentelemetry-trust-incoming-span", Scope: PerRoute, Default: "true", Needs: "enable-opentelemetry",
		parse: boolean(func(v *Values, b bool) { v.Tracing.Trust = b }),
		Doc:   "Continues the trace of the client (traceparent or B3).",
	},
	{
		Name: "opentelemetry-operation-name", Scope: PerRoute, Risk: Medium, Bad: Reject, Needs: "enable-opentelemetry",
		parse: text(spanChars, "a name of letters, digits, _ and -", func(v *Values, s string) { v.Tracing.Name = s }),
		Doc:   "Name of the spans; method and path of the Ingress by default.",
	},
	{
		Name: "ssl-passthrough", Scope: PerHost, Default: "false", Bad: Reject, Guard: true,
		parse: boolean(func(v *Values, b bool) { v.Passthrough = b }),
		Doc:   "Passes TLS connections to the backend of the path / unopened; needs --enable-ssl-passthrough.",
	},
	{
		Name: "ssl-ciphers", Scope: PerHost, Bad: Reject,
		parse: func(s string, v *Values) (err error) {
			v.Suites, v.LeftOut, err = ParseSuites(s)
			return err
		},
		Doc: "TLS 1.2 cipher suites of the host, by their names in OpenSSL.",
	},
	{
		Name: "ssl-prefer-server-ciphers", Scope: PerHost, Support: Tuning,
		Doc: "Order of cipher suites.",
	},
	{
		Name: "proxy-ssl-secret", Scope: PerRoute, Risk: Medium, Bad: Reject,
		parse: reference("Secret", func(v *Values, s string) { v.BackendTLS.Secret = s }),
		Doc:   "Secret with client certificate and CA for HTTPS backends.",
	},
	{
		Name: "proxy-ssl-verify", Scope: PerRoute, Default: "off", Needs: "proxy-ssl-secret",
		parse: oneOf([]string{"on", "off"}, func(v *Values, s string) { v.BackendTLS.Verify = s == "on" }),
		Doc:   "Verifies the certificate of HTTPS backends: that it is for proxy-ssl-name, by ca.crt of proxy-ssl-secret.",
	},
	{
		Name: "proxy-ssl-verify-depth", Scope: PerRoute, Default: "1", Needs: "proxy-ssl-secret",
		parse: parseDepth(func(v *Values, n int) { v.BackendTLS.Depth = n }),
		Doc:   "Longest chain of the certificate of a backend.",
	},
	{
		Name: "proxy-ssl-name", Scope: PerRoute, Risk: High, Needs: "proxy-ssl-secret",
		parse: text(hostChars, "a host name", func(v *Values, s string) { v.BackendTLS.Name = s }),
		Doc:   "Name in the certificate of a backend.",
	},
	{
		Name: "proxy-ssl-server-name", Scope: PerRoute, Default: "off", Needs: "proxy-ssl-secret",
		parse: oneOf([]string{"on", "off"}, func(v *Values, s string) { v.BackendTLS.SendName = s == "on" }),
		Doc:   "Sends the name of the backend in its handshake.",
	},
	{
		Name: "proxy-ssl-protocols", Scope: PerRoute, Default: "TLSv1.2", Needs: "proxy-ssl-secret",
		parse: parseBackendVersions,
		Doc:   "TLS versions towards backends.",
	},
	{
		Name: "proxy-ssl-ciphers", Scope: PerRoute, Risk: Medium, Default: "DEFAULT", Needs: "proxy-ssl-secret",
		parse: parseBackendSuites,
		Doc:   "TLS 1.2 cipher suites towards backends.",
	},
	{
		Name: "configuration-snippet", Scope: PerRoute, Risk: Critical, Bad: Deny, parse: snippet(func(v *Values, s string) { v.Snippets.Configuration = s }),
		Doc: "Directives of nginx for the routes; docs/snippets.md lists those that are understood.",
	},
	{
		Name: "server-snippet", Scope: PerHost, Risk: Critical, Bad: Deny, parse: snippet(func(v *Values, s string) { v.Snippets.Server = s }),
		Doc: "Directives of nginx for the host; docs/snippets.md lists those that are understood.",
	},
	{
		Name: "stream-snippet", Scope: PerIngress, Risk: Critical, Bad: Deny, parse: snippet(func(v *Values, s string) { v.Snippets.Stream = s }),
		Doc: "Directives of nginx outside of HTTP, of which none is understood.",
	},

	// Old names that ingress-nginx ignores.
	{
		Name: "session-cookie-hash", Scope: PerIngress, Support: Obsolete,
		Doc: "No longer known to ingress-nginx",
	},
	{
		Name: "secure-backends", Scope: PerIngress, Support: Obsolete,
		Doc: "No longer known to ingress-nginx",
	},
	{
		Name: "add-base-url", Scope: PerIngress, Support: Obsolete,
		Doc: "No longer known to ingress-nginx",
	},
	{
		Name: "base-url-scheme", Scope: PerIngress, Support: Obsolete,
		Doc: "No longer known to ingress-nginx",
	},
	{
		Name: "grpc-backend", Scope: PerIngress, Support: Obsolete,
		Doc: "No longer known to ingress-nginx",
	},
	{
		Name: "global-rate-limit", Scope: PerIngress, Support: Obsolete,
		Doc: "No longer known to ingress-nginx",
	},
	{
		Name: "global-rate-limit-window", Scope: PerIngress, Support: Obsolete,
		Doc: "No longer known to ingress-nginx",
	},
	{
		Name: "global-rate-limit-key", Scope: PerIngress, Support: Obsolete,
		Doc: "No longer known to ingress-nginx",
	},
	{
		Name: "global-rate-limit-ignored-cidrs", Scope: PerIngress, Support: Obsolete,
		Doc: "No longer known to ingress-nginx",
	},
	{
		Name: "enable-influxdb", Scope: PerIngress, Support: Obsolete,
		Doc: "No longer known to ingress-nginx",
	},
	{
		Name: "influxdb-measurement", Scope: PerIngress, Support: Obsolete,
		Doc: "No longer known to ingress-nginx",
	},
	{
		Name: "influxdb-port", Scope: PerIngress, Support: Obsolete,
		Doc: "No longer known to ingress-nginx",
	},
	{
		Name: "influxdb-host", Scope: PerIngress, Support: Obsolete,
		Doc: "No longer known to ingress-nginx",
	},
	{
		Name: "influxdb-server-name", Scope: PerIngress, Support: Obsolete,
		Doc: "No longer known to ingress-nginx",
	},
	{
		Name: "secure-verify-ca-secret", Scope: PerIngress, Support: Obsolete,
		Doc: "No longer known to ingress-nginx",
	},
	{
		Name: "enable-opentracing", Scope: PerIngress, Support: Obsolete,
		Doc: "No longer known to ingress-nginx",
	},
	{
		Name: "opentracing-trust-incoming-span", Scope: PerIngress, Support: Obsolete,
		Doc: "No longer known to ingress-nginx",
	},
}

// byName finds a row by its name or alias.
var byName = indexRows()

func indexRows() map[string]int {
	m := make(map[string]int, len(rows))
	for i := range rows {
		m[rows[i].Name] = i
		for _, a := range rows[i].Aliases {
			m[a] = i
		}
	}
	return m
}
