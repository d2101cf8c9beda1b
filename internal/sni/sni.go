// Package sni reads the server name out of the beginning of a TLS connection.
//
//	var h sni.Hello
//	name, err := h.Parse(octets) // again with more while err is ErrIncomplete
//
// It is for connections that somebody else ends: it understands a ClientHello
// in as many records as it may come in, up to a bound, and nothing else of TLS
// (H7.2). It knows nothing of sockets and hosts. Everything in it is pure; it
// owns no goroutines.
package sni

import (
	"encoding/binary"
	"errors"
)

// Max bounds the octets of a ClientHello with its record headers.
const Max = 64 << 10

// ErrIncomplete asks for more octets; ErrNoTLS says that the octets are no TLS
// handshake from the first on, ErrInvalid that they are a broken one.
var (
	ErrIncomplete = errors.New("incomplete ClientHello")
	ErrNoTLS      = errors.New("not a TLS handshake")
	ErrInvalid    = errors.New("not a ClientHello")
)

const (
	recordHandshake  = 22
	recordHeader     = 5
	maxRecord        = 1<<14 + 256
	messageHello     = 1
	messageHeader    = 4
	extensionName    = 0
	nameTypeHostName = 0
)

// Hello is a ClientHello that is arriving. The zero value is ready.
type Hello struct {
	message []byte // what complete records held
	at      int    // where the next record begins
}

// Parse returns the name of the ClientHello at the beginning of b, "" if it has
// none. After ErrIncomplete it is called again with the same octets and more;
// the work is linear however they are cut.
func (h *Hello) Parse(b []byte) (name string, err error) {
	if len(b) > 0 && b[0] != recordHandshake {
		return "", ErrNoTLS
	}
	for {
		rest := b[h.at:]
		if wrongHeader(rest) {
			return "", ErrInvalid
		}
		if len(rest) < recordHeader {
			return "", incomplete(h.at + recordHeader)
		}
		size := int(binary.BigEndian.Uint16(rest[3:]))
		if size == 0 || size > maxRecord {
			return "", ErrInvalid
		}
		if len(rest) < recordHeader+size {
			return "", incomplete(h.at + recordHeader + size)
		}
		h.message = append(h.message, rest[recordHeader:recordHeader+size]...)
		h.at += recordHeader + size
		if body, err := h.body(); err != ErrIncomplete {
			if err != nil {
				return "", err
			}
			return nameOf(body)
		}
	}
}

// body returns the message without its header, once it is complete.
func (h *Hello) body() ([]byte, error) {
	m := h.message
	if m[0] != messageHello {
		return nil, ErrInvalid
	}
	if len(m) < messageHeader {
		return nil, ErrIncomplete
	}
	end := messageHeader + int(m[1])<<16 + int(m[2])<<8 + int(m[3])
	switch {
	case end > Max:
		return nil, ErrInvalid
	case len(m) < end:
		return nil, ErrIncomplete
	}
	return m[messageHeader:end], nil
}

// wrongHeader looks at as much of a record header as there is.
func wrongHeader(b []byte) bool {
	return len(b) > 0 && b[0] != recordHandshake || len(b) > 1 && b[1] != 3
}

func incomplete(needed int) error {
	if needed > Max {
		return ErrInvalid
	}
	return ErrIncomplete
}

// reader takes fields off a message; ok is false from the first that is not
// there.
type reader struct {
	b  []byte
	ok bool
}

func (r *reader) take(n int) []byte {
	if !r.ok || len(r.b) < n {
		r.ok = false
		return nil
	}
	taken := r.b[:n]
	r.b = r.b[n:]
	return taken
}

// vector takes a field behind its length of that many octets.
func (r *reader) vector(octets int) []byte {
	n := 0
	for _, c := range r.take(octets) {
		n = n<<8 | int(c)
	}
	return r.take(n)
}

// nameOf reads the extensions (RFC 8446 §4.1.2, RFC 6066 §3).
func nameOf(hello []byte) (string, error) {
	r := reader{hello, true}
	r.take(2 + 32) // version, random
	r.vector(1)    // session
	r.vector(2)    // suites
	r.vector(1)    // compression
	if r.ok && len(r.b) == 0 {
		return "", nil // without extensions
	}
	all := reader{r.vector(2), r.ok}
	if !r.ok || len(r.b) > 0 {
		return "", ErrInvalid
	}
	name, found := "", false
	for len(all.b) > 0 {
		kind := all.take(2)
		body := all.vector(2)
		if !all.ok {
			return "", ErrInvalid
		}
		if binary.BigEndian.Uint16(kind) != extensionName {
			continue
		}
		if found {
			return "", ErrInvalid // two readers could take different ones
		}
		found = true
		var ok bool
		if name, ok = hostName(body); !ok {
			return "", ErrInvalid
		}
	}
	return name, nil
}

// hostName reads the list of names, which has one.
func hostName(body []byte) (string, bool) {
	r := reader{body, true}
	list := reader{r.vector(2), true}
	kind := list.take(1)
	name := list.vector(2)
	if !r.ok || !list.ok || len(r.b) > 0 || len(list.b) > 0 || kind[0] != nameTypeHostName || len(name) == 0 || len(name) > 255 {
		return "", false
	}
	for _, c := range name {
		if c <= ' ' || c >= 0x7f {
			return "", false
		}
	}
	return string(name), true
}
