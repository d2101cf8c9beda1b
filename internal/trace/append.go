package trace

// AppendFields appends the context for the backend as lines of a head: always
// traceparent, and B3 in the form in which it came.
func (r *Request) AppendFields(b []byte) []byte {
	if !r.On {
		return b
	}
	b = append(b, "traceparent: "...)
	b = r.AppendTraceparent(b, r.Client)
	b = append(b, "\r\n"...)
	switch r.form {
	case formB3:
		b = append(b, "b3: "...)
		b = r.AppendB3(b, r.Client)
		b = append(b, "\r\n"...)
	case formB3Multi:
		b = append(b, "X-B3-TraceId: "...)
		b = appendHex(b, r.Trace[:])
		b = append(b, "\r\nX-B3-SpanId: "...)
		b = appendHex(b, r.Client[:])
		b = append(b, "\r\nX-B3-ParentSpanId: "...)
		b = appendHex(b, r.Server[:])
		if r.debug {
			return append(b, "\r\nX-B3-Flags: 1\r\n"...)
		}
		b = append(b, "\r\nX-B3-Sampled: "...)
		b = append(b, r.sampledDigit(), '\r', '\n')
	}
	return b
}

// AppendTraceparent appends the W3C form of a span of the request, nothing
// when it is in no trace.
func (r *Request) AppendTraceparent(b []byte, span SpanID) []byte {
	if !r.On {
		return b
	}
	b = append(b, "00-"...)
	b = appendHex(b, r.Trace[:])
	b = append(b, '-')
	b = appendHex(b, span[:])
	return append(b, '-', '0', r.sampledDigit())
}

// AppendB3 appends the single form of B3.
func (r *Request) AppendB3(b []byte, span SpanID) []byte {
	if !r.On {
		return b
	}
	b = appendHex(b, r.Trace[:])
	b = append(b, '-')
	b = appendHex(b, span[:])
	b = append(b, '-')
	if r.debug {
		return append(b, 'd')
	}
	return append(b, r.sampledDigit())
}

// AppendTrace and AppendSpan append the ids in hexadecimal.
func (r *Request) AppendTrace(b []byte) []byte {
	if !r.On {
		return b
	}
	return appendHex(b, r.Trace[:])
}

// AppendSpan appends the id of the span of the request from the client.
func (r *Request) AppendSpan(b []byte) []byte {
	if !r.On {
		return b
	}
	return appendHex(b, r.Server[:])
}

// AppendSampled appends 1 for a request that is recorded, else 0.
func (r *Request) AppendSampled(b []byte) []byte {
	if !r.On {
		return b
	}
	return append(b, r.sampledDigit())
}

func (r *Request) sampledDigit() byte {
	if r.Sampled {
		return '1'
	}
	return '0'
}

func appendHex(b, id []byte) []byte {
	const hex = "0123456789abcdef"
	for _, c := range id {
		b = append(b, hex[c>>4], hex[c&15])
	}
	return b
}
