package ir

// External is a destination outside of Services: a name or an address.
type External struct {
	Host string `json:"host"`
	Port uint16 `json:"port"`
}

// BackendTLS is how a backend is spoken to over TLS where that is not the usual
// way: without verification and without a server name.
type BackendTLS struct {
	// ServerName is sent in the handshake; empty sends none.
	ServerName string `json:"serverName,omitempty"`
	// Verify checks the certificate of the backend against CAs and VerifyName,
	// with at most Depth CAs between it and a trusted one.
	Verify     bool   `json:"verify,omitempty"`
	VerifyName string `json:"verifyName,omitempty"`
	Depth      int    `json:"depth,omitempty"`
	// MinVersion and MaxVersion are numbers of package crypto/tls, and so are
	// Suites, which are for TLS 1.2; 0 and none are the usual ones.
	MinVersion uint16   `json:"minVersion,omitempty"`
	MaxVersion uint16   `json:"maxVersion,omitempty"`
	Suites     []uint16 `json:"suites,omitempty"`
	// Secret is "namespace/name" of where CAs, Chain and Key come from, all
	// PEM; the latter two are the certificate that is shown to the backend.
	Secret string `json:"secret,omitempty"`
	CAs    []byte `json:"-"`
	Chain  []byte `json:"-"`
	Key    []byte `json:"-"`
}

// ExternalAuth asks a service about each request (ingress-nginx §1.4.1). Texts
// have variables.
type ExternalAuth struct {
	// URL is as written, for people.
	URL string `json:"url"`
	// Backend is asked; empty with OwnHost, where the route answers that the
	// host of the request itself has for the path.
	Backend BackendID `json:"backend,omitempty"`
	OwnHost bool      `json:"ownHost,omitempty"`
	TLS     bool      `json:"tls,omitempty"`
	// Host is the Host field, without port; empty with OwnHost. Target is path
	// and query, a text.
	Host   string `json:"host,omitempty"`
	Target string `json:"target"`
	// Method is empty for GET, unless it was written.
	Method string `json:"method,omitempty"`
	// SignIn is where a 401 leads to, a text; empty is nowhere. SignInParam is
	// the parameter with the URL of the request.
	SignIn      string `json:"signIn,omitempty"`
	SignInParam string `json:"signInParam,omitempty"`
	// ResponseHeaders are fields of the answer that the backend gets, in place
	// of what the client sent.
	ResponseHeaders []string `json:"responseHeaders,omitempty"`
	// SetHeaders are fields for the service; their values are texts.
	SetHeaders []Field `json:"setHeaders,omitempty"`
	// Script may answer in place of the service; nil when absent.
	Script *Script `json:"script,omitempty"`
	// Redirect is X-Auth-Request-Redirect, a text.
	Redirect string `json:"redirect"`
	// CacheKey is a text; empty does not keep answers. CacheFor says for how
	// long, by status.
	CacheKey string     `json:"cacheKey,omitempty"`
	CacheFor []CacheFor `json:"cacheFor,omitempty"`
	// AlwaysSetCookie passes cookies of the service on at any status.
	AlwaysSetCookie bool `json:"alwaysSetCookie,omitempty"`
	// Variables are made when the service has answered.
	Variables []AuthVariable `json:"variables,omitempty"`
}

// AuthVariable is a variable with the text of its value, in which variables
// about an upstream are about the service.
type AuthVariable struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// CacheFor is how long answers with one of some statuses are kept; no status is
// any.
type CacheFor struct {
	Statuses []int    `json:"statuses,omitempty"`
	For      Duration `json:"for"`
}

// Mirror sends a copy of each request elsewhere.
type Mirror struct {
	// URL is as written, for people.
	URL     string    `json:"url"`
	Backend BackendID `json:"backend"`
	TLS     bool      `json:"tls,omitempty"`
	Host    string    `json:"host"`
	// Target is path and query, a text with variables.
	Target string `json:"target"`
	Body   bool   `json:"body"`
}
