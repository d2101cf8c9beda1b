// Package variable reads texts with nginx's variables, as annotations have
// them ("https://$host/auth?u=${request_uri}"), and puts the values of a
// request in.
//
//	t, err := variable.Parse("$remote_addr$request_uri")
//	key = t.Append(key[:0], request)
//
// It knows the names of the variables and nothing of where their values come
// from: that is the Source's. A Text is immutable. The package owns no
// goroutine.
package variable

import (
	"fmt"
	"slices"
	"strings"
)

// ID is a variable. Those that take an argument (http_, cookie_, arg_) have it
// in their name.
type ID uint8

// The variables.
const (
	literal ID = iota
	Host
	HTTPHost
	Scheme
	Method
	RequestURI
	EscapedRequestURI
	URI
	Args
	IsArgs
	RemoteAddr
	RemotePort
	RemoteUser
	ServerName
	ServerPort
	ServerProtocol
	RequestID
	Namespace
	IngressName
	ServiceName
	ServicePort
	LocationPath
	UpstreamName
	ContentType
	ContentLength
	// ScriptName is the path with the index of FastCGI.
	ScriptName
	// Place is what databases say about the address of the client; its argument
	// says what.
	Place
	// PassScheme and BestHost are the scheme and the host as a trusted peer
	// says, PeerAddr is the address of that peer.
	PassScheme
	BestHost
	PeerAddr
	PeerPort
	// BinaryRemoteAddr is the address of the client in 4 or 16 octets.
	BinaryRemoteAddr
	// AddForwardedFor is X-Forwarded-For of the request with the address of the
	// client behind it.
	AddForwardedFor
	// HTTPS is "on" with TLS.
	HTTPS
	// The date of now, as server-side includes write it.
	DateGMT
	DateLocal
	// The addresses of the header of the PROXY protocol.
	ProxyAddr
	ProxyPort
	ProxyServerAddr
	ProxyServerPort
	// TraceID, SpanID, TraceSampled, Traceparent and TraceB3 are about the trace
	// that the request is in.
	TraceID
	SpanID
	TraceSampled
	Traceparent
	TraceB3
	// Field is a field of the request, Cookie a cookie, Arg a parameter of the
	// query; their arguments say which. A Field's is in lower case, with "_"
	// for every "-".
	Field
	Cookie
	Arg
)

var ids = map[string]ID{
	"host": Host, "best_http_host": BestHost, "http_host": HTTPHost, "this_host": Host,
	"scheme": Scheme, "pass_access_scheme": PassScheme, "request_method": Method,
	"request_uri": RequestURI, "escaped_request_uri": EscapedRequestURI, "uri": URI, "document_uri": URI,
	"args": Args, "query_string": Args, "is_args": IsArgs,
	"remote_addr": RemoteAddr, "binary_remote_addr": BinaryRemoteAddr, "the_real_ip": RemoteAddr, "realip_remote_addr": PeerAddr, "realip_remote_port": PeerPort,
	"proxy_add_x_forwarded_for": AddForwardedFor, "https": HTTPS, "date_gmt": DateGMT, "date_local": DateLocal,
	"proxy_protocol_addr": ProxyAddr, "proxy_protocol_port": ProxyPort, "proxy_protocol_server_addr": ProxyServerAddr, "proxy_protocol_server_port": ProxyServerPort,
	"remote_port": RemotePort, "remote_user": RemoteUser,
	"server_name": ServerName, "server_port": ServerPort, "pass_server_port": ServerPort, "pass_port": ServerPort, "server_protocol": ServerProtocol,
	"request_id": RequestID, "req_id": RequestID,
	"namespace": Namespace, "ingress_name": IngressName, "service_name": ServiceName, "service_port": ServicePort,
	"location_path": LocationPath, "proxy_upstream_name": UpstreamName, "proxy_host": UpstreamName,
	"content_type": ContentType, "content_length": ContentLength,
	"fastcgi_script_name":    ScriptName,
	"opentelemetry_trace_id": TraceID, "opentelemetry_span_id": SpanID, "opentelemetry_sampled": TraceSampled,
	"opentelemetry_context_traceparent": Traceparent, "opentelemetry_context_b3": TraceB3,
}

// Source gives the values of one request.
type Source interface {
	// AppendVariable appends the value, nothing if there is none. arg is that
	// of Field, Cookie and Arg.
	AppendVariable(dst []byte, id ID, arg string) []byte
}

// Text is a text with variables. The zero value is an empty text.
type Text struct {
	source string
	parts  []part
}

type part struct {
	id   ID
	text string // the literal, or the argument
}

// Parse reads a text. The error names the first variable that does not exist;
// "$" before anything but a name is itself.
func Parse(s string) (*Text, error) {
	t := &Text{source: s}
	for rest := s; rest != ""; {
		at := strings.IndexByte(rest, '$')
		if at < 0 {
			t.add(rest)
			break
		}
		name, after := cutName(rest[at+1:])
		if name == "" {
			t.add(rest[:at+1])
			rest = rest[at+1:]
			continue
		}
		t.add(rest[:at])
		p, ok := named(name)
		if !ok {
			return nil, fmt.Errorf("there is no variable $%.40s", name)
		}
		t.parts = append(t.parts, p)
		rest = after
	}
	return t, nil
}

func (t *Text) add(text string) {
	if text == "" {
		return
	}
	if n := len(t.parts); n > 0 && t.parts[n-1].id == literal {
		t.parts[n-1].text += text
		return
	}
	t.parts = append(t.parts, part{text: text})
}

// cutName cuts a name, or one in braces, off the front.
func cutName(s string) (name, rest string) {
	if inner, ok := strings.CutPrefix(s, "{"); ok {
		name, rest, ok = strings.Cut(inner, "}")
		if !ok || name == "" || strings.ContainsFunc(name, notOfName) {
			return "", s
		}
		return name, rest
	}
	end := strings.IndexFunc(s, notOfName)
	if end < 0 {
		end = len(s)
	}
	return s[:end], s[end:]
}

func notOfName(r rune) bool {
	return r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
}

func named(name string) (part, bool) {
	if id, ok := ids[name]; ok {
		return part{id: id}, true
	}
	if arg, ok := strings.CutPrefix(name, PlacePrefix); ok && places[arg] {
		return part{id: Place, text: arg}, true
	}
	for prefix, id := range map[string]ID{"http_": Field, "cookie_": Cookie, "arg_": Arg} {
		if arg, ok := strings.CutPrefix(name, prefix); ok && arg != "" {
			if id == Field {
				arg = strings.ToLower(arg)
			}
			return part{id: id, text: arg}, true
		}
	}
	return finished(name)
}

// Longest is about how long a text becomes: variables that others are made of
// could grow without end, and no message could hold what is longer.
const Longest = 1 << 20

// Append appends the text with the values of a request, up to a variable that
// begins beyond Longest.
func (t *Text) Append(dst []byte, from Source) []byte {
	start := len(dst)
	for i := range t.parts {
		if len(dst)-start > Longest {
			return dst
		}
		if p := &t.parts[i]; p.id == literal {
			dst = append(dst, p.text...)
		} else {
			dst = from.AppendVariable(dst, p.id, p.text)
		}
	}
	return dst
}

// Plain reports whether the text has no variables.
func (t *Text) Plain() bool {
	return !slices.ContainsFunc(t.parts, func(p part) bool { return p.id != literal })
}

// String returns the text as it was written.
func (t *Text) String() string { return t.source }

// FieldIs reports whether a field name is the argument of a Field.
func FieldIs[T ~string | ~[]byte](name T, arg string) bool {
	if len(name) != len(arg) {
		return false
	}
	for i := range len(name) {
		c := name[i]
		switch {
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		case c == '-':
			c = '_'
		}
		if c != arg[i] {
			return false
		}
	}
	return true
}

// CookieValue looks a cookie up in the value of a Cookie field.
func CookieValue(field []byte, name string, same func(a []byte, b string) bool) (value []byte, ok bool) {
	for len(field) > 0 {
		var pair []byte
		pair, field = cut(field, ';')
		for len(pair) > 0 && pair[0] == ' ' {
			pair = pair[1:]
		}
		if n, v := cut(pair, '='); len(n) < len(pair) && same(n, name) {
			return v, true
		}
	}
	return nil, false
}

// Param looks a parameter of a query up, without decoding it.
func Param(query []byte, name string, same func(a []byte, b string) bool) (value []byte, ok bool) {
	for len(query) > 0 {
		var pair []byte
		pair, query = cut(query, '&')
		if n, v := cut(pair, '='); len(n) < len(pair) && same(n, name) {
			return v, true
		}
	}
	return nil, false
}

func cut(b []byte, separator byte) (before, after []byte) {
	for i, c := range b {
		if c == separator {
			return b[:i], b[i+1:]
		}
	}
	return b, nil
}

// Exactly and AnyCase compare names in CookieValue and Param.
func Exactly(a []byte, b string) bool { return string(a) == b }

// AnyCase compares without regard to the case of ASCII letters.
func AnyCase(a []byte, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
