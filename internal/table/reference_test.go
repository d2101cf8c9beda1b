package table

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"daemun/internal/canonical"
	"daemun/internal/ir"

	"pgregory.net/rapid"
)

// reference finds a route the slow way, straight from the rules of
// ingress-nginx §2.2 and §2.3.
func reference(h *ir.Host, path string) *ir.Route {
	if h.RegexMode {
		for _, r := range h.Routes {
			if regexp.MustCompile("(?i)" + r.Pattern).MatchString(path) {
				return r
			}
		}
		return nil
	}
	var best *ir.Route
	for _, r := range h.Routes {
		switch {
		case r.Match == ir.MatchExact:
			if r.Pattern == path {
				return r
			}
		case !strings.HasPrefix(path, r.Pattern):
		case r.Pattern == path || strings.HasSuffix(r.Pattern, "/") || path[len(r.Pattern)] == '/':
			if best == nil || len(r.Pattern) > len(best.Pattern) {
				best = r
			}
		}
	}
	return best
}

// Few short elements, so that routes and paths meet.
func genPath() *rapid.Generator[string] {
	element := rapid.SampledFrom([]string{"a", "b", "ab", "A", "a.b", "long-element-name"})
	return rapid.Custom(func(t *rapid.T) string {
		path := "/" + strings.Join(rapid.SliceOfN(element, 0, 5).Draw(t, "elements"), "/")
		if path != "/" && rapid.Bool().Draw(t, "slash") {
			path += "/"
		}
		return path
	})
}

func genHost(regexMode bool) *rapid.Generator[*ir.Host] {
	expr := rapid.SampledFrom([]string{
		"(/|$)(.*)", "/?(.*)", "(.*)", "/[a-z]+", "$", "/.*\\.b", "(/a|/b)?$", "", "", "/()(.*)", ".", "/(A|long)",
	})
	return rapid.Custom(func(t *rapid.T) *ir.Host {
		h := &ir.Host{Name: "a.test", RegexMode: regexMode}
		for range rapid.IntRange(0, 2*fewRoutes).Draw(t, "routes") {
			path := genPath().Draw(t, "path")
			switch {
			case regexMode:
				h.Routes = append(h.Routes, regex("^"+path+expr.Draw(t, "expression")))
			case rapid.Bool().Draw(t, "exact"):
				h.Routes = append(h.Routes, exact(path))
			default:
				h.Routes = append(h.Routes, prefix(path))
			}
		}
		if regexMode {
			h.Routes = append(h.Routes, regex("^/"))
		} else {
			h.Routes = append(h.Routes, prefix("/"))
		}
		return h
	})
}

func TestResolveAgreesWithReference(t *testing.T) {
	t.Parallel()
	for _, mode := range []struct {
		name  string
		regex bool
	}{{"plain", false}, {"regex", true}} {
		t.Run(mode.name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				host := genHost(mode.regex).Draw(t, "host")
				tab := Compile(nil, 1, &ir.Config{Hosts: []*ir.Host{host}}, newFakeHandles().handles())
				var m Match
				for range 5 {
					path := genPath().Draw(t, "path")
					if o := tab.Resolve([]byte("a.test"), []byte(path), &m); o != Found {
						t.Fatalf("%s: %v", path, o)
					}
					if want := reference(host, path); m.Route.IR != want {
						t.Fatalf("%s: %s, reference %s", path, routeName(m.Route.IR), routeName(want))
					}
					trail := tab.Explain("a.test", path)
					if won := trail.Steps[trail.Winner]; won.Match != m.Route.IR.Match || won.Pattern != m.Route.IR.Pattern {
						t.Fatalf("%s: Explain says %s", path, won.Pattern)
					}
				}
			})
		})
	}
}

// Whatever is sent: an answer other than 400 means that every reading of the
// path that some backend may have selects the same route.
func FuzzResolve(f *testing.F) {
	for _, s := range []string{"/", "", "/admin", "/a/..;/admin", "/a%2f..%2Fadmin", `/a\..\admin`, "//admin", "/%", "/a%00", "/..", "/a/%2e%2e/x;y/", "*", "/a#b"} {
		f.Add(s)
	}
	host := plainHost("", exact("/x/y"), prefix("/admin"), prefix("/a/"), prefix("/a/b"), prefix("/"))
	tab := compile(f, host, regexHost("r.test", rewrite("/a(/|$)(.*)", "/$2"), regex("^/admin/"), regex("^/.*x$"), regex("^/")))
	f.Fuzz(func(t *testing.T, raw string) {
		var m, again Match
		outcome := tab.Resolve(nil, []byte(raw), &m)
		nginx, ok := canonical.Path(nil, []byte(raw))
		if (outcome == BadPath) == ok {
			t.Fatalf("%q: %v, readable %v", raw, outcome, ok)
		}
		if outcome == Found {
			readings := [][]byte{nginx}
			for _, read := range []func(dst, raw []byte) ([]byte, bool){canonical.StrictPath, canonical.PermissivePath} {
				if p, ok := read(nil, []byte(raw)); ok {
					readings = append(readings, p)
				}
			}
			if slices.ContainsFunc(readings, func(p []byte) bool { return reference(host, string(p)) != m.Route.IR }) {
				t.Fatalf("%q: %q selected %s, other readings do not", raw, readings, routeName(m.Route.IR))
			}
		}
		if tab.Resolve(nil, []byte(raw), &again) != outcome || again.Route != m.Route {
			t.Fatalf("%q: two outcomes", raw)
		}
		if tab.Resolve([]byte("r.test"), []byte(raw), &m) == Found && m.Route.IR.Rewrite != nil {
			out, _ := m.Rewrite(nil)
			if len(out) == 0 || out[0] != '/' || slices.ContainsFunc(out, func(c byte) bool { return c <= ' ' || c >= 0x7f || c == '?' || c == '#' }) {
				t.Fatalf("%q: rewritten to %q", raw, out)
			}
		}
		tab.Explain("r.test", raw)
	})
}
