package manifest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"daemun/internal/store"
)

// TestSamePathTwice: what is named twice, however, is read once.
func TestSamePathTwice(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "m/sub/a.yaml"), configMap("a", "1"))
	write(t, filepath.Join(dir, "m/b.yaml"), configMap("b", "1"))
	must(t, os.Symlink("m", filepath.Join(dir, "link")))
	must(t, os.Symlink("sub", filepath.Join(dir, "m/twin")))
	must(t, os.Symlink("b.yaml", filepath.Join(dir, "m/also-b.yaml")))
	must(t, os.Symlink("..", filepath.Join(dir, "m/sub/loop")))
	here, err := os.Getwd()
	must(t, err)
	relative, err := filepath.Rel(here, filepath.Join(dir, "m"))
	must(t, err)
	for name, paths := range map[string][]string{
		"relative and absolute": {relative, filepath.Join(dir, "m")},
		"folder and link":       {filepath.Join(dir, "link"), filepath.Join(dir, "m")},
		"folder and file in it": {filepath.Join(dir, "m"), filepath.Join(dir, "m/b.yaml")},
		"file, then its folder": {filepath.Join(dir, "m/sub/a.yaml"), relative},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := New(paths, nil)
			c, err := l.Load()
			must(t, err)
			if len(c.Put) != 2 || problemText(l) != "" {
				t.Errorf("%d objects, problems:\n%s", len(c.Put), problemText(l))
			}
			write(t, filepath.Join(dir, "unrelated"), name)
			if c, err = l.Load(); err != nil || !c.Empty() {
				t.Errorf("second load: %v %v", c, err)
			}
		})
	}
}

// TestUnreadable: what cannot be read keeps what was read before.
func TestUnreadable(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		spoil   func(t *testing.T, dir string)
		problem string
	}{
		"file became a folder": {func(t *testing.T, dir string) {
			must(t, os.Remove(filepath.Join(dir, "sub/a.yaml")))
			must(t, os.Mkdir(filepath.Join(dir, "sub/a.yaml"), 0o755))
		}, "sub/a.yaml: cannot be read: it became a folder; the last good version stays in force"},
		"file became a link to itself": {func(t *testing.T, dir string) {
			must(t, os.Remove(filepath.Join(dir, "sub/a.yaml")))
			must(t, os.Symlink("a.yaml", filepath.Join(dir, "sub/a.yaml")))
		}, "sub/a.yaml: cannot be read: too many levels of symbolic links; the last good version stays in force"},
		"too large": {func(t *testing.T, dir string) {
			must(t, os.Truncate(filepath.Join(dir, "sub/a.yaml"), maxFile+1))
		}, "the file has more than 64 MiB: split it; the last good version stays in force"},
		"document too large": {func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "sub/a.yaml"), configMap("a", strings.Repeat("x", maxDocument)))
		}, "the last good version stays in force"},
	}
	if os.Getuid() != 0 { // nothing is forbidden to root
		tests["file without permission"] = struct {
			spoil   func(t *testing.T, dir string)
			problem string
		}{func(t *testing.T, dir string) { must(t, os.Chmod(filepath.Join(dir, "sub/a.yaml"), 0)) }, "sub/a.yaml: cannot be read: permission denied; the last good version stays in force"}
		tests["folder without permission"] = struct {
			spoil   func(t *testing.T, dir string)
			problem string
		}{func(t *testing.T, dir string) {
			must(t, os.Chmod(filepath.Join(dir, "sub"), 0))
			t.Cleanup(func() { must(t, os.Chmod(filepath.Join(dir, "sub"), 0o755)) })
		}, "sub: cannot be read: permission denied; what was read from it before stays"}
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, "sub/a.yaml")
			write(t, path, configMap("a", "1"))
			l := New([]string{dir}, nil)
			if c, err := l.Load(); err != nil || len(c.Put) != 1 {
				t.Fatal(c, err)
			}
			tt.spoil(t, dir)
			c, err := l.Load()
			if err != nil || !c.Empty() || !strings.Contains(problemText(l), tt.problem) {
				t.Errorf("change %v, error %v, problems:\n%s\nwant %s", c, err, problemText(l), tt.problem)
			}
			if _, ok := l.Locate(store.Key{Kind: "ConfigMap", Namespace: "default", Name: "a"}, ""); !ok {
				t.Error("the object is gone")
			}
		})
	}
}

func TestByteOrderMark(t *testing.T) {
	t.Parallel()
	l := New([]string{"-"}, strings.NewReader("\xef\xbb\xbf"+configMap("a", "1")))
	c, err := l.Load()
	if err != nil || len(c.Put) != 1 || problemText(l) != "" {
		t.Errorf("%v %v %s", c, err, problemText(l))
	}
}

func TestStandardInputTooLarge(t *testing.T) {
	t.Parallel()
	l := New([]string{"-"}, strings.NewReader(strings.Repeat("# comment\n", maxFile/10+1)))
	c, err := l.Load()
	if err != nil || !c.Empty() || !strings.Contains(problemText(l), "stdin: the file has more than 64 MiB") {
		t.Errorf("%v %v %s", c, err, problemText(l))
	}
}

// TestLocate: what a field path leads to, in v1 and in old forms. Each marked
// place in the text ends with "# path".
func TestLocate(t *testing.T) {
	t.Parallel()
	const text = `apiVersion: extensions/v1beta1
kind: Ingress
metadata:
  name: old
  annotations:
    a.example/x: "1" # old metadata.annotations[a.example/x]
spec:
  backend:
    serviceName: d # old spec.defaultBackend.service.name
    servicePort: 80 # old spec.defaultBackend.service.port.number
  rules:
  - http:
      paths:
      - path: /a
        backend:
          serviceName: b # old spec.rules[0].http.paths[0].backend.service.name
          servicePort: web # old spec.rules[0].http.paths[0].backend.service.port.name
      - path: /b # old spec.rules[0].http.paths[1].path
        backend: {serviceName: b, servicePort: 80}
---
apiVersion: v1
kind: List
items:
- apiVersion: networking.k8s.io/v1
  kind: Ingress
  metadata: {name: new}
  spec:
    ingressClassName: nginx # new spec.ingressClassName
    tls:
    - hosts:
      - x.example
      - y.example # new spec.tls[0].hosts[1]
      secretName: s # new spec.tls[0].secretName
    rules:
    - host: x.example # new spec.rules[0].host
      http:
        paths:
        - path: /a
          pathType: Prefix # new spec.rules[0].http.paths[0].pathType
          backend:
            service:
              name: b # new spec.rules[0].http.paths[0].backend.service.name
              port:
                number: 80 # new spec.rules[0].http.paths[0].backend.service.port.number
`
	l := New([]string{"-"}, strings.NewReader(text))
	if c, err := l.Load(); err != nil || len(c.Put) != 2 {
		t.Fatal(c, err, problemText(l))
	}
	for i, line := range strings.Split(text, "\n") {
		code, mark, ok := strings.Cut(line, " # ")
		if !ok {
			continue
		}
		name, field, _ := strings.Cut(mark, " ")
		value := strings.LastIndex(code, " ") + 1
		at, found := l.Locate(store.Key{Kind: "Ingress", Namespace: "default", Name: name}, field)
		if got, want := fmt.Sprint(at, found), fmt.Sprint(Position{"stdin", i + 1, value + 1}, true); got != want {
			t.Errorf("%s: %s, want %s", mark, got, want)
		}
	}
	at, ok := l.Locate(store.Key{Kind: "Ingress", Namespace: "default", Name: "new"}, "spec.rules[0].http.paths[0].nothing.here")
	if want := (Position{"stdin", 38, 11}); !ok || at != want {
		t.Errorf("nearest parent: %v, want %v", at, want)
	}
}
