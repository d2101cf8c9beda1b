package otlp

import (
	"encoding/binary"
	"time"

	"daemun/internal/trace"
)

// The numbers of fields, from opentelemetry/proto/trace/v1/trace.proto and its
// neighbours.
const (
	requestResourceSpans = 1

	resourceSpansResource = 1
	resourceSpansScope    = 2
	resourceSpansSchema   = 3

	resourceAttributes = 1

	scopeSpansScope = 1
	scopeSpansSpans = 2

	scopeName    = 1
	scopeVersion = 2

	spanTrace      = 1
	spanID         = 2
	spanState      = 3
	spanParent     = 4
	spanName       = 5
	spanKind       = 6
	spanStart      = 7
	spanEnd        = 8
	spanAttributes = 9
	spanStatus     = 15
	spanFlags      = 16

	statusCode  = 3
	statusError = 2

	keyName  = 1
	keyValue = 2

	valueText   = 1
	valueNumber = 3
)

// The wire types of protocol buffers.
const (
	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
	wireFixed32 = 5
)

// schema is the version of the conventions that the attributes follow.
const schema = "https://opentelemetry.io/schemas/1.37.0"

// Flags of a span: that it is sampled, and that it is known whether the parent
// is of another program, and is.
const (
	flagSampled     = 1 << 0
	flagKnowsRemote = 1 << 8
	flagRemote      = 1 << 9
)

// resource is what all spans have in common.
type resource struct{ service, instance, version string }

// appendRequest appends an ExportTraceServiceRequest.
func appendRequest(b []byte, r resource, spans []*trace.Span) []byte {
	return message(b, requestResourceSpans, func(b []byte) []byte {
		b = message(b, resourceSpansResource, func(b []byte) []byte {
			b = attribute(b, resourceAttributes, trace.Attribute{Key: "service.name", Text: r.service})
			if r.instance != "" {
				b = attribute(b, resourceAttributes, trace.Attribute{Key: "service.instance.id", Text: r.instance})
			}
			b = attribute(b, resourceAttributes, trace.Attribute{Key: "telemetry.sdk.name", Text: "daemun"})
			return attribute(b, resourceAttributes, trace.Attribute{Key: "telemetry.sdk.language", Text: "go"})
		})
		b = message(b, resourceSpansScope, func(b []byte) []byte {
			b = message(b, scopeSpansScope, func(b []byte) []byte {
				return text(text(b, scopeName, "daemun"), scopeVersion, r.version)
			})
			for _, s := range spans {
				b = message(b, scopeSpansSpans, func(b []byte) []byte { return appendSpan(b, s) })
			}
			return b
		})
		return text(b, resourceSpansSchema, schema)
	})
}

func appendSpan(b []byte, s *trace.Span) []byte {
	b = octets(b, spanTrace, s.Trace[:])
	b = octets(b, spanID, s.ID[:])
	b = text(b, spanState, s.State)
	flags := uint32(flagSampled | flagKnowsRemote)
	if s.Parent != (trace.SpanID{}) {
		b = octets(b, spanParent, s.Parent[:])
		if s.Remote {
			flags |= flagRemote
		}
	}
	b = text(b, spanName, s.Name)
	b = number(b, spanKind, uint64(s.Kind))
	b = moment(b, spanStart, s.Start)
	b = moment(b, spanEnd, s.End)
	for _, a := range s.Attributes {
		b = attribute(b, spanAttributes, a)
	}
	if s.Failed {
		b = message(b, spanStatus, func(b []byte) []byte { return number(b, statusCode, statusError) })
	}
	b = tag(b, spanFlags, wireFixed32)
	return binary.LittleEndian.AppendUint32(b, flags)
}

func attribute(b []byte, field int, a trace.Attribute) []byte {
	return message(b, field, func(b []byte) []byte {
		b = text(b, keyName, a.Key)
		return message(b, keyValue, func(b []byte) []byte {
			if a.Text != "" {
				return text(b, valueText, a.Text)
			}
			b = tag(b, valueNumber, wireVarint)
			return binary.AppendUvarint(b, uint64(a.Number))
		})
	})
}

func tag(b []byte, field, wire int) []byte {
	return binary.AppendUvarint(b, uint64(field)<<3|uint64(wire))
}

func number(b []byte, field int, n uint64) []byte {
	return binary.AppendUvarint(tag(b, field, wireVarint), n)
}

func moment(b []byte, field int, t time.Time) []byte {
	return binary.LittleEndian.AppendUint64(tag(b, field, wireFixed64), uint64(t.UnixNano()))
}

func octets(b []byte, field int, v []byte) []byte {
	b = binary.AppendUvarint(tag(b, field, wireBytes), uint64(len(v)))
	return append(b, v...)
}

// text leaves an empty text out, as protocol buffers do, and what is no UTF-8,
// which they do not carry.
func text(b []byte, field int, v string) []byte {
	if v == "" {
		return b
	}
	v = valid(v)
	b = binary.AppendUvarint(tag(b, field, wireBytes), uint64(len(v)))
	return append(b, v...)
}

// message appends what fill appends, with its length before it.
func message(b []byte, field int, fill func([]byte) []byte) []byte {
	b = tag(b, field, wireBytes)
	start := len(b)
	b = fill(b)
	var length [binary.MaxVarintLen64]byte
	n := binary.PutUvarint(length[:], uint64(len(b)-start))
	b = append(b, length[:n]...) // room
	copy(b[start+n:], b[start:len(b)-n])
	copy(b[start:], length[:n])
	return b
}
