package configmap

import (
	"math"
	"time"

	"daemun/internal/annotation"
	"daemun/internal/ir"
)

// rows is the table. To support another key give its row a parser, or name the
// annotation whose default it is. It is never written.
var rows = []Row{
	// Redirects and HSTS.
	{Name: "ssl-redirect", Default: "true", annotation: "ssl-redirect"},
	{Name: "force-ssl-redirect", Default: "false", annotation: "force-ssl-redirect"},
	{Name: "preserve-trailing-slash", Default: "false", annotation: "preserve-trailing-slash"},
	{Name: "use-port-in-redirects", Default: "false", annotation: "use-port-in-redirects"},
	{Name: "relative-redirects", Default: "false", annotation: "relative-redirects"},
	{
		Name: "http-redirect-code", Default: "308", parse: parseRedirectCode,
		Doc: "Status of https and www redirects: 301, 302, 307 or 308.",
	},
	{
		Name: "no-tls-redirect-locations", Default: "/.well-known/acme-challenge", parse: paths(func(v *Values, list []string) { v.NoTLSRedirect = list }),
		Doc: "Path prefixes that are never redirected to https.",
	},
	{
		Name: "hsts", Default: "true", parse: boolean(func(v *Values, b bool) { v.Settings.HSTS.Enabled = b }),
		Doc: "Sends Strict-Transport-Security on TLS.",
	},
	{
		Name: "hsts-max-age", Default: "31536000", parse: integer(0, math.MaxInt32, func(v *Values, n int) { v.Settings.HSTS.MaxAge = int64(n) }),
		Doc: "Its max-age in seconds.",
	},
	{
		Name: "hsts-include-subdomains", Default: "true", parse: boolean(func(v *Values, b bool) { v.Settings.HSTS.IncludeSubdomains = b }),
		Doc: "Its includeSubDomains.",
	},
	{
		Name: "hsts-preload", Default: "false", parse: boolean(func(v *Values, b bool) { v.Settings.HSTS.Preload = b }),
		Doc: "Its preload.",
	},

	// Client connections.
	{
		Name: "keep-alive", Default: "75", parse: seconds(0, func(v *Values, d ir.Duration) { v.Settings.KeepAlive = d }),
		Doc: "Seconds that an idle client connection stays open.",
	},
	{
		Name: "keep-alive-requests", Default: "1000", parse: integer(1, math.MaxInt32, func(v *Values, n int) { v.Settings.KeepAliveRequests = n }),
		Doc: "Requests after which a client connection is closed.",
	},
	{
		Name: "client-header-timeout", Default: "60", parse: seconds(1, func(v *Values, d ir.Duration) { v.Settings.HeaderTimeout = d }),
		Doc: "Seconds in which the head of a request must have arrived.",
	},
	{
		Name: "client-body-timeout", Default: "60", parse: seconds(1, func(v *Values, d ir.Duration) { v.Settings.BodyTimeout = d }),
		Doc: "Seconds between two pieces of a request body.",
	},
	{Name: "client-body-buffer-size", Default: "8k", annotation: "client-body-buffer-size"},
	{Name: "client-header-buffer-size", Default: "1k", Support: Tuning, Doc: "Size of nginx's first buffer for a head."},
	{
		Name: "large-client-header-buffers", Default: "4 8k", parse: parseHeaderBuffers,
		Doc: "Number and size of buffers for large heads: no line may be longer than one of them, no head than all of them, and 256k.",
	},
	{
		Name: "enable-underscores-in-headers", Default: "false", parse: boolean(func(v *Values, b bool) { v.Settings.RequestHeads.KeepUnderscores = b }),
		Doc: "Passes fields on that have an underscore in their name, unless a backend could take them for one that Daemun sets.",
	},
	{Name: "ignore-invalid-headers", Default: "true", Support: Tuning, Doc: "Drops fields whose names are not valid; here such a request is always refused."},
	{
		Name: "use-http2", Default: "true", parse: boolean(func(v *Values, b bool) { v.Settings.HTTP2Off = !b }),
		Doc: "Speaks HTTP/2 with clients: on TLS, and with prior knowledge on the plain port.",
	},
	{
		Name: "http2-max-concurrent-streams", Default: "128", parse: integer(1, 1000, func(v *Values, n int) { v.Settings.HTTP2Streams = n }),
		Doc: "Streams of one HTTP/2 connection.",
	},
	{Name: "http2-max-field-size", Support: Tuning, Doc: "Old limit of a field."},
	{Name: "http2-max-header-size", Support: Tuning, Doc: "Old limit of a head."},
	{Name: "http2-max-requests", Default: "0", Support: Tuning, Doc: "Old limit of requests."},
	{
		Name: "use-proxy-protocol", Default: "false", Guard: true, parse: parseProxyProtocol,
		Doc: "Expects the PROXY protocol, version 1 or 2, on the ports for HTTP and HTTPS; a connection without it is closed.",
	},
	{
		Name: "proxy-protocol-header-timeout", Default: "5s", parse: nginxTime(func(v *Values, d time.Duration) { v.proxyTimeout = max(d, time.Millisecond) }),
		Doc: "Time in which its header must have arrived.",
	},
	{
		Name: "worker-shutdown-timeout", Default: "240s", parse: nginxTime(func(v *Values, d time.Duration) { v.ShutdownTimeout = d }),
		Doc: "Longest time that requests in flight have at the end.",
	},
	{
		Name: "bind-address", parse: parseBindAddress,
		Doc: "Addresses that clients may connect to; connections to others are closed. --listen-address chooses where the ports are open.",
	},
	{
		Name: "disable-ipv6", Default: "false", parse: boolean(func(v *Values, b bool) { v.Settings.Entrance.IPv4Only = b }),
		Doc: "Closes connections over IPv6.",
	},
	{
		Name: "max-connections-per-client", Default: "0", Guard: true, parse: integer(0, 1<<20, func(v *Values, n int) { v.Settings.Entrance.PerClient = n }),
		Doc: "Daemun's own: open connections of one client (an IPv4 address, or an IPv6 network of 64 bits); further ones are closed. 0 is no bound. Proxies that are trusted with the client's address are not bounded.",
	},
	{
		Name: "disable-ipv6-dns", Default: "auto", parse: parseIPv4Names,
		Doc: "Leaves the IPv6 addresses of external names out: true or false; with auto, as with false, they count where there is no IPv4 address.",
	},

	// What is passed on.
	{
		Name: "use-forwarded-headers", Default: "false", parse: boolean(func(v *Values, b bool) { v.Settings.Forwarded.Believe = b }),
		Doc: "Believes X-Forwarded-For, -Proto, -Host and -Port of the peers in proxy-real-ip-cidr.",
	},
	{
		Name: "compute-full-forwarded-for", Default: "false", parse: boolean(func(v *Values, b bool) { v.Settings.Forwarded.Append = b }),
		Doc: "Appends to X-Forwarded-For instead of replacing it; needs use-forwarded-headers.",
	},
	{
		Name: "forwarded-for-header", Default: "X-Forwarded-For", parse: fieldName("x-forwarded-for", func(v *Values, name string) { v.Settings.Forwarded.ForField = name }),
		Doc: "Field with the client address.",
	},
	{
		Name: "forwarded-host-header", Default: "X-Forwarded-Host", parse: fieldName("x-forwarded-host", func(v *Values, name string) { v.Settings.Forwarded.HostField = name }),
		Doc: "Field with the host.",
	},
	{Name: "forwarded-for-proxy-protocol-header", Default: "X-Forwarded-For-Proxy-Protocol", Support: Tuning, Doc: "Field in which nginx joins the addresses for itself."},
	{
		Name: "enable-real-ip", Default: "false", parse: boolean(func(v *Values, b bool) { v.Settings.Forwarded.BelieveAddress = b }),
		Doc: "Takes the client address, and nothing else, from the field of forwarded-for-header.",
	},
	{
		Name: "proxy-real-ip-cidr", Default: "0.0.0.0/0", Guard: true, parse: parseTrusted,
		Doc: "Peers that are believed about the client: by their fields, and by the PROXY protocol. Without it all are.",
	},
	{
		Name: "proxy-add-original-uri-header", Default: "false", parse: boolean(func(v *Values, b bool) { v.Settings.OriginalURI = b }),
		Doc: "Tells backends the target as received, in X-Original-URI.",
	},
	{
		Name: "generate-request-id", Default: "true", parse: boolean(func(v *Values, b bool) { v.Settings.NoRequestID = !b }),
		Doc: "Makes a request id where there is none.",
	},
	{
		Name: "proxy-set-headers", parse: reference(func(v *Values, s string) { v.SetHeaders = s }),
		Doc: "ConfigMap whose entries are fields for all backends, in place of what is sent otherwise; values have variables.",
	},
	{
		Name: "add-headers", parse: reference(func(v *Values, s string) { v.AddHeaders = s }),
		Doc: "ConfigMap whose entries are fields of all responses, in place of those of the backend; values have variables.",
	},
	{
		Name: "hide-headers", parse: fieldNames(func(v *Values, names []string) { v.HideHeaders = names }),
		Doc: "Fields of backends that no client gets, with commas between them.",
	},
	{
		Name: "global-allowed-response-headers", parse: list(func(v *Values, names []string) { v.AllowedResponseHeaders = names }),
		Doc: "Fields that custom-headers may set, with commas between them.",
	},
	{
		Name: "allow-backend-server-header", Default: "false", parse: boolean(func(v *Values, b bool) { v.Settings.BackendServerField = b }),
		Doc: "Passes Server of backends on; needs server-tokens.",
	},
	{
		Name: "server-tokens", Default: "false", parse: boolean(func(v *Values, b bool) { v.Settings.ServerField = b }),
		Doc: "Sends Server with the name of the program, without a version.",
	},
	{Name: "default-type", Default: "text/html", Support: Tuning, Doc: "Content-Type of what nginx makes itself; pages here are text/html, and responses of backends stay as they are."},

	// Backends.
	{Name: "proxy-body-size", Default: "1m", annotation: "proxy-body-size"},
	{Name: "proxy-connect-timeout", Default: "5", annotation: "proxy-connect-timeout"},
	{Name: "proxy-read-timeout", Default: "60", annotation: "proxy-read-timeout"},
	{Name: "proxy-send-timeout", Default: "60", annotation: "proxy-send-timeout"},
	{Name: "proxy-buffering", Default: "off", annotation: "proxy-buffering"},
	{Name: "proxy-buffers-number", Default: "4", annotation: "proxy-buffers-number"},
	{Name: "proxy-buffer-size", Default: "4k", annotation: "proxy-buffer-size"},
	{Name: "proxy-busy-buffers-size", annotation: "proxy-busy-buffers-size"},
	{Name: "proxy-max-temp-file-size", Default: "1024m", annotation: "proxy-max-temp-file-size"},
	{Name: "proxy-request-buffering", Default: "on", annotation: "proxy-request-buffering"},
	{Name: "proxy-http-version", Default: "1.1", annotation: "proxy-http-version"},
	{Name: "proxy-cookie-domain", Default: "off", annotation: "proxy-cookie-domain"},
	{Name: "proxy-cookie-path", Default: "off", annotation: "proxy-cookie-path"},
	{Name: "proxy-redirect-from", Default: "off", annotation: "proxy-redirect-from"},
	{Name: "proxy-redirect-to", Default: "off", annotation: "proxy-redirect-to"},
	{Name: "proxy-next-upstream", Default: "error timeout", annotation: "proxy-next-upstream"},
	{Name: "proxy-next-upstream-timeout", Default: "0", annotation: "proxy-next-upstream-timeout"},
	{Name: "proxy-next-upstream-tries", Default: "3", annotation: "proxy-next-upstream-tries"},
	{
		Name: "retry-non-idempotent", Default: "false", parse: boolean(func(v *Values, b bool) { v.nonIdempotent = b }),
		Doc: "Tries requests again that may change something.",
	},
	{Name: "load-balance", Default: "round_robin", annotation: "load-balance"},
	{Name: "max-requests-in-flight", Default: "0", annotation: "max-requests-in-flight"},
	{Name: "request-timeout", Default: "0", annotation: "request-timeout"},
	{Name: "service-upstream", Default: "false", annotation: "service-upstream"},
	{
		Name: "upstream-keepalive-connections", Default: "320", parse: integer(0, math.MaxInt32, func(v *Values, n int) { v.pool.Connections = n }),
		Doc: "Idle connections that are kept for a backend; 0 keeps none.",
	},
	{
		Name: "upstream-keepalive-requests", Default: "10000", parse: integer(1, math.MaxInt32, func(v *Values, n int) { v.pool.Requests = n }),
		Doc: "Requests after which a connection to a backend is closed.",
	},
	{
		Name: "upstream-keepalive-time", Default: "1h", parse: positiveTime(func(v *Values, d time.Duration) { v.pool.Age = ir.Duration(d) }),
		Doc: "Age at which a connection to a backend is closed after its request.",
	},
	{
		Name: "upstream-keepalive-timeout", Default: "60", parse: positiveTime(func(v *Values, d time.Duration) { v.pool.Idle = ir.Duration(d) }),
		Doc: "Seconds that an idle connection to a backend is kept.",
	},
	{Name: "grpc-buffer-size-kb", Default: "0", Support: Tuning, Doc: "Buffer for gRPC responses."},
	{Name: "disable-proxy-intercept-errors", Default: "false", annotation: "disable-proxy-intercept-errors"},
	{Name: "custom-http-errors", parse: parseErrors, Doc: "Default of the annotation `custom-http-errors`; here the statuses are 300 to 599."},
	{
		Name: "proxy-ssl-location-only", Default: "false", Support: Tuning, because: "TLS settings towards backends always stay with the Ingress that has them",
		Doc: "Keeps TLS settings towards backends to the Ingress that has them, which is always so here.",
	},
	{Name: "limit-rate", Default: "0", annotation: "limit-rate"},
	{Name: "limit-rate-after", Default: "0", annotation: "limit-rate-after"},
	{
		Name: "limit-conn-status-code", Default: "503", parse: integer(400, 599, func(v *Values, n int) { v.Settings.LimitConnectionStatus = n }),
		Doc: "Status of a request over the limit of connections.",
	},
	{
		Name: "limit-req-status-code", Default: "503", parse: integer(400, 599, func(v *Values, n int) { v.Settings.LimitRequestStatus = n }),
		Doc: "Status of a request over the limit of requests.",
	},
	{
		Name: "limit-conn-zone-variable", Default: "$binary_remote_addr", parse: parseLimitBy,
		Doc: "What limit-rps, limit-rpm and limit-connections count by: a text with variables; requests for which it is empty are not counted.",
	},
	{
		Name: "proxy-stream-timeout", Default: "600s", parse: positiveTime(func(v *Values, d time.Duration) { v.streams.Idle = ir.Duration(d) }),
		Doc: "Time after which idle connections and flows of TCP and UDP services end.",
	},
	{
		Name: "proxy-stream-next-upstream", Default: "true", parse: boolean(func(v *Values, b bool) { v.oneEndpoint = !b }),
		Doc: "Tries another endpoint of a TCP service when one cannot be connected to.",
	},
	{
		Name: "proxy-stream-next-upstream-timeout", Default: "600s", parse: nginxTime(func(v *Values, d time.Duration) { v.streams.RetryFor = ir.Duration(d) }),
		Doc: "Time in which another one may be tried; 0 is no limit.",
	},
	{
		Name: "proxy-stream-next-upstream-tries", Default: "3", parse: integer(0, math.MaxInt32, func(v *Values, n int) { v.streams.Tries = n }),
		Doc: "Endpoints that are tried in total; 0 is all of them.",
	},
	{
		Name: "proxy-stream-responses", parse: integer(0, math.MaxInt32, func(v *Values, n int) { v.streams.Responses = new(n) }),
		Doc: "Datagrams that answer one of the client of a UDP service: with them the flow ends, and the next may go to another endpoint. Without it flows end by proxy-stream-timeout alone.",
	},

	// What guards.
	{
		Name: "allow-cross-namespace-resources", Default: "false", parse: boolean(func(v *Values, b bool) { v.CrossNamespace = b }),
		Doc: "Lets annotations name Secrets and ConfigMaps of other namespaces.",
	},
	{
		Name: "allow-snippet-annotations", Default: "false", parse: boolean(func(v *Values, b bool) { v.AllowSnippets = b }),
		Doc: "Lets annotations hold directives of nginx and rules of the firewall; annotations-risk-level has to be Critical as well.",
	},
	{
		Name: "annotation-value-word-blocklist", parse: list(func(v *Values, words []string) { v.Blocklist = words }),
		Doc: "Texts that no annotation may contain, with commas between them.",
	},
	{
		Name: "annotations-risk-level", Default: "High", parse: parseRisk,
		Doc: "Highest risk of an annotation that is loaded: Low, Medium, High or Critical.",
	},
	{
		Name: "namespace-risk-levels", Guard: true, parse: parseNamespaceRisks,
		Doc: "Daemun's own: lower levels for some namespaces, such as `shop=Medium,*=Low`; `*` is every other one.",
	},
	{
		Name: "namespace-max-routes", Default: "0", Guard: true, parse: integer(0, math.MaxInt32, func(v *Values, n int) { v.Ceilings.Routes = n }),
		Doc: "Daemun's own: paths that the Ingresses of one namespace may have together; what is beyond is left out, the youngest Ingress first. 0 is no bound.",
	},
	{
		Name: "namespace-max-hosts", Default: "0", Guard: true, parse: integer(0, math.MaxInt32, func(v *Values, n int) { v.Ceilings.Hosts = n }),
		Doc: "The same for hosts.",
	},
	{
		Name: "namespace-max-certificates", Default: "0", Guard: true, parse: integer(0, math.MaxInt32, func(v *Values, n int) { v.Ceilings.Certificates = n }),
		Doc: "The same for entries of spec.tls with a Secret.",
	},
	{
		Name: "namespace-max-bytes", Default: "0", Guard: true, parse: integer(0, math.MaxInt32, func(v *Values, n int) { v.Ceilings.Bytes = n }),
		Doc: "The same for the bytes of annotations, hosts and paths.",
	},
	{
		Name: "strict-validate-path-type", Default: "true", parse: boolean(func(v *Values, b bool) { v.StrictPathType = b }),
		Doc: "The webhook refuses paths of type Exact or Prefix with other characters than letters, digits, `.`, `_`, `-` and `/`.",
	},
	{
		Name: "block-cidrs", Guard: true, parse: parseBlockedNetworks,
		Doc: "Client addresses that get 403 everywhere, whatever an Ingress allows.",
	},
	{
		Name: "block-user-agents", Guard: true, parse: patterns(func(b *ir.Block, list []string) { b.UserAgents = list }),
		Doc: "User agents that get 403 everywhere: texts, or expressions behind ~ or ~*.",
	},
	{
		Name: "block-referers", Guard: true, parse: patterns(func(b *ir.Block, list []string) { b.Referers = list }),
		Doc: "Referers that get 403 everywhere: texts, or expressions behind ~ or ~*.",
	},
	{Name: "whitelist-source-range", Guard: true, annotation: "allowlist-source-range"},
	{Name: "denylist-source-range", Guard: true, annotation: "denylist-source-range"},
	{
		Name: "global-auth-url", Guard: true, parse: globalAuth("auth-url"),
		Doc: "Service that is asked about each request of every Ingress without one of its own.",
	},
	{
		Name: "global-auth-method", parse: globalAuth("auth-method"),
		Doc: "Method of the request to it.",
	},
	{
		Name: "global-auth-signin", parse: globalAuth("auth-signin"),
		Doc: "Where a client without credentials is redirected to.",
	},
	{
		Name: "global-auth-signin-redirect-param", Default: "rd", parse: globalAuth("auth-signin-redirect-param"),
		Doc: "Query parameter with the original URL.",
	},
	{
		Name: "global-auth-response-headers", parse: globalAuth("auth-response-headers"),
		Doc: "Fields of its answer that the backend gets.",
	},
	{
		Name: "global-auth-request-redirect", parse: globalAuth("auth-request-redirect"),
		Doc: "Value of X-Auth-Request-Redirect.",
	},
	{
		Name: "global-auth-snippet", parse: snippet(func(v *Values, s string) { v.Snippets.Auth = s }),
		Doc: "Directives for the request to the service of global-auth-url; docs/snippets.md lists them.",
	},
	{
		Name: "global-auth-cache-key", parse: globalAuth("auth-cache-key"),
		Doc: "Keeps its answers by this text with variables.",
	},
	{
		Name: "global-auth-cache-duration", Default: "200 202 401 5m", parse: globalAuth("auth-cache-duration"),
		Doc: "How long its answers are kept.",
	},
	{
		Name: "global-auth-always-set-cookie", Default: "false", parse: globalAuth("auth-always-set-cookie"),
		Doc: "Passes its cookies on at any status.",
	},
	{
		Name: "no-auth-locations", Default: "/.well-known/acme-challenge", parse: paths(func(v *Values, list []string) { v.NoAuth = list }),
		Doc: "Path prefixes without authentication.",
	},
	{
		Name: "nginx-status-ipv4-whitelist", Default: "127.0.0.1", Support: Tuning, because: "/nginx_status answers this machine only",
		Doc: "Who may read /nginx_status, which answers this machine only.",
	},
	{
		Name: "nginx-status-ipv6-whitelist", Default: "::1", Support: Tuning, because: "/nginx_status answers this machine only",
		Doc: "Who may read /nginx_status, which answers this machine only.",
	},

	// TLS.
	{
		Name: "ssl-protocols", Default: "TLSv1.2 TLSv1.3", parse: parseProtocols,
		Doc: "TLS versions for clients; older ones are never offered.",
	},
	{
		Name: "ssl-ciphers", parse: parseSuites,
		Doc: "TLS 1.2 cipher suites for clients, by their names in OpenSSL with colons between them; those without forward secrecy and authenticated encryption are left out.",
	},
	{
		Name: "ssl-ecdh-curve", Default: "auto", parse: parseCurves,
		Doc: "Groups for the key exchange, with colons between them: X25519MLKEM768, X25519, P-256, P-384, P-521.",
	},
	{Name: "ssl-dh-param", Support: Tuning, Doc: "Parameters of finite-field key exchange, which is not offered."},
	{
		Name: "ssl-early-data", Default: "false", parse: parseEarlyData,
		Doc: "TLS 1.3 early data; never accepted, because it can be replayed.",
	},
	{
		Name: "ssl-reject-handshake", Default: "false", parse: boolean(func(v *Values, b bool) { v.Settings.TLS.RejectUnknown = b }),
		Doc: "Ends the handshakes of names that no host has, and of clients that send none.",
	},
	{
		Name: "ssl-session-cache", Default: "true", parse: boolean(func(v *Values, b bool) { v.noSessions = v.noSessions || !b }),
		Doc: "Resumes sessions; always by tickets.",
	},
	{Name: "ssl-session-cache-size", Default: "10m", Support: Tuning, Doc: "Size of the session cache."},
	{
		Name: "ssl-session-tickets", Default: "false", parse: boolean(func(v *Values, b bool) { v.noSessions, v.tickets = v.noSessions || !b, b }),
		Doc: "Resumes sessions by tickets. They are on unless this, or ssl-session-cache, says false.",
	},
	{
		Name: "ssl-session-ticket-key", secret: true, parse: parseTicketKey,
		Doc: "Secret of 48 or 80 octets in base64, from which the keys of tickets are made; replicas that share it resume each other's sessions.",
	},
	{
		Name: "ssl-session-timeout", Default: "10m", parse: nginxTime(func(v *Values, d time.Duration) { v.Settings.TLS.SessionTime = ir.Duration(max(d, time.Second)) }),
		Doc: "Time in which a session can be resumed; without it up to two days.",
	},
	{Name: "ssl-buffer-size", Default: "4k", Support: Tuning, Doc: "Size of TLS records."},
	{
		Name: "enable-ocsp", Default: "false", parse: boolean(func(v *Values, b bool) { v.Settings.Staple = b }),
		Doc: "Sends OCSP answers of the responders that certificates name along with handshakes; none waits for one.",
	},

	// Logs.
	{
		Name: "disable-access-log", Default: "false", parse: boolean(func(v *Values, b bool) {
			v.NoAccessLog, v.Settings.Logs.StreamOff = v.NoAccessLog || b, v.Settings.Logs.StreamOff || b
		}),
		Doc: "Writes no access log.",
	},
	{
		Name: "disable-http-access-log", Default: "false", parse: boolean(func(v *Values, b bool) { v.NoAccessLog = v.NoAccessLog || b }),
		Doc: "Writes no access log of requests.",
	},
	{
		Name: "disable-stream-access-log", Default: "false", parse: boolean(func(v *Values, b bool) { v.Settings.Logs.StreamOff = v.Settings.Logs.StreamOff || b }),
		Doc: "Writes no access log of TCP and UDP services.",
	},
	{
		Name: "enable-access-log-for-default-backend", Default: "false", parse: boolean(func(v *Values, b bool) { v.DefaultBackendLog = b }),
		Doc: "Logs requests that match nothing.",
	},
	{
		Name: "enable-auth-access-log", Default: "false", parse: boolean(func(v *Values, b bool) { v.Settings.Logs.AuthRequests = b }),
		Doc: "Logs requests to authentication services.",
	},
	{
		Name: "skip-access-log-urls", parse: skipURIs,
		Doc: "Request URIs that are not logged, with commas between them: whole ones, whatever their case, or expressions after ~ (~* without regard to case).",
	},
	{
		Name: "log-format-upstream", parse: logFormat(func(v *Values, s string) { v.Settings.Logs.Format = s }), remark: formatRemark,
		Doc: "Format of the access log: text with nginx's variables ([logs.md](logs.md)).",
	},
	{
		Name: "log-format-stream", parse: logFormat(func(v *Values, s string) { v.Settings.Logs.StreamFormat = s }), remark: formatRemark,
		Doc: "Format of the access log of TCP and UDP services.",
	},
	{
		Name: "log-format-escape-json", Default: "false", parse: boolean(func(v *Values, b bool) { v.escape(b, "json") }),
		Doc: "Escapes values for JSON.",
	},
	{
		Name: "log-format-escape-none", Default: "false", parse: boolean(func(v *Values, b bool) { v.escape(b, "none") }),
		Doc: "Escapes nothing but controls; wins over the one for JSON.",
	},
	{
		Name: "access-log-path", Default: "/var/log/nginx/access.log", parse: logPath(func(v *Values, s string) { v.logPath = s }),
		Doc: "File of the access logs below the folder of --access-log-dir; the default is standard output.",
	},
	{
		Name: "http-access-log-path", parse: logPath(func(v *Values, s string) { v.Settings.Logs.Path = s }),
		Doc: "File of the access log of requests; wins over access-log-path.",
	},
	{
		Name: "stream-access-log-path", parse: logPath(func(v *Values, s string) { v.Settings.Logs.StreamPath = s }),
		Doc: "File of the access log of TCP and UDP services; wins over access-log-path.",
	},
	{Name: "access-log-params", Support: Tuning, Doc: "Buffering of the access log."},
	{Name: "error-log-path", Default: "/var/log/nginx/error.log", Support: Tuning, Doc: "File of the error log."},
	{
		Name: "error-log-level", Default: "notice", parse: logLevel,
		Doc: "Least severity of what Daemun says about itself: debug, info, notice, warn, error, crit, alert or emerg.",
	},
	{
		Name: "enable-syslog", Default: "false", parse: boolean(func(v *Values, b bool) { v.syslog.enabled = b }),
		Doc: "Sends the access log of requests to a syslog server (UDP, RFC 3164).",
	},
	{
		Name: "syslog-host", parse: hostOf(func(v *Values, host string) { v.syslog.host = host }),
		Doc: "That server: a name or an address.",
	},
	{
		Name: "syslog-port", Default: "514", parse: integer(1, 65535, func(v *Values, n int) { v.syslog.port = n }),
		Doc: "Its port.",
	},
	{Name: "debug-connections", Support: Tuning, Doc: "Clients whose connections are logged in detail."},

	// Compression.
	{
		Name: "use-gzip", Default: "false", parse: boolean(func(v *Values, b bool) { v.compression.useGzip = b }),
		Doc: "Compresses responses with gzip.",
	},
	{
		Name: "gzip-level", Default: "1", parse: integer(1, 9, func(v *Values, n int) { v.compression.gzip.Level = n }),
		Doc: "Level of gzip, 1 to 9.",
	},
	{
		Name: "gzip-min-length", Default: "256", parse: integer(0, math.MaxInt32, func(v *Values, n int) { v.compression.gzip.MinLength = int64(n) }),
		Doc: "Least size of a response of known length that is compressed.",
	},
	{
		Name: "gzip-types", Default: compressedTypes, parse: mediaTypes(func(v *Values, types []string) { v.compression.gzip.Types = types }),
		Doc: "Media types that are compressed, beside text/html; * is all.",
	},
	{
		Name: "gzip-disable", parse: parseGzipDisable,
		Doc: "Expressions for user agents that get no gzip, with blanks between them.",
	},
	{
		Name: "enable-brotli", Default: "false", parse: boolean(func(v *Values, b bool) { v.compression.useBrotli = b }),
		Doc: "Compresses responses with brotli for clients that like it at least as well as gzip.",
	},
	{
		Name: "brotli-level", Default: "4", parse: integer(0, 11, func(v *Values, n int) { v.compression.brotli.Level = n }),
		Doc: "Level of brotli, 0 to 11.",
	},
	{
		Name: "brotli-min-length", Default: "20", parse: integer(0, math.MaxInt32, func(v *Values, n int) { v.compression.brotli.MinLength = int64(n) }),
		Doc: "Least size of a response of known length that is compressed.",
	},
	{
		Name: "brotli-types", Default: brotliTypes, parse: mediaTypes(func(v *Values, types []string) { v.compression.brotli.Types = types }),
		Doc: "Media types that are compressed, beside text/html; * is all.",
	},

	// Tracing, GeoIP, firewall.
	{Name: "enable-opentelemetry", Default: "false", annotation: "enable-opentelemetry"},
	{Name: "opentelemetry-config", Support: Tuning, Doc: "File of nginx's module."},
	{
		Name: "opentelemetry-operation-name", parse: parseSpanName,
		Doc: "Name of the spans, a text with variables; method and path of the Ingress by default.",
	},
	{Name: "opentelemetry-trust-incoming-span", Default: "true", annotation: "opentelemetry-trust-incoming-span"},
	{
		Name: "otlp-collector-host", parse: hostOf(func(v *Values, host string) { v.tracing.Host = host }),
		Doc: "Host that spans are sent to.",
	},
	{
		Name: "otlp-collector-port", Default: "4317", parse: integer(1, 65535, func(v *Values, n int) { v.tracing.Port = n }),
		Doc: "Its port: 4318 is spoken to with OTLP/HTTP, any other with OTLP/gRPC.",
	},
	{
		Name: "otel-service-name", Default: "nginx", parse: parseServiceName,
		Doc: "The service.name of the spans.",
	},
	{
		Name: "otel-sampler", Default: "AlwaysOn", parse: parseSampler,
		Doc: "Which new traces are recorded: AlwaysOn, AlwaysOff or TraceIdRatioBased.",
	},
	{
		Name: "otel-sampler-ratio", Default: "0.01", parse: parseRatio,
		Doc: "The share of TraceIdRatioBased, from 0 to 1.",
	},
	{
		Name: "otel-sampler-parent-based", Default: "true", parse: boolean(func(v *Values, b bool) { v.tracing.ParentBased = b }),
		Doc: "Records what the client records, and asks the sampler about new traces only.",
	},
	{
		Name: "otel-max-queuesize", Default: "2048", parse: integer(1, 1<<20, func(v *Values, n int) { v.tracing.Queue = n }),
		Doc: "Spans that may wait for the collector; more are dropped.",
	},
	{
		Name: "otel-schedule-delay-millis", Default: "5000", parse: integer(1, 3600_000, func(v *Values, n int) { v.tracing.Delay = ir.Duration(time.Duration(n) * time.Millisecond) }),
		Doc: "Milliseconds that a span waits for others at most.",
	},
	{
		Name: "otel-max-export-batch-size", Default: "512", parse: integer(1, 1<<16, func(v *Values, n int) { v.tracing.Batch = n }),
		Doc: "Spans that are sent at one time.",
	},
	{
		Name: "use-geoip2", Default: "false", parse: boolean(func(v *Values, b bool) { v.useGeo = b }),
		Doc: "Looks the addresses of clients up in databases, for the variables $geoip2_…; see --geoip-directory.",
	},
	{
		Name: "geoip2-autoreload-in-minutes", Default: "0", parse: integer(0, 1<<20, func(v *Values, n int) { v.geo.Reload = ir.Duration(time.Duration(n) * time.Minute) }),
		Doc: "Minutes between two looks for new databases; 0 is never.",
	},
	{
		Name: "enable-modsecurity", Default: "false", Guard: true, parse: guardBoolean(func(f *annotation.Firewall, b bool) { f.On = b }),
		Doc: "Web application firewall for all hosts (builds with the tag waf, and the image).",
	},
	{
		Name: "enable-owasp-modsecurity-crs", Default: "false", Guard: true, parse: guardBoolean(func(f *annotation.Firewall, b bool) { f.CoreRules = b }),
		Doc: "Adds the core rule set of OWASP.",
	},
	{
		Name: "modsecurity-snippet", Guard: true, parse: parseRules,
		Doc: "Rules in ModSecurity's language in place of the recommended settings.",
	},

	// Configuration text.
	{
		Name: "main-snippet", parse: snippet(func(v *Values, s string) { v.Snippets.Main = s }),
		Doc: "Directives of nginx outside of HTTP, of which none is understood.",
	},
	{
		Name: "http-snippet", parse: snippet(func(v *Values, s string) { v.Snippets.HTTP = s }),
		Doc: "Directives of nginx for all hosts; docs/snippets.md lists those that are understood.",
	},
	{
		Name: "server-snippet", parse: snippet(func(v *Values, s string) { v.Snippets.Server = s }),
		Doc: "The same, as server-snippet of each host.",
	},
	{
		Name: "location-snippet", parse: snippet(func(v *Values, s string) { v.Snippets.Location = s }),
		Doc: "The same, as configuration-snippet of each route.",
	},
	{
		Name: "stream-snippet", parse: snippet(func(v *Values, s string) { v.Snippets.Stream = s }),
		Doc: "Directives of nginx outside of HTTP, of which none is understood.",
	},

	// Tuning of nginx.
	{Name: "enable-aio-write", Default: "true", Support: Tuning, Doc: "Tuning of nginx."},
	{Name: "enable-multi-accept", Default: "true", Support: Tuning, Doc: "Tuning of nginx."},
	{Name: "enable-serial-reloads", Default: "false", Support: Tuning, Doc: "Tuning of nginx."},
	{Name: "reuse-port", Default: "true", Support: Tuning, Doc: "Tuning of nginx."},
	{Name: "lua-shared-dicts", Support: Tuning, Doc: "Tuning of nginx."},
	{Name: "map-hash-bucket-size", Default: "64", Support: Tuning, Doc: "Tuning of nginx."},
	{Name: "max-worker-connections", Default: "16384", Support: Tuning, Doc: "Tuning of nginx."},
	{Name: "max-worker-open-files", Default: "0", Support: Tuning, Doc: "Tuning of nginx."},
	{Name: "proxy-headers-hash-max-size", Default: "512", Support: Tuning, Doc: "Tuning of nginx."},
	{Name: "proxy-headers-hash-bucket-size", Default: "64", Support: Tuning, Doc: "Tuning of nginx."},
	{Name: "server-name-hash-max-size", Default: "1024", Support: Tuning, Doc: "Tuning of nginx."},
	{Name: "server-name-hash-bucket-size", Support: Tuning, Doc: "Tuning of nginx."},
	{Name: "variables-hash-max-size", Default: "2048", Support: Tuning, Doc: "Tuning of nginx."},
	{Name: "variables-hash-bucket-size", Default: "256", Support: Tuning, Doc: "Tuning of nginx."},
	{Name: "worker-cpu-affinity", Support: Tuning, Doc: "Tuning of nginx."},
	{Name: "worker-processes", Support: Tuning, Doc: "Tuning of nginx."},

	// Old keys.
	{Name: "use-geoip", Default: "false", Support: Obsolete, Doc: "No longer known to ingress-nginx."},
	{Name: "enable-opentracing", Default: "false", Support: Obsolete, Doc: "No longer known to ingress-nginx."},
	{Name: "jaeger-collector-host", Support: Obsolete, Doc: "No longer known to ingress-nginx."},
	{Name: "jaeger-collector-port", Support: Obsolete, Doc: "No longer known to ingress-nginx."},
	{Name: "jaeger-endpoint", Support: Obsolete, Doc: "No longer known to ingress-nginx."},
	{Name: "jaeger-service-name", Support: Obsolete, Doc: "No longer known to ingress-nginx."},
	{Name: "jaeger-sampler-type", Support: Obsolete, Doc: "No longer known to ingress-nginx."},
	{Name: "jaeger-sampler-param", Support: Obsolete, Doc: "No longer known to ingress-nginx."},
	{Name: "jaeger-sampler-host", Support: Obsolete, Doc: "No longer known to ingress-nginx."},
	{Name: "jaeger-sampler-port", Support: Obsolete, Doc: "No longer known to ingress-nginx."},
	{Name: "jaeger-propagation-format", Support: Obsolete, Doc: "No longer known to ingress-nginx."},
	{Name: "jaeger-trace-context-header-name", Support: Obsolete, Doc: "No longer known to ingress-nginx."},
	{Name: "jaeger-debug-header", Support: Obsolete, Doc: "No longer known to ingress-nginx."},
	{Name: "jaeger-baggage-header", Support: Obsolete, Doc: "No longer known to ingress-nginx."},
	{Name: "jaeger-tracer-baggage-header-prefix", Support: Obsolete, Doc: "No longer known to ingress-nginx."},
	{Name: "zipkin-collector-host", Support: Obsolete, Doc: "No longer known to ingress-nginx."},
	{Name: "zipkin-collector-port", Support: Obsolete, Doc: "No longer known to ingress-nginx."},
	{Name: "zipkin-service-name", Support: Obsolete, Doc: "No longer known to ingress-nginx."},
	{Name: "zipkin-sample-rate", Support: Obsolete, Doc: "No longer known to ingress-nginx."},
	{Name: "datadog-collector-host", Support: Obsolete, Doc: "No longer known to ingress-nginx."},
	{Name: "datadog-collector-port", Support: Obsolete, Doc: "No longer known to ingress-nginx."},
	{Name: "datadog-service-name", Support: Obsolete, Doc: "No longer known to ingress-nginx."},
	{Name: "datadog-environment", Support: Obsolete, Doc: "No longer known to ingress-nginx."},
	{Name: "datadog-operation-name-override", Support: Obsolete, Doc: "No longer known to ingress-nginx."},
	{Name: "datadog-priority-sampling", Support: Obsolete, Doc: "No longer known to ingress-nginx."},
	{Name: "datadog-sample-rate", Support: Obsolete, Doc: "No longer known to ingress-nginx."},
}
