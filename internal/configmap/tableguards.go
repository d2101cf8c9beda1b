package configmap

import (
	"math"
	"time"

	"daemun/internal/ir"
)

// guardRows are about what guards, and TLS.
var guardRows = []Row{
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
}
