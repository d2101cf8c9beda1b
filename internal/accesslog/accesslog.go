// Package accesslog turns finished requests into lines of text in
// ingress-nginx's default format (spec §10.1).
//
// Lines are formatted by the goroutine of the request into a pooled buffer and
// written by one writer goroutine through a bounded queue: a slow or full
// destination drops lines and counts them, it never delays a request (H6.23).
package accesslog

import (
	"net/netip"
	"time"
)

// Attempt is one try at an upstream.
type Attempt struct {
	Addr           string // "10.0.0.1:8080"
	ResponseLength int64
	ResponseTime   time.Duration
	Status         int // 0: none
}

// Entry is one request. Byte slices are only read during Log.
type Entry struct {
	Time       time.Time // when the request was finished
	Remote     netip.Addr
	RemoteUser []byte
	// Request is the request line as received: Method, Target, Proto.
	Method, Target, Proto []byte
	Status                int
	BodyBytesSent         int64
	Referer, UserAgent    []byte
	RequestLength         int64
	RequestTime           time.Duration
	UpstreamName          string // "namespace-service-port"
	AlternativeName       string
	Attempts              []Attempt
	RequestID             []byte
}

// Log is safe for concurrent use. A nil *Log drops everything.
type Log struct{}

// Log formats and queues one entry.
func (l *Log) Log(e *Entry) { panic("unimplemented") }
