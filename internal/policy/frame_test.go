package policy

import (
	"bytes"
	"strings"
	"testing"

	"daemun/internal/expression"
	"daemun/internal/variable"
)

func user(f *Frame, name string) string {
	value, ok := f.User(name)
	if !ok {
		return "-"
	}
	return string(value)
}

// TestFrameForgets: a request sees nothing of the one before, and no buffer that
// was needed once for a long text stays.
func TestFrameForgets(t *testing.T) {
	t.Parallel()
	m, err := expression.Compile("^/(?<name>.*)", expression.Exact, nil)
	if err != nil {
		t.Fatal(err)
	}
	f := &Frame{}
	long := []byte("/" + strings.Repeat("x", 2*largestFrame))
	if held, err := f.match(m, namedGroups(m), long); !held || err != nil {
		t.Fatal(held, err)
	}
	f.Set("short", []byte("s"))
	f.Move(long, long)
	f.Variant, f.Stopped, f.changed = &Variant{}, true, true
	short := &f.vars[1].value[0]
	f.Reset()
	_, moved := f.URI()
	_, args := f.Args()
	if moved || args || f.Variant != nil || f.Stopped || f.changed || f.kept != 0 {
		t.Errorf("%+v", f)
	}
	if user(f, "name") != "-" || user(f, "short") != "-" || len(f.AppendCapture(nil, "1")) > 0 {
		t.Errorf("name is %q, short %q, $1 %q", user(f, "name"), user(f, "short"), f.AppendCapture(nil, "1"))
	}
	for name, b := range map[string][]byte{"subject": f.subject, "uri": f.uri, "args": f.args, "a value": f.vars[:1][0].value} {
		if cap(b) > largestFrame {
			t.Errorf("%s keeps %d octets", name, cap(b))
		}
	}
	f.Set("a", []byte("1"))
	f.Set("b", []byte("2"))
	if user(f, "a") != "1" || user(f, "b") != "2" || &f.vars[1].value[0] != short {
		t.Errorf("a is %q, b %q, in memory of its own: %v", user(f, "a"), user(f, "b"), &f.vars[1].value[0] != short)
	}
}

// TestFrameSets: values are copies, the last one counts, and all of them against
// the bound.
func TestFrameSets(t *testing.T) {
	t.Parallel()
	f := &Frame{}
	value := []byte("first")
	f.Set("v", value)
	copy(value, "wrong")
	if user(f, "v") != "first" {
		t.Errorf("v is %q", user(f, "v"))
	}
	f.Set("v", []byte("last"))
	if user(f, "v") != "last" || len(f.vars) != 1 {
		t.Errorf("v is %q, of %d", user(f, "v"), len(f.vars))
	}
	if f.Set("args", []byte("a=1")); user(f, "args") != "-" {
		t.Errorf("args is a variable, %q", user(f, "args"))
	}
	if args, ok := f.Args(); !ok || string(args) != "a=1" {
		t.Errorf("args are %q, %v", args, ok)
	}
	if f.Move([]byte("/p"), nil); true {
		if args, ok := f.Args(); !ok || len(args) > 0 {
			t.Errorf("a path without arguments: %q, %v", args, ok)
		}
	}
	f = &Frame{}
	for range mostKept / longestText {
		f.Set("v", make([]byte, longestText))
	}
	if f.tooMuch() {
		t.Errorf("%d octets are too much", f.kept)
	}
	if f.Set("v", []byte("x")); !f.tooMuch() {
		t.Errorf("%d octets are not too much", f.kept)
	}
}

// TestFrameMatches: groups are those of the last expression, also when it has not
// matched.
func TestFrameMatches(t *testing.T) {
	t.Parallel()
	m, err := expression.Compile("^/(.)(?<rest>.*)", expression.Exact, nil)
	if err != nil {
		t.Fatal(err)
	}
	f := &Frame{}
	subject := []byte("/abc")
	for _, c := range []struct{ subject, one, rest string }{{"/abc", "a", "bc"}, {"abc", "", "bc"}, {"/xyz", "x", "yz"}} {
		subject = append(subject[:0], c.subject...)
		_, err := f.match(m, namedGroups(m), subject)
		clear(subject) // what matched is copied
		if one := string(f.AppendCapture(nil, "1")); err != nil || one != c.one || user(f, "rest") != c.rest {
			t.Errorf("%s: $1 is %q, $rest %q, want %q and %q (%v)", c.subject, one, user(f, "rest"), c.one, c.rest, err)
		}
	}
}

// same is a source of one text for all variables.
type same string

func (s same) AppendVariable(dst []byte, _ variable.ID, _ string) []byte { return append(dst, s...) }

// TestEscaper: a path and groups of one are escaped where they become a URL;
// arguments are as they came.
func TestEscaper(t *testing.T) {
	t.Parallel()
	e := &escaper{same("/a b")}
	for id, want := range map[variable.ID]string{variable.Capture: "/a%20b", variable.URI: "/a%20b", variable.Args: "/a b", variable.Host: "/a b"} {
		if got := e.AppendVariable([]byte(">"), id, "1"); !bytes.Equal(got, []byte(">"+want)) {
			t.Errorf("variable %v: %q, want %q", id, got, want)
		}
	}
}
