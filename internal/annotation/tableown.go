package annotation

import (
	"daemun/internal/ir"
)

// ownRows are those that only Daemun has.
var ownRows = []Row{
	{
		Name: "request-timeout", Scope: PerRoute, Default: "0",
		parse: seconds(0, func(v *Values, d ir.Duration) { v.RequestTimeout = d }),
		Doc:   "Daemun's own: seconds that a whole request may take, from the first octet of its head to the last of the response; then 504, or the response breaks off. 0 is no bound. Upgraded connections are not bounded.",
	},
	{
		Name: "max-requests-in-flight", Scope: PerBackend, Default: "0", Bad: Reject,
		parse: parseMaxRequests,
		Doc:   "Daemun's own: requests to the Service that each Daemun may have in flight, WebSockets and event streams among them; further ones get 503 with Retry-After. 0 is no bound.",
	},
}
