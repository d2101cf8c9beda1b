package codebase

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"daemun/internal/annotation"
	"daemun/internal/configmap"
	"daemun/internal/metrics"
	"daemun/internal/problems"
	"daemun/internal/snippet"
)

var update = flag.Bool("update", false, "write the generated documents")

// TestGenerated keeps the documents that are made from the code up to date:
// `make generate` writes them.
func TestGenerated(t *testing.T) {
	for name, text := range map[string]string{
		"docs/annotations.md": annotation.Markdown(),
		"deploy/daemun.yaml":  manifests(t),
		"docs/configmap.md":   configmap.Markdown(),
		"docs/snippets.md":    snippet.Markdown(),
		"docs/problems.md":    problems.Markdown(),
		"docs/metrics.md":     metrics.Markdown(),
	} {
		if *update {
			if err := os.WriteFile("../../"+name, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if d := cmp.Diff(text, read(t, name)); d != "" {
			t.Errorf("%s is out of date, run make generate:\n%s", name, d)
		}
	}
}

// manifests joins the files of deploy/manifests in the order of their names,
// which is the order in which objects need each other.
func manifests(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob("../../deploy/manifests/*.yaml") // sorted
	if err != nil {
		t.Fatal(err)
	}
	parts := []string{"# Made from deploy/manifests by `make generate`.\n"}
	for _, file := range files {
		parts = append(parts, read(t, strings.TrimPrefix(filepath.ToSlash(file), "../../")))
	}
	return strings.Join(parts, "---\n")
}
