package codebase

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

func TestModule(t *testing.T) {
	t.Parallel()
	mod := read(t, "go.mod")
	if strings.Contains(mod, "\nreplace ") {
		t.Error("go.mod has a replace directive: go install from outside would build something else")
	}
	doc := read(t, "docs/dependencies.md")
	for _, m := range regexp.MustCompile(`(?m)^\t(\S+) v\S+$`).FindAllStringSubmatch(mod, -1) {
		if !strings.Contains(doc, m[1]) {
			t.Errorf("docs/dependencies.md does not say what %s is for", m[1])
		}
	}
	all := mod
	for _, other := range []string{"tools", "test/browser", "test/cluster", "test/cluster/kube", "test/cluster/helm"} {
		all += read(t, other+"/go.mod")
	}
	for _, row := range regexp.MustCompile(`(?m)^\| ([^|]*\.[^|]*) \|.*$`).FindAllStringSubmatch(doc, -1) {
		for module := range strings.SplitSeq(row[1], ", ") {
			if !strings.Contains(all, module+" v") {
				t.Errorf("docs/dependencies.md names %s, which is in no go.mod", module)
			}
		}
	}
}

func TestArchitectureNamesEveryPackage(t *testing.T) {
	t.Parallel()
	doc := read(t, "ARCHITECTURE.md")
	for _, p := range goList(t) {
		name := strings.TrimPrefix(p.ImportPath, "daemun/")
		if !strings.Contains(doc, "`"+name+"`") {
			t.Errorf("ARCHITECTURE.md does not mention `%s`", name)
		}
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile("../../" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
