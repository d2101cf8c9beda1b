package accesslog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 3, 9, 12, 0, 0, 999e6, time.UTC)

func ordinary() *Entry {
	return &Entry{
		Time: noon, Remote: netip.MustParseAddr("203.0.113.9"),
		Method: []byte("GET"), Target: []byte("/a?b=c"), Proto: []byte("HTTP/1.1"),
		Status: 200, BodyBytesSent: 612, UserAgent: []byte("curl/8.5.0"), RequestLength: 78, RequestTime: 1999 * time.Microsecond,
		UpstreamName: "shop-web-80",
		Attempts:     []Attempt{{Addr: "10.0.0.1:8080", ResponseLength: 612, ResponseTime: time.Millisecond, Status: 200}},
		RequestID:    []byte("5f1d0ab3"),
	}
}

// line is what Log queues.
func line(l *Log, e *Entry) string {
	b, _ := l.settings.Load().lines.appendLine(nil, nil, e, &l.clock)
	return string(b)
}

func TestDefaultFormat(t *testing.T) {
	t.Parallel()
	edit := func(f func(*Entry)) *Entry {
		e := ordinary()
		f(e)
		return e
	}
	for _, tt := range []struct {
		name string
		e    *Entry
		want string
	}{
		{"ordinary", ordinary(), `203.0.113.9 - - [09/Mar/2026:12:00:00 +0000] "GET /a?b=c HTTP/1.1" 200 612 "-" "curl/8.5.0" 78 0.001 [shop-web-80] [] 10.0.0.1:8080 612 0.001 200 5f1d0ab3`},
		{"absent", &Entry{Time: noon}, `- - - [09/Mar/2026:12:00:00 +0000] "-" 000 0 "-" "-" 0 0.000 [-] [] - - - - -`},
		{"everything", edit(func(e *Entry) {
			e.RemoteUser, e.Referer, e.AlternativeName = []byte("ann"), []byte("https://r.test/"), "shop-canary-80"
			e.RequestTime = 61*time.Second + 50*time.Millisecond
		}), `203.0.113.9 - ann [09/Mar/2026:12:00:00 +0000] "GET /a?b=c HTTP/1.1" 200 612 "https://r.test/" "curl/8.5.0" 78 61.050 [shop-web-80] [shop-canary-80] 10.0.0.1:8080 612 0.001 200 5f1d0ab3`},
		{"several attempts", edit(func(e *Entry) {
			e.Attempts = []Attempt{
				{Addr: "10.0.0.1:8080", Status: 502},
				{Addr: "10.0.0.2:8080", ResponseTime: -1, ResponseLength: -1},
				{Addr: "10.0.0.3:8080", ResponseLength: 5, ResponseTime: 2 * time.Second, Status: 201},
			}
		}), `203.0.113.9 - - [09/Mar/2026:12:00:00 +0000] "GET /a?b=c HTTP/1.1" 200 612 "-" "curl/8.5.0" 78 0.001 [shop-web-80] [] 10.0.0.1:8080, 10.0.0.2:8080, 10.0.0.3:8080 0, -, 5 0.000, -, 2.000 502, -, 201 5f1d0ab3`},
		{"no attempt", edit(func(e *Entry) { e.Status, e.Attempts = 308, nil }), `203.0.113.9 - - [09/Mar/2026:12:00:00 +0000] "GET /a?b=c HTTP/1.1" 308 612 "-" "curl/8.5.0" 78 0.001 [shop-web-80] [] - - - - 5f1d0ab3`},
		{"IPv4 in IPv6, zone", edit(func(e *Entry) { e.Remote = netip.MustParseAddr("::ffff:192.0.2.1") }), `192.0.2.1 - - [09/Mar/2026:12:00:00 +0000] "GET /a?b=c HTTP/1.1" 200 612 "-" "curl/8.5.0" 78 0.001 [shop-web-80] [] 10.0.0.1:8080 612 0.001 200 5f1d0ab3`},
		{"escapes", edit(func(e *Entry) {
			e.Target, e.Proto = []byte("/\"\\\n\r\x00é\x7f"), nil
			e.UserAgent = []byte("a\" 200 0 \"b")
		}), `203.0.113.9 - - [09/Mar/2026:12:00:00 +0000] "GET /\x22\x5C\x0A\x0D\x00\xC3\xA9\x7F" 200 612 "-" "a\x22 200 0 \x22b" 78 0.001 [shop-web-80] [] 10.0.0.1:8080 612 0.001 200 5f1d0ab3`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := line(New(Config{Location: time.UTC}), tt.e)
			if diff := cmp.Diff(tt.want+"\n", got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTimeZone(t *testing.T) {
	t.Parallel()
	c := clock{location: time.FixedZone("", -(3*3600 + 1800))}
	for _, add := range []time.Duration{0, time.Millisecond - time.Second, 24 * time.Hour} {
		want := noon.Add(add).In(c.location).Format("02/Jan/2006:15:04:05 -0700")
		if got := string(c.at(noon.Add(add)).local); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestH8_6FieldsAreBounded(t *testing.T) {
	t.Parallel()
	for _, n := range []int{maxField - 1, maxField, maxField + 1, 3 * maxField} {
		for _, c := range []string{"x", "\n", "é"} {
			in := strings.Repeat(c, n/len(c))
			got := string(appendEscaped([]byte("before"), in, maxField, EscapeDefault))[len("before"):]
			escaped := len(in)
			if c != "x" {
				escaped *= 4
			}
			if len(got) > maxField {
				t.Errorf("%d of %q: %d octets", n, c, len(got))
			}
			if escaped <= maxField && len(got) != escaped || escaped > maxField && !strings.HasSuffix(got, cut) {
				t.Errorf("%d of %q: ends in %q", n, c, got[max(0, len(got)-10):])
			}
		}
	}
	e := ordinary()
	e.Target = bytes.Repeat([]byte("\n"), 9000)
	if got := new(template).appendRequest(nil, e); len(got) > maxField || !bytes.HasSuffix(got, []byte(cut+" HTTP/1.1")) {
		t.Errorf("request has %d octets and ends in %q", len(got), got[len(got)-20:])
	}
	e.Attempts = make([]Attempt, 5000)
	if got := new(template).appendAttempts(nil, upstreamAddr, e.Attempts); len(got) > maxField || !bytes.HasSuffix(got, []byte(cut)) {
		t.Errorf("attempts have %d octets", len(got))
	}
}

// recorder is a Writer that can be blocked or made to fail.
type recorder struct {
	mu     sync.Mutex
	text   strings.Builder
	writes int
	err    error
	gate   chan struct{} // each Write takes one; nil: open
	wrote  chan struct{} // told after each Write; may be nil
}

func (r *recorder) Write(p []byte) (int, error) {
	if r.gate != nil {
		<-r.gate
	}
	r.mu.Lock()
	r.writes++
	err := r.err
	if err == nil {
		r.text.Write(p)
	}
	r.mu.Unlock()
	if r.wrote != nil {
		r.wrote <- struct{}{}
	}
	return len(p), err
}

func run(l *Log) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	return func() error {
		cancel()
		return <-done
	}
}

func TestWritesPromptlyAndInOrder(t *testing.T) {
	t.Parallel()
	r := &recorder{wrote: make(chan struct{}, 100)}
	l := New(Config{Writer: r, Location: time.UTC})
	stop := run(l)
	l.Log(ordinary())
	<-r.wrote // without a second line or the end
	const n = 5000
	for i := range n {
		e := ordinary()
		e.RequestID = fmt.Appendf(nil, "id-%d", i)
		l.Log(e)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(r.text.String(), "\n"), "\n")[1:]
	if len(lines) != n || l.Written() != n+1 || l.Dropped() != 0 {
		t.Fatalf("%d lines, %d written, %d dropped", len(lines), l.Written(), l.Dropped())
	}
	for i, line := range lines {
		if !strings.HasSuffix(line, fmt.Sprintf(" id-%d", i)) {
			t.Fatalf("line %d is %q", i, line)
		}
	}
	if r.writes > n/20 {
		t.Errorf("%d writes for %d lines", r.writes, n)
	}
}

// Lines logged before Run, or just before the end, are not lost.
func TestFlushesAtTheEnd(t *testing.T) {
	t.Parallel()
	r := &recorder{}
	l := New(Config{Writer: r})
	l.Log(ordinary())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Run(ctx); err != nil || l.Written() != 1 {
		t.Errorf("%v, %d written", err, l.Written())
	}
}

func TestH6_23BlockedDestinationDropsAndCounts(t *testing.T) {
	t.Parallel()
	r := &recorder{gate: make(chan struct{})}
	l := New(Config{Writer: r, QueueBytes: 10_000})
	stop := run(l)
	const n = 1000
	for range n {
		l.Log(ordinary()) // returns although nothing is ever taken
	}
	dropped := l.Dropped()
	if dropped == 0 || dropped == n {
		t.Errorf("%d of %d dropped", dropped, n)
	}
	close(r.gate)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if l.Written()+l.Dropped() != n || l.Dropped() != dropped {
		t.Errorf("%d written, %d dropped of %d", l.Written(), l.Dropped(), n)
	}
	if got := strings.Count(r.text.String(), "\n"); uint64(got) != l.Written() {
		t.Errorf("%d lines, %d written", got, l.Written())
	}
	if l.queue.held != 0 {
		t.Errorf("%d octets still held", l.queue.held)
	}
}

func TestBlockedDestinationDoesNotHoldUpTheEnd(t *testing.T) {
	t.Parallel()
	r := &recorder{gate: make(chan struct{})}
	l := New(Config{Writer: r})
	stop := run(l)
	l.Log(ordinary())
	if err := stop(); err == nil || !strings.Contains(err.Error(), "accepts nothing") {
		t.Errorf("got %v", err)
	}
	close(r.gate)
}

func TestFailingDestinationCounts(t *testing.T) {
	t.Parallel()
	r := &recorder{err: errors.New("disk full")}
	l := New(Config{Writer: r})
	stop := run(l)
	for range 10 {
		l.Log(ordinary())
	}
	if err := stop(); err != nil || l.Dropped() != 10 || !errors.Is(l.Err(), r.err) {
		t.Errorf("%v, %d dropped, %v", err, l.Dropped(), l.Err())
	}
}

func TestNilLog(t *testing.T) {
	t.Parallel()
	var l *Log
	l.Log(ordinary())
	if l.Dropped()+l.Written() != 0 {
		t.Error("counted")
	}
}

func TestLogDoesNotAllocate(t *testing.T) {
	l := New(Config{Writer: io.Discard, QueueBytes: 8 << 20})
	stop := run(l)
	e := ordinary()
	e.UserAgent = []byte("a\"b\n")
	for range 1000 {
		l.Log(e)
	}
	if n := testing.AllocsPerRun(2000, func() { l.Log(e) }); n != 0 {
		t.Errorf("%v allocations per line", n)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

func FuzzLine(f *testing.F) {
	f.Add([]byte("GET"), []byte("/"), []byte("HTTP/1.1"), []byte("agent\n"), []byte("id"), 3)
	f.Add([]byte(""), []byte("\\\"\n"), []byte("\xff"), bytes.Repeat([]byte("\n"), 300), []byte("-"), 200)
	l := New(Config{Location: time.UTC})
	f.Fuzz(func(t *testing.T, method, target, proto, agent, id []byte, attempts int) {
		e := &Entry{
			Time: noon, Method: method, Target: target, Proto: proto, UserAgent: agent, Referer: target, RequestID: id,
			RemoteUser: agent, UpstreamName: string(id), AlternativeName: string(agent),
		}
		for range min(max(attempts, 0), 300) {
			e.Attempts = append(e.Attempts, Attempt{Addr: string(id), Status: attempts})
		}
		line, _ := l.settings.Load().lines.appendLine(nil, nil, e, &l.clock)
		for i, c := range line {
			if (c < ' ' || c >= 0x7f) && i != len(line)-1 {
				t.Fatalf("octet %#x in %q", c, line)
			}
		}
		if line[len(line)-1] != '\n' || len(line) > maxPooled {
			t.Fatalf("%d octets", len(line))
		}
		if n := bytes.Count(line, []byte(`"`)); n != 6 {
			t.Fatalf("%d quotes in %q", n, line)
		}
	})
}

func BenchmarkLog(b *testing.B) {
	l := New(Config{Writer: io.Discard})
	stop := run(l)
	e := ordinary()
	b.ReportAllocs()
	for b.Loop() {
		l.Log(e)
	}
	b.ReportMetric(float64(l.Dropped())/float64(b.N), "dropped/op")
	stop()
}

func BenchmarkLogParallel(b *testing.B) {
	l := New(Config{Writer: io.Discard})
	stop := run(l)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		e := ordinary()
		for pb.Next() {
			l.Log(e)
		}
	})
	b.ReportMetric(float64(l.Dropped())/float64(b.N), "dropped/op")
	stop()
}
