package examples

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"daemun/internal/daemuntest"
)

// inDocs finds the examples that a page runs or names.
var inDocs = regexp.MustCompile(`examples/(from-ingress-nginx/)?[a-z-]+`)

// TestDocs runs the commands of the pages under docs as TestReadmes does those
// of examples. A page without `daemun up` has nothing to run.
func TestDocs(t *testing.T) {
	t.Parallel()
	bin := daemuntest.Build(t)
	for _, page := range glob(t, "../docs/*.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		steps := parseConsole(string(text))
		if !slices.ContainsFunc(steps, func(s step) bool { return strings.HasPrefix(s.command, "daemun up ") }) {
			continue
		}
		t.Run(filepath.Base(page), func(t *testing.T) {
			t.Parallel()
			s := newSession(t, bin)
			named := inDocs.FindAllString(string(text), -1)
			slices.Sort(named)
			for _, folder := range slices.Compact(named) {
				name := strings.TrimPrefix(folder, "examples/")
				if _, err := os.Stat(filepath.Join(name, "README.md")); err == nil {
					s.copyExample(t, name)
				}
			}
			s.run(t, steps)
		})
	}
}
