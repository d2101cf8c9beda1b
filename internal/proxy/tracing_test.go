package proxy

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"

	"daemun/internal/ir"
	"daemun/internal/trace"
)

// spanKeeper keeps what is recorded.
type spanKeeper struct {
	mu    sync.Mutex
	spans []*trace.Span
}

func (*spanKeeper) Recording() bool { return true }

func (k *spanKeeper) Put(s *trace.Span) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.spans = append(k.spans, s)
}

// wait returns the first n spans.
func (k *spanKeeper) wait(t *testing.T, n int) []*trace.Span {
	t.Helper()
	var got []*trace.Span
	eventually(t, fmt.Sprint(n, " spans"), func() bool {
		k.mu.Lock()
		defer k.mu.Unlock()
		got = k.spans
		return len(got) >= n
	})
	return got
}

func described(s *trace.Span) string {
	text := s.Name + " kind " + fmt.Sprint(s.Kind) + " failed " + fmt.Sprint(s.Failed) + " state " + s.State
	for _, a := range s.Attributes {
		if a.Text != "" {
			text += "\n" + a.Key + "=" + a.Text
		} else {
			text += fmt.Sprintf("\n%s=%d", a.Key, a.Number)
		}
	}
	return text
}

func traced(change func(*ir.Trace, *ir.Tracing)) *ir.Config {
	policy, settings := &ir.Trace{Trust: true}, &ir.Tracing{Sampler: ir.SampleAll, ParentBased: true}
	if change != nil {
		change(policy, settings)
	}
	cfg := oneRoute(func(_ *ir.Host, r *ir.Route) { r.Trace = policy })
	cfg.Settings.Tracing = settings
	return cfg
}

// headBack answers with the head that it got as the body.
func headBack(_ int, c *client) {
	for {
		head := c.head()
		if head == "" {
			return
		}
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(head), head)
	}
}

// TestTraceContinues: the backend gets the context of the client with the id of
// our span, and two spans tell about the request.
func TestTraceContinues(t *testing.T) {
	t.Parallel()
	keeper := &spanKeeper{}
	r := newRigWith(t, traced(nil), Config{Spans: keeper}, nil)
	bad, up := refused(t), newScript(t, headBack)
	r.endpoints(bad, up.addr())
	c := r.dial()
	const id, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	c.send(lines("GET /a?sig=secret&b=1 HTTP/1.1", "Host: a.test", "User-Agent: t/1", "traceparent: 00-"+id+"-"+parent+"-01", "tracestate: k=v", "X-Request-ID: 1"))
	_, head := c.answer("GET")
	m := regexp.MustCompile("\r\ntraceparent: 00-" + id + "-([0-9a-f]{16})-01\r\n").FindStringSubmatch(head)
	if m == nil || strings.Count(head, "traceparent") != 1 || !strings.Contains(head, "\r\ntracestate: k=v\r\n") {
		t.Fatalf("the backend got %s", head)
	}
	spans := keeper.wait(t, 2)
	server, client := spans[0], spans[1]
	if fmt.Sprintf("%x %x %x", server.Trace, server.Parent, client.ID) != id+" "+parent+" "+m[1] || client.Parent != server.ID || !server.Remote {
		t.Errorf("ids: %+v\n%+v", server, client)
	}
	if server.End.Before(server.Start) || client.Start.Before(server.Start) || client.End.After(server.End) {
		t.Error("the client span is not within the server span")
	}
	peer := c.LocalAddr().String()
	want := `GET / kind 2 failed false state k=v
http.request.method=GET
url.scheme=http
url.path=/a
url.query=sig=REDACTED&b=1
http.route=/
http.response.status_code=200
server.address=a.test
server.port=` + port(r.listener.Addr().String()) + `
client.address=127.0.0.1
network.peer.address=127.0.0.1
network.peer.port=` + port(peer) + `
network.protocol.version=1.1
user_agent.original=t/1
ingress.namespace=d
ingress.name=i
ingress.service_name=s
ingress.upstream=d-s-80`
	if got := described(server); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	want = `GET / kind 3 failed false state k=v
http.request.method=GET
url.full=http://` + up.addr().String() + `/a?sig=REDACTED&b=1
server.address=127.0.0.1
server.port=` + port(up.addr().String()) + `
http.response.status_code=200
http.request.resend_count=1
network.protocol.version=1.1`
	if got := described(client); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func port(address string) string { return address[strings.LastIndexByte(address, ':')+1:] }

// TestTraceBegins: without a context, or with one that is not trusted, there is
// a new trace, and B3 goes to the backend only where it came.
func TestTraceBegins(t *testing.T) {
	t.Parallel()
	keeper := &spanKeeper{}
	r := newRigWith(t, traced(func(p *ir.Trace, _ *ir.Tracing) { p.Trust, p.Name = false, "$request_method-$service_name" }), Config{Spans: keeper}, nil)
	r.endpoints(newScript(t, headBack).addr())
	c := r.dial()
	c.send(lines("BREW /pot HTTP/1.1", "Host: a.test", "b3: 0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0", "tracestate: k=v"))
	_, head := c.answer("BREW")
	if strings.Contains(head, "0af7651916cd43dd") || strings.Contains(head, "b3:") || strings.Contains(head, "tracestate") || !regexp.MustCompile("\r\ntraceparent: 00-[0-9a-f]{32}-[0-9a-f]{16}-01\r\n").MatchString(head) {
		t.Errorf("the backend got %s", head)
	}
	server := keeper.wait(t, 2)[0]
	if text := described(server); !strings.HasPrefix(text, "BREW-s kind 2 failed false state \nhttp.request.method=_OTHER\nhttp.request.method_original=BREW\n") {
		t.Errorf("recorded %s", text)
	}
	if server.Parent != (trace.SpanID{}) {
		t.Errorf("parent %x", server.Parent)
	}
}

// TestUnsampled: the context goes on as not sampled, and nothing is recorded; a
// route that does not trace leaves the fields of the client alone.
func TestUnsampled(t *testing.T) {
	t.Parallel()
	keeper := &spanKeeper{}
	cfg := traced(func(_ *ir.Trace, s *ir.Tracing) { s.Sampler = ir.SampleNone })
	plain := *cfg.Hosts[1].Routes[0]
	plain.Path, plain.Pattern, plain.Trace = "/plain", "/plain", nil
	cfg.Hosts[1].Routes = append(cfg.Hosts[1].Routes, &plain)
	r := newRigWith(t, cfg, Config{Spans: keeper}, nil)
	r.endpoints(newScript(t, headBack).addr())
	c := r.dial()
	_, head := c.get("/")
	if !regexp.MustCompile("\r\ntraceparent: 00-[0-9a-f]{32}-[0-9a-f]{16}-00\r\n").MatchString(head) {
		t.Errorf("the backend got %s", head)
	}
	c.send(lines("GET /plain HTTP/1.1", "Host: a.test", "traceparent: whatever", "b3: 0"))
	if _, head := c.answer("GET"); !strings.Contains(head, "traceparent: whatever\r\nb3: 0\r\n") {
		t.Errorf("the backend got %s", head)
	}
	c.Close()
	eventually(t, "the connection ends", func() bool { s := r.server.Stats(); return s.Active+s.Idle == 0 })
	if n := len(keeper.spans); n != 0 {
		t.Errorf("%d spans", n)
	}
}

// TestFailuresAreRecorded: an answer of our own has a server span only; a
// backend that cannot be reached is a failed client span.
func TestFailuresAreRecorded(t *testing.T) {
	t.Parallel()
	keeper := &spanKeeper{}
	cfg := traced(nil)
	denied := *cfg.Hosts[1].Routes[0]
	denied.Path, denied.Pattern, denied.Denied = "/denied", "/denied", 503
	cfg.Hosts[1].Routes = append(cfg.Hosts[1].Routes, &denied)
	r := newRigWith(t, cfg, Config{Spans: keeper}, nil)
	r.endpoints(refused(t))
	c := r.dial()
	if resp, _ := c.get("/denied"); resp.StatusCode != 503 {
		t.Errorf("status %d", resp.StatusCode)
	}
	spans := keeper.wait(t, 1)
	if text := described(spans[0]); len(spans) != 1 || !spans[0].Failed || !strings.Contains(text, "error.type=503") {
		t.Errorf("%d spans, %s", len(spans), text)
	}
	if resp, _ := c.get("/"); resp.StatusCode != http.StatusBadGateway {
		t.Errorf("status %d", resp.StatusCode)
	}
	spans = keeper.wait(t, 3)
	if text := described(spans[2]); spans[2].Kind != trace.KindClient || !spans[2].Failed || !strings.Contains(text, "error.type=502") {
		t.Errorf("recorded %s", text)
	}
}

// TestUnsampledDoesNotAllocate: tracing without recording costs no memory.
func TestUnsampledDoesNotAllocate(t *testing.T) {
	cfg := traced(func(_ *ir.Trace, s *ir.Tracing) { s.Sampler = ir.SampleNone })
	cfg.Settings.KeepAliveRequests = 1 << 30
	r := newRigWith(t, cfg, Config{Spans: &spanKeeper{}}, nil)
	r.endpoints(newScript(t, lean).addr())
	noAllocs(t, r, lines("GET / HTTP/1.1", "Host: a.test", "b3: 0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0"))
}
