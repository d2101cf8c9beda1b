// Package ir is the border between the control side and the data side: the
// immutable model that translation produces and the routing table is compiled
// from.
//
// It imports the standard library only and knows no Kubernetes types, no
// sockets and no files. A Config and everything reachable from it is never
// written after translation returned it; slices are in a stable order, so that
// two translations of the same objects are equal and print the same JSON.
package ir

import (
	"cmp"
	"net/netip"
	"strings"
	"time"
)

// Config is one complete configuration of the data side, except for the
// endpoints of the backends, which travel on their own road (EndpointSet).
type Config struct {
	// Hosts holds every host block, sorted by Name; the catch-all block has
	// the empty name and is always present.
	Hosts []*Host `json:"hosts"`
	// Backends holds every backend that a route refers to, sorted by ID.
	Backends []*Backend `json:"backends"`
	// Certificates holds every certificate a host refers to, sorted by ID.
	Certificates []*Certificate `json:"certificates,omitempty"`
	// DefaultCertificate is served when no host certificate fits; empty means
	// the self-made one.
	DefaultCertificate CertificateID `json:"defaultCertificate,omitempty"`
	// Settings applies to all hosts.
	Settings Settings `json:"settings"`
}

// Ref names a Kubernetes object.
type Ref struct {
	Kind      string `json:"kind,omitempty"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name,omitempty"`
}

// String returns "Kind namespace/name".
func (r Ref) String() string {
	s := r.Name
	if r.Namespace != "" {
		s = r.Namespace + "/" + s
	}
	if r.Kind != "" {
		s = strings.TrimSpace(r.Kind + " " + s) // a broken object may have no name
	}
	return s
}

// Host is everything that is served under one host name.
type Host struct {
	// Name is canonical (canonical.Host): lower case, no port, no trailing
	// dot. "*.example.com" matches exactly one more label. Empty is the
	// catch-all block.
	Name string `json:"name"`
	// Aliases are further names of this host (server-alias); entries that
	// begin with "~" are regular expressions.
	Aliases []string `json:"aliases,omitempty"`
	// Owner is the Ingress that created the block; zero for the built-in
	// catch-all block.
	Owner Ref `json:"owner,omitzero"`
	// Certificates are offered to clients whose SNI selects this host, in
	// order of preference; empty means the default certificate.
	Certificates []CertificateID `json:"certificates,omitempty"`
	// TLSRedirect reports that the host "has a certificate configured" in the
	// sense of the http-to-https redirect (spec ingress-nginx §3.1), wildcard
	// parents included. Always false for the catch-all block.
	TLSRedirect bool `json:"tlsRedirect,omitempty"`
	// TLSAliases are the aliases that a certificate of the host covers: the
	// others are not redirected to https.
	TLSAliases []string `json:"tlsAliases,omitempty"`
	// AppRoot redirects "/" with 302 when it is not empty; starts with "/".
	AppRoot string `json:"appRoot,omitempty"`
	// RedirectTo makes the whole host a redirect to another host name
	// (from-to-www-redirect); such a host has no routes.
	RedirectTo string `json:"redirectTo,omitempty"`
	// ClientAuth is nil when clients are not asked for certificates.
	ClientAuth *ClientAuth `json:"clientAuth,omitempty"`
	// Suites are the cipher suites of TLS 1.2, by their numbers; empty is those
	// of all hosts.
	Suites []uint16 `json:"suites,omitempty"`
	// Passthrough leaves TLS connections for this host to the backend of its
	// route for "/" (ssl-passthrough); requests over other connections with
	// TLS are refused. Without such a backend the connections are closed.
	Passthrough bool `json:"passthrough,omitempty"`
	// Fields are for the responses that come before a route is chosen; nil when
	// absent.
	Fields *FieldEdits `json:"fields,omitempty"`
	// Script runs before a route is chosen, Locations come beside Routes, by
	// the rules of nginx (server-snippet); nil when absent.
	Script    *Script     `json:"script,omitempty"`
	Locations []*Location `json:"locations,omitempty"`
	// ErrorPages are for what is refused before a route is chosen.
	ErrorPages []ErrorPage `json:"errorPages,omitempty"`
	// RegexMode says that every route is matched as a regular expression in
	// the order of Routes. Otherwise exact beats prefix and the longest
	// prefix wins, whatever the order.
	RegexMode bool `json:"regexMode,omitempty"`
	// Routes is never empty except with RedirectTo: the last resort "/" is
	// always among them.
	Routes []*Route `json:"routes,omitempty"`
}

// MatchKind says how Route.Pattern is compared with the normalised path.
type MatchKind string

// The kinds of match.
const (
	// MatchExact compares the whole path.
	MatchExact MatchKind = "Exact"
	// MatchPrefix compares whole path elements: "/foo" matches "/foo" and
	// "/foo/x", not "/foobar"; "/foo/" matches "/foo/" and below.
	MatchPrefix MatchKind = "Prefix"
	// MatchRegex is a case-insensitive expression anchored at the start.
	MatchRegex MatchKind = "Regex"
)

// BackendID identifies a backend: "namespace/service/port".
type BackendID string

// Route is one location: what matches and what happens then.
type Route struct {
	// Path and PathType are as written in the Ingress (empty path is "/").
	Path     string `json:"path"`
	PathType string `json:"pathType,omitempty"`
	// Match and Pattern are what the table executes. For MatchRegex Pattern
	// is a complete expression without flags ("^/foo/").
	Match   MatchKind `json:"match"`
	Pattern string    `json:"pattern"`
	// Ingress is the owner; zero for built-in routes.
	Ingress Ref `json:"ingress,omitzero"`
	// Implicit marks the "/" route that a block has without a rule for it.
	Implicit bool `json:"implicit,omitempty"`
	// Service and ServicePort are as written, for logs and metrics.
	Service     string `json:"service,omitempty"`
	ServicePort string `json:"servicePort,omitempty"`
	// Backend receives the requests; empty is the built-in 404 server.
	Backend BackendID `json:"backend,omitempty"`
	// FallbackBackend takes over while Backend has no ready endpoint
	// (default-backend annotation); empty means answer 503.
	FallbackBackend BackendID `json:"fallbackBackend,omitempty"`
	// DefaultBackend says that Backend is the global default backend: while it
	// has no ready endpoint the built-in 404 server answers instead of 503
	// (ingress-nginx §11.2).
	DefaultBackend bool `json:"defaultBackend,omitempty"`
	// Denied answers every request of the route with this status, because a
	// guarding setting of the Ingress is unusable; 0 is off.
	Denied int `json:"denied,omitempty"`
	// Canary is nil when absent.
	Canary *Canary `json:"canary,omitempty"`
	// SetsAffinity says that the route gives out the affinity cookie of its
	// backend; others only honour it.
	SetsAffinity bool `json:"setsAffinity,omitempty"`
	// Locations are those within the route, which its snippets have.
	Locations []*Location `json:"locations,omitempty"`

	Policies
}

// Policies are the per-route settings that annotations produce. The zero value
// of a field means "off" unless its comment says otherwise; translation fills
// in the defaults.
type Policies struct {
	// Redirect answers instead of the backend (permanent-redirect,
	// temporal-redirect, automatic slash).
	Redirect *Redirect `json:"redirect,omitempty"`
	// SSLRedirect applies when Host.TLSRedirect; ForceSSLRedirect always.
	SSLRedirect           bool `json:"sslRedirect,omitempty"`
	ForceSSLRedirect      bool `json:"forceSSLRedirect,omitempty"`
	PreserveTrailingSlash bool `json:"preserveTrailingSlash,omitempty"`
	// Rewrite replaces the path; nil forwards the target byte for byte.
	Rewrite *Rewrite `json:"rewrite,omitempty"`
	// ForwardedPrefix is sent as X-Forwarded-Prefix; may hold $1..$9 of the
	// route's expression.
	ForwardedPrefix string `json:"forwardedPrefix,omitempty"`
	// UpstreamVhost replaces the Host field sent upstream.
	UpstreamVhost string `json:"upstreamVhost,omitempty"`
	// Protocol is how the backend is spoken to.
	Protocol Protocol `json:"protocol"`
	// FastCGI is nil when there is nothing to tell beside the request.
	FastCGI *FastCGI `json:"fastCGI,omitempty"`
	// MaxBody is the largest request body in bytes, 0 is unlimited.
	MaxBody int64 `json:"maxBody,omitempty"`
	// RequestBuffering reads a request body whole before the backend is
	// contacted; BodyMemory is how much of it is kept in memory, at least as
	// much as Daemun thinks fit. HTTP/2 backends get theirs as it comes.
	RequestBuffering bool  `json:"requestBuffering,omitempty"`
	BodyMemory       int64 `json:"bodyMemory,omitempty"`
	// ResponseBuffering is nil when a response goes to the client as it comes.
	ResponseBuffering *ResponseBuffering `json:"responseBuffering,omitempty"`
	// ResponseHead is the largest head of a response in bytes, 0 is
	// UsualResponseHead.
	ResponseHead int64 `json:"responseHead,omitempty"`
	// ConnectTimeout, SendTimeout and ReadTimeout are always positive. Read
	// and send are idle times between two octets.
	ConnectTimeout Duration `json:"connectTimeout"`
	SendTimeout    Duration `json:"sendTimeout"`
	ReadTimeout    Duration `json:"readTimeout"`
	// Retry says when another endpoint is tried.
	Retry Retry `json:"retry"`
	Proxying
	// AccessLog is false when the route writes no access log line.
	AccessLog bool `json:"accessLog"`

	// RelativeRedirects leaves scheme and host out of Locations that Daemun
	// makes of a path.
	RelativeRedirects bool `json:"relativeRedirects,omitempty"`
	// CORS and Access are nil when absent.
	CORS   *CORS   `json:"cors,omitempty"`
	Access *Access `json:"access,omitempty"`
	// BasicAuth is nil when absent.
	BasicAuth *BasicAuth `json:"basicAuth,omitempty"`
	// ExternalAuth and Mirror are nil when absent.
	ExternalAuth *ExternalAuth `json:"externalAuth,omitempty"`
	Mirror       *Mirror       `json:"mirror,omitempty"`
	// Errors is nil when absent.
	Errors *Errors `json:"errors,omitempty"`
	// SatisfyAny lets a request pass that one of Access and the ways of
	// authentication accepts; otherwise all of them have to.
	SatisfyAny bool `json:"satisfyAny,omitempty"`
	// Limits and Bandwidth are nil when absent.
	Limits    *Limits    `json:"limits,omitempty"`
	Bandwidth *Bandwidth `json:"bandwidth,omitempty"`
	// ZoneLimits come from snippets; nil when absent.
	ZoneLimits *ZoneLimits `json:"zoneLimits,omitempty"`
	// ResponseFields are set on every response of the route, in place of
	// those of the backend. They are sorted by name.
	ResponseFields []Field `json:"responseFields,omitempty"`
	// Fields is nil when absent.
	Fields *FieldEdits `json:"fields,omitempty"`
	// Script runs before the redirects and the rewrite of the route; nil when
	// absent.
	Script *Script `json:"script,omitempty"`
	// MethodAccess and ErrorPages come from snippets.
	MethodAccess *MethodAccess `json:"methodAccess,omitempty"`
	ErrorPages   []ErrorPage   `json:"errorPages,omitempty"`
	// Substitution is nil when contents pass as they are.
	Substitution *Substitution `json:"substitution,omitempty"`
	// ConnectionField is the Connection field that the backend gets, "close"
	// or "keep-alive"; nothing is upgraded then. Empty is what the connection
	// needs.
	ConnectionField string `json:"connectionField,omitempty"`
	// CookieDomain and CookiePath change attributes of the backend's cookies:
	// a Domain that is From, a Path that begins with From.
	CookieDomain *Replacement `json:"cookieDomain,omitempty"`
	CookiePath   *Replacement `json:"cookiePath,omitempty"`
	// CookieFlags are looked through in their order: the first that a cookie
	// matches counts.
	CookieFlags []CookieFlags `json:"cookieFlags,omitempty"`
	// LocationPrefix changes what Location and Refresh of the backend begin
	// with.
	LocationPrefix *Replacement `json:"locationPrefix,omitempty"`

	// Firewall is nil when no rules judge requests.
	Firewall *Firewall `json:"firewall,omitempty"`
	// Trace is nil when requests are not part of traces.
	Trace *Trace `json:"trace,omitempty"`
}

// Redirect is a fixed answer with a Location.
type Redirect struct {
	Code int `json:"code"`
	// Location is absolute or a path; a path becomes absolute with the
	// request's scheme and host. With AppendSlash it is ignored and the
	// request path plus "/" plus the query is used.
	Location    string `json:"location,omitempty"`
	AppendSlash bool   `json:"appendSlash,omitempty"`
}

// Rewrite replaces the part of the normalised path that Pattern matches.
type Rewrite struct {
	// Pattern is a case-insensitive, unanchored expression: the Ingress path.
	Pattern string `json:"pattern"`
	// Target may hold $1..$9; missing captures expand to nothing. A target
	// that starts with http:// or https:// is answered with 302.
	Target string `json:"target"`
}

// Protocol of a backend.
type Protocol string

// The protocols.
const (
	ProtocolHTTP  Protocol = "HTTP"
	ProtocolHTTPS Protocol = "HTTPS"
	// ProtocolGRPC is HTTP/2 in cleartext with prior knowledge, ProtocolGRPCS
	// HTTP/2 over TLS, as gRPC wants them; ProtocolH2C is the former for a
	// Service port whose appProtocol is kubernetes.io/h2c.
	ProtocolGRPC  Protocol = "GRPC"
	ProtocolGRPCS Protocol = "GRPCS"
	// ProtocolFCGI is FastCGI.
	ProtocolFCGI Protocol = "FCGI"
	ProtocolH2C  Protocol = "H2C"
	// ProtocolAuto uses the scheme of the client connection.
	ProtocolAuto Protocol = "AUTO_HTTP"
)

// RetryOn is a set of conditions (proxy-next-upstream).
type RetryOn uint32

// The conditions, named as in the annotation.
const (
	RetryError RetryOn = 1 << iota
	RetryTimeout
	RetryInvalidHeader
	RetryHTTP500
	RetryHTTP502
	RetryHTTP503
	RetryHTTP504
	RetryHTTP403
	RetryHTTP404
	RetryHTTP429
	RetryNonIdempotent
)

// Has reports whether all conditions of c are in the set.
func (r RetryOn) Has(c RetryOn) bool { return r&c == c }

// Retry limits the attempts of one request.
type Retry struct {
	On RetryOn `json:"on"`
	// Tries is the total number of attempts, 1 is no retry, 0 is unlimited.
	Tries int `json:"tries"`
	// Timeout is the total time in which a new attempt may start; 0 is none.
	Timeout Duration `json:"timeout,omitempty"`
}

// Backend is one port of one Service as a destination of requests.
type Backend struct {
	ID        BackendID `json:"id"`
	Namespace string    `json:"namespace"`
	Service   string    `json:"service"`
	// Port is the Service port as the Ingress names it.
	Port string `json:"port"`
	// Balance is nil for round robin over the endpoints.
	Balance *Balance `json:"balance,omitempty"`
	// External is nil for a port of a Service.
	External *External `json:"external,omitempty"`
	// TLS is nil for the usual way.
	TLS *BackendTLS `json:"tls,omitempty"`
}

// Endpoint is one address of a backend.
type Endpoint struct {
	// Addr is the address to dial. For an ExternalName it is zero and Host
	// and Port are set; Host is then resolved at every dial.
	Addr netip.AddrPort `json:"addr,omitzero"`
	Host string         `json:"host,omitempty"`
	Port uint16         `json:"port,omitempty"`
	// Pod is "namespace/name" of the Pod behind it, for people.
	Pod string `json:"pod,omitempty"`
}

// EndpointSet is what a backend has at one moment: only endpoints that may
// receive new requests, deduplicated, in a stable order.
type EndpointSet struct {
	Backend   BackendID  `json:"backend"`
	Endpoints []Endpoint `json:"endpoints"`
}

// CertificateID is "namespace/name" of the Secret.
type CertificateID string

// Certificate is a key pair as found in a Secret and checked to be usable.
type Certificate struct {
	ID CertificateID `json:"id"`
	// Names are the DNS names it covers, sorted.
	Names    []string  `json:"names,omitempty"`
	NotAfter time.Time `json:"notAfter"`
	// Chain and Key are PEM. They are never printed.
	Chain []byte `json:"-"`
	Key   []byte `json:"-"`
	// Fingerprint is the SHA-256 of Chain and Key in hexadecimal: a changed
	// pair has another one.
	Fingerprint string `json:"fingerprint"`
}

// HSTS is the Strict-Transport-Security header of TLS responses.
type HSTS struct {
	Enabled           bool  `json:"enabled"`
	MaxAge            int64 `json:"maxAge"` // seconds
	IncludeSubdomains bool  `json:"includeSubdomains"`
	Preload           bool  `json:"preload,omitempty"`
}

// Settings are the values that ingress-nginx keeps in its ConfigMap, as far as
// they concern all hosts.
type Settings struct {
	HSTS HSTS `json:"hsts"`
	// HTTPRedirectCode is the status of https and www redirects.
	HTTPRedirectCode int `json:"httpRedirectCode"`
	// KeepAlive is the idle time of client connections, KeepAliveRequests the
	// number of requests after which one is closed.
	KeepAlive         Duration `json:"keepAlive"`
	KeepAliveRequests int      `json:"keepAliveRequests"`
	// LimitRequestStatus and LimitConnectionStatus answer requests that are
	// over the limits of a client.
	LimitRequestStatus    int `json:"limitRequestStatus"`
	LimitConnectionStatus int `json:"limitConnectionStatus"`
	// HeaderTimeout is absolute, from the first octet of a request;
	// BodyTimeout is the idle time while reading a body.
	HeaderTimeout Duration `json:"headerTimeout"`
	BodyTimeout   Duration `json:"bodyTimeout"`
	// Staple sends OCSP answers along with certificates.
	Staple bool `json:"staple,omitempty"`
	// HTTP2Off takes HTTP/2 from clients, HTTP2Streams is the number of streams
	// of one connection at a time, 0 for 128.
	HTTP2Off     bool `json:"http2Off,omitempty"`
	HTTP2Streams int  `json:"http2Streams,omitempty"`
	// Geo is nil when nobody looks addresses up.
	Geo *Geo `json:"geo,omitempty"`
	// Forwarded is what is believed and told of where requests come from.
	Forwarded Forwarded `json:"forwarded,omitzero"`
	// ProxyProtocol is nil when clients begin with their request or handshake.
	ProxyProtocol *ProxyProtocol `json:"proxyProtocol,omitempty"`
	// Pool is how connections to backends are kept; nil is DefaultPool.
	Pool *Pool `json:"pool,omitempty"`
	// Streams is about TCP and UDP services; nil is DefaultStreams.
	Streams *Streams `json:"streams,omitempty"`
	// Block is nil when nobody is refused everywhere.
	Block *Block `json:"block,omitempty"`
	// LimitBy is a text with variables: what the limits of requests count by.
	// Empty is the address of the client.
	LimitBy string `json:"limitBy,omitempty"`
	// IPv4Names leaves the IPv6 addresses of the names of backends out.
	IPv4Names bool `json:"ipv4Names,omitempty"`
	// Entrance and RequestHeads are zero for the usual way.
	Entrance     Entrance     `json:"entrance,omitzero"`
	RequestHeads RequestHeads `json:"requestHeads,omitzero"`
	// ServerField sends Server with responses; BackendServerField, with it,
	// that of the backend if it has one.
	ServerField        bool `json:"serverField,omitempty"`
	BackendServerField bool `json:"backendServerField,omitempty"`
	// TLS is zero for the usual way.
	TLS TLS `json:"tls,omitzero"`
	// Passthrough says that hosts may leave TLS to their backends.
	Passthrough bool `json:"passthrough,omitempty"`
	// NoRequestID leaves requests without an id that come without one.
	NoRequestID bool `json:"noRequestID,omitempty"`
	// OriginalURI tells backends the target as received, in X-Original-URI.
	OriginalURI bool `json:"originalURI,omitempty"`
	// Compression is nil when responses go out as they are.
	Compression *Compression `json:"compression,omitempty"`
	// Tracing is nil when spans go nowhere.
	Tracing *Tracing `json:"tracing,omitempty"`
	// Maps are variables that others decide.
	Maps []Map `json:"maps,omitempty"`
	// Logs is zero for the usual logs.
	Logs Logs `json:"logs,omitzero"`
}

// DefaultSettings are ingress-nginx's defaults (spec §8).
func DefaultSettings() Settings {
	return Settings{
		HSTS:              HSTS{Enabled: true, MaxAge: 31536000, IncludeSubdomains: true},
		HTTPRedirectCode:  308,
		KeepAlive:         Duration(75 * time.Second),
		KeepAliveRequests: 1000,
		HeaderTimeout:     Duration(60 * time.Second),
		BodyTimeout:       Duration(60 * time.Second),

		LimitRequestStatus:    503,
		LimitConnectionStatus: 503,
	}
}

// Duration prints as text ("5s") in JSON.
type Duration time.Duration

// D returns d as a time.Duration.
func (d Duration) D() time.Duration { return time.Duration(d) }

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	*d = Duration(v)
	return err
}

// Severity of a problem.
type Severity string

// The severities: an Error takes something out of service or keeps it on an
// old state, a Warning changes what the user asked for, a Notice informs.
const (
	SeverityError   Severity = "error"
	SeverityWarning Severity = "warning"
	SeverityNotice  Severity = "notice"
)

// Problem tells a user what is wrong with an object. It is data, not an error:
// everything else goes on.
type Problem struct {
	// Code is stable: "DMN" and four digits (docs/problems.md).
	Code     string   `json:"code"`
	Severity Severity `json:"severity"`
	Object   Ref      `json:"object,omitzero"`
	// Field is the path inside the object ("spec.rules[0].http.paths[1]",
	// "metadata.annotations[nginx.ingress.kubernetes.io/app-root]").
	Field string `json:"field,omitempty"`
	// File, Line and Column are set where the object came from a file; 1-based.
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
	// Message says what is wrong and what would be right, in one line.
	Message string `json:"message"`
}

// Compare orders problems: by object, field, code, message.
func (p Problem) Compare(q Problem) int {
	return cmp.Or(
		cmp.Compare(p.File, q.File), cmp.Compare(p.Line, q.Line), cmp.Compare(p.Column, q.Column),
		cmp.Compare(p.Object.Kind, q.Object.Kind), cmp.Compare(p.Object.Namespace, q.Object.Namespace),
		cmp.Compare(p.Object.Name, q.Object.Name), cmp.Compare(p.Field, q.Field),
		cmp.Compare(p.Code, q.Code), cmp.Compare(p.Message, q.Message))
}
