package proxy

import (
	"io"
	"net/netip"
	"strings"
	"testing"

	"daemun/internal/ir"
	"daemun/internal/variable"
)

func does(a ...ir.Action) *ir.Script {
	s := &ir.Script{}
	for _, action := range a {
		s.Steps = append(s.Steps, ir.Step{Action: action})
	}
	return s
}

func onlyIf(left string, op ir.Comparison, right string, then ...ir.Action) *ir.Script {
	return &ir.Script{Steps: []ir.Step{{If: &ir.Condition{Left: left, Op: op, Right: right}, Then: then}}}
}

func gives(status int, text string) ir.Action {
	return ir.Action{Return: &ir.Return{Status: status, Text: text, Type: "text/x"}}
}

func moves(pattern, path string, flag ir.RewriteFlag) ir.Action {
	return ir.Action{Rewrite: &ir.RewriteStep{Pattern: pattern, Path: path, Flag: flag}}
}

func assigns(name, value string) ir.Action {
	return ir.Action{Set: &ir.Assignment{Name: name, Value: value}}
}

// requestLine is the first line that the backend got.
func requestLine(body string) string {
	line, _, _ := strings.Cut(body, "\r\n")
	return line
}

// TestScript pins what the scripts of a route do: answers, rewriting, and what
// of the route's own settings comes after them.
func TestScript(t *testing.T) {
	t.Parallel()
	script := func(s *ir.Script) func(*ir.Host, *ir.Route) {
		return func(_ *ir.Host, r *ir.Route) { r.Script = s }
	}
	both := func(s *ir.Script, more func(*ir.Host, *ir.Route)) func(*ir.Host, *ir.Route) {
		return func(h *ir.Host, r *ir.Route) { r.Script = s; more(h, r) }
	}
	guarded := func(_ *ir.Host, r *ir.Route) {
		r.ForceSSLRedirect, r.Access = true, &ir.Access{Deny: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}}
	}
	fixed := func(_ *ir.Host, r *ir.Route) { r.Redirect = &ir.Redirect{Code: 301, Location: "/fixed"} }
	for _, tt := range []struct {
		name, target string
		change       func(*ir.Host, *ir.Route)
		status       int
		want         string // Location, body, or the request line of the backend
	}{
		{"return before the guards and the https redirect", "/", both(does(gives(404, "no $host")), guarded), 404, "no a.test"},
		{"a body", "/?a=1", script(does(gives(200, "$request_method $args"))), 200, "GET a=1"},
		{"an absolute redirect", "/x?y", script(does(gives(301, "https://b.test$request_uri"))), 301, "https://b.test/x?y"},
		{"a redirect to a path", "/x", script(does(gives(302, "/n$uri"))), 302, "http://a.test/n/x"},
		{"no line break in a redirect", "/x%0d%0aSet-Cookie:a", script(does(gives(302, "/n$uri"))), 500, ""},
		{"if that holds", "/?x=1", script(onlyIf("$arg_x", ir.Equal, "1", gives(403, "x"))), 403, "x"},
		{"if that does not hold", "/?x=2", script(onlyIf("$arg_x", ir.Equal, "1", gives(403, "x"))), 200, "GET /?x=2 HTTP/1.1"},
		{"captures of an if", "/shop/cart", script(onlyIf("$request_uri", ir.Matches, "^/([a-z]+)/(.*)", gives(302, "https://$1.test/$2"))), 302, "https://shop.test/cart"},
		{"case matters", "/SHOP", script(onlyIf("$uri", ir.Matches, "^/shop", gives(403, "x"))), 200, "GET /SHOP HTTP/1.1"},
		{"case does not matter", "/SHOP", script(onlyIf("$uri", ir.MatchesFold, "^/shop", gives(403, "x"))), 403, "x"},
		{"not like", "/a", script(onlyIf("$uri", ir.Differs, "^/shop", gives(403, "x"))), 403, "x"},
		{"zero does not hold", "/?x=0", script(onlyIf("$arg_x", ir.Holds, "", gives(403, "x"))), 200, "GET /?x=0 HTTP/1.1"},
		{"set", "/a?x=7", script(does(assigns("v", "<$arg_x>"), assigns("w", "${v}!"), gives(200, "$w$none"))), 200, "<7>!"},
		{"set args", "/a?x=7", script(does(assigns("args", "y=$arg_x"))), 200, "GET /a?y=7 HTTP/1.1"},
		{"rewrite and break", "/a/b%20c?d", script(does(moves("^/a/(.*)$", "/n/$1", ir.RewriteBreak), gives(500, "x"))), 200, "GET /n/b%20c?d HTTP/1.1"},
		{"rewrite that does not match", "/b", script(does(moves("^/a/(.*)$", "/n/$1", ir.RewriteBreak))), 200, "GET /b HTTP/1.1"},
		{"break keeps the redirect of the route away", "/a", both(does(moves("^/a", "/n", ir.RewriteBreak)), fixed), 200, "GET /n HTTP/1.1"},
		{"without a flag the redirect of the route comes", "/a", both(does(moves("^/a", "/n", ir.RewriteGoOn)), fixed), 301, "http://a.test/fixed"},
		{"a redirect with arguments", "/a%3Fb?c", script(does(ir.Action{Rewrite: &ir.RewriteStep{Pattern: "^/(.*)", Path: "/n/$1", Status: 301}})), 301, "http://a.test/n/a%3Fb?c"},
		{"in a circle", "/a", script(does(moves("^/(.*)$", "/x$1", ir.RewriteLast))), 500, ""},
		{"arguments of a rewrite", "/a?x=1", script(does(ir.Action{Rewrite: &ir.RewriteStep{Pattern: "^/a", Path: "/n", Args: "y=2", HasArgs: true, Flag: ir.RewriteBreak}})), 200, "GET /n?y=2&x=1 HTTP/1.1"},
		{"other arguments are dropped", "/a?x=1", script(does(ir.Action{Rewrite: &ir.RewriteStep{Pattern: "^/a", Path: "/n", DropArgs: true, Flag: ir.RewriteBreak}})), 200, "GET /n HTTP/1.1"},
		{"an expression that cannot be run closes", "/", script(onlyIf("$uri", ir.Matches, "(?=x)", gives(200, "x"))), 503, ""},
		{"the script of the host comes first", "/", both(does(gives(200, "route")), func(h *ir.Host, _ *ir.Route) { h.Script = does(gives(200, "host")) }), 200, "host"},
		{"the host rewrites", "/old/x", both(nil, func(h *ir.Host, _ *ir.Route) { h.Script = does(moves("^/old(/.*)", "$1", ir.RewriteGoOn)) }), 200, "GET /x HTTP/1.1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, _ := up(t, mirrorHead, tt.change)
			c := r.dial()
			resp, body := c.get(tt.target)
			got := body
			switch {
			case resp.Header.Get("Location") != "":
				got = resp.Header.Get("Location")
			case resp.StatusCode == 200 && strings.HasPrefix(body, "GET /"):
				got = requestLine(body)
			case tt.want == "":
				got = ""
			}
			if resp.StatusCode != tt.status || got != tt.want {
				t.Errorf("%d %q, want %d %q", resp.StatusCode, got, tt.status, tt.want)
			}
		})
	}
}

// TestScriptsDoNotGrow: what doubles, or keeps much of little, ends and does not
// take all memory.
func TestScriptsDoNotGrow(t *testing.T) {
	t.Parallel()
	repeat := func(n int, a ...ir.Action) (all []ir.Action) {
		for range n {
			all = append(all, a...)
		}
		return all
	}
	twice := ir.Action{Rewrite: &ir.RewriteStep{Pattern: "^(.*)$", Path: "$1$1"}}
	args := ir.Action{Rewrite: &ir.RewriteStep{Pattern: "^", Path: "/x", HasArgs: true, Args: "$args"}}
	many := []ir.Action{assigns("v", strings.Repeat("x", 60<<10))}
	for i := range 26 {
		many = append(many, assigns("v"+string(rune('a'+i)), "$v"))
	}
	for name, actions := range map[string][]ir.Action{
		"a variable":     append(repeat(1, assigns("v", "x")), repeat(60, assigns("v", "$v$v"))...),
		"a path":         repeat(60, twice),
		"arguments":      repeat(60, args),
		"many variables": many,
	} {
		r, _ := up(t, mirrorHead, func(_ *ir.Host, r *ir.Route) { r.Script = does(append(actions, gives(200, "all of it"))...) })
		c := r.dial()
		for range 2 {
			if resp, body := c.get("/abc?d=e"); resp.StatusCode != 500 {
				t.Errorf("%s: %d, %d octets", name, resp.StatusCode, len(body))
			}
		}
	}
	r, _ := up(t, mirrorHead, func(_ *ir.Host, r *ir.Route) { r.Script = does(gives(200, strings.Repeat("$args", 4000))) })
	if _, body := r.dial().get("/?" + strings.Repeat("x", 4<<10)); len(body) > 2*variable.Longest {
		t.Errorf("an answer of %d octets", len(body))
	}
}

// TestScriptOfOneRequest pins that nothing of a request is there in the next
// one of the connection.
func TestScriptOfOneRequest(t *testing.T) {
	t.Parallel()
	r, _ := up(t, mirrorHead, func(_ *ir.Host, r *ir.Route) {
		r.Script = &ir.Script{
			Steps: []ir.Step{
				{If: &ir.Condition{Left: "$arg_x", Op: ir.Matches, Right: "(.+)"}, Then: []ir.Action{assigns("v", "$1"), moves("^", "/moved", ir.RewriteBreak)}, Variant: 1},
				{Action: gives(200, "[$v$1]")},
			},
			Variants: []ir.Variant{{Fields: &ir.FieldEdits{Response: []ir.FieldEdit{set("X-V", "$v")}}}},
		}
	})
	c := r.dial()
	for range 2 {
		if resp, body := c.get("/?x=1"); requestLine(body) != "GET /moved?x=1 HTTP/1.1" || resp.Header.Get("X-V") != "1" {
			t.Errorf("%q %v", body, resp.Header)
		}
		if resp, body := c.get("/"); body != "[]" || resp.Header.Get("X-V") != "" || resp.Header.Get("Content-Type") != "text/x" {
			t.Errorf("%q %v", body, resp.Header)
		}
	}
}

// TestClosedByScript pins 444: the client gets nothing.
func TestClosedByScript(t *testing.T) {
	t.Parallel()
	r, _ := up(t, answering(ok), func(_ *ir.Host, r *ir.Route) { r.Script = does(ir.Action{Return: &ir.Return{Status: 444}}) })
	c := r.dial()
	c.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
	if got, _ := io.ReadAll(c.br); len(got) > 0 {
		t.Errorf("%q", got)
	}
}

// TestMoreReturns pins error_page, and that a page which it gives is not
// replaced again.
func TestErrorPageOfScript(t *testing.T) {
	t.Parallel()
	r, _ := up(t, answering(ok), func(_ *ir.Host, r *ir.Route) {
		r.Backend = ""
		r.ErrorPages = []ir.ErrorPage{{Statuses: []int{403, 404}, To: "https://other.test$uri"}}
	})
	if resp, _ := r.dial().get("/x"); resp.StatusCode != 302 || resp.Header.Get("Location") != "https://other.test/x" {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
}

// TestAccessRules pins allow and deny in their order, and limit_except.
func TestAccessRules(t *testing.T) {
	t.Parallel()
	rule := func(allow bool, n string) ir.AccessRule {
		return ir.AccessRule{Allow: allow, Net: netip.MustParsePrefix(n)}
	}
	rules := []ir.AccessRule{rule(true, "10.0.0.1/32"), rule(false, "10.0.0.0/8"), rule(true, "0.0.0.0/0"), rule(false, "::/0")}
	for _, tt := range []struct {
		remote, method string
		status         int
	}{
		{"10.0.0.1:5", "GET", 200},
		{"10.0.0.2:5", "GET", 403},
		{"11.0.0.1:5", "GET", 200},
		{"[2001:db8::1]:5", "GET", 403},
		{"11.0.0.1:5", "PUT", 403},
		{"10.0.0.1:5", "PUT", 200},
	} {
		r, _ := up(t, answering(ok), func(_ *ir.Host, r *ir.Route) {
			r.Access = &ir.Access{Rules: rules}
			r.MethodAccess = &ir.MethodAccess{Except: []string{"GET", "HEAD"}, Rules: []ir.AccessRule{rule(true, "10.0.0.1/32"), rule(false, "0.0.0.0/0")}}
		})
		r.remote.Store(&tt.remote)
		c := r.dial()
		c.send(tt.method + " / HTTP/1.1\r\nHost: a.test\r\n\r\n")
		if resp, _ := c.answer(tt.method); resp.StatusCode != tt.status {
			t.Errorf("%+v: %d", tt, resp.StatusCode)
		}
	}
}

// TestLocations pins the choice between locations of a server-snippet and
// routes.
func TestLocations(t *testing.T) {
	t.Parallel()
	location := func(match ir.LocationMatch, pattern, body string) *ir.Location {
		return &ir.Location{Match: match, Pattern: pattern, Route: &ir.Route{Path: pattern, PathType: "location", Policies: func() ir.Policies {
			p := defaultPolicies()
			if body != "" {
				p.Script = does(gives(200, body))
			}
			return p
		}()}}
	}
	r, _ := up(t, mirrorHead, func(h *ir.Host, r *ir.Route) {
		shop := *r
		shop.Path, shop.Pattern = "/shop", "/shop"
		h.Routes = append(h.Routes, &shop)
		h.Locations = []*ir.Location{
			location(ir.LocationExact, "/robots.txt", "robots"), location(ir.LocationPrefix, "/shop/in", "in"), location(ir.LocationPrefix, "/sh", "sh"),
			location(ir.LocationRegex, `\.env$`, "env"), location(ir.LocationRegexFold, `\.git`, "git"), location(ir.LocationFirm, "/firm/", "firm"), location(ir.LocationPrefix, "/none", ""),
		}
	})
	for path, want := range map[string]string{
		"/robots.txt": "robots", "/robots.txt/": "GET /robots.txt/ HTTP/1.1", "/shop": "GET /shop HTTP/1.1", "/shop/x": "GET /shop/x HTTP/1.1",
		"/shop/in/x": "in", "/shout": "sh", "/a/.env": "env", "/a/.ENV": "GET /a/.ENV HTTP/1.1", "/shop/.GIT/x": "git", "/firm/.git": "firm", "/none": "404",
	} {
		resp, body := r.dial().get(path)
		got := body
		switch {
		case resp.StatusCode == 404:
			got = "404"
		case strings.HasPrefix(body, "GET "):
			got = requestLine(body)
		}
		if got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}
