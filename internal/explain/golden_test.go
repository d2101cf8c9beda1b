package explain_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"daemun/internal/console"
	"daemun/internal/daemon"
	"daemun/internal/explain"
	"daemun/internal/ir"
	"daemun/internal/translate"
)

var update = flag.Bool("update", false, "rewrite golden files")

// TestGolden prints the trails that the first lines of each testdata/<case>.yaml
// ask for, as the command does, and compares them with <case>.txt.
func TestGolden(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no golden files", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			t.Parallel()
			manifests, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			in := inspect(t, file)
			var got bytes.Buffer
			for line := range strings.Lines(string(manifests)) {
				url, ok := strings.CutPrefix(line, "# explain ")
				if !ok {
					break
				}
				url = strings.TrimSpace(url)
				a, err := in.Explain(explain.Request{URL: url})
				if err != nil {
					t.Fatal(err)
				}
				fmt.Fprintf(&got, "======== %s\n", url)
				if err := console.WriteAnswer(&got, a); err != nil {
					t.Fatal(err)
				}
			}
			golden(t, strings.TrimSuffix(file, ".yaml")+".txt", got.String())
		})
	}
}

func inspect(t *testing.T, path string) *daemon.Inspection {
	t.Helper()
	o := translate.DefaultOptions()
	o.WithoutClass = true
	if manifests, _ := os.ReadFile(path); bytes.Contains(manifests, []byte("{namespace: ingress, name: settings}")) {
		o.ConfigMap = "ingress/settings"
	}
	in, err := daemon.Inspect([]string{path}, nil, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(in.Close)
	for _, p := range in.Problems {
		if p.Severity == ir.SeverityError && strings.HasPrefix(p.Code, "DMN01") {
			t.Fatalf("the manifests are wrong: %s", p)
		}
	}
	return in
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
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

func TestBadURL(t *testing.T) {
	t.Parallel()
	in := inspect(t, "testdata/hello.yaml")
	for url, want := range map[string]string{
		"ftp://x/":    `scheme "ftp" is not served`,
		"http://":     "has no host",
		"http://x/%z": "is not a URL",
	} {
		if _, err := in.Explain(explain.Request{URL: url}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", url, err, want)
		}
	}
}
