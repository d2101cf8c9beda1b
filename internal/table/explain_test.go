package table

import (
	"encoding/json"
	"strings"
	"testing"

	"daemun/internal/ir"

	"github.com/google/go-cmp/cmp"
)

func explainTable(t testing.TB) *Table {
	shop := plainHost("shop.example", exact("/foo"), prefix("/"), prefix("/foo"), prefix("/foo/bar"), prefix("/dir/"))
	shop.Aliases = []string{"store.test"}
	implicit := prefix("/")
	implicit.Implicit, implicit.Backend = true, ""
	broken, guarded := regex("^/look(?!x)"), regex("^/guard")
	guarded.Denied = 403
	return compile(t,
		plainHost("", implicit),
		plainHost("*.example", prefix("/")),
		regexHost("re.example", regex("^/api/v[0-9]"), broken, regex("^/api"), guarded, regex("^/")),
		shop,
		&ir.Host{Name: "www.shop.example", RedirectTo: "shop.example"},
	)
}

func TestExplainPlain(t *testing.T) {
	t.Parallel()
	got := explainTable(t).Explain("Shop.Example:8443", "/foobar")
	step := func(kind ir.MatchKind, path string, v Verdict, reason string) Step {
		return Step{
			Path: path, PathType: string(kind), Match: kind, Pattern: path,
			Backend: ir.BackendID(strings.ToLower(string(kind)) + " " + path), Verdict: v, Reason: reason,
		}
	}
	want := Trail{
		Host: "shop.example", Block: "shop.example", Rule: ByName, HostReason: "the host has this name",
		NearHosts: []NearHost{{"*.example", "covers the host too, but a whole name beats a wildcard"}},
		Readings:  Readings{Raw: "/foobar", Matched: "/foobar"},
		Steps: []Step{
			step("Exact", "/foo", NoMatch, "exact path /foo is not /foobar"),
			step("Prefix", "/foo/bar", NoMatch, "prefix /foo/bar is not at the start of /foobar"),
			step("Prefix", "/dir/", NoMatch, "prefix /dir/ is not at the start of /foobar"),
			step("Prefix", "/foo", NoMatch, `prefix /foo does not match the whole element "foobar" of /foobar`),
			step("Prefix", "/", Won, "prefix / is the longest that matches"),
		},
		Winner: 4, Outcome: "found", Reason: "backend prefix / answers",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestExplainSentences(t *testing.T) {
	t.Parallel()
	tab := explainTable(t)
	for _, c := range []struct{ name, host, path, outcome, want string }{
		{"shorter prefix", "shop.example", "/foo/bar/x", "found", "matches, but is shorter than the winner /foo/bar"},
		{"exact beats prefix", "shop.example", "/foo", "found", "matches, but exact path /foo beats every prefix"},
		{"final slash of a prefix", "shop.example", "/dir", "found", "prefix /dir/ needs the final slash, which /dir lacks"},
		{"final slash of an exact path", "shop.example", "/foo/", "found", "exact path /foo differs from /foo/ by the final slash"},
		{"case of an exact path", "shop.example", "/FOO", "found", "exact path /foo differs from /FOO in upper and lower case"},
		{"case of a prefix", "shop.example", "/DIR/x", "found", "prefix /dir/ differs from /DIR/x in upper and lower case"},
		{"regex order", "re.example", "/api/v1", "found", "not reached: it would match, but an expression before it did"},
		{"regex not reached", "re.example", "/api/v1", "found", "not reached: an expression before it matched"},
		{"regex mismatch", "re.example", "/api", "found", "expression ^/api/v[0-9] does not match /api"},
		{"does not compile", "re.example", "/look", "found", `the route answers every request with 503: path /look(?!x): look-ahead`},
		{"denied", "re.example", "/guard", "found", "answers every request with 403, because a setting"},
		{"alias", "store.test", "/", "found", "store.test is among the aliases of this host (alias)"},
		{"wildcard", "x.example", "/", "found", "*.example covers it"},
		{"two labels", "a.b.example", "/", "found", "a wildcard covers exactly one label, a.b.example has 2 in its place"},
		{"misspelled", "shop.exampel", "/", "found", "differs in spelling"},
		{"bare name", "example", "/", "found", "not the name without it"},
		{"catch-all", "", "/x", "found", "the built-in 404 server answers"},
		{"redirect", "www.shop.example", "/x", "redirect", "redirected to shop.example"},
		{"ambiguous", "shop.example", "/dir/..;/foo/bar", "ambiguous path", `"permissiveRoute":"Prefix /foo/bar"`},
		{"encoded slash", "shop.example", "/foo%2fbar", "ambiguous path", `"strict":"/foo%2Fbar"`},
		{"above the root in one reading", "shop.example", "/..;/foo", "ambiguous path", "above the root"},
		{"bad path", "shop.example", "/%zz", "bad path", "broken percent-encoding"},
		{"bad host", "a/b", "/", "bad host", "is not a legal host name"},
	} {
		trail := tab.Explain(c.host, c.path)
		text, err := json.Marshal(trail)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if trail.Outcome != c.outcome || !strings.Contains(string(text), c.want) {
			t.Errorf("%s: Explain(%q, %q) = %s\nwant outcome %q and %q", c.name, c.host, c.path, text, c.outcome, c.want)
		}
	}
}
