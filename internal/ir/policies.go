package ir

import "net/netip"

// Field is one field of a message head. Both parts are valid on the wire.
type Field struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Replacement is a text and what takes its place.
type Replacement struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// CORS answers cross-origin requests (ingress-nginx §1.5).
type CORS struct {
	// Origins are in lower case: "scheme://host[:port]", where the host may
	// begin with "*." for exactly one label, or "null". "*" stands alone and
	// means every request, with or without an origin. No origin at all is
	// allowed when the list is empty.
	Origins []string `json:"origins,omitempty"`
	// Credentials adds Access-Control-Allow-Credentials.
	Credentials bool `json:"credentials,omitempty"`
	// Methods, Headers and Expose are values of fields; the last may be empty.
	Methods string `json:"methods"`
	Headers string `json:"headers"`
	Expose  string `json:"expose,omitempty"`
	// MaxAge is in seconds.
	MaxAge int `json:"maxAge"`
}

// Access says who may use a route, by address. Prefixes are masked and sorted.
type Access struct {
	// Deny counts before Allow.
	Deny []netip.Prefix `json:"deny,omitempty"`
	// Allow is everybody when it is empty.
	Allow []netip.Prefix `json:"allow,omitempty"`
	// Rules count for clients that neither list decides about.
	Rules []AccessRule `json:"rules,omitempty"`
}

// BasicAuth asks for a name and a password, or with Digest for a proof of
// knowing it (ingress-nginx §1.4.2).
type BasicAuth struct {
	Realm  string `json:"realm"`
	Digest bool   `json:"digest,omitempty"`
	// Secret is "namespace/name" of where Users come from; Fingerprint changes
	// with them.
	Secret      string `json:"secret"`
	Fingerprint string `json:"-"`
	// Users are never printed, and neither is what is made of them. Without
	// any, nobody passes.
	Users []User `json:"-"`
}

// User is one line of an htpasswd file: for digest authentication Hash is
// "realm:" and the MD5 in hexadecimal.
type User struct{ Name, Hash string }

// Limits bound what one client may ask of a route (ingress-nginx §5.7). A
// limit of 0 is none.
type Limits struct {
	// ID is what the counters belong to: "namespace/name" of the Ingress, so
	// that all its routes share them and a new table finds them again.
	ID string `json:"id"`
	// PerSecond and PerMinute are rates of requests; each may be exceeded at
	// once by Burst times its number.
	PerSecond int `json:"perSecond,omitempty"`
	PerMinute int `json:"perMinute,omitempty"`
	Burst     int `json:"burst"`
	// Connections is how many requests of a client may run at one time.
	Connections int `json:"connections,omitempty"`
	// Exempt clients have no limits.
	Exempt []netip.Prefix `json:"exempt,omitempty"`
}

// Bandwidth slows responses down.
type Bandwidth struct {
	// Rate is in bytes per second; the first After bytes are free.
	Rate  int64 `json:"rate"`
	After int64 `json:"after,omitempty"`
}

// Errors replaces responses with some statuses by those of another backend
// (ingress-nginx §11.3).
type Errors struct {
	// Statuses are sorted.
	Statuses []int `json:"statuses"`
	// Backend is asked for the response.
	Backend BackendID `json:"backend"`
	// OwnOnly leaves responses of the route's backend alone.
	OwnOnly bool `json:"ownOnly,omitempty"`
}
