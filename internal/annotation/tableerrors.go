package annotation

// errorRows are about errors, mirrors, the firewall, traces, TLS and snippets.
var errorRows = []Row{
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
		Name: "enable-modsecurity", Scope: PerRoute,
		parse: parseFirewall,
		Doc:   "Web application firewall (builds with the tag waf, and the image): the recommended settings, which only log.",
	},
	{
		Name: "enable-owasp-core-rules", Scope: PerRoute, Default: "false",
		parse: boolean(func(v *Values, b bool) { v.WAF.CoreRules = b }),
		Doc:   "Adds the core rule set of OWASP.",
	},
	{
		Name: "modsecurity-transaction-id", Scope: PerRoute, Risk: High,
		parse: parseTransactionID,
		Doc:   "Text with variables that names requests in the log of the firewall; the request id by default.",
	},
	{
		Name: "modsecurity-snippet", Scope: PerRoute, Risk: Critical,
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
		Name: "ssl-passthrough", Scope: PerHost, Default: "false", Bad: Reject,
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
		parse: parseBackendName,
		Doc:   "Name in the certificate of a backend; may have the variables $host, $service_name, $namespace and $ingress_name.",
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
}
