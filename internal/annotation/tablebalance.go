package annotation

import (
	"daemun/internal/ir"
)

// balanceRows are about balancing, affinity and canaries.
var balanceRows = []Row{
	{
		Name: "load-balance", Scope: PerBackend, Default: "round_robin", Bad: Reject,
		parse: parseLoadBalance,
		Doc:   "round_robin or ewma.",
	},
	{
		Name: "upstream-hash-by", Scope: PerBackend, Risk: High, Bad: Reject,
		parse: parseHashBy,
		Doc:   "Chooses the endpoint by a hash of a text with variables, such as $request_uri.",
	},
	{
		Name: "upstream-hash-by-subset", Scope: PerBackend, Default: "false", Bad: Reject,
		parse: boolean(func(v *Values, b bool) { v.hashSubset = b }),
		Doc:   "Hashes to a subset of the endpoints.",
	},
	{
		Name: "upstream-hash-by-subset-size", Scope: PerBackend, Default: "3", Bad: Reject, Beside: []string{"upstream-hash-by-subset"},
		parse: parseSubsetSize,
		Doc:   "Size of such a subset.",
	},
	{
		Name: "affinity", Scope: PerBackend,
		parse: oneOf([]string{"cookie"}, func(v *Values, _ string) { v.hasAffinity = true }),
		Doc:   "cookie: a client stays at one endpoint.",
	},
	{
		Name: "affinity-mode", Scope: PerBackend, Risk: Medium, Default: "balanced", Needs: "affinity",
		parse: oneOf([]string{"balanced", "persistent"}, func(v *Values, s string) { v.affinity.Persistent = s == "persistent" }),
		Doc:   "balanced: new endpoints take over a part of the clients; persistent: clients stay until their endpoint is gone.",
	},
	{
		Name: "affinity-canary-behavior", Scope: PerBackend, Default: "sticky", Needs: "canary",
		parse: oneOf([]string{"sticky", "legacy"}, func(v *Values, s string) { v.canary.Legacy = s == "legacy" }),
		Doc:   "On the canary: sticky lets the affinity cookie speak for it too, legacy not.",
	},
	{
		Name: "session-cookie-name", Scope: PerBackend, Risk: Medium, Default: "INGRESSCOOKIE", Needs: "affinity",
		parse: text(tokenChars, "a cookie name: it may hold letters, digits and -._~ only", func(v *Values, s string) { v.affinity.Name = s }),
		Doc:   "Name of the affinity cookie.",
	},
	{
		Name: "session-cookie-path", Scope: PerBackend, Risk: Medium, Needs: "affinity",
		parse: text(cookiePath, "a path: it may hold letters, digits and -._~/:?,&= only", func(v *Values, s string) { v.affinity.Path = s }),
		Doc:   "Path of the affinity cookie; the Ingress path by default.",
	},
	{
		Name: "session-cookie-domain", Scope: PerBackend, Risk: Medium, Needs: "affinity",
		parse: text(tokenChars, "a domain: it may hold letters, digits and -._~ only", func(v *Values, s string) { v.affinity.Domain = s }),
		Doc:   "Domain of the affinity cookie.",
	},
	{
		Name: "session-cookie-max-age", Scope: PerBackend, Risk: Medium, Needs: "affinity",
		parse: lifetime(func(a *ir.Affinity, n *int64) { a.MaxAge = n }),
		Doc:   "Max-Age of the affinity cookie in seconds.",
	},
	{
		Name: "session-cookie-expires", Scope: PerBackend, Risk: Medium, Needs: "affinity",
		parse: lifetime(func(a *ir.Affinity, n *int64) { a.Expires = n }),
		Doc:   "Expires of the affinity cookie in seconds from now.",
	},
	{
		Name: "session-cookie-samesite", Scope: PerBackend, Needs: "affinity",
		parse: parseSameSite,
		Doc:   "SameSite of the affinity cookie.",
	},
	{
		Name: "session-cookie-conditional-samesite-none", Scope: PerBackend, Default: "false", Needs: "affinity", Beside: []string{"session-cookie-samesite"},
		parse: boolean(func(v *Values, b bool) { v.affinity.ConditionalNone = b }),
		Doc:   "Drops SameSite=None for clients that cannot read it.",
	},
	{
		Name: "session-cookie-secure", Scope: PerBackend, Needs: "affinity",
		parse: boolean(func(v *Values, b bool) { v.affinity.Secure = b }),
		Doc:   "Marks the affinity cookie Secure on plain http too.",
	},
	{
		Name: "session-cookie-change-on-failure", Scope: PerBackend, Default: "false", Needs: "affinity",
		parse: boolean(func(v *Values, b bool) { v.affinity.ChangeOnFailure = b }),
		Doc:   "A failed endpoint changes the affinity.",
	},
	{
		Name: "canary", Scope: PerIngress, Default: "false",
		parse: boolean(func(v *Values, b bool) { v.isCanary = b }),
		Doc:   "The Ingress takes a share of the requests of another one.",
	},
	{
		Name: "canary-weight", Scope: PerIngress, Default: "0", Needs: "canary",
		parse: parseCanaryWeight,
		Doc:   "How many of canary-weight-total requests go to the canary.",
	},
	{
		Name: "canary-weight-total", Scope: PerIngress, Default: "100", Needs: "canary",
		parse: parseCanaryTotal,
		Doc:   "What canary-weight is a share of.",
	},
	{
		Name: "canary-by-header", Scope: PerIngress, Risk: Medium, Needs: "canary",
		parse: text(fieldChars, "a field name", func(v *Values, s string) { v.canary.Header = s }),
		Doc:   "Request field that decides: always or never, unless canary-by-header-value or -pattern says otherwise.",
	},
	{
		Name: "canary-by-header-value", Scope: PerIngress, Risk: Medium, Needs: "canary", Beside: []string{"canary-by-header"},
		parse: text(headerValue, "a field value: it may hold printable ASCII characters only", func(v *Values, s string) { v.canary.HeaderValue = s }),
		Doc:   "Its value for the canary.",
	},
	{
		Name: "canary-by-header-pattern", Scope: PerIngress, Risk: Medium, Needs: "canary", Beside: []string{"canary-by-header"},
		parse: parseCanaryPattern,
		Doc:   "Its values for the canary, as an expression.",
	},
	{
		Name: "canary-by-cookie", Scope: PerIngress, Risk: Medium, Needs: "canary",
		parse: text(tokenChars, "a cookie name: it may hold letters, digits and -._~ only", func(v *Values, s string) { v.canary.Cookie = s }),
		Doc:   "Cookie that decides: always or never.",
	},
}
