package pattern

import (
	"regexp"
	"strings"
	"testing"
)

func TestCompileRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, expr, want string }{
		{"look-ahead", "^/a(?!b)", "look-ahead"},
		{"look-behind", "^/a(?<!b)", "look-behind"},
		{"atomic group", "^/(?>a)", "atomic group"},
		{"possessive quantifier", "^/a*+", "possessive quantifier"},
		{"back reference", `^/(a)\1`, "back reference"},
		{"unclosed group", "^/(a", "missing closing )"},
		{"bad repeat", "^/a{2000}", "invalid repeat count"},
		{"too long", "^/" + strings.Repeat("a", MaxSource), "too long"},
		{"program too large", "^/" + strings.Repeat("[a-z]{900}", 3), "instructions"},
		{"program far too large", "^/" + strings.Repeat("(abc){300}", 90), "instructions"},
		{"nested repeats", "^/(([a-z]{10}){10}[0-9]{100}){10}", "instructions"},
	} {
		_, err := Compile(c.expr)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: Compile(%.40q): %v, want an error with %q", c.name, c.expr, err, c.want)
		}
	}
}

func TestPrefixAndNeed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ expr, prefix, need string }{
		{"^/Foo/bar", "/foo/bar", "/foo/bar"},
		{`^/a\.b[.]c`, "/a.b.c", "/a.b.c"},
		{"^/foo?", "/fo", "/fo"},
		{"^/foo(/|$)(.*)", "/foo", "/foo"},
		{`^/.*\.php$`, "/", ".php"},
		{"^/x(?:abcd)+y", "/x", "abcd"},
		{"^/x(abcd|efgh)", "/x", "/x"},
		{"/foo", "", "/foo"},
		{"^/é", "/", "/"},
		{"", "", ""},
		{"^", "", ""},
		{"^/a|^/b", "", ""},
	} {
		p, err := Compile(c.expr)
		if err != nil {
			t.Errorf("%q: %v", c.expr, err)
			continue
		}
		if p.Prefix() != c.prefix || p.Need() != c.need {
			t.Errorf("%q: prefix %q, need %q; want %q, %q", c.expr, p.Prefix(), p.Need(), c.prefix, c.need)
		}
	}
}

func TestLiteralPrefixOfSource(t *testing.T) {
	t.Parallel()
	for expr, want := range map[string]string{
		"^/Foo(?!bar)": "/foo", "^/foo?(?!x)": "/fo", "^/foo*+": "/fo", "^/foo{0}(?=x)": "/fo", `^/a\.b\-c(?=x)`: "/a.b-c",
		`^/a\d(?=x)`: "/a", "/foo(?=x)": "", "^/a(?=x)|^/b": "", "^/aé(?=x)": "/a", "^(?=x)": "", "": "", `^/a\`: "/a",
	} {
		if got := LiteralPrefix(expr); got != want {
			t.Errorf("LiteralPrefix(%q) = %q, want %q", expr, got, want)
		}
	}
}

// The small matcher takes what it is meant for, and nothing it would get wrong.
func TestShapes(t *testing.T) {
	t.Parallel()
	for expr, small := range map[string]bool{
		"^/": true, "^/api": true, "^/api/": true, "^/api(/|$)(.*)": true, "^/api/?(.*)": true, "^/api/(.*)$": true,
		"^/()(.*)": true, "^/api.*": true, "^/api$": true, `^/a\.b`: true, "^": false, "^/api(|/)(.*)": false,
		"/api": false, "^/api/(.*)/x": false, "^/api(/.*)?": false, "^/api/(.+)": false, "^/é": false,
		"^/(api)(.*)": false, "^/a(?-i:b)": false, "^/api/(.*?)": false, "^/api($|/)(.*)": false,
	} {
		p, err := Compile(expr)
		if err != nil {
			t.Errorf("%q: %v", expr, err)
			continue
		}
		if _, got := p.matcher.(*shape); got != small {
			t.Errorf("%q: small matcher %v, want %v", expr, got, small)
		}
	}
}

func TestCapturesDoNotAllocate(t *testing.T) {
	p, err := Compile("^/api(/|$)(.*)")
	if err != nil {
		t.Fatal(err)
	}
	path, caps := []byte("/API/users/1"), &Captures{}
	if n := testing.AllocsPerRun(100, func() { p.Captures(path, caps) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if got := string(caps.Group(path, 2)); got != "users/1" {
		t.Errorf("group 2 = %q, want users/1", got)
	}
	if caps.Group(path, 3) != nil || caps.Group(path, 10) != nil || caps.Group(path, -1) != nil {
		t.Error("groups that do not exist must be empty")
	}
}

// Whatever compiles gives the same answers and captures as package regexp, and
// Prefix and Need hold for every match.
func FuzzPattern(f *testing.F) {
	for _, expr := range []string{
		"^/", "^/a(/|$)(.*)", "^/a/?(.*)$", "^/a/?$", "^/a(/|$)$", "^/a()(.*)", "^/a()()(/|$).*", "^/A.b", "^/a[.]b(.*)", "/a(.*)", "^/.*\\.b",
		"^/(a|b)+c", "^/a.*$", "^(/|$)(.*)", "^/a$", "^/x{2}(.*)", "^a|b",
	} {
		for _, path := range []string{"/", "/a", "/A/", "/a/b/c", "/ab", "/a.b", "/a\nb", "/a/\n", "/xx", ""} {
			f.Add(expr, path)
		}
	}
	f.Fuzz(func(t *testing.T, expr, path string) {
		for i := range len(path) { // outside ASCII the folding differs, see searchable
			if path[i] >= 0x80 {
				return
			}
		}
		literal := LiteralPrefix(expr)
		p, err := Compile(expr)
		if err != nil {
			return
		}
		var caps Captures
		want := regexp.MustCompile("(?i)" + expr).FindStringSubmatchIndex(path)
		if got := p.Match([]byte(path)); got != (want != nil) {
			t.Fatalf("%q on %q: %v, regexp %v", expr, path, got, want)
		}
		if got := p.Captures([]byte(path), &caps); got != (want != nil) {
			t.Fatalf("%q on %q: captures %v, regexp %v", expr, path, got, want)
		}
		if want == nil {
			return
		}
		for i := range Groups {
			wantText := ""
			if 2*i < len(want) && want[2*i] >= 0 {
				wantText = path[want[2*i]:want[2*i+1]]
			}
			if got := string(caps.Group([]byte(path), i)); got != wantText {
				t.Fatalf("%q on %q: group %d = %q, regexp %q", expr, path, i, got, wantText)
			}
		}
		low := strings.ToLower(path)
		if !strings.HasPrefix(low, p.Prefix()) || !strings.Contains(low, p.Need()) || !strings.HasPrefix(low, literal) {
			t.Fatalf("%q matches %q, but prefix %q, need %q, literal %q", expr, path, p.Prefix(), p.Need(), literal)
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	for _, expr := range []string{"^/api(/|$)(.*)", "^/api/(v[0-9]+)/(.*)"} {
		p, err := Compile(expr)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(expr, func(b *testing.B) {
			b.ReportAllocs()
			path := []byte("/api/v1/users/42")
			for b.Loop() {
				p.Match(path)
			}
		})
	}
}
