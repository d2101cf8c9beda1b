package otlp

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"daemun/internal/ir"
	"daemun/internal/trace"
)

// patience bounds every wait of a test; reaching it is a failure.
const patience = 30 * time.Second

// call is what a collector got.
type call struct {
	path, contentType, proto string
	body                     []byte
}

// fakeCollector takes OTLP over both protocols. answer may be nil.
type fakeCollector struct {
	calls chan call
	host  string
	port  int
}

func newCollector(t *testing.T, answer http.HandlerFunc) *fakeCollector {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &fakeCollector{calls: make(chan call, 100), host: "127.0.0.1", port: l.Addr().(*net.TCPAddr).Port}
	s := &http.Server{Protocols: new(http.Protocols), ReadHeaderTimeout: patience, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if answer != nil {
			answer(w, r)
		} else {
			w.Header().Set("Content-Type", r.Header.Get("Content-Type"))
			w.Header().Set("Trailer", "Grpc-Status")
			_, _ = w.Write([]byte{0, 0, 0, 0, 0})
			w.Header().Set("Grpc-Status", "0")
		}
		c.calls <- call{r.URL.Path, r.Header.Get("Content-Type"), r.Proto, body}
	})}
	s.Protocols.SetHTTP1(true)
	s.Protocols.SetUnencryptedHTTP2(true)
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	t.Cleanup(func() { s.Close(); <-done })
	return c
}

func (c *fakeCollector) settings() *ir.Tracing {
	return &ir.Tracing{Host: c.host, Port: c.port, Service: "shop", Queue: 10, Batch: 2, Delay: ir.Duration(time.Hour)}
}

func (c *fakeCollector) next(t *testing.T) call {
	t.Helper()
	select {
	case got := <-c.calls:
		return got
	case <-time.After(patience):
		t.Fatal("the collector got nothing")
		return call{}
	}
}

func start(t *testing.T, e *Exporter) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	late := time.After(patience)
	for !done() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("never happened: %s", what)
		}
	}
}

func span(name string) *trace.Span {
	start := time.Unix(1_700_000_000, 5)
	return &trace.Span{
		Trace: trace.TraceID{0xaa, 15: 1}, ID: trace.SpanID{0xbb, 7: 2}, Parent: trace.SpanID{0xcc, 7: 3}, Remote: true, State: "a=b",
		Name: name, Kind: trace.KindServer, Start: start, End: start.Add(time.Second), Failed: true,
		Attributes: []trace.Attribute{{Key: "http.request.method", Text: "GET"}, {Key: "http.response.status_code", Number: 500}},
	}
}

// TestCompleteBatchIsSent: a batch goes when it is complete, over gRPC, and what
// is left over goes at the end.
func TestCompleteBatchIsSent(t *testing.T) {
	t.Parallel()
	c := newCollector(t, nil)
	e := New(Config{Instance: "pod-1", Version: "v1"})
	e.Configure(c.settings())
	stop := start(t, e)
	for _, name := range []string{"one", "two"} {
		e.Put(span(name))
	}
	got := c.next(t)
	if got.path != grpcMethod || got.contentType != "application/grpc" || got.proto != "HTTP/2.0" {
		t.Errorf("called %+v", got)
	}
	if n := binary.BigEndian.Uint32(got.body[1:5]); got.body[0] != 0 || int(n) != len(got.body)-5 {
		t.Fatalf("framed as % x", got.body[:5])
	}
	const one = `9: {1: "http.request.method" 2: {1: "GET"}} 9: {1: "http.response.status_code" 2: {3: 500}} 15: {3: 2} 16: f0x301}`
	want := `1: {1: {1: {1: "service.name" 2: {1: "shop"}} 1: {1: "service.instance.id" 2: {1: "pod-1"}} 1: {1: "telemetry.sdk.name" 2: {1: "daemun"}} 1: {1: "telemetry.sdk.language" 2: {1: "go"}}} ` +
		`2: {1: {1: "daemun" 2: "v1"} `
	for _, name := range []string{"one", "two"} {
		want += `2: {1: aa000000000000000000000000000001 2: bb00000000000002 3: "a=b" 4: cc00000000000003 5: "` + name + `" 6: 2 7: f0x17979cfe362a0005 8: f0x17979cfe71c4ca05 ` + one + ` `
	}
	want = strings.TrimSuffix(want, " ") + `} 3: "` + schema + `"}`
	if text := printed(got.body[5:], ""); text != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
	e.Put(span("three"))
	stop()
	if text := printed(c.next(t).body[5:], ""); !strings.Contains(text, "three") || strings.Contains(text, "two") {
		t.Errorf("at the end: %s", text)
	}
	if e.Exported() != 3 || e.Dropped() != 0 {
		t.Errorf("exported %d, dropped %d", e.Exported(), e.Dropped())
	}
}

// TestDelay: spans do not wait for others for ever.
func TestDelay(t *testing.T) {
	t.Parallel()
	c := newCollector(t, nil)
	e := New(Config{})
	settings := c.settings()
	settings.Delay = ir.Duration(time.Millisecond)
	e.Configure(settings)
	defer start(t, e)()
	e.Put(span("alone"))
	c.next(t)
}

// TestOverHTTP: the convention's port means OTLP/HTTP.
func TestOverHTTP(t *testing.T) {
	t.Parallel()
	c := newCollector(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte{0x0a, 2, 0x08, 1}) // one span rejected
	})
	client := &collector{}
	defer client.close()
	rejected, err := client.overHTTP(t.Context(), net.JoinHostPort(c.host, strconv.Itoa(c.port)), []byte("body"))
	if err != nil || rejected != 1 {
		t.Errorf("%d rejected, %v", rejected, err)
	}
	if got := c.next(t); got.path != "/v1/traces" || got.contentType != "application/x-protobuf" || string(got.body) != "body" || got.proto != "HTTP/1.1" {
		t.Errorf("called %+v", got)
	}
}

// TestCollectorThatFails: what it does not take is counted, and the next batch
// is tried again.
func TestCollectorThatFails(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]http.HandlerFunc{
		"status in the head": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Grpc-Status", "14") },
		"status in the trailer": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set(http.TrailerPrefix+"Grpc-Status", "8")
			_, _ = w.Write([]byte{1})
		},
		"no gRPC":     func(http.ResponseWriter, *http.Request) {},
		"HTTP status": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCollector(t, answer)
			e := New(Config{})
			e.Configure(c.settings())
			defer start(t, e)()
			for range 2 {
				e.Put(span("x"))
				e.Put(span("y"))
				c.next(t)
			}
			eventually(t, "four spans are dropped", func() bool { return e.Dropped() == 4 })
			if e.Exported() != 0 {
				t.Errorf("exported %d", e.Exported())
			}
		})
	}
}

// TestNobodyThere: without a collector behind the address Put does not wait, the
// queue stays bounded, and the end comes.
func TestNobodyThere(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	e := New(Config{})
	e.Configure(&ir.Tracing{Host: "127.0.0.1", Port: port, Queue: 10, Batch: 20, Delay: ir.Duration(time.Hour)})
	for range 100 {
		e.Put(span("x"))
	}
	if len(e.queue) != 10 || e.Dropped() != 90 {
		t.Errorf("%d wait, %d dropped", len(e.queue), e.Dropped())
	}
	start(t, e)()
	if e.Dropped() != 100 {
		t.Errorf("%d dropped", e.Dropped())
	}
}

// TestWithoutSettings: nothing is recorded, and what waits when the settings go
// is dropped.
func TestWithoutSettings(t *testing.T) {
	t.Parallel()
	e := New(Config{})
	if e.Recording() {
		t.Error("recording without a collector")
	}
	e.Put(span("x"))
	if len(e.queue) != 0 {
		t.Error("a span waits for nobody")
	}
	e.Configure(&ir.Tracing{Host: "127.0.0.1", Port: 1, Queue: 10, Batch: 10, Delay: ir.Duration(time.Hour)})
	e.Put(span("x"))
	e.Configure(nil)
	start(t, e)()
	if e.Dropped() != 1 {
		t.Errorf("%d dropped", e.Dropped())
	}
}

// TestResolve: a name that only Daemun knows leads to its address.
func TestResolve(t *testing.T) {
	t.Parallel()
	c := newCollector(t, nil)
	e := New(Config{Resolve: func(host string) string {
		if host == "collector.tracing.svc" {
			return c.host
		}
		return ""
	}})
	settings := c.settings()
	settings.Host = "collector.tracing.svc"
	e.Configure(settings)
	defer start(t, e)()
	e.Put(span("x"))
	e.Put(span("y"))
	c.next(t)
}

// TestTexts: what protocol buffers do not carry is replaced, what is too long
// cut.
func TestTexts(t *testing.T) {
	t.Parallel()
	if got := valid("a\xffb"); got != "a\uFFFDb" {
		t.Errorf("%q", got)
	}
	if got := valid(strings.Repeat("ä", longestText)); got != strings.Repeat("ä", longestText/2) {
		t.Errorf("%d bytes", len(got))
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte{0x0a, 2, 0x08, 1})
	f.Add([]byte{0x0d, 0, 0, 0, 0, 0x09, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(_ *testing.T, b []byte) {
		rejectedSpans(b)
		rejectedSpans(unframed(b))
	})
}

// printed shows a message by the numbers of its fields. Octets are shown as a
// message where they are one; path says which are texts or ids.
func printed(b []byte, path string) string {
	var parts []string
	for len(b) > 0 {
		key, n := binary.Uvarint(b)
		if n <= 0 {
			return "?"
		}
		b = b[n:]
		at := path + "." + strconv.FormatUint(key>>3, 10)
		name := strconv.FormatUint(key>>3, 10) + ": "
		switch key & 7 {
		case wireVarint:
			v, n := binary.Uvarint(b)
			parts, b = append(parts, name+strconv.FormatUint(v, 10)), b[n:]
		case wireFixed64:
			parts, b = append(parts, fmt.Sprintf("%sf%#x", name, binary.LittleEndian.Uint64(b))), b[8:]
		case wireFixed32:
			parts, b = append(parts, fmt.Sprintf("%sf%#x", name, binary.LittleEndian.Uint32(b))), b[4:]
		case wireBytes:
			size, n := binary.Uvarint(b)
			octets := b[n : n+int(size)]
			b = b[n+int(size):]
			switch at {
			case ".1", ".1.1", ".1.2", ".1.1.1", ".1.1.1.2", ".1.2.1", ".1.2.2", ".1.2.2.9", ".1.2.2.9.2", ".1.2.2.15":
				parts = append(parts, name+"{"+printed(octets, at)+"}")
			case ".1.2.2.1", ".1.2.2.2", ".1.2.2.4":
				parts = append(parts, name+hex.EncodeToString(octets))
			default:
				parts = append(parts, name+strconv.Quote(string(octets)))
			}
		}
	}
	return strings.Join(parts, " ")
}
