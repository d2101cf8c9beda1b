package proxy

import (
	"bytes"
	"strconv"

	"daemun/internal/fastcgi"
	"daemun/internal/http1"
	"daemun/internal/upstream"
)

// speaksFastCGI reports that the backend gets records in place of a message.
func (x *exchange) speaksFastCGI() bool { return x.transport() == upstream.FastCGI }

// appendFastCGI appends the beginning of a request and its parameters: those of
// nginx's fastcgi_params, the fields that an HTTP backend would get as HTTP_…,
// and those of the route, which win.
func (x *exchange) appendFastCGI(b []byte) []byte {
	head := x.appendUpstreamHead(nil)
	var p fastcgi.Params
	x.addRequestParams(&p)
	x.addConnectionParams(&p)
	addFields(&p, head)
	if own := x.policies; own != nil && own.FastCGI != nil {
		for i := range own.FastCGI.Params {
			param := &own.FastCGI.Params[i]
			p.AddString(param.Name, param.Value.Append(nil, x))
		}
	}
	return p.Append(fastcgi.AppendBegin(b))
}

// appendScriptName appends the path that the backend is asked for, with the
// index where it ends with a slash.
func (x *exchange) appendScriptName(b []byte) []byte {
	b = append(b, x.documentURI()...)
	if p := x.policies; p != nil && p.FastCGI != nil && len(b) > 0 && b[len(b)-1] == '/' {
		b = append(b, p.FastCGI.Index...)
	}
	return b
}

// documentURI is the path after a rewrite, without the query.
func (x *exchange) documentURI() []byte {
	if !x.rewritten {
		return x.match.Path
	}
	path, _, _ := bytes.Cut(x.target, []byte("?"))
	return path
}

func (x *exchange) addRequestParams(p *fastcgi.Params) {
	target := x.upstreamTarget()
	_, query, _ := bytes.Cut(target, []byte("?"))
	p.AddString("GATEWAY_INTERFACE", []byte("CGI/1.1"))
	p.AddString("SERVER_SOFTWARE", []byte("daemun"))
	p.AddString("QUERY_STRING", query)
	p.AddString("REQUEST_METHOD", x.req.Method)
	kind, _ := x.req.Get(http1.FieldContentType)
	p.AddString("CONTENT_TYPE", kind)
	var length []byte
	if n := x.contentLength(); n >= 0 {
		length = strconv.AppendInt(nil, n, 10)
	}
	p.AddString("CONTENT_LENGTH", length)
	p.AddString("SCRIPT_NAME", x.appendScriptName(nil))
	p.AddString("REQUEST_URI", x.appendURI(nil))
	p.AddString("DOCUMENT_URI", x.documentURI())
	protocol := protocols[x.req.Minor]
	if x.c.stream != nil {
		protocol = protocolHTTP2
	}
	p.AddString("SERVER_PROTOCOL", protocol)
	p.AddString("REDIRECT_STATUS", []byte("200")) // PHP asks for it
}

func (x *exchange) addConnectionParams(p *fastcgi.Params) {
	p.AddString("REQUEST_SCHEME", []byte(x.c.scheme()))
	if x.c.secure {
		p.AddString("HTTPS", []byte("on"))
	}
	p.AddString("REMOTE_ADDR", x.client().Unmap().WithZone("").AppendTo(nil))
	p.AddString("REMOTE_PORT", strconv.AppendUint(nil, uint64(x.c.info.Remote.Port()), 10))
	p.AddString("SERVER_ADDR", x.c.info.Local.Addr().Unmap().WithZone("").AppendTo(nil))
	p.AddString("SERVER_PORT", x.from.port)
	name := x.match.Host.IR.Name
	if name == "" {
		name = "_"
	}
	p.AddString("SERVER_NAME", []byte(name))
	if x.known { // RFC 3875 §4.1.11: applications take it for proven
		p.AddString("REMOTE_USER", x.user())
	}
}

// addFields adds the fields of a head as HTTP_… parameters. What is about the
// connection is not there, nor is the body's framing; a field Proxy, whose name
// would be that of a setting, never is (H4.7). Several lines of a field are one.
func addFields(p *fastcgi.Params, head []byte) {
	_, rest, _ := bytes.Cut(head, []byte("\r\n"))
	type param struct{ name, value []byte }
	var list []param
	for len(rest) > 0 {
		var line []byte
		line, rest, _ = bytes.Cut(rest, []byte("\r\n"))
		field, value, ok := bytes.Cut(line, []byte(": "))
		if !ok {
			continue
		}
		name := append(make([]byte, 0, len("HTTP_")+len(field)), "HTTP_"...)
		for _, c := range field {
			switch {
			case 'a' <= c && c <= 'z':
				c -= 'a' - 'A'
			case c == '-':
				c = '_'
			}
			name = append(name, c)
		}
		switch string(name) {
		case "HTTP_TRANSFER_ENCODING", "HTTP_CONTENT_LENGTH", "HTTP_CONNECTION", "HTTP_TE":
			continue
		}
		known := false
		for i := range list {
			if known = bytes.Equal(list[i].name, name); known {
				list[i].value = append(append(bytes.Clone(list[i].value), ", "...), value...)
				break
			}
		}
		if !known {
			list = append(list, param{name, value})
		}
	}
	for i := range list {
		p.Add(list[i].name, list[i].value)
	}
}

// appendStdin appends what was read of the body.
func (x *exchange) appendStdin(b []byte) []byte {
	b = fastcgi.AppendStdin(b, x.prefix)
	if x.whole {
		b = fastcgi.AppendStdinEnd(b)
	}
	return b
}

// frameStdin frames n octets of the body, which lie in b behind the room for
// framing.
func frameStdin(b []byte, n int, done bool) []byte {
	out := b[http1.ChunkHeaderMax:http1.ChunkHeaderMax]
	if n > 0 {
		at := fastcgi.PutStdinHeader(b[:http1.ChunkHeaderMax], n)
		out = b[at : http1.ChunkHeaderMax+n]
	}
	if done {
		out = fastcgi.AppendStdinEnd(out)
	}
	return out
}

// logStderr tells what the application wrote to its standard error.
func (x *exchange) logStderr(up *upstream.Conn) {
	fc, ok := up.Conn.(*fastcgi.Conn)
	if !ok || len(fc.Stderr()) == 0 {
		return
	}
	x.c.server.logger.Warn("FastCGI application wrote to its standard error",
		"endpoint", up.Endpoint().Address(), "host", string(x.host), "path", string(x.match.Path), "text", string(bytes.TrimSpace(fc.Stderr())))
}
