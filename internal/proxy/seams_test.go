package proxy

import (
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"daemun/internal/ir"
	"daemun/internal/tap"
	"daemun/internal/trace"
)

// another adds a route to the host; it is as the first one but for path and
// what change does.
func another(h *ir.Host, path string, change func(*ir.Route)) {
	r := *h.Routes[0]
	r.Path, r.Pattern, r.Policies = path, path, defaultPolicies()
	if change != nil {
		change(&r)
	}
	h.Routes = append(h.Routes, &r)
}

// TestReroutedRequestIsOfItsLastRoute: what the route wanted that a script has
// sent it away from does not count any more.
func TestReroutedRequestIsOfItsLastRoute(t *testing.T) {
	t.Parallel()
	keeper := &spanKeeper{}
	cfg := oneRoute(func(h *ir.Host, r *ir.Route) {
		r.CORS = &ir.CORS{Origins: []string{"*"}, Methods: "GET", Headers: "X"}
		r.Trace = &ir.Trace{}
		r.Errors = &ir.Errors{Statuses: []int{400}, Backend: sorryID}
		r.Script = &ir.Script{Steps: []ir.Step{
			{Action: moves("^/limited", "/to/limited", ir.RewriteLast)},
			{Action: moves("^/plain", "/to/plain", ir.RewriteLast)},
			{Action: moves("^/traced", "/to/traced", ir.RewriteLast)},
			{Action: moves("^/bad", "/../x", ir.RewriteLast)},
		}}
		another(h, "/to/plain", nil)
		another(h, "/to/limited", func(r *ir.Route) { r.Fields = &ir.FieldEdits{Response: []ir.FieldEdit{set("X-Own", "1")}} })
		another(h, "/to/traced", func(r *ir.Route) { r.Trace = &ir.Trace{Name: "last"} })
	})
	cfg.Settings.Tracing = &ir.Tracing{Sampler: ir.SampleAll}
	r := newRigWith(t, cfg, Config{Spans: keeper}, nil)
	r.endpoints(newScript(t, mirrorHead).addr())
	c := r.dial()
	for path, status := range map[string]int{"/limited": 200, "/plain": 200} {
		resp, body := c.get(path)
		if resp.StatusCode != status || resp.Header.Get("Access-Control-Allow-Origin") != "" || strings.Contains(body, "traceparent") {
			t.Errorf("%s: %d %v\n%s", path, resp.StatusCode, resp.Header, body)
		}
	}
	if resp, _ := c.get("/bad"); resp.StatusCode != 400 {
		t.Errorf("a path that cannot be: %s", resp.Status)
	}
	c = r.dial()
	if _, body := c.get("/traced"); !strings.Contains(body, "traceparent") {
		t.Errorf("the last route is not traced:\n%s", body)
	}
	if s := keeper.wait(t, 2); s[0].Name != "last" {
		t.Errorf("recorded %s first", described(s[0]))
	}
	if n := r.server.Stats().Panics; n != 0 {
		t.Errorf("%d panics", n)
	}
}

// TestTraceOfALaterRequest: what an earlier request of the connection asked of
// backends is none of it.
func TestTraceOfALaterRequest(t *testing.T) {
	t.Parallel()
	keeper := &spanKeeper{}
	cfg := oneRoute(func(h *ir.Host, _ *ir.Route) {
		another(h, "/denied", func(r *ir.Route) { r.Trace, r.Denied = &ir.Trace{}, 503 })
	})
	cfg.Settings.Tracing = &ir.Tracing{Sampler: ir.SampleAll}
	r := newRigWith(t, cfg, Config{Spans: keeper}, nil)
	r.endpoints(newScript(t, answering(ok)).addr())
	c := r.dial()
	for range 2 {
		c.get("/")
		c.get("/denied")
	}
	for _, s := range keeper.wait(t, 2) {
		if s.Kind != trace.KindServer {
			t.Errorf("recorded %s", described(s))
		}
	}
	if n := r.server.Stats().Panics; n != 0 {
		t.Errorf("%d panics", n)
	}
}

// TestTapShowsTheClient that a trusted peer names.
func TestTapShowsTheClient(t *testing.T) {
	t.Parallel()
	tp := tap.New()
	cfg := oneRoute(nil)
	cfg.Settings.Forwarded = ir.Forwarded{Believe: true, Trusted: tens}
	r := newRigWith(t, cfg, Config{Tap: tp}, nil)
	r.endpoints(newScript(t, answering(ok)).addr())
	peer := "10.0.0.1:5000"
	r.remote.Store(&peer)
	w, err := tp.Watch(tap.Filter{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	c := r.dial()
	c.send(lines("GET / HTTP/1.1", "Host: a.test", "X-Forwarded-For: 192.0.2.7"))
	c.answer("GET")
	if s := <-w.Samples(); s.Client != netip.MustParseAddr("192.0.2.7") {
		t.Errorf("client %s", s.Client)
	}
}

// TestLimitsGoByTheBelievedClient: each has a count of its own.
func TestLimitsGoByTheBelievedClient(t *testing.T) {
	t.Parallel()
	r := from(t, ir.Forwarded{Believe: true, Trusted: tens}, func(_ *ir.Host, r *ir.Route) {
		r.Limits = &ir.Limits{ID: "d/i", PerMinute: 1, Burst: 1}
	})
	c := r.dial()
	refused := map[string]int{}
	for _, client := range []string{"192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.2"} {
		c.send(lines("GET / HTTP/1.1", "Host: a.test", "X-Forwarded-For: "+client))
		if resp, _ := c.answer("GET"); resp.StatusCode == 503 {
			refused[client]++
		}
	}
	if refused["192.0.2.1"] == 0 || refused["192.0.2.2"] != 0 {
		t.Errorf("refused %v", refused)
	}
}

// TestFirewallAndBuffering: rules see the beginning of a body that is held in a
// file, and what they let pass is sent whole, also to the next endpoint.
func TestFirewallAndBuffering(t *testing.T) {
	t.Parallel()
	const limit, size = 200 << 10, 1 << 20
	rules := &fakeRules{bodyLimit: limit, responseLimit: 100}
	refuses := func(_ int, c *client) {
		c.head()
		_, _ = io.CopyN(io.Discard, c.br, size/8)
	}
	r := firewalled(t, rules, received)
	route := r.config.Hosts[1].Routes[0]
	route.RequestBuffering, route.MaxBody = true, 0
	r.config = oneRoute(func(_ *ir.Host, r *ir.Route) { *r = *route })
	r.publish()
	r.endpoints(newScript(t, refuses).addr(), newScript(t, received).addr())
	within, beyond := strings.Repeat("x", limit/2)+"evil", strings.Repeat("x", limit+100<<10)+"evil"
	c := r.dial()
	for name, tt := range map[string]struct {
		body   string
		status int
		text   string
	}{
		"fine":   {strings.Repeat("x", size), 200, fmt.Sprintf("%d [] %d ", size, size)},
		"within": {within + strings.Repeat("x", size), 422, ""},
		"beyond": {beyond, 200, "other octets"},
	} {
		for range 2 {
			for _, head := range []string{fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(tt.body), tt.body), fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(tt.body), tt.body)} {
				if name == "within" {
					c = r.dial() // not all of it is read
				}
				c.send("PUT / HTTP/1.1\r\nHost: a.test\r\n" + head)
				resp, body := c.answer("PUT")
				if resp.StatusCode != tt.status || tt.text != "" && body != tt.text {
					t.Errorf("%s: %d %.100q", name, resp.StatusCode, body)
				}
				if name == "within" {
					c.Close()
					c = r.dial()
				}
			}
		}
	}
	eventually(t, "all inspections are closed", func() bool { return rules.open.Load() == 0 })
}

// TestMirrorOfABufferedBody: the copy and the request itself get all of it,
// beyond what is copied the request alone, and that is counted.
func TestMirrorOfABufferedBody(t *testing.T) {
	t.Parallel()
	copies := make(chan int, 8)
	mirror := newScript(t, func(_ int, c *client) {
		for {
			req, err := http.ReadRequest(c.br)
			if err != nil {
				return
			}
			n, _ := io.Copy(io.Discard, req.Body)
			copies <- int(n)
			c.send(ok)
		}
	})
	r, _ := up(t, received, func(_ *ir.Host, r *ir.Route) {
		r.RequestBuffering, r.MaxBody = true, 0
		r.Mirror = &ir.Mirror{Backend: "d/mirror/80", Host: "copy.test", Target: "/copy", Body: true}
	})
	r.upstreams.Update(ir.EndpointSet{Backend: "d/mirror/80", Endpoints: []ir.Endpoint{{Addr: mirror.addr()}}})
	c := r.dial()
	for _, size := range []int{5, 600 << 10, 3 << 20} {
		body := strings.Repeat("x", size)
		c.send(fmt.Sprintf("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", size, body))
		if _, got := c.answer("POST"); got != fmt.Sprintf("%d [] %d ", size, size) {
			t.Errorf("%d octets: the backend got %q", size, got)
		}
		if size > mirrorBody {
			continue
		}
		if n := <-copies; n != size {
			t.Errorf("%d octets: the copy has %d", size, n)
		}
	}
	if n := r.server.Stats().Unmirrored; n != 1 || len(copies) != 0 {
		t.Errorf("%d were not copied, %d copies too many", n, len(copies))
	}
}

// TestScriptAnswersHaveCORSFields, and a preflight is answered before the script.
func TestScriptAnswersHaveCORSFields(t *testing.T) {
	t.Parallel()
	r, _ := up(t, answering(ok), func(_ *ir.Host, r *ir.Route) {
		r.CORS = &ir.CORS{Origins: []string{"https://b.test"}, Methods: "GET", Headers: "X"}
		r.Script = does(gives(403, "no"))
	})
	c := r.dial()
	for method, status := range map[string]int{"GET": 403, "OPTIONS": 204} {
		c.send(lines(method+" / HTTP/1.1", "Host: a.test", "Origin: https://b.test"))
		if resp, _ := c.answer(method); resp.StatusCode != status || resp.Header.Get("Access-Control-Allow-Origin") != "https://b.test" {
			t.Errorf("%s: %d %v", method, resp.StatusCode, resp.Header)
		}
	}
	c.send(lines("OPTIONS / HTTP/1.1", "Host: a.test", "Origin: https://c.test"))
	if resp, _ := c.answer("OPTIONS"); resp.StatusCode != 403 || resp.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("another origin: %d %v", resp.StatusCode, resp.Header)
	}
}

// TestCompressionAndErrors: a page of the error backend is not compressed a
// second time and keeps its length, whatever the response would have been.
func TestCompressionAndErrors(t *testing.T) {
	t.Parallel()
	cfg := oneRoute(func(_ *ir.Host, r *ir.Route) { r.Errors = &ir.Errors{Statuses: []int{404}, Backend: sorryID} })
	cfg.Settings.Compression = &ir.Compression{Gzip: &ir.Coding{Level: 1, MinLength: 10, Types: []string{"text/css"}}}
	r := newRig(t, cfg)
	missing := strings.Replace(withBody("", long), "200 OK", "404 Not Found", 1)
	r.endpoints(newScript(t, func(_ int, c *client) {
		for head := c.head(); head != ""; head = c.head() {
			if strings.Contains(head, "/missing") {
				c.send(missing)
			} else {
				c.send(withBody("", long))
			}
		}
	}).addr())
	r.upstreams.Update(ir.EndpointSet{Backend: sorryID, Endpoints: []ir.Endpoint{{Addr: newScript(t, answering(withBody("Content-Encoding: gzip\r\n", "packed by the backend"))).addr()}}})
	c := r.dial()
	for range 2 {
		c.send(lines("GET /missing HTTP/1.1", "Host: a.test", "Accept-Encoding: gzip"))
		if resp, body := c.answer("GET"); body != "packed by the backend" || resp.Header.Get("Content-Encoding") != "gzip" || resp.ContentLength != int64(len(body)) {
			t.Errorf("%v, %d octets", resp.Header, len(body))
		}
		if resp, body := c.getAccepting("gzip"); unpacked(t, resp, body) != long {
			t.Errorf("%v, %d octets", resp.Header, len(body))
		}
	}
}
