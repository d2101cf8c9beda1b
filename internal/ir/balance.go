package ir

// Balance says how the endpoints of a backend share its requests; the settings
// belong to the backend and hold for all routes to it (ingress-nginx §6.1).
// Affinity counts before HashBy, HashBy before EWMA; without any of them it is
// round robin.
type Balance struct {
	// EWMA prefers endpoints that answered faster lately.
	EWMA bool `json:"ewma,omitempty"`
	// HashBy is a text with variables: equal values go to the same endpoint,
	// or with Subset to one of so many endpoints.
	HashBy string `json:"hashBy,omitempty"`
	Subset int    `json:"subset,omitempty"`
	// Affinity is nil when absent.
	Affinity *Affinity `json:"affinity,omitempty"`
	// ServiceUpstream makes the cluster IP of the Service the one endpoint.
	ServiceUpstream bool `json:"serviceUpstream,omitempty"`
	// MaxRequests bounds the requests in flight of this Daemun, upgraded ones
	// among them; 0 is no bound (H6.16).
	MaxRequests int `json:"maxRequests,omitempty"`
}

// Affinity keeps a client at its endpoint by a cookie (ingress-nginx §6.2).
type Affinity struct {
	// Persistent keys name an endpoint; others are hashed over all of them.
	Persistent bool `json:"persistent,omitempty"`
	// ChangeOnFailure chooses a new endpoint, and sets a new cookie, when the
	// old one fails.
	ChangeOnFailure bool `json:"changeOnFailure,omitempty"`
	// Name is that of the cookie. Path empty is the path of the route.
	Name   string `json:"name"`
	Path   string `json:"path,omitempty"`
	Domain string `json:"domain,omitempty"`
	// MaxAge and Expires are in seconds; nil leaves the attribute out.
	MaxAge  *int64 `json:"maxAge,omitempty"`
	Expires *int64 `json:"expires,omitempty"`
	// SameSite is "None", "Lax", "Strict" or empty; ConditionalNone leaves
	// "None" out for clients that misread it.
	SameSite        string `json:"sameSite,omitempty"`
	ConditionalNone bool   `json:"conditionalNone,omitempty"`
	// Secure marks the cookie on plain connections, too.
	Secure bool `json:"secure,omitempty"`
}

// Canary takes a share of the requests of a route (ingress-nginx §6.3).
type Canary struct {
	// Ingress is the canary Ingress, Service and Port what it names.
	Ingress Ref       `json:"ingress"`
	Service string    `json:"service"`
	Port    string    `json:"port"`
	Backend BackendID `json:"backend"`
	// Header decides by a field of the request, Cookie by a cookie: "always"
	// and "never". With HeaderValue the field has to be that value, with
	// HeaderPattern to match that expression, which may not compile: then the
	// field means the main backend.
	Header        string `json:"header,omitempty"`
	HeaderValue   string `json:"headerValue,omitempty"`
	HeaderPattern string `json:"headerPattern,omitempty"`
	Cookie        string `json:"cookie,omitempty"`
	// Weight of Total requests go to the canary when nothing else decides.
	Weight int `json:"weight,omitempty"`
	Total  int `json:"total"`
	// Legacy lets the affinity cookie of the main backend not speak for the
	// canary.
	Legacy bool `json:"legacy,omitempty"`
}
