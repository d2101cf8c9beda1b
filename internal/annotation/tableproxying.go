package annotation

import (
	"daemun/internal/ir"
)

// proxyingRows are about the way to the backend and back.
var proxyingRows = []Row{
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
}
