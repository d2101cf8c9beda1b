package translate

import (
	"regexp"
	"strings"
	"testing"
)

func FuzzExpression(f *testing.F) {
	for _, s := range []string{"/", "/api(/|$)(.*)", "/(?!x)", "/a++", `/\Qx\E`, `/[[:alpha:]]\`, "/[", "/(?<n>a)|b", "/{3}+", "/a{1000}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, path string) {
		if checkPath(path) != "" {
			return
		}
		if checkExpression(path) == "" {
			if _, err := regexp.Compile("(?i)^" + path); err != nil {
				t.Errorf("%q passes, but %v", path, err)
			}
		}
		guard, err := regexp.Compile("(?i)" + guardPattern(path))
		if err != nil {
			t.Fatalf("guard of %q: %v", path, err)
		}
		// Whatever RE2 can execute tells whether the guard is wide enough.
		if re, err := regexp.Compile("(?i)^" + path); err == nil && !strings.ContainsAny(path, `|\`) {
			for _, probe := range []string{path, "/", strings.Map(letters, path)} {
				if re.MatchString(probe) && !guard.MatchString(probe) {
					t.Errorf("%q matches %q, its guard %q does not", path, probe, guard)
				}
			}
		}
	})
}

func letters(r rune) rune {
	if isPlain(string(r)) {
		return r
	}
	return -1
}

func FuzzHostName(f *testing.F) {
	for _, s := range []string{"a.test", "*.A.test.", "-a", "1.2.3.4", "*", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, ok := hostName(s)
		if !ok {
			return
		}
		if again, ok := hostName(name); !ok || again != name {
			t.Errorf("%q gives %q, which gives %q", s, name, again)
		}
	})
}

func TestForeignConstructs(t *testing.T) {
	t.Parallel()
	for expr, want := range map[string]string{
		`/a(?=b)`: "look-ahead", `/a(?!b)`: "look-ahead", `/(?<=a)b`: "look-behind", `/(?<!a)b`: "look-behind",
		`/(?>a)`: "atomic", `/(a)\1`: `back-reference \1`, `/(?P<n>a)(?P=n)`: "back-reference", `/(?<n>a)\k<n>`: "back-reference",
		`/a*+`: "possessive", `/a?+`: "possessive", `/a{2}+`: "possessive", `/a\Kb`: `\K`, `/(?R)`: "recursion", `/(?1)`: "subroutine",
		`/(*ACCEPT)`: "verb", `/(?|a|b)`: "branch reset", `/(?#c)`: "comment", `/\h`: `\h`, `/(?(1)a)`: "condition",
		`/(?<n>a)`: "", `/(?P<n>a)`: "", `/a+?`: "", `/[a+]+`: "", `/[(?=]`: "", `/\(?=a`: "", `/\Q(?=\E`: "", `/(?i:a)`: "", `/\\1`: "", `/[]a]+`: "", `/[[:alpha:]]+`: "",
	} {
		got := checkExpression(expr)
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", expr, got, want)
		}
	}
	if got := checkExpression(`/ab(?!c)`); !strings.Contains(got, "character 4") {
		t.Errorf("the place is missing: %s", got)
	}
}

func TestHostNames(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"A.Test.": "a.test", "*.A.test": "*.a.test", "localhost": "localhost",
		"*": "", "*.*.a": "", "a_b": "", "-a": "", "1.2.3.4": "", "a..b": "", "a b": "", strings.Repeat("a", 64): "", "foo.*": "",
	} {
		if got, ok := hostName(in); got != want || ok != (want != "") {
			t.Errorf("hostName(%q) = %q, %v", in, got, ok)
		}
	}
}

func TestGuardPattern(t *testing.T) {
	t.Parallel()
	for expr, want := range map[string]string{
		`/(v1|v2)/(?!admin)(.*)`: `^/(v1|v2)/(.*)`,
		`/(?>foo)/x++`:           `^/(?:foo)/x+`,
		`/(a)/\1`:                `^/(a)/.*`,
		`/a\Kb`:                  `^/ab`,
		`/(?!(a|[)])b)c`:         `^/c`,
		`/ab(?(1)c)`:             `^/ab`,
		`/ab*(?(1)c)`:            `^/a`,
		`/a|(?(1)c)`:             `^/`,
		`/a(?=b)*`:               `^/a`,
		`/a[`:                    `^/a`,
	} {
		if got := guardPattern(expr); got != want {
			t.Errorf("%s: %s, want %s", expr, got, want)
		}
	}
}
