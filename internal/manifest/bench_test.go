package manifest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

func ingressText(i, port int) string {
	return fmt.Sprintf(`apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: app-%d
  namespace: shop
  annotations:
    nginx.ingress.kubernetes.io/proxy-body-size: 8m
spec:
  ingressClassName: nginx
  rules:
  - host: app-%d.example.com
    http:
      paths:
      - path: /
        pathType: Prefix
        backend:
          service:
            name: app-%d
            port:
              number: %d
`, i, i, i, port)
}

const benchObjects = 10_000

func benchFolder(b *testing.B) string {
	b.Helper()
	dir := b.TempDir()
	for i := range benchObjects {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%05d.yaml", i)), []byte(ingressText(i, 80)), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	return dir
}

func BenchmarkLoadFiles(b *testing.B) {
	dir := benchFolder(b)
	for b.Loop() {
		if c, err := New([]string{dir}, nil).Load(); err != nil || len(c.Put) != benchObjects {
			b.Fatal(err, len(c.Put))
		}
	}
}

func BenchmarkLoadOneFile(b *testing.B) {
	var text strings.Builder
	for i := range benchObjects {
		text.WriteString(ingressText(i, 80) + "---\n")
	}
	for b.Loop() {
		if c, err := New([]string{"-"}, strings.NewReader(text.String())).Load(); err != nil || len(c.Put) != benchObjects {
			b.Fatal(err, len(c.Put))
		}
	}
}

func BenchmarkEditOneFile(b *testing.B) {
	dir := benchFolder(b)
	l := New([]string{dir}, nil)
	if _, err := l.Load(); err != nil {
		b.Fatal(err)
	}
	path := filepath.Join(dir, "00042.yaml")
	for port := 1000; b.Loop(); port++ {
		if err := os.WriteFile(path, []byte(ingressText(42, port%60000+1)), 0o644); err != nil {
			b.Fatal(err)
		}
		l.mu.Lock()
		c, _, ok := l.loadFiles(map[string]bool{path: true})
		l.mu.Unlock()
		if !ok || len(c.Put) != 1 {
			b.Fatal(ok, c)
		}
	}
}

func BenchmarkRescan(b *testing.B) {
	l := New([]string{benchFolder(b)}, nil)
	for range 2 { // the second reading ends the racy state
		if _, err := l.Load(); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if c, err := l.Load(); err != nil || !c.Empty() {
			b.Fatal(err, c)
		}
	}
}

// FuzzLoad checks that no input panics and that every object can be written
// again.
func FuzzLoad(f *testing.F) {
	cases, _ := filepath.Glob("testdata/*/in.*")
	for _, c := range cases {
		data, err := os.ReadFile(c)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte("a: &a [*a]\n<<: *a"))
	f.Fuzz(func(t *testing.T, data []byte) {
		l := New([]string{"-"}, strings.NewReader(string(data)))
		c, err := l.Load()
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range c.Put {
			if _, err := yaml.Marshal(o); err != nil {
				t.Fatal(err)
			}
			if _, ok := l.Locate(keyOf(o), "spec.rules[0].host"); !ok {
				t.Fatal("not located", keyOf(o))
			}
		}
		l.Problems()
	})
}

// BenchmarkWatch measures from the end of writing one of 10,000 files to the
// callback with its Change.
func BenchmarkWatch(b *testing.B) {
	dir := benchFolder(b)
	l := New([]string{dir}, nil)
	if _, err := l.Load(); err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	changes, done := make(chan Change, 10), make(chan error)
	go func() { done <- l.Watch(ctx, func(c Change) { changes <- c }) }()
	<-changes // the files were fresh at Load: they are read a second time
	path := filepath.Join(dir, "00042.yaml")
	for port := 1000; b.Loop(); port++ {
		if err := os.WriteFile(path, []byte(ingressText(42, port%60000+1)), 0o644); err != nil {
			b.Fatal(err)
		}
		for c := range changes {
			if len(c.Put) == 1 {
				break
			}
		}
	}
	cancel()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
}
