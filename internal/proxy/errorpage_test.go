package proxy

import (
	"net/netip"
	"strings"
	"testing"

	"daemun/internal/ir"
)

// errorRoutes are a host whose route "/" answers as backend, and "/page" as a
// mirror of the request, with the error pages of the test.
func errorRoutes(t *testing.T, backend string, change func(h *ir.Host, r, page *ir.Route)) *rig {
	t.Helper()
	pageHead := "HTTP/1.1 200 Fine\r\nX-Page: yes\r\n"
	up := newScript(t, func(_ int, c *client) {
		for head := c.head(); head != ""; head = c.head() {
			answer := backend
			if line, _, _ := strings.Cut(head, "\r\n"); strings.Contains(line, "/page") {
				answer = pageHead + "Content-Length: " + itoa(len(head)) + "\r\n\r\n" + head
			}
			c.send(answer)
		}
	})
	r := newRig(t, oneRoute(func(h *ir.Host, r *ir.Route) {
		page := *r
		page.Path, page.Pattern = "/page", "/page"
		h.Routes = append(h.Routes, &page)
		change(h, r, &page)
	}))
	r.endpoints(up.addr())
	return r
}

func instead(p ...ir.ErrorPage) []ir.ErrorPage { return p }

func pageAt(to string, statuses ...int) ir.ErrorPage { return ir.ErrorPage{Statuses: statuses, To: to} }

var denyAll = &ir.Access{Deny: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}}

// TestErrorPages pins error_page: where the answer comes from, with which status,
// and what the route there sees.
func TestErrorPages(t *testing.T) {
	t.Parallel()
	const gone = "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone"
	named := func(name string, p ir.Policies) *ir.Location {
		return &ir.Location{Match: ir.LocationNamed, Pattern: name, Route: &ir.Route{Path: name, PathType: "location @", Policies: p}}
	}
	scripted := func(s *ir.Script) ir.Policies { p := defaultPolicies(); p.Script = s; return p }
	denied := func(h *ir.Host, r *ir.Route) { r.Access = denyAll }
	for _, tt := range []struct {
		name, request string
		change        func(h *ir.Host, r, page *ir.Route)
		status        int
		want          string // in the body or the location
	}{
		{"a path keeps the status", "GET /x?a=1", func(h *ir.Host, r, _ *ir.Route) {
			denied(h, r)
			r.ErrorPages = instead(pageAt("/page?code=$request_uri", 403))
		}, 403, "GET /page?code=/x?a=1 HTTP/1.1"},
		{"a path without arguments", "GET /x?a=1", func(h *ir.Host, r, _ *ir.Route) { denied(h, r); r.ErrorPages = instead(pageAt("/page", 403)) }, 403, "GET /page HTTP/1.1"},
		{"another status", "GET /x", func(h *ir.Host, r, _ *ir.Route) {
			denied(h, r)
			r.ErrorPages = instead(ir.ErrorPage{Statuses: []int{403}, To: "/page", Status: 210})
		}, 210, "GET /page"},
		{"the status of the answer", "GET /x", func(h *ir.Host, r, _ *ir.Route) {
			denied(h, r)
			r.ErrorPages = instead(ir.ErrorPage{Statuses: []int{403}, To: "/page", OwnStatus: true})
		}, 200, "GET /page"},
		{"no content", "GET /x", func(h *ir.Host, r, _ *ir.Route) {
			denied(h, r)
			r.ErrorPages = instead(ir.ErrorPage{Statuses: []int{403}, To: "/page", Status: 204})
		}, 204, ""},
		{"a body becomes none", "POST /x", func(h *ir.Host, r, _ *ir.Route) { denied(h, r); r.ErrorPages = instead(pageAt("/page", 403)) }, 403, "GET /page"},
		{"HEAD stays", "HEAD /x", func(h *ir.Host, r, _ *ir.Route) { denied(h, r); r.ErrorPages = instead(pageAt("/page", 403)) }, 403, ""},
		{"the path is another, the request is not", "GET /x", func(h *ir.Host, r, page_ *ir.Route) {
			denied(h, r)
			r.ErrorPages = instead(pageAt("/page/in%20side", 403))
			page_.Fields = &ir.FieldEdits{Request: []ir.FieldEdit{{Kind: ir.EditSet, Name: "X-Seen", Value: "$request_uri $uri $request_method"}}}
		}, 403, "X-Seen: /x /page/in%20side GET"},
		{"the guards of the other route count", "GET /x", func(h *ir.Host, r, page_ *ir.Route) {
			denied(h, r)
			denied(h, page_)
			r.ErrorPages = instead(ir.ErrorPage{Statuses: []int{403}, To: "/page", Status: 200})
		}, 403, "403 Forbidden"},
		{"a page is not replaced again", "GET /x", func(h *ir.Host, r, _ *ir.Route) { denied(h, r); r.ErrorPages = instead(pageAt("/y", 403)) }, 403, "403 Forbidden"},
		{"nor in a circle", "GET /x", func(h *ir.Host, r, _ *ir.Route) {
			denied(h, r)
			r.RecursivePages, r.ErrorPages = true, instead(pageAt("/y", 403))
		}, 403, "403 Forbidden"},
		{"again where the route wants it", "GET /x", func(h *ir.Host, r, page_ *ir.Route) {
			denied(h, r)
			other := *r
			other.Path, other.Pattern = "/other", "/other"
			other.RecursivePages, other.ErrorPages = true, instead(pageAt("/page", 403))
			h.Routes = append(h.Routes, &other)
			r.ErrorPages = instead(pageAt("/other", 403))
		}, 403, "GET /page HTTP/1.1"},
		{"a response of the backend passes", "GET /x", func(_ *ir.Host, r, _ *ir.Route) { r.ErrorPages = instead(pageAt("/page", 404)) }, 404, "gone"},
		{"a response of the backend is replaced", "GET /x", func(_ *ir.Host, r, _ *ir.Route) { r.Intercept, r.ErrorPages = true, instead(pageAt("/page", 404)) }, 404, "GET /page"},
		{"with a body that was sent", "POST /x", func(_ *ir.Host, r, _ *ir.Route) { r.Intercept, r.ErrorPages = true, instead(pageAt("/page", 404)) }, 404, "GET /page"},
		{"and what comes instead, by our page", "GET /x", func(_ *ir.Host, r, _ *ir.Route) { r.Intercept, r.ErrorPages = true, instead(pageAt("/z", 404)) }, 404, "404 Not Found"},
		{"no endpoint", "GET /x", func(_ *ir.Host, r, _ *ir.Route) { r.Backend, r.ErrorPages = "d/none/80", instead(pageAt("/page", 503)) }, 503, "GET /page"},
		{"a location", "GET /x", func(h *ir.Host, r, _ *ir.Route) {
			denied(h, r)
			h.Locations = []*ir.Location{named("@no", scripted(does(gives(200, "no: $uri"))))}
			r.ErrorPages = instead(pageAt("@no", 403))
		}, 403, "no: /x"},
		{"a location with its own status", "GET /x", func(h *ir.Host, r, _ *ir.Route) {
			denied(h, r)
			h.Locations = []*ir.Location{named("@no", scripted(does(gives(302, "https://login.test/"))))}
			r.ErrorPages = instead(ir.ErrorPage{Statuses: []int{403}, To: "@no", OwnStatus: true})
		}, 302, "https://login.test/"},
		{"a location that leads to a route", "GET /x?a", func(h *ir.Host, r, _ *ir.Route) {
			denied(h, r)
			h.Locations = []*ir.Location{named("@no", scripted(does(moves("^(.*)$", "/page$1", ir.RewriteLast))))}
			r.ErrorPages = instead(pageAt("@no", 403))
		}, 403, "GET /page/x?a HTTP/1.1"},
		{"no such location", "GET /x", func(h *ir.Host, r, _ *ir.Route) { denied(h, r); r.ErrorPages = instead(pageAt("@none", 403)) }, 500, "500 Internal"},
		{"a URL", "GET /x", func(h *ir.Host, r, _ *ir.Route) {
			denied(h, r)
			r.ErrorPages = instead(pageAt("https://b.test$request_uri", 403))
		}, 302, "https://b.test/x"},
		{"a URL with its status", "GET /x", func(h *ir.Host, r, _ *ir.Route) {
			denied(h, r)
			r.ErrorPages = instead(ir.ErrorPage{Statuses: []int{403}, To: "https://b.test/", Status: 301})
		}, 301, "https://b.test/"},
		{"of the host, for its script", "GET /x", func(h *ir.Host, r, _ *ir.Route) {
			h.Script = onlyIf("$request_uri", ir.Matches, "^/x", ir.Action{Return: &ir.Return{Status: 418}})
			h.Locations = []*ir.Location{named("@no", scripted(does(gives(200, "teapot"))))}
			h.ErrorPages = instead(pageAt("@no", 418))
		}, 418, "teapot"},
		{"an internal route from outside", "GET /page", func(_ *ir.Host, _, page_ *ir.Route) { page_.Internal = true }, 404, "404 Not Found"},
		{"an internal route from inside", "GET /x", func(h *ir.Host, r, page_ *ir.Route) {
			denied(h, r)
			page_.Internal, r.ErrorPages = true, instead(pageAt("/page", 403))
		}, 403, "GET /page"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := errorRoutes(t, gone, tt.change)
			c := r.dial()
			method, _, _ := strings.Cut(tt.request, " ")
			for range 2 { // the connection stays good
				body := ""
				if method == "POST" {
					body = "Content-Length: 3\r\n\r\nxyz"
				} else {
					body = "\r\n"
				}
				c.send(tt.request + " HTTP/1.1\r\nHost: a.test\r\n" + body)
				resp, got := c.answer(method)
				if l := resp.Header.Get("Location"); l != "" {
					got = l
				}
				if resp.StatusCode != tt.status || !strings.Contains(got, tt.want) || strings.Contains(got, "xyz") {
					t.Fatalf("%d %q, want %d %q", resp.StatusCode, got, tt.status, tt.want)
				}
			}
		})
	}
}
