package daemon

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"daemun/internal/ir"
	"daemun/internal/manifest"
	"daemun/internal/store"
)

// TestProblemBoard follows one problem through edits of its file: it is told
// once when it comes and once when it goes, with the place it had.
func TestProblemBoard(t *testing.T) {
	t.Parallel()
	var told []string
	line := 3
	b := &problemBoard{
		locate: func(store.Key, string) (manifest.Position, bool) {
			return manifest.Position{File: "a.yaml", Line: line, Column: 1}, line > 0
		},
		changed: func(added, gone []ir.Problem) {
			for _, p := range added {
				told = append(told, "new "+p.String())
			}
			for _, p := range gone {
				told = append(told, "gone "+p.String())
			}
		},
	}
	var broken []ir.Problem
	b.sources = []problemSource{func() []ir.Problem { return broken }}
	p := ir.Problem{Object: ir.Ref{Kind: "Ingress", Name: "x"}, Field: "spec.a", Message: "wrong"}
	for _, step := range []struct {
		name string
		do   func()
		want string // what is told
		list string // what is listed after that
	}{
		{"nothing", func() { b.publish(nil) }, "", ""},
		{"comes", func() { b.publish([]ir.Problem{p}) }, "new a.yaml:3:1: Ingress x: spec.a: wrong", "a.yaml:3:1: Ingress x: spec.a: wrong"},
		{"file edited", func() { line = 5; b.moved() }, "", "a.yaml:5:1: Ingress x: spec.a: wrong"},
		{"field removed", func() { line = 1; b.refresh() }, "", "a.yaml:5:1: Ingress x: spec.a: wrong"},
		{"syntax error beside it", func() { broken = []ir.Problem{{File: "b.yaml", Message: "bad"}}; b.refresh() }, "new b.yaml: bad", "a.yaml:5:1: Ingress x: spec.a: wrong b.yaml: bad"},
		{"next table", func() { b.publish(nil) }, "gone a.yaml:5:1: Ingress x: spec.a: wrong", "b.yaml: bad"},
	} {
		told = nil
		step.do()
		if diff := cmp.Diff(step.want, strings.Join(told, "; ")); diff != "" {
			t.Errorf("%s: told (-want +got):\n%s", step.name, diff)
		}
		var list []string
		for _, p := range b.list() {
			list = append(list, fmt.Sprint(p))
		}
		slices.Sort(list)
		if diff := cmp.Diff(step.list, strings.Join(list, " ")); diff != "" {
			t.Errorf("%s: listed (-want +got):\n%s", step.name, diff)
		}
	}
}
