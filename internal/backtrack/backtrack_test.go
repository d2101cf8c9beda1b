package backtrack

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	regexp2 "github.com/dlclark/regexp2/v2"
	"go.uber.org/goleak"

	"daemun/internal/expression"
)

func TestMain(m *testing.M) {
	code := m.Run()
	regexp2.StopTimeoutClock() // or it would run for another second
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Println(err)
		code = 1
	}
	os.Exit(code)
}

// TestMatch pins what the linear engine has not, and that groups are those of
// the octets.
func TestMatch(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		expr, subject, group string
		fold                 expression.Case
		want                 bool
	}{
		{`^/(?!admin)([a-z]+)`, "/shop", "shop", expression.Exact, true},
		{`^/(?!admin)([a-z]+)`, "/admin", "", expression.Exact, false},
		{`^/(?!admin)([a-z]+)`, "/ADMIN", "", expression.Fold, false},
		{`^/(a+)/\1$`, "/aa/aa", "aa", expression.Exact, true},
		{`^/(a+)/\1$`, "/aa/a", "", expression.Exact, false},
		{`(?<=/v)(\d+)`, "/\xff\u00e9/v12", "12", expression.Exact, true},
		{`(?<=x)(?P<year>\d+)`, "x7", "7", expression.Exact, true},
		{`(?>a+)(b)`, "aab", "b", expression.Exact, true},
		{`^/([^/]++)/x`, "/a.b/x", "a.b", expression.Exact, true},
		{`^(a++)ab`, "aaab", "", expression.Exact, false},
		{`^((?:ab)*+)ab`, "abab", "", expression.Exact, false},
		{`^(a{1,2}+)a`, "aa", "", expression.Exact, false},
		{`^(a{1,2}+)a`, "aaa", "aa", expression.Exact, true},
		{`^([]+)]*+x)\++`, "])x++", "])x", expression.Exact, true},
		{`^(\(++\)?+)`, "((()", "((()", expression.Exact, true},
		{`^((a)|b)++c`, "abc", "b", expression.Exact, true},
	} {
		m, err := Compile(tt.expr, tt.fold)
		if err != nil {
			t.Errorf("%s: %v", tt.expr, err)
			continue
		}
		var caps expression.Captures
		matched, err := m.Match([]byte(tt.subject), &caps)
		if err != nil || matched != tt.want || matched && string(caps.Group([]byte(tt.subject), 1)) != tt.group {
			t.Errorf("%s with %q: %v %v %q", tt.expr, tt.subject, matched, err, caps.Group([]byte(tt.subject), 1))
		}
	}
	if m, err := Compile(`(?<=x)(?<year>\d+)(a)?`, expression.Exact); err != nil || strings.Join(m.Names(), ",") != ",year," {
		t.Errorf("%v %v", m, err)
	}
	for _, bad := range []string{"(?<=", "(", `\1`, strings.Repeat("a", 2000)} {
		if _, err := Compile(bad, expression.Exact); err == nil {
			t.Errorf("%.20s compiles", bad)
		}
	}
}

// TestTooCostly pins that a match ends although it would take for ever.
func TestTooCostly(t *testing.T) {
	t.Parallel()
	m, err := Compile(`^(a*)(a*)(a*)(a*)(a*)(a*)(a*)\7\6\5\4\3\2\1z`, expression.Exact)
	if err != nil {
		t.Fatal(err)
	}
	for _, subject := range [][]byte{bytes.Repeat([]byte("a"), 80), bytes.Repeat([]byte("a"), maxSubject+1)} {
		if matched, err := m.Match(append(subject, "yz"...), nil); matched || !errors.Is(err, expression.ErrTooCostly) {
			t.Errorf("%d octets: %v %v", len(subject), matched, err)
		}
	}
}

func FuzzMatch(f *testing.F) {
	f.Add(`^/(?!x)(.*)$`, []byte("/abc"))
	f.Add(`(a)|(?<n>b)\1`, []byte("\xff"))
	f.Fuzz(func(t *testing.T, expr string, subject []byte) {
		m, err := Compile(expr, expression.Fold)
		if err != nil || len(subject) > 100 {
			return
		}
		var caps expression.Captures
		if matched, err := m.Match(subject, &caps); matched && err == nil {
			for i := range expression.Groups {
				caps.Group(subject, i) // does not panic
			}
		}
	})
}

// FuzzAtomic: an expression without possessive quantifiers stays as it is, and
// what is made of one with them has none left that the linear engine could name.
func FuzzAtomic(f *testing.F) {
	for _, s := range []string{"a++b", "(a|b)*+", "[+*]]?+", `\++`, "a{2,}+", "(?=a)++", "a+?", "++", "(", "[", `\`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, expr string) {
		made := atomic(expr)
		if len(made) > 8*len(expr)+8 {
			t.Errorf("%q becomes %q", expr, made)
		}
		if !strings.Contains(expr, "+") && made != expr {
			t.Errorf("%q becomes %q", expr, made)
		}
		_, _ = Compile(expr, expression.Exact)
	})
}
