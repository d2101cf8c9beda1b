package manifest

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"daemun/internal/store"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestGolden reads testdata/<case>/in.yaml from standard input and compares
// problems.txt and objects.yaml.
func TestGolden(t *testing.T) {
	t.Parallel()
	cases, err := filepath.Glob("testdata/*/in.*")
	if err != nil || len(cases) == 0 {
		t.Fatal("no cases", err)
	}
	for _, in := range cases {
		t.Run(filepath.Base(filepath.Dir(in)), func(t *testing.T) {
			t.Parallel()
			f, err := os.Open(in)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			l := New([]string{"-"}, f)
			c, err := l.Load()
			if err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join(filepath.Dir(in), "problems.txt"), problemText(l))
			golden(t, filepath.Join(filepath.Dir(in), "objects.yaml"), objectText(t, c.Put))
		})
	}
}

func problemText(l *Loader) string {
	var b strings.Builder
	for _, p := range l.Problems() {
		fmt.Fprintf(&b, "%s: %s\n", p.Severity, p)
	}
	return b.String()
}

func objectText(t *testing.T, objects []store.Object) string {
	t.Helper()
	var b strings.Builder
	for _, o := range objects {
		text, err := yaml.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "---\n%s", text)
	}
	return b.String()
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}
