package policy

import (
	"bytes"
	"testing"

	"daemun/internal/ir"
	"daemun/internal/variable"
)

type noVariables struct{}

func (noVariables) AppendVariable(dst []byte, _ variable.ID, _ string) []byte { return dst }

func textsReplacer(all bool, texts ...string) *Replacer {
	s := &ir.Substitution{All: all}
	for i := 0; i < len(texts); i += 2 {
		s.Pairs = append(s.Pairs, ir.TextPair{From: texts[i], To: texts[i+1]})
	}
	return newSubstitution(s).Begin(noVariables{})
}

// inPieces gives a content to r in pieces of n octets.
func inPieces(r *Replacer, content []byte, n int) (out []byte) {
	for len(content) > 0 {
		piece := content[:min(n, len(content))]
		out, content = r.Append(out, piece), content[len(piece):]
	}
	return r.End(out)
}

// TestReplacer pins what is found, and that it does not depend on the pieces.
func TestReplacer(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, content, want string
		all                 bool
		texts               []string
	}{
		{"every one", "ab-AB-aB", "x-x-x", true, []string{"Ab", "x"}},
		{"the first of each", "ab cd ab cd", "x y ab cd", false, []string{"ab", "x", "cd", "y"}},
		{"the first of the list", "abcd", "2d", true, []string{"abc", "2", "ab", "1"}},
		{"the shorter one first", "abcd", "1cd", true, []string{"ab", "1", "abc", "2"}},
		{"the longer one ends too early", "abx", "1x", true, []string{"abc", "2", "ab", "1"}},
		{"the content ends within one", "xab", "x1", true, []string{"abc", "2", "ab", "1"}},
		{"no second look at what came of it", "aa", "aaaa", true, []string{"a", "aa"}},
		{"a beginning within a beginning", "aaab", "a-", true, []string{"aab", "-"}},
		{"nothing instead", "a<b>c", "ac", true, []string{"<b>", ""}},
		{"other letters have one case", "Ä", "Ä", true, []string{"ä", "x"}},
		{"an empty text is nowhere", "abc", "abc", true, []string{"$host", "x"}},
		{"all are done", "aba", "xba", false, []string{"a", "x"}},
	} {
		for n := 1; n <= len(tt.content); n++ {
			if got := inPieces(textsReplacer(tt.all, tt.texts...), []byte(tt.content), n); string(got) != tt.want {
				t.Errorf("%s, pieces of %d: %q, want %q", tt.name, n, got, tt.want)
			}
		}
	}
}

// TestReplacerKeepsLittleBack: less than the longest text.
func TestReplacerKeepsLittleBack(t *testing.T) {
	t.Parallel()
	r := textsReplacer(true, "aaaaaaab", "x")
	for range 1000 {
		r.Append(nil, []byte("aaa"))
		if len(r.held) > 7 {
			t.Fatalf("%d octets are held", len(r.held))
		}
	}
	if g := textsReplacer(true, "ab", "0123456", "abc", "").Growth(); g != 4 {
		t.Errorf("growth %d", g)
	}
}

func TestSubstitutionActsOn(t *testing.T) {
	t.Parallel()
	s := newSubstitution(&ir.Substitution{Pairs: []ir.TextPair{{From: "a"}}, Types: []string{"text/css"}})
	for kind, want := range map[string]bool{"text/html; charset=utf-8": true, "TEXT/CSS": true, "text/plain": false, "": false} {
		if s.ActsOn([]byte(kind)) != want {
			t.Errorf("%q: %v", kind, !want)
		}
	}
}

// FuzzReplacer compares with a search in the whole content.
func FuzzReplacer(f *testing.F) {
	f.Add([]byte("Hello hello"), []byte("HELLO"), []byte("bye"), uint8(3), true)
	f.Add([]byte("aaab"), []byte("aab"), []byte("aab"), uint8(1), false)
	f.Fuzz(func(t *testing.T, content, from, to []byte, n uint8, all bool) {
		if len(from) == 0 || bytes.ContainsRune(from, '$') || bytes.ContainsRune(to, '$') {
			return
		}
		r := textsReplacer(all, string(from), string(to))
		got := inPieces(r, content, int(n)+1)
		if want := wholly(content, from, to, all); !bytes.Equal(got, want) {
			t.Errorf("%q, %q to %q in pieces of %d: %q, want %q", content, from, to, int(n)+1, got, want)
		}
	})
}

// wholly is bytes.ReplaceAll, or of the first, with letters in both cases.
func wholly(content, from, to []byte, all bool) (out []byte) {
	small := func(b []byte) []byte {
		made := bytes.Clone(b)
		for i := range made {
			made[i] = lower(made[i])
		}
		return made
	}
	for first := true; first || all; first = false {
		at := bytes.Index(small(content), small(from))
		if at < 0 {
			break
		}
		out = append(append(out, content[:at]...), to...)
		content = content[at+len(from):]
	}
	return append(out, content...)
}
