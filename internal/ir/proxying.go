package ir

// Proxying are smaller settings of how a route is proxied.
type Proxying struct {
	// HTTP10 asks the backend in HTTP/1.0, over a connection for each request
	// (proxy-http-version); HTTP/2 and FastCGI backends are not concerned.
	HTTP10 bool `json:"http10,omitempty"`
	// PortInRedirects puts the port of the listener into Locations that Daemun
	// makes, and the one for HTTPS into those of the redirect to https.
	PortInRedirects bool `json:"portInRedirects,omitempty"`
	// RewriteLog tells the log of each rewrite of a target.
	RewriteLog bool `json:"rewriteLog,omitempty"`
	// Intercept lets ErrorPages stand in for responses of the backend, too.
	Intercept bool `json:"intercept,omitempty"`
	// RecursivePages lets an error page stand in for what another one has led to.
	RecursivePages bool `json:"recursivePages,omitempty"`
	// Internal answers 404 to requests that no error page and no rewrite has
	// brought here.
	Internal bool `json:"internal,omitempty"`
	// RequestTimeout bounds a whole request, from the first octet of its head to
	// the last of the response, unless it is upgraded; 0 is no bound (H6.10).
	RequestTimeout Duration `json:"requestTimeout,omitempty"`
}

// RetryWord is a condition by its name in nginx; "off" is none.
func RetryWord(word string) (on RetryOn, ok bool) {
	switch word {
	case "error":
		return RetryError, true
	case "timeout":
		return RetryTimeout, true
	case "invalid_header":
		return RetryInvalidHeader, true
	case "http_500":
		return RetryHTTP500, true
	case "http_502":
		return RetryHTTP502, true
	case "http_503":
		return RetryHTTP503, true
	case "http_504":
		return RetryHTTP504, true
	case "http_403":
		return RetryHTTP403, true
	case "http_404":
		return RetryHTTP404, true
	case "http_429":
		return RetryHTTP429, true
	case "non_idempotent":
		return RetryNonIdempotent, true
	}
	return 0, word == "off"
}
