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
}
