package configmap

import (
	"math"
	"time"

	"daemun/internal/ir"
)

// backendRows are about backends.
var backendRows = []Row{
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
}
