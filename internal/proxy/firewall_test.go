package proxy

import (
	"io"
	"strings"
	"sync/atomic"
	"testing"

	"daemun/internal/ir"
	"daemun/internal/policy"
)

// fakeRules refuse what has the words that their text consists of: "head",
// "body", "response" and "answer", with a status of their own each.
type fakeRules struct {
	bodyLimit, responseLimit int
	open                     atomic.Int64
	ids                      atomic.Pointer[string]
}

type fakeInspection struct{ rules *fakeRules }

func (r *fakeRules) Inspect(s *policy.Subject) (policy.Inspection, policy.Ruling) {
	r.open.Add(1)
	r.ids.Store(&s.ID)
	i := &fakeInspection{r}
	for name, value := range s.Fields {
		if name == "X-Bad" {
			return i, policy.Ruling{Status: 406}
		}
		if name == "X-Away" {
			return i, policy.Ruling{Status: 302, Location: value}
		}
	}
	return i, policy.Ruling{}
}

func refusedIf(status int, bad bool) policy.Ruling {
	if bad {
		return policy.Ruling{Status: status}
	}
	return policy.Ruling{}
}

func (i *fakeInspection) BodyLimit() int { return i.rules.bodyLimit }

func (i *fakeInspection) Body(b []byte) policy.Ruling {
	return refusedIf(422, strings.Contains(string(b), "evil"))
}

func (i *fakeInspection) Response(_ int, fields policy.HeadFields) policy.Ruling {
	for name := range fields {
		if name == "X-Secret" {
			return policy.Ruling{Status: 502}
		}
	}
	return policy.Ruling{}
}

func (i *fakeInspection) ResponseLimit() int { return i.rules.responseLimit }

func (i *fakeInspection) ResponseBody(b []byte) policy.Ruling {
	return refusedIf(500, strings.Contains(string(b), "leak"))
}

func (i *fakeInspection) Close() { i.rules.open.Add(-1) }

func firewalled(t *testing.T, rules policy.Rules, backend func(int, *client)) *rig {
	t.Helper()
	cfg := oneRoute(func(_ *ir.Host, r *ir.Route) {
		r.Firewall = &ir.Firewall{Rules: "text", TransactionID: "$request_method-1"}
	})
	r := newRig(t, oneRoute(nil))
	r.policies = policy.NewState(policy.Config{Rules: func(string) policy.Rules { return rules }})
	r.config = cfg
	r.publish()
	r.endpoints(newScript(t, backend).addr())
	return r
}

// TestFirewallPhases: each phase refuses before the next side has got anything.
func TestFirewallPhases(t *testing.T) {
	t.Parallel()
	rules := &fakeRules{bodyLimit: 1 << 20, responseLimit: 1 << 10}
	r := firewalled(t, rules, func(_ int, c *client) {
		for {
			head := c.head()
			switch {
			case head == "":
				return
			case strings.HasPrefix(head, "POST"):
				body := make([]byte, 5)
				if _, err := io.ReadFull(c.br, body); err != nil {
					return
				}
				c.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" + string(body))
			case strings.Contains(head, "/secret"):
				c.send("HTTP/1.1 200 OK\r\nX-Secret: 1\r\nContent-Length: 2\r\n\r\nok")
			case strings.Contains(head, "/leak"):
				c.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nle\r\n2\r\nak\r\n0\r\n\r\n")
			case strings.Contains(head, "/chunked"):
				c.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nfi\r\n2\r\nne\r\n0\r\n\r\n")
			case strings.Contains(head, "/long"):
				c.send("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("x", 100000))
			case strings.Contains(head, "/odd"):
				c.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5000\r\n" + strings.Repeat("y", 0x5000) + "\r\n0\r\n\r\n")
			default:
				c.send(ok)
			}
		}
	})
	long := strings.Repeat("x", 100000)
	for name, c := range map[string]struct {
		request, body string
		status        int
	}{
		"passes":           {lines("GET / HTTP/1.1", "Host: a.test"), "ok", 200},
		"head":             {lines("GET / HTTP/1.1", "Host: a.test", "X-Bad: 1"), "", 406},
		"redirect":         {lines("GET / HTTP/1.1", "Host: a.test", "X-Away: http://b.test/"), "", 302},
		"body passes":      {lines("POST / HTTP/1.1", "Host: a.test", "Content-Length: 5") + "hello", "hello", 200},
		"body":             {lines("POST / HTTP/1.1", "Host: a.test", "Content-Length: 4") + "evil", "", 422},
		"chunked body":     {lines("POST / HTTP/1.1", "Host: a.test", "Transfer-Encoding: chunked") + "2\r\nev\r\n2\r\nil\r\n0\r\n\r\n", "", 422},
		"response head":    {lines("GET /secret HTTP/1.1", "Host: a.test"), "", 502},
		"response body":    {lines("GET /leak HTTP/1.1", "Host: a.test"), "", 500},
		"chunked response": {lines("GET /chunked HTTP/1.1", "Host: a.test"), "fine", 200},
		"over the limit":   {lines("GET /long HTTP/1.1", "Host: a.test"), long, 200},
		"chunked and over": {lines("GET /odd HTTP/1.1", "Host: a.test"), strings.Repeat("y", 0x5000), 200},
		"HTTP/1.0":         {lines("GET /chunked HTTP/1.0", "Host: a.test"), "fine", 200},
	} {
		conn := r.dial()
		conn.send(c.request)
		method, _, _ := strings.Cut(c.request, " ")
		resp, body := conn.answer(method)
		if resp.StatusCode != c.status || c.status == 200 && body != c.body || c.status == 302 && resp.Header.Get("Location") != "http://b.test/" {
			t.Errorf("%s: %d %.100q", name, resp.StatusCode, body)
		}
	}
	eventually(t, "all inspections are closed", func() bool { return rules.open.Load() == 0 })
	if id := *rules.ids.Load(); id != "GET-1" && id != "POST-1" {
		t.Errorf("transaction %s", id)
	}
}

// TestFirewallKeepsConnections: a response that was held leaves both connections
// usable.
func TestFirewallKeepsConnections(t *testing.T) {
	t.Parallel()
	backend := newScript(t, answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"))
	r := firewalled(t, &fakeRules{responseLimit: 100}, answering(ok))
	r.endpoints(backend.addr())
	c := r.dial()
	for range 3 {
		if resp, body := c.get("/"); resp.StatusCode != 200 || body != "ok" {
			t.Fatalf("%d %q", resp.StatusCode, body)
		}
	}
	if n := backend.conns.Load(); n != 1 {
		t.Errorf("%d connections to the backend", n)
	}
}

// TestFirewallWithoutRules: rules that cannot be used let nothing pass.
func TestFirewallWithoutRules(t *testing.T) {
	t.Parallel()
	cfg := oneRoute(func(_ *ir.Host, r *ir.Route) { r.Firewall = &ir.Firewall{Rules: "broken"} })
	r := newRig(t, cfg)
	r.endpoints(newScript(t, answering(ok)).addr())
	if resp, _ := r.dial().get("/"); resp.StatusCode != 503 {
		t.Errorf("status %d", resp.StatusCode)
	}
}

// noted are rules that remember whose turns they take.
type noted struct {
	fakeRules
	groups chan string
}

func (n *noted) Inspect(s *policy.Subject) (policy.Inspection, policy.Ruling) {
	n.groups <- s.Group
	return n.fakeRules.Inspect(s)
}

// TestFirewallTurnsAreOfTheHost, as it is configured: a client that makes up
// names gets no more of them.
func TestFirewallTurnsAreOfTheHost(t *testing.T) {
	t.Parallel()
	rules := &noted{groups: make(chan string, 1)}
	r := firewalled(t, rules, answering(ok))
	r.config = oneRoute(func(h *ir.Host, r *ir.Route) { h.Name, r.Firewall = "*.a.test", &ir.Firewall{Rules: "text"} })
	r.publish()
	for _, name := range []string{"one.a.test", "TWO.a.test:80"} {
		c := r.dial()
		c.send(lines("GET / HTTP/1.1", "Host: "+name))
		if resp, _ := c.answer("GET"); resp.StatusCode != 200 {
			t.Fatalf("%s: %d", name, resp.StatusCode)
		}
		if group := <-rules.groups; group != "*.a.test" {
			t.Errorf("%s takes the turns of %q", name, group)
		}
	}
}
