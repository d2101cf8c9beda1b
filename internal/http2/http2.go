// Package http2 is the stream layer of HTTP/2: it turns one connection into
// many streams, each with a head, a body and trailers in both directions.
//
// A server takes a connection like this:
//
//	c := http2.NewServer(conn, &source, http2.Config{Handler: h})
//	c.Serve() // calls h.ServeStream(stream) in a goroutine for each request
//
// Heads are in HTTP/1 form on this side of the package: a request that came
// over HTTP/2 is handed on as the HTTP/1 head it means, to be read by the one
// strict parser (H5.14), and a head that leaves is encoded from what would have
// left over HTTP/1. Frames are read by the Framer and field sections by the
// decoder of golang.org/x/net; streams, flow control, limits and writing are
// ours, after RFC 9113 and the rules H5.* of docs/hardening.md.
//
// It knows nothing of routing, policies or logs. Each connection has the
// goroutine of its Serve (or of its reader, for a client), one for each stream
// whose handler runs, and for moments one that writes answers to control
// frames; Serve waits for all of them. A Stream is used by one goroutine that
// reads and one that writes; Reset, Gone and the deadlines are for all.
package http2

import (
	"errors"
	"time"

	"golang.org/x/net/http2"
)

// Limits bound what a peer can make us do (H5.1–H5.9).
type Limits struct {
	Streams            int // concurrent streams, those counted whose handler still runs (H5.1)
	HeadBytes          int // octets of a field section as RFC 7541 §4.1 counts; also of its encoding (H5.2, H5.13)
	Fields             int // fields of a section, cookie crumbs and pseudo-fields counted (H5.2)
	Continuations      int // CONTINUATION frames of a section (H5.3)
	EmptyContinuations int
	StreamWindow       int // octets that a peer may send ahead, per stream and in all (H5.5)
	ConnWindow         int
	Pending            int // octets that wait for the socket before writers wait

	Resets      int           // resets in ResetPeriod (H5.6)
	ResetPeriod time.Duration //
	ResetsAfter int           // streams after which more than half of all being reset is too many
	Controls    int           // control frames in ControlPeriod beside one for each DATA frame (H5.7)
	ControlTime time.Duration
	Replies     int // answers to control frames that wait to be written

	Stall      time.Duration // a stream whose octets wait for a window (H5.8)
	StallBytes int64         // least progress of a connection in that time while octets wait

	Total int           // streams before the connection is drained (H5.9)
	Age   time.Duration // of a connection, give or take a tenth
}

// DefaultLimits are the defaults of docs/hardening.md.
func DefaultLimits() Limits {
	return Limits{
		Streams: 128, HeadBytes: 32 << 10, Fields: 100, Continuations: 8, EmptyContinuations: 1,
		StreamWindow: 64 << 10, ConnWindow: 1 << 20, Pending: 64 << 10,
		Resets: 200, ResetPeriod: 30 * time.Second, ResetsAfter: 100,
		Controls: 1000, ControlTime: 10 * time.Second, Replies: 100,
		Stall: 60 * time.Second, StallBytes: 16 << 10,
		Total: 10000, Age: time.Hour,
	}
}

// Handler serves the streams that a client opens.
type Handler interface {
	// ServeStream handles one request in a goroutine of its own. When it
	// returns without having ended the response, the stream is reset.
	ServeStream(*Stream)
	// Busy is told when the first stream began and when the last one ended.
	// It must not block.
	Busy(bool)
}

// Source is where the octets of a connection come from; *http1.Reader is one.
type Source interface {
	// Wait blocks until something is buffered.
	Wait() error
	// Fill adds what one read brings to what is buffered.
	Fill() (int, error)
	Buffered() []byte
	Read(p []byte) (int, error)
}

// Config is how one connection is served.
type Config struct {
	Limits  Limits
	Handler Handler
	// Secure says that the connection is TLS: the scheme has to agree (H5.16).
	Secure bool
	// Idle is how long a connection without streams stays open, HeadTime how
	// long a frame and a field section may take, from their first octet.
	Idle, HeadTime time.Duration
	// WriteIdle is how long the peer may take nothing from the socket.
	WriteIdle time.Duration
}

// Code is an error code of RFC 9113 §7.
type Code = http2.ErrCode

// The codes that callers use.
const (
	NoError       = http2.ErrCodeNo
	InternalError = http2.ErrCodeInternal
	Cancel        = http2.ErrCodeCancel
	RefusedStream = http2.ErrCodeRefusedStream
)

// Preface is what a client sends first.
const Preface = http2.ClientPreface

// ResetError is why a stream ended before its time: the peer reset it, or we
// did, or the connection ended (Conn is set then).
type ResetError struct {
	Code   Code
	Remote bool // the peer said so
	Conn   bool
	// Unprocessed says that the peer has certainly not acted on the request.
	Unprocessed bool
}

func (e *ResetError) Error() string {
	who := "stream reset by us"
	switch {
	case e.Conn:
		who = "HTTP/2 connection ended"
	case e.Remote:
		who = "stream reset by the peer"
	}
	return who + ": " + e.Code.String()
}

// connError ends the connection; the peer is told the code.
type connError struct {
	code Code
	why  string
}

func (e *connError) Error() string { return "http2: " + e.code.String() + ": " + e.why }

// errors that are no fault of anybody.
var (
	errIdle    = errors.New("http2: idle for too long")
	errDrained = errors.New("http2: drained")
)

// The sizes of RFC 9113.
const (
	frameHead     = 9
	maxFrame      = 16 << 10 // what we send and take: the default, which all know
	defaultWindow = 65535
	maxWindow     = 1<<31 - 1
)
