package trace

import (
	"strings"
	"testing"

	"daemun/internal/ir"
)

// counter gives 1, 2, 3 …
type counter uint64

func (c *counter) Uint64() uint64 { *c++; return uint64(*c) }

func incoming(head string) *Incoming {
	in := &Incoming{}
	for line := range strings.Lines(head) {
		name, value, _ := strings.Cut(strings.TrimRight(line, "\n"), ": ")
		in.Add(CarrierOf([]byte(name)), []byte(value))
	}
	return in
}

const (
	traceA  = "0af7651916cd43dd8448eb211c80319c"
	spanA   = "b7ad6b7169203331"
	parentA = "00-" + traceA + "-" + spanA + "-01"
	// What counter makes: of a new trace, and of one that is continued.
	traceNew = "00000000000000010000000000000002"
	afterNew = "0000000000000004"
	after    = "0000000000000002"
)

// TestContext: what comes in, what goes to the backend, and whether the request
// is recorded by a parent-based sampler that records no new trace.
func TestContext(t *testing.T) {
	t.Parallel()
	fresh := "traceparent: 00-" + traceNew + "-" + afterNew + "-00\n"
	w3c := func(flags string) string { return "traceparent: 00-" + traceA + "-" + after + "-" + flags + "\n" }
	for name, c := range map[string]struct {
		in, out string
		sampled bool
	}{
		"nothing":                        {"", fresh, false},
		"traceparent":                    {"traceparent: " + parentA, w3c("01"), true},
		"name in capitals":               {"TraceParent: " + parentA, w3c("01"), true},
		"not sampled":                    {"traceparent: 00-" + traceA + "-" + spanA + "-00", w3c("00"), false},
		"other flags":                    {"traceparent: 00-" + traceA + "-" + spanA + "-03", w3c("01"), true},
		"a version to come":              {"traceparent: 01-" + traceA + "-" + spanA + "-01-more", w3c("01"), true},
		"version 00 with more":           {"traceparent: " + parentA + "-more", fresh, false},
		"version ff":                     {"traceparent: ff" + parentA[2:], fresh, false},
		"capital digits":                 {"traceparent: " + strings.ToUpper(parentA), fresh, false},
		"zero trace":                     {"traceparent: 00-" + strings.Repeat("0", 32) + "-" + spanA + "-01", fresh, false},
		"zero span":                      {"traceparent: 00-" + traceA + "-0000000000000000-01", fresh, false},
		"too short":                      {"traceparent: 00-" + traceA, fresh, false},
		"twice":                          {"traceparent: " + parentA + "\ntraceparent: " + parentA, fresh, false},
		"traceparent before b3":          {"b3: " + traceA + "-" + spanA + "-0\ntraceparent: " + parentA, w3c("01"), true},
		"b3":                             {"b3: " + traceA + "-" + spanA + "-1", w3c("01") + "b3: " + traceA + "-" + after + "-1\n", true},
		"b3 with parent":                 {"b3: " + traceA + "-" + spanA + "-1-" + spanA, w3c("01") + "b3: " + traceA + "-" + after + "-1\n", true},
		"b3 debug":                       {"b3: " + traceA + "-" + spanA + "-d", w3c("01") + "b3: " + traceA + "-" + after + "-d\n", true},
		"b3 undecided asks the sampler":  {"b3: " + traceA + "-" + spanA, w3c("00") + "b3: " + traceA + "-" + after + "-0\n", false},
		"b3 of 64 bits":                  {"b3: " + traceA[16:] + "-" + spanA + "-0", "traceparent: 00-0000000000000000" + traceA[16:] + "-" + after + "-00\nb3: 0000000000000000" + traceA[16:] + "-" + after + "-0\n", false},
		"b3 with a decision only":        {"b3: 1", fresh[:len(fresh)-2] + "1\nb3: " + traceNew + "-" + afterNew + "-1\n", true},
		"b3 with a bad decision":         {"b3: " + traceA + "-" + spanA + "-2", fresh, false},
		"b3 with a bad parent":           {"b3: " + traceA + "-" + spanA + "-1-zz", fresh, false},
		"b3 in parts":                    {"X-B3-TraceId: " + traceA + "\nX-B3-SpanId: " + spanA + "\nX-B3-Sampled: 1", w3c("01") + "X-B3-TraceId: " + traceA + "\nX-B3-SpanId: " + after + "\nX-B3-ParentSpanId: 0000000000000001\nX-B3-Sampled: 1\n", true},
		"b3 in parts, debug":             {"X-B3-TraceId: " + traceA + "\nX-B3-SpanId: " + spanA + "\nX-B3-Flags: 1", w3c("01") + "X-B3-TraceId: " + traceA + "\nX-B3-SpanId: " + after + "\nX-B3-ParentSpanId: 0000000000000001\nX-B3-Flags: 1\n", true},
		"b3 in parts without a span":     {"X-B3-TraceId: " + traceA + "\nX-B3-Sampled: 1", fresh, false},
		"b3 in parts with a false twice": {"X-B3-Sampled: 0\nX-B3-Sampled: 1", fresh, false},
	} {
		var r Request
		r.Begin(incoming(c.in), true, new(NewSampler(&ir.Tracing{Sampler: ir.SampleNone, ParentBased: true})), new(counter))
		want := strings.ReplaceAll(c.out, "\n", "\r\n")
		if got := string(r.AppendFields(nil)); got != want || r.Sampled != c.sampled {
			t.Errorf("%s: sampled %v, fields\n%swant\n%s", name, r.Sampled, got, want)
		}
	}
}

// TestUntrusted: the context of the client is not looked at, and all of it goes.
func TestUntrusted(t *testing.T) {
	t.Parallel()
	var r Request
	r.Begin(incoming("traceparent: "+parentA+"\nb3: 1"), false, new(NewSampler(&ir.Tracing{Sampler: ir.SampleAll})), new(counter))
	if !r.Sampled || r.Remote || r.Parent != (SpanID{}) {
		t.Errorf("%+v", r)
	}
	for _, name := range []string{"traceparent", "Tracestate", "B3", "X-B3-TraceId", "x-b3-flags"} {
		if !r.Replaces([]byte(name)) {
			t.Errorf("%s of the client is passed on", name)
		}
	}
	if r.Replaces([]byte("x-request")) || r.Replaces([]byte("x-b3-trace_id")) {
		t.Error("other fields are dropped")
	}
	r.Begin(incoming("traceparent: "+parentA), true, new(Sampler), new(counter))
	if r.Replaces([]byte("tracestate")) || !r.Replaces([]byte("traceparent")) {
		t.Error("the tracestate of a trace that is continued goes on, its traceparent does not")
	}
	if (&Request{}).Replaces([]byte("traceparent")) {
		t.Error("a request in no trace keeps its fields")
	}
}

func TestSampler(t *testing.T) {
	t.Parallel()
	high, low := TraceID{8: 0xff}, TraceID{8: 0x00, 15: 1}
	for name, c := range map[string]struct {
		settings *ir.Tracing
		parent   decision
		id       TraceID
		want     bool
	}{
		"no collector, new":           {nil, undecided, low, false},
		"no collector, recorded":      {nil, recording, high, true},
		"all":                         {&ir.Tracing{Sampler: ir.SampleAll}, undecided, high, true},
		"none":                        {&ir.Tracing{Sampler: ir.SampleNone}, undecided, low, false},
		"none, but recorded":          {&ir.Tracing{Sampler: ir.SampleNone, ParentBased: true}, recording, low, true},
		"none and alone":              {&ir.Tracing{Sampler: ir.SampleNone}, recording, low, false},
		"none, alone, but debugging":  {&ir.Tracing{Sampler: ir.SampleNone}, debugging, low, true},
		"all, but dropped":            {&ir.Tracing{Sampler: ir.SampleAll, ParentBased: true}, dropping, low, false},
		"half, low":                   {&ir.Tracing{Sampler: ir.SampleRatio, Ratio: 0.5}, undecided, low, true},
		"half, high":                  {&ir.Tracing{Sampler: ir.SampleRatio, Ratio: 0.5}, undecided, high, false},
		"everything by ratio":         {&ir.Tracing{Sampler: ir.SampleRatio, Ratio: 1}, undecided, high, true},
		"nothing by ratio":            {&ir.Tracing{Sampler: ir.SampleRatio}, undecided, low, false},
		"a sampler that is not known": {&ir.Tracing{Sampler: "x"}, undecided, low, false},
	} {
		if got := new(NewSampler(c.settings)).samples(c.parent, c.id); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestVariables(t *testing.T) {
	t.Parallel()
	var r Request
	for _, b := range [][]byte{r.AppendTrace(nil), r.AppendSpan(nil), r.AppendSampled(nil), r.AppendTraceparent(nil, r.Server), r.AppendB3(nil, r.Server), r.AppendFields(nil)} {
		if len(b) > 0 {
			t.Errorf("a request in no trace has %q", b)
		}
	}
	r.Begin(incoming("traceparent: "+parentA), true, new(Sampler), new(counter))
	got := string(r.AppendTrace(nil)) + " " + string(r.AppendSpan(nil)) + " " + string(r.AppendSampled(nil)) + " " +
		string(r.AppendTraceparent(nil, r.Server)) + " " + string(r.AppendB3(nil, r.Server))
	want := traceA + " 0000000000000001 1 00-" + traceA + "-0000000000000001-01 " + traceA + "-0000000000000001-1"
	if got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

func TestNothingAllocates(t *testing.T) {
	in, s, random, b := incoming("x: y\nb3: "+traceA+"-"+spanA+"-1\ntracestate: a=b"), new(Sampler), new(counter), make([]byte, 0, 512)
	var r Request
	if n := testing.AllocsPerRun(100, func() {
		r.Begin(in, true, s, random)
		b = r.AppendFields(b[:0])
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzContext: whatever clients send, what goes on is valid, and what was taken
// over of a traceparent is what it said.
func FuzzContext(f *testing.F) {
	f.Add(parentA, traceA+"-"+spanA+"-1-"+spanA, traceA, spanA, "1", "1")
	f.Add("00-", "d", traceA[:16], "", "true", "")
	f.Fuzz(func(t *testing.T, parent, b3, traceID, spanID, sampled, flags string) {
		in := &Incoming{}
		for c, v := range map[Carrier]string{Traceparent: parent, B3: b3, B3TraceID: traceID, B3SpanID: spanID, B3Sampled: sampled, B3Flags: flags} {
			if v != "" {
				in.Add(c, []byte(v))
			}
		}
		var r Request
		r.Begin(in, true, new(Sampler), new(counter))
		out := r.AppendTraceparent(nil, r.Client)
		c, ok := parseTraceparent(out)
		if !ok || c.trace != r.Trace || c.span != r.Client || (c.decision == recording) != r.Sampled {
			t.Fatalf("%q goes out", out)
		}
		if r.form == formW3C && (parent[3:35] != string(r.AppendTrace(nil)) || len(parent) < 55) {
			t.Fatalf("%q becomes %q", parent, out)
		}
		for line := range strings.SplitSeq(string(r.AppendFields(nil)), "\r\n") {
			if strings.ContainsAny(line, "\r\n\x00") {
				t.Fatalf("line %q", line)
			}
		}
	})
}
