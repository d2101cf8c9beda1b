package configmap

import (
	"math"
	"time"

	"daemun/internal/annotation"
	"daemun/internal/ir"
)

// logRows are about logs, compression, traces, places and the firewall.
var logRows = []Row{
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
}
