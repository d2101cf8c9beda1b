package proxy

import (
	"bytes"
	"net/netip"
	"slices"
	"strconv"

	"daemun/internal/canonical"
	"daemun/internal/http1"
	"daemun/internal/listen"
	"daemun/internal/policy"
	"daemun/internal/variable"
)

// origin is where a request comes from: what policies, logs and backends go by
// (H4.7). That of a connection is made once; that of an exchange has views of
// it, until a trusted peer says otherwise.
type origin struct {
	addr netip.Addr
	// scheme and port are those of X-Forwarded-Proto and X-Forwarded-Port.
	scheme, port []byte
	host         []byte // what the peer says; nil for that of the request
	believed     bool   // the peer is, about more than the address
	chain        []byte // the value of X-Forwarded-For
	fields       []byte // what backends are told

	scratch []byte // behind fields
	values  []byte // behind the other slices of a connection, and behind lists
}

var (
	schemeHTTP  = []byte("http")
	schemeHTTPS = []byte("https")
)

// ofConnection makes the origin of a connection's requests (§5.1).
func (o *origin) ofConnection(info *listen.ConnInfo) {
	o.addr, o.scheme, o.host = info.Remote.Addr(), schemeHTTP, nil
	port := info.Local.Port()
	switch to := info.Proxied.Destination; {
	case to.IsValid():
		// The https port is shown as 443, and what came to 443 is https.
		if port = to.Port(); info.TLS != nil && port == info.Local.Port() {
			port = 443
		}
		if info.TLS != nil || port == 443 {
			o.scheme = schemeHTTPS
		}
	case info.TLS != nil:
		o.scheme, port = schemeHTTPS, 443
	}
	o.values = strconv.AppendUint(o.values[:0], uint64(port), 10)
	end := len(o.values)
	o.values = o.addr.Unmap().AppendTo(o.values)
	o.port, o.chain = o.values[:end], o.values[end:]
	o.build()
}

// build makes the fields.
func (o *origin) build() {
	f := append(o.scratch[:0], "X-Real-IP: "...)
	f = o.addr.Unmap().AppendTo(f)
	f = append(f, "\r\n"...)
	f = http1.AppendField(f, "X-Forwarded-For", o.chain)
	f = http1.AppendField(f, "X-Forwarded-Port", o.port)
	f = http1.AppendField(f, "X-Forwarded-Proto", o.scheme)
	f = http1.AppendField(f, "X-Forwarded-Scheme", o.scheme)
	f = http1.AppendField(f, "X-Scheme", o.scheme)
	o.scratch, o.fields = f, f
}

// copy makes o equal to that of another connection, which may end before o.
func (o *origin) copy(of *origin) {
	o.addr, o.scheme, o.host = of.addr, of.scheme, nil
	o.values = append(append(o.values[:0], of.port...), of.chain...)
	o.port, o.chain = o.values[:len(of.port)], o.values[len(of.port):]
	o.scratch = append(o.scratch[:0], of.fields...)
	o.fields = o.scratch
}

// begin makes o what the connection says.
func (o *origin) begin(of *origin) {
	o.addr, o.scheme, o.port, o.host, o.chain, o.fields = of.addr, of.scheme, of.port, nil, of.chain, of.fields
	o.believed = false
}

// told is a field in which a peer says something about the client: by id, or by
// the name that the settings have for it.
type told struct {
	id   http1.FieldID
	name string // lower case; empty for that of the id
}

func (t told) is(f *http1.Field) bool {
	if t.name == "" {
		return f.ID == t.id
	}
	return equalFold(f.Name, t.name)
}

// first returns the first value of a field, up to the first comma.
func (x *exchange) first(which told) []byte {
	for i := range x.req.Fields {
		if f := &x.req.Fields[i]; which.is(f) {
			value, _, _ := bytes.Cut(f.Value, []byte{','})
			return bytes.TrimRight(value, " \t")
		}
	}
	return nil
}

// appendTold appends all values of a field with commas between them.
func (x *exchange) appendTold(b []byte, which told) []byte {
	separator := ""
	for i := range x.req.Fields {
		if f := &x.req.Fields[i]; which.is(f) {
			b = append(b, separator...)
			b = append(b, f.Value...)
			separator = ", "
		}
	}
	return b
}

// believe takes what a trusted peer says of the request (§5.2). Of others it
// takes nothing, and a field of another name with the client's address goes no
// further.
func (x *exchange) believe() {
	trust, o := x.table.Trust, &x.from
	addresses := told{http1.FieldXForwardedFor, trust.IR.ForField}
	if !trust.Believes(o.addr) {
		for i := range x.req.Fields {
			if f := &x.req.Fields[i]; addresses.name != "" && addresses.is(f) {
				f.Hop = true
			}
		}
		return
	}
	peer := o.addr
	o.addr = x.walk(trust, addresses)
	o.values = o.addr.Unmap().AppendTo(o.values[:0])
	if o.believed = trust.IR.Believe; o.believed {
		o.scheme = schemeOr(x.first(told{id: http1.FieldXForwardedProto}), o.scheme)
		if x.c.info.Proxied.Destination.Port() == 443 {
			o.scheme = schemeHTTPS
		}
		o.port = portOr(x.first(told{id: http1.FieldXForwardedPort}), o.port)
		o.host = authorityOrNil(x.first(told{http1.FieldXForwardedHost, trust.IR.HostField}))
		if trust.IR.Append {
			o.values = x.appendTold(o.values[:0], addresses)
			if len(o.values) > 0 {
				o.values = append(o.values, ", "...)
			}
			o.values = peer.Unmap().AppendTo(o.values)
		}
	}
	o.chain = o.values
	o.build()
}

// walk finds the client in the chain that the fields are.
func (x *exchange) walk(trust *policy.Trust, which told) netip.Addr {
	at, more := x.from.addr, true
	for i := len(x.req.Fields) - 1; i >= 0 && more; i-- {
		if f := &x.req.Fields[i]; which.is(f) {
			at, more = trust.Walk(at, f.Value)
		}
	}
	return at
}

// longestScheme bounds the name of a scheme.
const longestScheme = 16

// schemeOr returns a scheme in which nothing can stand that changes a URL
// (RFC 3986 §3.1), else what is known.
func schemeOr(s, known []byte) []byte {
	if len(s) == 0 || len(s) > longestScheme {
		return known
	}
	for i, c := range s {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && (i == 0 || c != '+' && c != '-' && c != '.' && (c < '0' || c > '9')) {
			return known
		}
	}
	return s
}

func portOr(p, known []byte) []byte {
	if len(p) == 0 || len(p) > 5 || slices.ContainsFunc(p, func(c byte) bool { return c < '0' || c > '9' }) {
		return known
	}
	return p
}

// authorityOrNil returns a host that could stand in Host (H3.2).
func authorityOrNil(host []byte) []byte {
	var scratch [256]byte
	if len(host) == 0 || !http1.ValidAuthority(host) {
		return nil
	}
	if _, ok := canonical.Host(scratch[:0], host); !ok {
		return nil
	}
	return host
}

// shownHost is the host that the client asked for: of the request, or what a
// trusted peer says.
func (x *exchange) shownHost() []byte {
	if x.from.host != nil {
		return x.from.host
	}
	return x.authority()
}

// appendProxied appends the address or the port of the PROXY protocol.
func appendProxied(b []byte, id variable.ID, of netip.AddrPort) []byte {
	switch {
	case !of.IsValid():
		return b
	case id == variable.ProxyPort || id == variable.ProxyServerPort:
		return strconv.AppendUint(b, uint64(of.Port()), 10)
	}
	return of.Addr().Unmap().AppendTo(b)
}
