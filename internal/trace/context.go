package trace

// Carrier is a field that carries a part of a trace context.
type Carrier uint8

// The carriers.
const (
	NoCarrier Carrier = iota
	Traceparent
	Tracestate
	B3
	B3TraceID
	B3SpanID
	B3ParentSpanID
	B3Sampled
	B3Flags
	carriers
)

var carrierNames = [carriers]string{
	Traceparent: "traceparent", Tracestate: "tracestate", B3: "b3", B3TraceID: "x-b3-traceid", B3SpanID: "x-b3-spanid",
	B3ParentSpanID: "x-b3-parentspanid", B3Sampled: "x-b3-sampled", B3Flags: "x-b3-flags",
}

// CarrierOf tells what a field carries by its name.
func CarrierOf(name []byte) Carrier {
	switch len(name) {
	case 2, 10, 11, 12, 17:
	default:
		return NoCarrier
	}
	for c := Traceparent; c < carriers; c++ {
		if equalFold(name, carrierNames[c]) {
			return c
		}
	}
	return NoCarrier
}

// equalFold compares with a name in lower case.
func equalFold(name []byte, lower string) bool {
	if len(name) != len(lower) {
		return false
	}
	for i, c := range name {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// Incoming is what a client says about the trace. It keeps views of the values.
type Incoming struct {
	values [carriers][]byte
	twice  [carriers]bool
}

// Add notes one field.
func (in *Incoming) Add(c Carrier, value []byte) {
	if c == NoCarrier {
		return
	}
	in.twice[c] = in.twice[c] || in.values[c] != nil
	in.values[c] = value
}

// State is the tracestate, if there is exactly one.
func (in *Incoming) State() []byte {
	if in.twice[Tracestate] {
		return nil
	}
	return in.values[Tracestate]
}

// decision is what a client says about recording.
type decision uint8

const (
	undecided decision = iota
	dropping
	recording
	debugging // recording, whatever samplers say
)

// remote is the context of a client.
type remote struct {
	trace    TraceID
	span     SpanID
	decision decision
}

// context returns what the client says, by the first form that is valid. A
// context without a trace may still hold a decision.
func (in *Incoming) context() (remote, form) {
	if v := in.values[Traceparent]; v != nil && !in.twice[Traceparent] {
		if c, ok := parseTraceparent(v); ok {
			return c, formW3C
		}
	}
	if v := in.values[B3]; v != nil && !in.twice[B3] {
		if c, ok := parseB3(v); ok {
			return c, formB3
		}
	}
	if c, ok := in.b3Multi(); ok {
		return c, formB3Multi
	}
	return remote{}, formNone
}

// parseTraceparent reads the field of W3C Trace Context: version, trace, span,
// flags. Versions to come may have more behind that.
func parseTraceparent(v []byte) (c remote, ok bool) {
	const length = 2 + 1 + 32 + 1 + 16 + 1 + 2
	if len(v) < length || v[2] != '-' || v[35] != '-' || v[52] != '-' {
		return remote{}, false
	}
	var version, flags [1]byte
	if !unhex(version[:], v[:2]) || version[0] == 0xff || !unhex(flags[:], v[53:55]) {
		return remote{}, false
	}
	if len(v) > length && (version[0] == 0 || v[length] != '-') {
		return remote{}, false
	}
	if !unhex(c.trace[:], v[3:35]) || !unhex(c.span[:], v[36:52]) || c.trace == (TraceID{}) || c.span == (SpanID{}) {
		return remote{}, false
	}
	c.decision = dropping
	if flags[0]&1 != 0 {
		c.decision = recording
	}
	return c, true
}

// parseB3 reads the single field of B3: trace, span, decision, parent; or the
// decision alone.
func parseB3(v []byte) (c remote, ok bool) {
	if len(v) == 1 {
		c.decision, ok = b3Decision(v)
		return c, ok
	}
	at := 16
	if len(v) > 32 && v[32] == '-' {
		at = 32
	}
	if len(v) < at+17 || v[at] != '-' || !c.read(v[:at], v[at+1:at+17]) {
		return remote{}, false
	}
	rest := v[at+17:]
	if len(rest) == 0 {
		return c, true
	}
	if len(rest) < 2 || rest[0] != '-' {
		return remote{}, false
	}
	if c.decision, ok = b3Decision(rest[1:2]); !ok {
		return remote{}, false
	}
	var parent SpanID
	if rest = rest[2:]; len(rest) != 0 && (len(rest) != 17 || rest[0] != '-' || !unhex(parent[:], rest[1:])) {
		return remote{}, false
	}
	return c, true
}

// b3Multi reads the fields of B3 that each have a part.
func (in *Incoming) b3Multi() (c remote, ok bool) {
	for x := B3TraceID; x <= B3Flags; x++ {
		if in.twice[x] {
			return remote{}, false
		}
	}
	traceID, spanID, sampled, flags := in.values[B3TraceID], in.values[B3SpanID], in.values[B3Sampled], in.values[B3Flags]
	if traceID != nil || spanID != nil {
		if !c.read(traceID, spanID) {
			return remote{}, false
		}
		ok = true
	}
	switch {
	case len(flags) == 1 && flags[0] == '1':
		c.decision = debugging
	case sampled != nil:
		decided, known := b3Decision(sampled)
		if !known || decided == debugging {
			return remote{}, false
		}
		c.decision = decided
	default:
		return c, ok
	}
	return c, true
}

// read takes ids over; B3 has traces of 8 bytes, too.
func (c *remote) read(traceID, spanID []byte) bool {
	switch len(traceID) {
	case 16:
		if !unhex(c.trace[8:], traceID) {
			return false
		}
	case 32:
		if !unhex(c.trace[:], traceID) {
			return false
		}
	default:
		return false
	}
	return len(spanID) == 16 && unhex(c.span[:], spanID) && c.trace != (TraceID{}) && c.span != (SpanID{})
}

func b3Decision(v []byte) (decision, bool) {
	switch string(v) {
	case "0", "false":
		return dropping, true
	case "1", "true":
		return recording, true
	case "d":
		return debugging, true
	}
	return undecided, false
}

// unhex decodes digits in lower case, two for each byte of dst.
func unhex(dst, digits []byte) bool {
	if len(digits) != 2*len(dst) {
		return false
	}
	for i := range dst {
		high, low := digit(digits[2*i]), digit(digits[2*i+1])
		if high > 15 || low > 15 {
			return false
		}
		dst[i] = high<<4 | low
	}
	return true
}

func digit(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	}
	return 0xff
}
