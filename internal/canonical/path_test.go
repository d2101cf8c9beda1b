package canonical

import (
	"bytes"
	"testing"
)

func TestPathReadings(t *testing.T) {
	t.Parallel()
	const bad = "400"
	for _, c := range []struct{ name, raw, nginx, strict, permissive string }{
		{"plain", "/a/b", "/a/b", "/a/b", "/a/b"},
		{"root", "/", "/", "/", "/"},
		{"empty", "", "/", "/", "/"},
		{"final slash", "/a/", "/a/", "/a/", "/a/"},
		{"hidden name is no dot segment", "/.well-known/...", "/.well-known/...", "/.well-known/...", "/.well-known/..."},
		{"decoded once", "/%2541%41", "/%41A", "/%41A", "/%41A"},
		{"lower-case hexadecimal", "/%c3%a9", "/é", "/é", "/é"},
		{"encoded question mark and hash", "/a%3Fb%23", "/a?b#", "/a?b#", "/a?b#"},
		{"plus stays", "/a+b", "/a+b", "/a+b", "/a+b"},
		{"dot", "/a/./b", "/a/b", "/a/b", "/a/b"},
		{"final dot", "/a/.", "/a/", "/a/", "/a/"},
		{"dots", "/a/b/../c", "/a/c", "/a/c", "/a/c"},
		{"final dots", "/a/b/..", "/a/", "/a/", "/a/"},
		{"dots up to the root", "/a/..", "/", "/", "/"},
		{"encoded dots", "/a/%2e%2E/b", "/b", "/b", "/b"},
		{"half encoded dots", "/a/.%2e/b", "/b", "/b", "/b"},
		{"encoded slash", "/a%2Fb", "/a/b", "/a%2Fb", "/a/b"},
		{"encoded slash and dots", "/a/b%2f..%2fc", "/a/c", "/a/b%2F..%2Fc", "/a/c"},
		{"double slash", "/a//b///", "/a/b/", "/a//b///", "/a/b/"},
		{"leading double slash", "//a", "/a", "//a", "/a"},
		{"dots after a double slash", "/a//../b", "/b", "/a/b", "/b"},
		{"backslash", `/a\..\b`, `/a\..\b`, `/a\..\b`, "/b"},
		{"encoded backslash", "/a%5Cb", `/a\b`, `/a\b`, "/a/b"},
		{"parameter", "/a;x=1/b;y", "/a;x=1/b;y", "/a;x=1/b;y", "/a/b"},
		{"encoded parameter", "/a%3bx/b", "/a;x/b", "/a;x/b", "/a/b"},
		{"parameter behind dots", "/a/..;x/b", "/a/..;x/b", "/a/..;x/b", "/b"},
		{"only a parameter", "/;x/b", "/;x/b", "/;x/b", "/b"},
		{"parameter cut at an encoded slash", "/a;x%2Fb", "/a;x/b", "/a;x%2Fb", "/a/b"},
		{"from ingress-nginx §15.2", "/api//x/../y%2Fz%20q%3Fk/./", "/api/y/z q?k/", "/api//y%2Fz q?k/", "/api/y/z q?k/"},
		{"above the root in one reading", "/..;/a", "/..;/a", "/..;/a", bad},
		{"above the root in a strict reading", "/a%2Fb/../../c", "/c", bad, "/c"},
		{"above the root", "/..", bad, bad, bad},
		{"above the root on the way", "/a/../../b", bad, bad, bad},
		{"broken encoding", "/%4", bad, bad, bad},
		{"no hexadecimal", "/%4g", bad, bad, bad},
		{"NUL", "/a%00", bad, bad, bad},
		{"raw NUL", "/a\x00", bad, bad, bad},
		{"fragment", "/a#b", bad, bad, bad},
		{"asterisk", "*", bad, bad, bad},
		{"no slash in front", "a/b", bad, bad, bad},
	} {
		for _, r := range []struct {
			name, want string
			read       func(dst, raw []byte) ([]byte, bool)
		}{{"Path", c.nginx, Path}, {"StrictPath", c.strict, StrictPath}, {"PermissivePath", c.permissive, PermissivePath}} {
			got, ok := r.read(nil, []byte(c.raw))
			if !ok {
				got = []byte(bad)
			}
			if string(got) != r.want {
				t.Errorf("%s: %s(%q) = %q, want %q", c.name, r.name, c.raw, got, r.want)
			}
		}
	}
}

func TestPlainPathIsNotCopied(t *testing.T) {
	t.Parallel()
	raw := []byte("/a/b.c/d")
	if got, _ := Path(nil, raw); &got[0] != &raw[0] {
		t.Error("a plain path was copied")
	}
}

func TestAppendEscapedPath(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"/y/z q?k/": "/y/z%20q%3Fk/", "/a-._~:@!$&'()*+,;=[]": "/a-._~:@!$&'()*+,;=[]",
		"/é\r\n\x7f": "/%C3%A9%0D%0A%7F", `/"#%<>\^` + "`{|}": "/%22%23%25%3C%3E%5C%5E%60%7B%7C%7D", "": "",
	} {
		if got := string(AppendEscapedPath([]byte("x"), []byte(in))); got != "x"+want {
			t.Errorf("AppendEscapedPath(%q) = %q, want %q", in, got, "x"+want)
		}
	}
}

func TestPathDoesNotAllocate(t *testing.T) {
	dst := make([]byte, 0, 64)
	for _, in := range []string{"/api/users/42", "/api//users/./%20;x"} {
		raw := []byte(in)
		if n := testing.AllocsPerRun(100, func() { Path(dst, raw); StrictPath(dst, raw); PermissivePath(dst, raw) }); n != 0 {
			t.Errorf("%q: %v allocations", in, n)
		}
	}
}

// What comes out of a reading is a path in its one form: reading its escaped
// form again changes nothing, and no reading leaves dot segments behind.
func FuzzPath(f *testing.F) {
	for _, s := range []string{"/", "", "/a/../b", "/a%2F..%2fb", `/a\..;x//%2e./b`, "/%", "/%00", "//..", "/a/./..;/"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		nginx, ok := Path(nil, raw)
		if ok {
			again, ok := Path(nil, AppendEscapedPath(nil, nginx))
			if !ok || !bytes.Equal(again, nginx) {
				t.Fatalf("Path(%q) = %q, and of that %q, %v", raw, nginx, again, ok)
			}
			if hasDots(nginx) || bytes.Contains(nginx, []byte("//")) {
				t.Fatalf("Path(%q) = %q is not normal", raw, nginx)
			}
		}
		if Plain(raw) {
			strict, ok1 := StrictPath(nil, raw)
			permissive, ok2 := PermissivePath(nil, raw)
			if !ok || !ok1 || !ok2 || !bytes.Equal(strict, raw) || !bytes.Equal(permissive, raw) {
				t.Fatalf("plain %q has readings %q, %q", raw, strict, permissive)
			}
		}
		if strict, ok := StrictPath(nil, raw); ok && hasDots(strict) {
			t.Fatalf("StrictPath(%q) = %q is not normal", raw, strict)
		}
		permissive, ok := PermissivePath(nil, raw)
		if !ok {
			return
		}
		if hasDots(permissive) || bytes.ContainsAny(permissive, `\;`) || bytes.Contains(permissive, []byte("//")) {
			t.Fatalf("PermissivePath(%q) = %q is not normal", raw, permissive)
		}
		again, ok := PermissivePath(nil, AppendEscapedPath(nil, permissive))
		if !ok || !bytes.Equal(again, permissive) {
			t.Fatalf("PermissivePath(%q) = %q, and of that %q, %v", raw, permissive, again, ok)
		}
	})
}

func hasDots(path []byte) bool {
	for _, s := range bytes.Split(path, []byte("/")) {
		if string(s) == "." || string(s) == ".." {
			return true
		}
	}
	return false
}

func BenchmarkPath(b *testing.B) {
	for _, in := range []string{"/api/service-7/users/42", "/api/service-7/a%20b/../c"} {
		b.Run(in, func(b *testing.B) {
			b.ReportAllocs()
			dst, raw := make([]byte, 0, 64), []byte(in)
			for b.Loop() {
				Path(dst, raw)
			}
		})
	}
}
