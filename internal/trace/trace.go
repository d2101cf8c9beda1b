// Package trace turns the trace context that comes with a request into that of
// the request to the backend, and decides which requests are recorded.
//
//	var in trace.Incoming
//	in.Add(trace.CarrierOf(name), value) // for each field
//	r.Begin(&in, trust, &sampler, random)
//	head = r.AppendFields(head)
//
// It reads and writes the fields of W3C Trace Context and of B3 in both forms.
// Nothing of that allocates or looks at a clock. It also says what a recorded
// Span is; where spans go is a Sink's business. It knows nothing of connections
// and exporters, and owns no goroutine.
package trace

import (
	"encoding/binary"
	"time"
)

// TraceID is never all zero where it is valid.
type TraceID [16]byte //nolint:revive // the word of the standard; an ID could be that of a span

// SpanID is never all zero where it is valid.
type SpanID [8]byte

// Source gives random numbers.
type Source interface{ Uint64() uint64 }

// Request is the part of one request in a trace. The zero value is that of a
// request that is in none.
type Request struct {
	// On says that the request is in a trace, Sampled that it is recorded.
	On, Sampled bool
	// Remote says that Parent is the span of the client's.
	Remote bool

	Trace  TraceID
	Parent SpanID // zero for the first span of a trace
	Server SpanID // of the request from the client
	Client SpanID // of the one to the backend

	// form is how the client has sent its context; debug and keepState are
	// what goes on unchanged.
	form      form
	debug     bool
	keepState bool
}

// form is how a context is written into fields.
type form uint8

const (
	formNone form = iota
	formW3C
	formB3
	formB3Multi
)

// Begin puts a request into the trace of its client, if that is to be trusted
// and has one, else into a new one.
func (r *Request) Begin(in *Incoming, trust bool, s *Sampler, random Source) {
	*r = Request{On: true}
	decision := undecided
	if trust {
		var c remote
		if c, r.form = in.context(); r.form != formNone && c.trace != (TraceID{}) {
			r.Remote, r.Trace, r.Parent = true, c.trace, c.span
			r.keepState = r.form == formW3C
		}
		decision, r.debug = c.decision, c.decision == debugging
	}
	for r.Trace == (TraceID{}) {
		binary.BigEndian.PutUint64(r.Trace[:8], random.Uint64())
		binary.BigEndian.PutUint64(r.Trace[8:], random.Uint64())
	}
	r.Server, r.Client = newSpan(random), newSpan(random)
	r.Sampled = s.samples(decision, r.Trace)
}

func newSpan(random Source) (id SpanID) {
	for id == (SpanID{}) {
		binary.BigEndian.PutUint64(id[:], random.Uint64())
	}
	return id
}

// Replaces reports whether a field of the client gives way to those of
// AppendFields, or would contradict them.
func (r *Request) Replaces(name []byte) bool {
	if !r.On {
		return false
	}
	switch CarrierOf(name) {
	case NoCarrier:
		return false
	case Tracestate:
		return !r.keepState
	}
	return true
}

// Kind of a span.
type Kind uint8

// The kinds, numbered as in OTLP.
const (
	KindServer Kind = 2
	KindClient Kind = 3
)

// Attribute is one fact about a span: a text, or a number where Text is empty.
type Attribute struct {
	Key    string
	Text   string
	Number int64
}

// Span is what was recorded of one request. It is not written after Put.
type Span struct {
	Trace      TraceID
	ID, Parent SpanID
	// Remote says that Parent is a span of another program.
	Remote     bool
	State      string // the tracestate
	Name       string
	Kind       Kind
	Start, End time.Time
	Attributes []Attribute
	// Failed marks the span as an error.
	Failed bool
}

// Sink takes spans.
type Sink interface {
	// Recording reports whether it is worth while making spans.
	Recording() bool
	// Put takes a span or drops it; it never waits.
	Put(*Span)
}
