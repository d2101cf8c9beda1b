package configmap

import (
	"math"
	"time"

	"daemun/internal/ir"
)

// clientRows are about redirects, the connections of clients, and what is passed on.
var clientRows = []Row{
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
}
