package table

import (
	"testing"

	"daemun/internal/ir"
)

func TestRewrite(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, pattern, target, path, want string
		redirect                          bool
	}{
		{"whole path is replaced", "/foo", "/", "/foo/x", "/", false},
		{"normalised and escaped again", "/api(/|$)(.*)", "/$2", "/api//x/../y%2Fz%20q%3Fk/./", "/y/z%20q%3Fk/", false},
		{"result is not normalised again", "/v(.*)", "/$1", "/v//a", "//a", false},
		{"case is ignored, capture keeps it", "/Api(/|$)(.*)", "/$2", "/aPI/Users", "/Users", false},
		{"missing captures are empty", "/original", "/new/$1$9", "/original/other", "/new/", false},
		{"redirect", "/original", "https://bar.example.org/$1", "/original/other", "https://bar.example.org/", true},
		{"redirect with capture", "/o/(.*)", "http://b.test/$1?x=1", "/o/a%20b%0dX:%3Fy", "http://b.test/a%20b%0DX:%3Fy?x=1", true},
		{"a capture does not make a redirect", "/o/(.*)", "$1", "/o/http%3A%2F%2Fevil", "/http:/evil", false},
		{"result without a slash gets one", "/api(/|$)(.*)", "$2", "/api/x", "/x", false},
		{"empty result", "/api(/|$)(.*)", "$2", "/api", "/", false},
		{"ten is one and zero", "/a(.*)", "/$10", "/ab", "/b0", false},
		{"other dollars stay", "/a", "/$x/$0/$", "/a", "/$x/$0/$", false},
		{"dashboard idiom", "/()(.*)", "/app/$2", "/x/y", "/app/x/y", false},
		{"optional slash", "/svc/?(.*)", "/$1", "/svc", "/", false},
		{"linear engine", "/v([0-9]+)/(.*?)/end", "/$2/$1", "/v12/a/b/end", "/a/b/12", false},
		{"octets outside ASCII", "/x/(.*)", "/$1", "/x/caf%c3%a9%7f", "/caf%C3%A9%7F", false},
		{"percent sign", "/x/(.*)", "/$1", "/x/100%25", "/100%25", false},
	} {
		tab := compile(t, plainHost("", prefix("/")), regexHost("r.test", rewrite(c.pattern, c.target), regex("^/")))
		var m Match
		if o := tab.Resolve([]byte("r.test"), []byte(c.path), &m); o != Found || m.Route.IR.Rewrite == nil {
			t.Errorf("%s: Resolve(%s): %v, %+v", c.name, c.path, o, m.Route)
			continue
		}
		out, redirect := m.Rewrite([]byte("dst:"))
		if string(out) != "dst:"+c.want || redirect != c.redirect {
			t.Errorf("%s: Rewrite = %q, %v; want %q, %v", c.name, out, redirect, "dst:"+c.want, c.redirect)
		}
	}
}

// The rewrite's expression is the Ingress path: it is searched, not anchored,
// and may differ from the location's.
func TestRewriteIsNotAnchored(t *testing.T) {
	t.Parallel()
	r := prefix("/")
	r.Rewrite = &ir.Rewrite{Pattern: "/api/(.*)", Target: "/$1"}
	broken := prefix("/broken")
	broken.Rewrite = &ir.Rewrite{Pattern: "/(?=x)", Target: "/"}
	tab := compile(t, plainHost("", prefix("/")), plainHost("a.test", r, broken))
	for path, want := range map[string]string{"/pre/API/x": "/x", "/other": ""} {
		var m Match
		tab.Resolve([]byte("a.test"), []byte(path), &m)
		if out, _ := m.Rewrite(nil); string(out) != want {
			t.Errorf("%s: %q, want %q", path, out, want)
		}
	}
	var m Match
	tab.Resolve([]byte("a.test"), []byte("/broken"), &m)
	if m.Route.Err == nil || m.Route.IR.Denied != 503 || broken.Denied != 0 {
		t.Errorf("rewrite that does not compile: Denied = %d (source %d), want 503 (0)", m.Route.IR.Denied, broken.Denied)
	}
}

func TestForwardedPrefix(t *testing.T) {
	t.Parallel()
	with := rewrite("/api/(v[0-9])(/|$)(.*)", "/$3")
	with.ForwardedPrefix = "/api/$1"
	fixed := rewrite("/fixed(/|$)(.*)", "/$2")
	fixed.ForwardedPrefix = "/fixed"
	bare := regex("^/bare/([^/]*)")
	bare.ForwardedPrefix = "/$1/$2"
	tab := compile(t, plainHost("", prefix("/")), regexHost("r.test", with, fixed, bare))
	for path, want := range map[string]string{
		"/api/v1/x": "/api/v1", "/fixed/x": "/fixed", "/bare/a%0d%0aX:%20y/z": "/a%0D%0AX:%20y/",
	} {
		var m Match
		tab.Resolve([]byte("r.test"), []byte(path), &m)
		if got := m.ForwardedPrefix([]byte("p=")); string(got) != "p="+want {
			t.Errorf("%s: %q, want %q", path, got, "p="+want)
		}
	}
	plain := prefix("/")
	plain.ForwardedPrefix = "/x$1"
	tab = compile(t, plainHost("", plain))
	var m Match
	tab.Resolve(nil, []byte("/"), &m)
	if got := m.ForwardedPrefix(nil); string(got) != "/x" {
		t.Errorf("without an expression: %q, want /x", got)
	}
}

func TestRewriteDoesNotAllocate(t *testing.T) {
	r := rewrite("/api(/|$)(.*)", "/$2")
	r.ForwardedPrefix = "/api$1"
	tab := compile(t, plainHost("", prefix("/")), regexHost("r.test", r))
	m, host, path, dst := &Match{}, []byte("r.test"), []byte("/api/users/1"), make([]byte, 0, 64)
	if n := testing.AllocsPerRun(100, func() {
		tab.Resolve(host, path, m)
		_, _ = m.Rewrite(dst)
		_ = m.ForwardedPrefix(dst)
	}); n != 0 {
		t.Errorf("%v allocations per rewrite", n)
	}
}
