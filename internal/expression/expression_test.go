package expression

import (
	"errors"
	"strings"
	"testing"
)

func TestCompile(t *testing.T) {
	t.Parallel()
	m, err := Compile(`^/(?<name>[a-z]+)(\d)?`, Exact, nil)
	if err != nil {
		t.Fatal(err)
	}
	var caps Captures
	if ok, err := m.Match([]byte("/abc"), &caps); !ok || err != nil || string(caps.Group([]byte("/abc"), 1)) != "abc" || caps.Group(nil, 2) != nil || caps.Group(nil, 10) != nil {
		t.Errorf("%v", caps)
	}
	if ok, _ := m.Match([]byte("/ABC"), nil); ok || strings.Join(m.Names(), ",") != ",name," {
		t.Errorf("%q", m.Names())
	}
	for _, bad := range []string{"(", strings.Repeat("a", MaxSource+1), "(a{1000}){3}", `(?!x)`, `(a)\1`} {
		if _, err := Compile(bad, Fold, nil); err == nil {
			t.Errorf("%.20s compiles", bad)
		}
	}
}

// TestBeyond pins that only what is foreign goes to the other engine.
func TestBeyond(t *testing.T) {
	t.Parallel()
	asked := ""
	engine := func(expr string, _ Case) (Matcher, error) {
		asked = expr
		return nil, errors.New("no")
	}
	for expr, want := range map[string]string{"a": "", "(": "", "(?=a)b": "(?=a)b"} {
		asked = ""
		_, _ = Compile(expr, Exact, engine)
		if asked != want {
			t.Errorf("%s: %q", expr, asked)
		}
	}
}

// TestMatchDoesNotAllocate without groups.
func TestMatchDoesNotAllocate(t *testing.T) {
	m, _ := Compile(`^/shop/.*\.html$`, Fold, nil)
	subject := []byte("/shop/a.html")
	var caps Captures
	if n := testing.AllocsPerRun(100, func() { _, _ = m.Match(subject, &caps) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzCompile(f *testing.F) {
	f.Add(`^/(a|b)+\d{2}$`, []byte("/ab12"))
	f.Add(`(?i)(((x)))`, []byte("X"))
	f.Fuzz(func(t *testing.T, expr string, subject []byte) {
		m, err := Compile(expr, Fold, nil)
		if err != nil {
			return
		}
		var caps Captures
		if ok, err := m.Match(subject, &caps); err != nil || ok && caps.Group(subject, 0) == nil && caps[0] >= 0 && caps[0] != caps[1] {
			t.Errorf("%v %v", ok, err)
		}
	})
}
