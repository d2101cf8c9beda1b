package table

import (
	"fmt"
	"strings"
	"testing"

	"daemun/internal/ir"
)

func TestResolveHost(t *testing.T) {
	t.Parallel()
	shop := plainHost("shop.example", prefix("/"))
	shop.Aliases = []string{"store.example", "Upper.Example.", "api.example", "*.store.example", `~^shop-\d+\.example$`, "~(", "bad/alias"}
	www := &ir.Host{Name: "www.shop.example", RedirectTo: "shop.example"}
	tab := compile(t,
		plainHost("", prefix("/")),
		plainHost("*.example", prefix("/")),
		plainHost("*.x.example", prefix("/")),
		plainHost("api.example", prefix("/api"), prefix("/")),
		shop, www,
	)
	for _, c := range []struct {
		name, host, want string
		rule             HostRule
	}{
		{"exact beats wildcard", "api.example", "api.example", ByName},
		{"only canonical names are found", "A.example", "", ByCatchAll},
		{"wildcard covers letters digits underscore hyphen", "a_b-9.example", "*.example", ByWildcard},
		{"wildcard does not cover two labels", "a.b.example", "", ByCatchAll},
		{"deeper wildcard", "a.x.example", "*.x.example", ByWildcard},
		{"wildcard does not cover the bare name", "example", "", ByCatchAll},
		{"wildcard does not cover other octets", "a~b.example", "", ByCatchAll},
		{"the wildcard itself is no host", "*.example", "", ByCatchAll},
		{"alias beats wildcard", "store.example", "shop.example", ByAlias},
		{"alias is made canonical", "upper.example", "shop.example", ByAlias},
		{"wildcard alias", "eu.store.example", "shop.example", ByWildcardAlias},
		{"wildcard beats regular expression alias", "shop-1.example", "*.example", ByWildcard},
		{"redirecting host", "www.shop.example", "www.shop.example", ByName},
		{"unknown host", "other.test", "", ByCatchAll},
		{"no host", "", "", ByCatchAll},
		{"underscore is no name of the catch-all", "_", "", ByCatchAll},
	} {
		h, rule := tab.HostFor([]byte(c.host))
		if h.IR.Name != c.want || rule != c.rule {
			t.Errorf("%s: HostFor(%q) = %q by %s, want %q by %s", c.name, c.host, h.IR.Name, rule, c.want, c.rule)
		}
	}
	if got, want := resolve(tab, "www.shop.example", "/x"), "www.shop.example: redirect to shop.example"; got != want {
		t.Errorf("redirecting host: %s, want %s", got, want)
	}
	if got := resolve(tab, "www.shop.example", "/%zz"); got != "bad path" {
		t.Errorf("redirecting host with a bad path: %s", got)
	}
}

func TestRegexAlias(t *testing.T) {
	t.Parallel()
	a := plainHost("a.test", prefix("/"))
	a.Aliases = []string{`~^shop-\d+\.test$`}
	b := plainHost("b.test", prefix("/"))
	b.Aliases = []string{"~^shop-", "~Upper"}
	tab := compile(t, plainHost("", prefix("/")), a, b)
	for host, want := range map[string]string{
		"shop-1.test": "a.test", "shop-x.test": "b.test", "an.upper.test": "b.test", "x.test": "", "": "",
	} {
		if h, _ := tab.HostFor([]byte(host)); h.IR.Name != want {
			t.Errorf("HostFor(%q) = %q, want %q", host, h.IR.Name, want)
		}
	}
}

func TestResolvePlain(t *testing.T) {
	t.Parallel()
	tab := compile(t,
		plainHost("", prefix("/")),
		plainHost("a.test", exact("/foo"), prefix("/foo"), prefix("/foo/"), prefix("/foo/bar"), exact("/Foo/x/"), prefix("/café"), prefix("/a b")),
		plainHost("b.test", prefix("/"), prefix("/dir/"), exact("/only"), prefix("/100%")),
	)
	for _, c := range []struct{ name, host, path, want string }{
		{"exact wins over prefix", "a.test", "/foo", "a.test: Exact /foo"},
		{"prefix with slash is longer", "a.test", "/foo/x", "a.test: Prefix /foo/"},
		{"longest prefix wins", "a.test", "/foo/bar/x", "a.test: Prefix /foo/bar"},
		{"prefix covers the path itself", "a.test", "/foo/bar", "a.test: Prefix /foo/bar"},
		{"whole elements only", "a.test", "/foo/barx", "a.test: Prefix /foo/"},
		{"no fall-through to the catch-all", "a.test", "/foobar", "a.test: Prefix /"},
		{"case-sensitive", "a.test", "/FOO", "a.test: Prefix /"},
		{"exact with final slash", "a.test", "/Foo/x/", "a.test: Exact /Foo/x/"},
		{"exact final slash matters", "a.test", "/Foo/x", "a.test: Prefix /"},
		{"decoded before matching", "a.test", "/caf%C3%A9/x", "a.test: Prefix /café"},
		{"blank", "a.test", "/a%20b/c", "a.test: Prefix /a b"},
		{"encoded letter", "a.test", "/%66oo", "a.test: Exact /foo"},
		{"slashes merged", "a.test", "/foo/bar///x", "a.test: Prefix /foo/bar"},
		{"dot segments resolved", "a.test", "/foo/./bar/../bar/x", "a.test: Prefix /foo/bar"},
		{"prefix with slash needs it", "b.test", "/dir", "b.test: Prefix /"},
		{"prefix with slash", "b.test", "/dir/", "b.test: Prefix /dir/"},
		{"decoded once only", "b.test", "/100%25/x", "b.test: Prefix /100%"},
		{"not decoded twice", "b.test", "/%2564ir/", "b.test: Prefix /"},
		{"empty path is the root", "b.test", "", "b.test: Prefix /"},
		{"deep path", "b.test", "/dir" + strings.Repeat("/x", 2000), "b.test: Prefix /dir/"},
	} {
		if got := resolve(tab, c.host, c.path); got != c.want {
			t.Errorf("%s: %s %s: %s, want %s", c.name, c.host, c.path, got, c.want)
		}
	}
}

// The path rules of hardening H3.7 and H3.8.
func TestResolveHostilePaths(t *testing.T) {
	t.Parallel()
	tab := compile(t,
		plainHost("", prefix("/")),
		plainHost("a.test", prefix("/"), prefix("/admin"), prefix("/public"), exact("/x/y")),
		regexHost("r.test", regex("^/admin/"), regex("^/files(/|$)(.*)"), regex("^/")),
	)
	for _, c := range []struct{ name, host, path, want string }{
		{"broken encoding", "a.test", "/a%zz", "bad path"},
		{"cut encoding", "a.test", "/a%2", "bad path"},
		{"NUL", "a.test", "/a%00", "bad path"},
		{"above the root", "a.test", "/../x", "bad path"},
		{"above the root, encoded", "a.test", "/%2e%2E/x", "bad path"},
		{"asterisk", "a.test", "*", "bad path"},
		{"fragment", "a.test", "/a#b", "bad path"},
		{"parameter hides dots", "a.test", "/public/..;/admin", "ambiguous path"},
		{"parameter hides a prefix", "a.test", "/admin;x=1/y", "ambiguous path"},
		{"encoded parameter", "a.test", "/admin%3Bx/y", "ambiguous path"},
		{"backslash", "a.test", `/public\..\admin`, "ambiguous path"},
		{"encoded backslash", "a.test", "/public%5c..%5cadmin", "ambiguous path"},
		{"encoded slash", "a.test", "/admin%2Fx", "ambiguous path"},
		{"encoded slash splits an element", "a.test", "/x%2fy", "ambiguous path"},
		{"double slash", "a.test", "//admin", "ambiguous path"},
		{"permissive reading above the root", "a.test", "/..;/x", "ambiguous path"},
		{"empty segment before dots", "a.test", "/admin//../x", "ambiguous path"},
		{"honest encoded slash", "a.test", "/public/@scope%2Fname", "a.test: Prefix /public"},
		{"honest parameter", "a.test", "/public/x;v=1/y", "a.test: Prefix /public"},
		{"honest double slash", "a.test", "/public//x///", "a.test: Prefix /public"},
		{"honest dots", "a.test", "/public/../admin", "a.test: Prefix /admin"},
		{"encoded dots are dots", "a.test", "/public/%2e%2e/admin", "a.test: Prefix /admin"},
		{"double encoding stays", "a.test", "/public/%252e%252e/admin", "a.test: Prefix /public"},
		{"regex: parameter", "r.test", "/files/..;/admin/", "ambiguous path"},
		{"regex: encoded slash", "r.test", "/admin%2fx", "ambiguous path"},
		{"regex: honest", "r.test", "/files//a%2Fb", "r.test: Regex ^/files(/|$)(.*)"},
	} {
		if got := resolve(tab, c.host, c.path); got != c.want {
			t.Errorf("%s: %s %s: %s, want %s", c.name, c.host, c.path, got, c.want)
		}
	}
}

// One Prefix path in regex mode is two locations; choosing between them is not
// an ambiguity.
func TestTwinLocationsAreOneRoute(t *testing.T) {
	t.Parallel()
	first, second := regex("^/foo/"), regex("^/foo")
	for _, r := range []*ir.Route{first, second} {
		r.Path, r.PathType, r.Backend = "/foo", "Prefix", "b"
	}
	tab := compile(t, plainHost("", prefix("/")), regexHost("r.test", first, second, regex("^/")))
	if got, want := resolve(tab, "r.test", "/foo;v=1/x"), "r.test: Regex ^/foo"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := resolve(tab, "r.test", "/foo%2Fx"), "r.test: Regex ^/foo/"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestResolveRegexMode(t *testing.T) {
	t.Parallel()
	tab := compile(t, plainHost("", prefix("/")), regexHost("r.test",
		regex("^/foo/bar/[a-z]{3}"),
		regex("^/foo/bar/bar"),
		regex("^/Exact"),
		regex(`^/.*\.(php|cgi)$`),
		regex("^/pre/"), regex("^/pre/"),
		regex("^/p2/"), regex("^/p2"),
		regex("^/look(?!ahead)"),
		regex("^/"),
	))
	for _, c := range []struct{ name, path, want string }{
		{"first in order wins", "/foo/bar/bar", "^/foo/bar/[a-z]{3}"},
		{"case is ignored", "/FOO/BAR/BAZ", "^/foo/bar/[a-z]{3}"},
		{"exact path matches longer ones", "/exactly/not", "^/Exact"},
		{"prefix path matches inside an element", "/P2xyz", "^/p2"},
		{"prefix with slash needs it", "/prefix", "^/"},
		{"prefix with slash, without", "/pre", "^/"},
		{"prefix with slash, below", "/pre/x", "^/pre/"},
		{"text in the middle", "/a/b.PHP", `^/.*\.(php|cgi)$`},
		{"anchored at the end", "/a/b.php/c", "^/"},
		{"an expression that does not compile keeps its place", "/LookAt", "^/look(?!ahead)"},
		{"rest", "/x", "^/"},
	} {
		if got := resolve(tab, "r.test", c.path); got != "r.test: Regex "+c.want {
			t.Errorf("%s: %s: %s, want %s", c.name, c.path, got, c.want)
		}
	}
	var m Match
	tab.Resolve([]byte("r.test"), []byte("/lookahead"), &m)
	if m.Route.IR.Denied != 503 {
		t.Errorf("route with an expression that does not compile: Denied = %d, want 503", m.Route.IR.Denied)
	}
	guarded := regex("^/look(?!ahead)")
	guarded.Denied = 403
	tab = compile(t, regexHost("", guarded))
	tab.Resolve(nil, []byte("/look"), &m)
	if m.Route.IR != guarded {
		t.Errorf("route that was denied before: Denied = %d, want 403", m.Route.IR.Denied)
	}
}

func TestPlainRoutesKeepTheirMeaningInRegexMode(t *testing.T) {
	t.Parallel()
	tab := compile(t, plainHost("", prefix("/")), plainHost("r.test",
		exact("/Foo"), prefix("/dir/"), prefix("/bar"), regex("^/b"), prefix("/")))
	for path, want := range map[string]string{
		"/Foo": "Exact /Foo", "/foo": "Prefix /", "/dir": "Prefix /", "/dir/": "Prefix /dir/",
		"/bar": "Prefix /bar", "/bar/x": "Prefix /bar", "/barx": "Regex ^/b", "/Bar": "Regex ^/b",
	} {
		if got := resolve(tab, "r.test", path); got != "r.test: "+want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

// A configuration that translation would never make is still answered.
func TestResolveWithoutRootOrCatchAll(t *testing.T) {
	t.Parallel()
	tab := compile(t, plainHost("a.test", prefix("/foo")), regexHost("r.test"))
	for _, host := range []string{"", "a.test", "r.test"} {
		var m Match
		if o := tab.Resolve([]byte(host), []byte("/x//y"), &m); o != Found || m.Route == nil || m.Route.Backend != nil {
			t.Errorf("%q: %v, route %+v; want the built-in 404 server", host, o, m.Route)
		}
	}
}

// Hosts with many routes have another index than those with few.
func TestResolveManyRoutes(t *testing.T) {
	t.Parallel()
	tab := compile(t, plainHost("", prefix("/")), manyRoutes("many.test"))
	long := "/" + strings.Repeat("long/", 30)
	for _, c := range []struct{ name, path, want string }{
		{"exact", "/exact", "Exact /exact"},
		{"exact with final slash", "/exact/", "Prefix /"},
		{"longest of two", "/s/7/deep/x", "Prefix /s/7/deep"},
		{"back to the shorter one", "/s/7/deeper", "Prefix /s/7/"},
		{"final slash needed", "/s/7", "Prefix /"},
		{"longer than 63 octets", long + "x", "Prefix " + long},
		{"whole elements", "/s/77", "Prefix /"},
		{"root", "/", "Prefix /"},
		{"deep path", "/s/8/" + strings.Repeat("x/", 4000), "Prefix /s/8/"},
	} {
		if got := resolve(tab, "many.test", c.path); got != "many.test: "+c.want {
			t.Errorf("%s: %.60s: %s, want %s", c.name, c.path, got, c.want)
		}
	}
}

func manyRoutes(name string) *ir.Host {
	h := plainHost(name, exact("/exact"), prefix("/s/7/deep"), prefix("/"+strings.Repeat("long/", 30)), prefix("/"))
	for i := range fewRoutes {
		h.Routes = append(h.Routes, prefix(fmt.Sprintf("/s/%d/", i)))
	}
	return h
}

// Of two routes for one path the first wins, in every index.
func TestFirstOfEqualRoutesWins(t *testing.T) {
	t.Parallel()
	twice := func() []*ir.Route {
		return []*ir.Route{exact("/a"), exact("/a"), prefix("/b"), prefix("/b"), prefix("/c/"), prefix("/c/"), prefix("/"), prefix("/")}
	}
	many := plainHost("many.test", twice()...)
	many.Routes = append(many.Routes, manyRoutes("").Routes...)
	for _, h := range []*ir.Host{plainHost("few.test", twice()...), many} {
		tab := compile(t, plainHost("", prefix("/")), h)
		for path, want := range map[string]int{"/a": 0, "/b/x": 2, "/c/x": 4, "/": 6} {
			var m Match
			if tab.Resolve([]byte(h.Name), []byte(path), &m); m.Route.IR != h.Routes[want] {
				t.Errorf("%s%s: not the first of the two", h.Name, path)
			}
		}
	}
}

func TestResolveDoesNotAllocate(t *testing.T) {
	tab := compile(t,
		plainHost("", prefix("/")),
		manyRoutes("many.test"),
		plainHost("*.wild.test", prefix("/")),
		plainHost("a.test", exact("/exact"), prefix("/foo/bar"), prefix("/")),
		regexHost("r.test", regex("^/api(/|$)(.*)"), regex("^/plain"), regex("^/")),
	)
	for _, c := range []struct{ name, host, path string }{
		{"exact", "a.test", "/exact"},
		{"prefix", "a.test", "/foo/bar/baz/qux"},
		{"root", "a.test", "/nothing/here"},
		{"wildcard", "x.wild.test", "/a"},
		{"catch-all", "unknown.test", "/a"},
		{"many routes", "many.test", "/s/7/deep/x/y"},
		{"odd path", "a.test", "/foo//bar/./x%20y;z"},
		{"common expressions", "r.test", "/API/users"},
	} {
		host, path := []byte(c.host), []byte(c.path)
		m := &Match{}
		if n := testing.AllocsPerRun(100, func() { tab.Resolve(host, path, m) }); n != 0 {
			t.Errorf("%s: %v allocations per Resolve", c.name, n)
		}
	}
}
