package proxy

import (
	"net/netip"
	"strconv"
	"time"

	"daemun/internal/http1"
	"daemun/internal/variable"
)

// AppendVariable appends the value of a variable for this request.
func (x *exchange) AppendVariable(b []byte, id variable.ID, arg string) []byte {
	if id >= variable.Status && id <= variable.Absent {
		return x.appendFinished(b, id, arg)
	}
	switch id {
	case variable.Host:
		if len(x.host) > 0 {
			return append(b, x.host...)
		}
		return append(b, withoutPort(x.authority())...)
	case variable.HTTPHost:
		return append(b, x.authority()...)
	case variable.Scheme:
		return append(b, x.c.scheme()...)
	case variable.Method:
		return append(b, x.req.Method...)
	case variable.RequestURI:
		return x.appendURI(b)
	case variable.EscapedRequestURI:
		start := len(b)
		return appendEscapedURI(b, x.appendURI(b)[start:])
	case variable.URI:
		return x.appendPath(b)
	case variable.Args:
		return append(b, x.args()...)
	case variable.IsArgs:
		if len(x.args()) > 0 {
			return append(b, '?')
		}
		return b
	case variable.ScriptName:
		return x.appendScriptName(b)
	case variable.Field:
		return x.appendFieldVariable(b, arg)
	case variable.Place:
		return x.appendPlace(b, arg)
	case variable.Cookie:
		return append(b, x.Cookie(arg)...)
	case variable.Arg:
		value, _ := variable.Param(x.args(), arg, variable.AnyCase)
		return append(b, value...)
	}
	switch {
	case id == variable.User:
		return x.appendUser(b, arg)
	case id == variable.Capture && x.frame != nil:
		return x.frame.AppendCapture(b, arg)
	}
	return x.appendConnectionVariable(b, id)
}

// mostMapped bounds the look-ups in maps for one request: volatile ones that need
// one another twice would be looked up 2^n times.
const mostMapped = 1000

// appendUser appends a variable that a script sets or that others decide. As in
// nginx the latter has one value for a request: that of its first use.
func (x *exchange) appendUser(b []byte, name string) []byte {
	if x.frame != nil {
		if value, ok := x.frame.User(name); ok {
			return append(b, value...)
		}
	}
	if x.table == nil || x.table.Maps == nil {
		return b
	}
	m := x.table.Maps[name]
	if m == nil || x.mapped == mostMapped {
		return b
	}
	x.mapped++
	start := len(b)
	b = m.Append(b, x)
	if !m.Volatile {
		x.scriptFrame().Set(name, b[start:])
	}
	return b
}

// appendPath appends the normalised path, as a script may have rewritten it.
func (x *exchange) appendPath(b []byte) []byte {
	if x.frame != nil {
		if uri, moved := x.frame.URI(); moved {
			return append(b, uri...)
		}
	}
	return append(b, x.match.Path...)
}

// args are the arguments, as a script may have set them.
func (x *exchange) args() []byte {
	if x.frame != nil {
		if args, set := x.frame.Args(); set {
			return args
		}
	}
	return x.req.Query
}

// appendConnectionVariable has the variables of the connection and the route.
func (x *exchange) appendConnectionVariable(b []byte, id variable.ID) []byte {
	switch id {
	case variable.RemoteAddr:
		return x.client().Unmap().WithZone("").AppendTo(b)
	case variable.BinaryRemoteAddr:
		return appendBinary(b, x.client().Unmap())
	case variable.RemotePort:
		return strconv.AppendUint(b, uint64(x.c.info.Remote.Port()), 10)
	case variable.RemoteUser:
		return append(b, x.user()...)
	case variable.ServerName:
		if x.match.Host == nil || x.match.Host.IR.Name == "" {
			return append(b, '_') // ingress-nginx's name for the catch-all
		}
		return append(b, x.match.Host.IR.Name...)
	case variable.ServerPort:
		return append(b, x.from.port...)
	case variable.PassScheme:
		return append(b, x.from.scheme...)
	case variable.BestHost:
		return append(b, x.shownHost()...)
	case variable.PeerAddr:
		return x.c.info.Peer.Addr().Unmap().WithZone("").AppendTo(b)
	case variable.PeerPort:
		return strconv.AppendUint(b, uint64(x.c.info.Peer.Port()), 10)
	case variable.AddForwardedFor:
		return x.appendForwardedFor(b)
	case variable.HTTPS:
		if x.c.secure {
			return append(b, "on"...)
		}
		return b
	case variable.DateGMT, variable.DateLocal:
		return appendDate(b, time.Now(), id == variable.DateGMT)
	case variable.ProxyAddr, variable.ProxyPort:
		return appendProxied(b, id, x.c.info.Proxied.Source)
	case variable.ProxyServerAddr, variable.ProxyServerPort:
		return appendProxied(b, id, x.c.info.Proxied.Destination)
	case variable.ServerProtocol:
		return append(b, x.protocol()...)
	case variable.RequestID:
		return append(b, x.requestID()...)
	case variable.ContentType:
		v, _ := x.req.Get(http1.FieldContentType)
		return append(b, v...)
	case variable.ContentLength:
		v, _ := x.req.Get(http1.FieldContentLength)
		return append(b, v...)
	}
	r := x.match.Route
	if r == nil {
		return b
	}
	if id >= variable.TraceID && id <= variable.TraceB3 {
		return x.traced.appendVariable(b, id)
	}
	switch id {
	case variable.Namespace:
		return append(b, r.IR.Ingress.Namespace...)
	case variable.IngressName:
		return append(b, r.IR.Ingress.Name...)
	case variable.ServiceName:
		return append(b, r.IR.Service...)
	case variable.ServicePort:
		return append(b, r.IR.ServicePort...)
	case variable.LocationPath:
		return append(b, r.IR.Path...)
	case variable.UpstreamName:
		if r.Backend != nil {
			return append(b, r.Backend.LogName()...)
		}
		return append(b, "upstream-default-backend"...)
	}
	return b
}

func appendBinary(b []byte, addr netip.Addr) []byte {
	if addr.Is4() {
		four := addr.As4()
		return append(b, four[:]...)
	}
	sixteen := addr.As16()
	return append(b, sixteen[:]...)
}

// appendForwardedFor appends all addresses that the request names, and the one
// that it comes from.
func (x *exchange) appendForwardedFor(b []byte) []byte {
	for i := range x.req.Fields {
		if f := &x.req.Fields[i]; f.ID == http1.FieldXForwardedFor {
			b = append(append(b, f.Value...), ", "...)
		}
	}
	return x.client().Unmap().WithZone("").AppendTo(b)
}

// appendDate appends a date as server-side includes write it.
func appendDate(b []byte, now time.Time, gmt bool) []byte {
	const layout = "Monday, 02-Jan-2006 15:04:05 "
	if gmt {
		return append(now.UTC().AppendFormat(b, layout), "GMT"...)
	}
	return now.AppendFormat(b, layout+"MST")
}

func (x *exchange) appendFieldVariable(b []byte, arg string) []byte {
	for i := range x.req.Fields {
		if f := &x.req.Fields[i]; variable.FieldIs(f.Name, arg) {
			return append(b, f.Value...)
		}
	}
	return b
}

// appendEscapedURI escapes all that is not unreserved, so that a URI can stand
// in a parameter. b may be what uri is appended to.
func appendEscapedURI(b, uri []byte) []byte {
	const hex = "0123456789ABCDEF"
	out := make([]byte, 0, 3*len(uri))
	for _, c := range uri {
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~' {
			out = append(out, c)
			continue
		}
		out = append(out, '%', hex[c>>4], hex[c&15])
	}
	return append(b, out...)
}

// Places says where addresses are. It is safe for concurrent use.
type Places interface {
	// AppendPlace appends a fact about an address, nothing when none is known;
	// name is that of a variable without "geoip2_".
	AppendPlace(dst []byte, addr netip.Addr, name string) []byte
}

func (x *exchange) appendPlace(b []byte, name string) []byte {
	if x.c.server.places == nil {
		return b
	}
	return x.c.server.places.AppendPlace(b, x.client(), name)
}
