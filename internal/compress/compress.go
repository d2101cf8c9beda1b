// Package compress decides how the content of a response is compressed, and
// compresses it.
//
//	coding, varies := settings.Choose(&response, accept)
//	w, ok := settings.Writer(coding, room) // room octets are left free in front
//	w.Write(piece)
//	w.Flush() // before a wait, so that the client has all there is
//	w.Close()
//	… w.Out() … w.Take()
//	settings.Put(w)
//
// It turns the settings of the IR into a choice by names and values, and pieces
// of content into pieces of compressed content. It knows nothing of messages,
// connections or framing. Settings are safe for concurrent use; a Writer belongs
// to one request. The package owns no goroutine.
package compress

import (
	"bytes"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"

	"daemun/internal/ir"
)

// Coding is a content coding.
type Coding uint8

// The codings. Identity is none.
const (
	Identity Coding = iota
	Gzip
	Brotli
	codings
)

// String is the name in Content-Encoding.
func (c Coding) String() string { return [...]string{"identity", "gzip", "br"}[c] }

// Settings are compiled; they are immutable but for their pools.
type Settings struct {
	ir    *ir.Compression
	rules [codings]rule
	// disabled are user agents that get nothing compressed.
	disabled []*regexp.Regexp

	pools  [codings]sync.Pool // of *Writer
	active atomic.Int64
}

// rule says what is compressed with one coding.
type rule struct {
	on        bool
	level     int
	minLength int64
	types     map[string]bool // in lower case
	any       bool            // every type
}

// New compiles settings; nil stays nil. Those that say the same as prev are
// prev, with its pools.
func New(prev *Settings, c *ir.Compression) *Settings {
	if c == nil {
		return nil
	}
	if prev != nil && (prev.ir == c || reflect.DeepEqual(prev.ir, c)) {
		return prev
	}
	s := &Settings{ir: c}
	s.rules[Gzip], s.rules[Brotli] = newRule(c.Gzip), newRule(c.Brotli)
	for _, text := range c.GzipDisable {
		if re, err := regexp.Compile("(?i)" + text); err == nil { // translation has reported others
			s.disabled = append(s.disabled, re)
		}
	}
	return s
}

func newRule(c *ir.Coding) rule {
	if c == nil {
		return rule{}
	}
	r := rule{on: true, level: c.Level, minLength: c.MinLength, types: map[string]bool{"text/html": true}}
	for _, t := range c.Types {
		r.types[strings.ToLower(t)] = true
	}
	r.any = r.types["*"]
	return r
}

// Response is what a choice depends on. Length is -1 when it is not known.
type Response struct {
	Status      int
	ContentType []byte
	Length      int64
}

// Request is the other side of a choice.
type Request struct {
	// AcceptEncoding is the joined value of the fields, empty without any.
	AcceptEncoding, UserAgent []byte
}

// Choose returns the coding for a response. varies says that the choice was
// made by Accept-Encoding, whatever came out, so that caches have to be told.
func (s *Settings) Choose(resp *Response, req *Request) (c Coding, varies bool) {
	switch resp.Status {
	case 200, 403, 404: // as nginx: what is neither a part nor a signal
	default:
		return Identity, false
	}
	gzip, brotli := s.rules[Gzip].covers(resp), s.rules[Brotli].covers(resp)
	if !gzip && !brotli {
		return Identity, false
	}
	qGzip, qBrotli := weights(req.AcceptEncoding)
	switch {
	case brotli && qBrotli > 0 && (!gzip || qBrotli >= qGzip):
		return Brotli, true
	case gzip && qGzip > 0 && !s.isDisabled(req.UserAgent):
		return Gzip, true
	}
	return Identity, true
}

func (r *rule) covers(resp *Response) bool {
	if !r.on || resp.Length >= 0 && resp.Length < r.minLength {
		return false
	}
	t, _, _ := bytes.Cut(resp.ContentType, []byte(";"))
	t = bytes.TrimRight(t, " \t")
	if len(t) == 0 || len(t) > maxType {
		return false
	}
	var lower [maxType]byte
	for i, c := range t {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		lower[i] = c
	}
	t = lower[:len(t)]
	return (r.any || r.types[string(t)]) && !bytes.HasPrefix(t, []byte("application/grpc"))
}

// maxType is longer than any registered type.
const maxType = 256

func (s *Settings) isDisabled(agent []byte) bool {
	for _, re := range s.disabled {
		if re.Match(agent) {
			return true
		}
	}
	return false
}

// weights returns the weights of gzip and brotli in an Accept-Encoding field,
// in thousandths; 0 is not acceptable. "*" stands for what is not named.
func weights(accept []byte) (gzip, brotli int) {
	const unnamed = -1
	gzip, brotli = unnamed, unnamed
	others := 0
	for len(accept) > 0 {
		var element []byte
		element, accept, _ = bytes.Cut(accept, []byte(","))
		name, params, _ := bytes.Cut(element, []byte(";"))
		q := weight(params)
		switch name = bytes.TrimSpace(name); {
		case bytes.EqualFold(name, []byte("gzip")), bytes.EqualFold(name, []byte("x-gzip")):
			gzip = q
		case bytes.EqualFold(name, []byte("br")):
			brotli = q
		case string(name) == "*":
			others = q
		}
	}
	if gzip == unnamed {
		gzip = others
	}
	if brotli == unnamed {
		brotli = others
	}
	return gzip, brotli
}

// weight reads "q=0.5" in thousandths; what is not a weight refuses.
func weight(params []byte) int {
	params = bytes.TrimSpace(params)
	if len(params) == 0 {
		return 1000
	}
	if len(params) < 3 || params[0]|0x20 != 'q' || params[1] != '=' {
		return 0
	}
	digits := params[2:]
	if len(digits) > 5 || digits[0] != '0' && digits[0] != '1' || len(digits) > 1 && digits[1] != '.' {
		return 0
	}
	q := int(digits[0]-'0') * 1000
	unit := 100
	for _, d := range digits[min(2, len(digits)):] {
		if d < '0' || d > '9' {
			return 0
		}
		q += int(d-'0') * unit
		unit /= 10
	}
	return min(q, 1000)
}
