package proxy

import (
	"net/netip"
	"testing"

	"daemun/internal/ir"
)

// TestLocationsWithinRoutes pins nginx's order: exact, then an expression within
// the route unless ^~ is longest there, then one of the host, then the longest
// prefix within the route.
func TestLocationsWithinRoutes(t *testing.T) {
	t.Parallel()
	location := func(match ir.LocationMatch, pattern, body string) *ir.Location {
		p := defaultPolicies()
		p.Script = does(gives(200, body))
		return &ir.Location{Match: match, Pattern: pattern, Route: &ir.Route{Path: pattern, PathType: "location", Policies: p}}
	}
	denied := location(ir.LocationPrefix, "/p/denied", "")
	denied.Route.Script = nil
	denied.Route.Access = &ir.Access{Rules: []ir.AccessRule{{Net: netip.MustParsePrefix("0.0.0.0/0")}}}
	r, _ := up(t, answering("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nbackend"), func(h *ir.Host, r *ir.Route) {
		other := *r
		other.Path, other.Pattern = "/other", "/other"
		h.Routes = append(h.Routes, &other)
		r.Locations = []*ir.Location{
			location(ir.LocationExact, "/p/x", "exact"), location(ir.LocationPrefix, "/p", "prefix"), location(ir.LocationFirm, "/p/firm", "firm"),
			location(ir.LocationRegexFold, `\.php$`, "php"), location(ir.LocationRegex, `^/p/x$`, "never"), denied,
		}
		h.Locations = []*ir.Location{location(ir.LocationRegex, `(both|\.php|/x)$`, "host"), location(ir.LocationFirm, "/top", "top")}
	})
	for path, want := range map[string]string{
		"/": "backend", "/q": "backend", "/p/x": "exact", "/p/y": "prefix", "/p/both": "host", "/q/both": "host", "/p/a.php": "php", "/a.PHP": "php",
		"/p/firm/y": "firm", "/p/firm/a.PHP": "firm", "/p/firm/a.php": "host", "/top/a.php": "top", "/other/p": "backend", "/other/a.php": "host", "/other/a.PHP": "backend",
	} {
		if resp, got := r.dial().get(path); resp.StatusCode != 200 || got != want {
			t.Errorf("%s: %d %q, want %q", path, resp.StatusCode, got, want)
		}
	}
	for path, want := range map[string]int{"/p/denied": 403, "/p/denied/x/..": 403, "/p//denied": 400 /* it can be read in two ways */, "/%70/denied": 403, "/p/denied/both": 200} {
		if resp, got := r.dial().get(path); resp.StatusCode != want {
			t.Errorf("%s: %d %q, want %d", path, resp.StatusCode, got, want)
		}
	}
}
