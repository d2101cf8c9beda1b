package policy

import (
	"testing"
	"time"

	"daemun/internal/ir"
	"daemun/internal/variable"
)

// captures gives a text the groups of the last match, and no other variables.
type captures struct{ f *Frame }

func (c captures) AppendVariable(dst []byte, id variable.ID, arg string) []byte {
	if id == variable.Capture {
		return c.f.AppendCapture(dst, arg)
	}
	return dst
}

// TestRewriteMoves: a rewrite of a snippet moves the request to its path, with
// its groups and arguments.
func TestRewriteMoves(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		step       ir.RewriteStep
		path, args string
	}{
		{ir.RewriteStep{Pattern: "^/old/(.*)", Path: "/new/$1"}, "/new/x/y", "kept"},
		{ir.RewriteStep{Pattern: "^/old/(.*)", Path: "/new", Args: "a=$1", HasArgs: true}, "/new", "a=x/y&kept"},
		{ir.RewriteStep{Pattern: "^/old/", Path: "/new", DropArgs: true}, "/new", ""},
		{ir.RewriteStep{Pattern: "^/other/", Path: "/new"}, "/old/x/y", "kept"},
	} {
		f := &Frame{}
		s := NewScript(&ir.Script{Steps: []ir.Step{{Action: ir.Action{Rewrite: &c.step}}}}, nil)
		from := rewriteSource{captures{f}}
		if outcome, answer := s.Run(f, from, []byte("/old/x/y")); answer != nil {
			t.Fatalf("%s: %v, %+v", c.step.Pattern, outcome, answer)
		}
		path, moved := f.URI()
		if !moved {
			path = []byte("/old/x/y")
		}
		args, changed := f.Args()
		if !changed {
			args = []byte("kept")
		}
		if string(path) != c.path || string(args) != c.args {
			t.Errorf("%+v: %q and %q, want %q and %q", c.step, path, args, c.path, c.args)
		}
	}
}

// rewriteSource is a request with the arguments "kept".
type rewriteSource struct{ captures }

func (r rewriteSource) AppendVariable(dst []byte, id variable.ID, arg string) []byte {
	if id == variable.Args {
		return append(dst, "kept"...)
	}
	return r.captures.AppendVariable(dst, id, arg)
}

// TestAffinityCookie: every attribute that is asked for, and none that is not.
func TestAffinityCookie(t *testing.T) {
	t.Parallel()
	number := func(n int64) *int64 { return &n }
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	for want, c := range map[string]CookieOfAffinity{
		"c=k|b; Path=/p; HttpOnly": {Settings: &ir.Affinity{Name: "c"}},
		"c=k|b; Expires=Fri, 01 May 2026 12:01:00 GMT; Max-Age=60; Domain=a.test; Path=/q; Secure; HttpOnly; SameSite=Lax": {
			Settings: &ir.Affinity{Name: "c", Expires: number(60), MaxAge: number(60), Domain: "a.test", Path: "/q", Secure: true, SameSite: "Lax"},
		},
		"c=k|b; Path=/p; Secure; HttpOnly": {Settings: &ir.Affinity{Name: "c"}, Secure: true},
	} {
		c.Key, c.Backend, c.Path, c.Now = []byte("k"), "b", "/p", now
		if got := string(c.AppendCookie(nil)); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// TestSignInParameter: the URL of the request is added once, and only where the
// parameter is not written already.
func TestSignInParameter(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"https://login.test/":           "https://login.test/?rd=https://a.test/x",
		"https://login.test/?a=b":       "https://login.test/?a=b&rd=https://a.test/x",
		"https://login.test/?rd=/there": "https://login.test/?rd=/there",
		"https://login.test/?card=1":    "https://login.test/?card=1&rd=https://a.test/x",
		"https://login.test/?a=b&rd":    "https://login.test/?a=b&rd",
	} {
		e := newExternal(&ir.ExternalAuth{SignIn: url, SignInParam: "rd"}, NewState(Config{}))
		if got := string(e.AppendSignIn(nil, rewriteSource{}, "https", []byte("a.test"), []byte("/x"))); got != want {
			t.Errorf("%s: %s, want %s", url, got, want)
		}
	}
}
