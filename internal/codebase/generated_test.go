package codebase

import (
	"flag"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"daemun/internal/annotation"
	"daemun/internal/configmap"
)

var update = flag.Bool("update", false, "write the generated documents")

// TestGenerated keeps the documents that are made from the code up to date:
// `make generate` writes them.
func TestGenerated(t *testing.T) {
	for name, text := range map[string]string{
		"docs/annotations.md": annotation.Markdown(),
		"docs/configmap.md":   configmap.Markdown(),
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
