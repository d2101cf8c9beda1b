package table

import (
	"bytes"
	"errors"
	"testing"

	"daemun/internal/expression"
	"daemun/internal/ir"
	"daemun/internal/policy"
)

// prefixEngine stands for an engine with back-tracking: it runs "^/(?!no)(.*)"
// only, and gives up on long paths.
func prefixEngine(expr string, _ expression.Case) (expression.Matcher, error) {
	if expr != "^/(?!no)(.*)" && expr != "/(?!no)(.*)" {
		return nil, errors.New("unknown")
	}
	return notNo{}, nil
}

type notNo struct{}

func (notNo) Names() []string { return []string{"", ""} }

func (notNo) Match(subject []byte, caps *expression.Captures) (bool, error) {
	if len(subject) > 20 {
		return false, expression.ErrTooCostly
	}
	if !bytes.HasPrefix(subject, []byte("/")) || bytes.HasPrefix(subject, []byte("/no")) {
		return false, nil
	}
	if caps != nil {
		*caps = expression.None()
		caps[0], caps[1], caps[2], caps[3] = 0, len(subject), 1, len(subject)
	}
	return true, nil
}

// TestForeignExpression pins that a path goes by an expression which the linear
// engine cannot run, and that a path it gives up on goes nowhere.
func TestForeignExpression(t *testing.T) {
	t.Parallel()
	routes := []*ir.Route{
		{Path: "/(?!no)(.*)", Match: ir.MatchRegex, Pattern: "^/(?!no)(.*)", Backend: "first", Policies: ir.Policies{Rewrite: &ir.Rewrite{Pattern: "/(?!no)(.*)", Target: "/to/$1"}}},
		{Path: "/", Match: ir.MatchRegex, Pattern: "^/", Backend: "second"},
	}
	cfg := &ir.Config{Hosts: []*ir.Host{{Name: "a.test", RegexMode: true, Routes: routes}}}
	h := benchHandles()
	h.Policies = policy.NewState(policy.Config{Beyond: prefixEngine})
	table := Compile(nil, 1, cfg, h)
	for path, want := range map[string]struct {
		backend   ir.BackendID
		denied    int
		rewritten string
	}{
		"/yes":                            {"first", 0, "/to/yes"},
		"/none":                           {"second", 0, ""},
		"/a-path-that-is-too-long-for-it": {"first", 500, ""},
	} {
		var m Match
		if table.Resolve([]byte("a.test"), []byte(path), &m) != Found || m.Route.IR.Backend != want.backend || m.Route.IR.Denied != want.denied {
			t.Errorf("%s: %+v", path, m.Route.IR)
		}
		if want.rewritten == "" {
			continue
		}
		if got, _ := m.Rewrite(nil); string(got) != want.rewritten {
			t.Errorf("%s: %q", path, got)
		}
	}
	// Without the engine the route is closed.
	h.Policies = policy.NewState(policy.Config{})
	var m Match
	Compile(nil, 1, cfg, h).Resolve([]byte("a.test"), []byte("/yes"), &m)
	if m.Route.IR.Denied != 503 {
		t.Errorf("%+v", m.Route.IR)
	}
}

// TestForeignExpressionGivenUpOnMatches: a path of which nobody knows whether
// the expression matches is not handed to the next route.
func TestForeignExpressionGivenUpOnMatches(t *testing.T) {
	t.Parallel()
	f := &foreign{Matcher: notNo{}}
	for path, want := range map[string]bool{"/yes": true, "/none": false, "/a-path-that-is-too-long-for-it": true} {
		if f.Match([]byte(path)) != want {
			t.Errorf("%s: matches = %v", path, !want)
		}
	}
}
