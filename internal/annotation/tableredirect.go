package annotation

// redirectRows are about rewriting and redirects.
var redirectRows = []Row{
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
		parse: text(urlChars, "a URL or path of letters, digits and -._~/:?,&= (variables are not accepted)", func(v *Values, s string) { v.permanent = s }),
		Doc:   "Answers with 301 to this URL or path; the request path is not appended.",
	},
	{
		Name: "permanent-redirect-code", Scope: PerRoute, Default: "301", Bad: Reject, Beside: []string{"permanent-redirect"},
		parse: statusCode(308, func(v *Values, code int) { v.permanentCode = code }),
		Doc:   "Status of permanent-redirect, 300 to 308.",
	},
	{
		Name: "temporal-redirect", Scope: PerRoute, Risk: Medium, Bad: Reject,
		parse: text(urlChars, "a URL or path of letters, digits and -._~/:?,&= (variables are not accepted)", func(v *Values, s string) { v.temporal = s }),
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
}
