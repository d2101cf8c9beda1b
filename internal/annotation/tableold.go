package annotation

// oldRows are old names that ingress-nginx ignores.
var oldRows = []Row{
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
