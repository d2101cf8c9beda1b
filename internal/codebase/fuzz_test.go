package codebase

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestParsersAreFuzzed holds the list of parsers in docs/hardening.md against
// the fuzz targets that there are, both ways.
func TestParsersAreFuzzed(t *testing.T) {
	t.Parallel()
	_, list, ok := strings.Cut(read(t, "docs/hardening.md"), "### What reads outside input")
	if !ok {
		t.Fatal("docs/hardening.md has no list of parsers")
	}
	listed := map[string]bool{}
	for _, m := range regexp.MustCompile(`((?:Fuzz\w+, )*Fuzz\w+) \(([a-z0-9/]+)\)`).FindAllStringSubmatch(list, -1) {
		for name := range strings.SplitSeq(m[1], ", ") {
			listed[m[2]+"."+name] = true
		}
	}
	targets := fuzzTargets(t)
	for target := range targets {
		if !listed[target] {
			t.Errorf("docs/hardening.md does not say what %s is about", target)
		}
	}
	for target := range listed {
		if !targets[target] {
			t.Errorf("docs/hardening.md names %s, which is not there", target)
		}
	}
}

// fuzzTargets are those below internal, as "package.Name".
func fuzzTargets(t *testing.T) map[string]bool {
	t.Helper()
	targets, root := map[string]bool{}, filepath.FromSlash("../../internal")
	declared := regexp.MustCompile(`(?m)^func (Fuzz\w+)\(`)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel(root, filepath.Dir(path))
		for _, m := range declared.FindAllSubmatch(text, -1) {
			targets[filepath.ToSlash(dir)+"."+string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return targets
}
