// Package fastcgi is the wire codec of FastCGI for who asks: it turns a request
// into records, and the records of an answer into a response in HTTP/1 form.
//
//	b := fastcgi.AppendBegin(nil)
//	b = params.Append(b)
//	b = fastcgi.AppendStdin(b, body)
//	b = fastcgi.AppendStdinEnd(b)
//	c := fastcgi.NewConn(socket)
//	c.Write(b)
//	… http1.Response.Parse of what c.Read gives …
//
// Each connection carries one request, as with nginx. The package knows nothing
// of routes, of HTTP beyond the form of a head, or of what the parameters mean.
// It owns no goroutine.
package fastcgi

// The types of records that occur.
const (
	typeBegin  = 1
	typeEnd    = 3
	typeParams = 4
	typeStdin  = 5
	typeStdout = 6
	typeStderr = 7
)

const (
	version       = 1
	requestID     = 1 // the only one of a connection
	roleResponder = 1

	// HeaderSize is the size of what is in front of the content of a record.
	HeaderSize = 8
	// maxContent is the most that a record holds; a multiple of eight.
	maxContent = 65528
)

func appendHeader(dst []byte, kind byte, n int) []byte {
	return append(dst, version, kind, 0, requestID, byte(n>>8), byte(n), 0, 0)
}

// AppendBegin appends the beginning of a request.
func AppendBegin(dst []byte) []byte {
	dst = appendHeader(dst, typeBegin, 8)
	return append(dst, 0, roleResponder, 0, 0, 0, 0, 0, 0)
}

// AppendStdin appends octets of the request body, nothing for none.
func AppendStdin(dst, body []byte) []byte { return appendRecords(dst, typeStdin, body) }

// AppendStdinEnd appends the end of the request body.
func AppendStdinEnd(dst []byte) []byte { return appendHeader(dst, typeStdin, 0) }

// PutStdinHeader writes the header of a record with n octets of the body, at
// most 65528, so that it ends where room ends, and returns where it begins.
func PutStdinHeader(room []byte, n int) int {
	at := len(room) - HeaderSize
	appendHeader(room[:at], typeStdin, n)
	return at
}

func appendRecords(dst []byte, kind byte, content []byte) []byte {
	for len(content) > 0 {
		n := min(len(content), maxContent)
		dst = append(appendHeader(dst, kind, n), content[:n]...)
		content = content[n:]
	}
	return dst
}

// Params are the parameters of a request. The zero value has none.
type Params struct{ b []byte }

// Reset drops all.
func (p *Params) Reset() { p.b = p.b[:0] }

// Add adds a parameter.
func (p *Params) Add(name, value []byte) {
	p.b = appendLength(p.b, len(name))
	p.b = appendLength(p.b, len(value))
	p.b = append(append(p.b, name...), value...)
}

// AddString is Add for a name that is a constant.
func (p *Params) AddString(name string, value []byte) {
	p.b = appendLength(p.b, len(name))
	p.b = appendLength(p.b, len(value))
	p.b = append(append(p.b, name...), value...)
}

func appendLength(dst []byte, n int) []byte {
	if n < 128 {
		return append(dst, byte(n))
	}
	return append(dst, byte(n>>24)|0x80, byte(n>>16), byte(n>>8), byte(n))
}

// Append appends the records of all parameters, and their end.
func (p *Params) Append(dst []byte) []byte {
	return appendHeader(appendRecords(dst, typeParams, p.b), typeParams, 0)
}
