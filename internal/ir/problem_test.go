package ir

import "testing"

func TestProblemString(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		p    Problem
		want string
	}{
		{Problem{Message: "m"}, "m"},
		{Problem{File: "stdin", Message: "m", Code: "DMN0001"}, "stdin: m [DMN0001]"},
		{Problem{File: "a.yaml", Line: 3, Message: "m"}, "a.yaml:3:1: m"},
		{Problem{File: "a.yaml", Line: 3, Column: 5, Object: Ref{Kind: "Ingress", Namespace: "ns", Name: "n"}, Field: "spec.x", Message: "m"}, "a.yaml:3:5: Ingress ns/n: spec.x: m"},
		{Problem{Object: Ref{Kind: "Node", Name: "n"}, Message: "m"}, "Node n: m"},
		{Problem{Object: Ref{Kind: "Ingress"}, Message: "m"}, "Ingress: m"},
		{Problem{Object: Ref{Name: "n"}, Message: "m"}, "n: m"},
	} {
		if got := c.p.String(); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}
