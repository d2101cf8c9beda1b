package configmap

// nginxRows are texts for nginx, what tunes it, and old keys.
var nginxRows = []Row{
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
