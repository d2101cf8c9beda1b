package manifest

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"daemun/internal/store"
)

func configMap(name, value string) string {
	return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: " + name + "}\ndata: {v: '" + value + "'}\n---\n"
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// mirror applies changes as a reader would.
type mirror map[string]string

func (m mirror) apply(c Change) {
	for _, o := range c.Put {
		if cm, ok := o.(*corev1.ConfigMap); ok {
			m[cm.Name] = cm.Data["v"]
		}
	}
	for _, k := range c.Delete {
		delete(m, k.Name)
	}
}

// live is a watched folder.
type live struct {
	t       *testing.T
	dir     string
	loader  *Loader
	state   mirror
	changes chan Change
}

func startLive(t *testing.T, prepare func(dir string)) *live {
	t.Helper()
	v := &live{t: t, dir: t.TempDir(), state: mirror{}, changes: make(chan Change, 100)}
	prepare(v.dir)
	v.loader = New([]string{v.dir}, nil)
	first, err := v.loader.Load()
	must(t, err)
	v.state.apply(first)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- v.loader.Watch(ctx, func(c Change) { v.changes <- c }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return v
}

// want waits until the objects are these and some problem holds the text.
func (v *live) want(objects mirror, problem string) {
	v.t.Helper()
	deadline := time.After(time.Minute) // only a failure takes that long
	for {
		if cmp.Equal(objects, v.state) && strings.Contains(problemText(v.loader), problem) {
			return
		}
		select {
		case c := <-v.changes:
			v.state.apply(c)
		case <-deadline:
			v.t.Fatalf("objects (-want +got):\n%s\nproblems, want %q:\n%s", cmp.Diff(objects, v.state), problem, problemText(v.loader))
		}
	}
}

func TestWatch(t *testing.T) {
	t.Parallel()
	one := func(dir string) { write(t, filepath.Join(dir, "a.yaml"), configMap("a", "1")+configMap("b", "1")) }
	tests := map[string]struct {
		change  func(t *testing.T, dir string)
		want    mirror
		problem string
	}{
		"edit in place": {func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "a.yaml"), configMap("a", "2")+configMap("b", "1"))
		}, mirror{"a": "2", "b": "1"}, ""},
		"atomic rename": {func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, ".tmp"), configMap("a", "2"))
			must(t, os.Rename(filepath.Join(dir, ".tmp"), filepath.Join(dir, "a.yaml")))
		}, mirror{"a": "2"}, ""},
		"delete":     {func(t *testing.T, dir string) { must(t, os.Remove(filepath.Join(dir, "a.yaml"))) }, mirror{}, ""},
		"truncate":   {func(t *testing.T, dir string) { must(t, os.Truncate(filepath.Join(dir, "a.yaml"), 0)) }, mirror{}, ""},
		"new folder": {func(t *testing.T, dir string) { write(t, filepath.Join(dir, "x/y/c.yml"), configMap("c", "1")) }, mirror{"a": "1", "b": "1", "c": "1"}, ""},
		"hidden and other names": {func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, ".git/c.yml"), configMap("c", "1"))
			write(t, filepath.Join(dir, "notes.txt"), configMap("c", "1"))
			write(t, filepath.Join(dir, "d.json"), `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"d"},"data":{"v":"1"}}`)
		}, mirror{"a": "1", "b": "1", "d": "1"}, ""},
		"broken object": {func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "a.yaml"), configMap("a", "2")+strings.Replace(configMap("b", "2"), "\ndata", "\ndta", 1))
		}, mirror{"a": "2", "b": "1"}, "the last good version stays"},
		"broken object, others removed": {func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "a.yaml"), strings.Replace(configMap("b", "2"), "\ndata", "\ndta", 1))
		}, mirror{"b": "1"}, "DMN0104"},
		"broken document": {func(t *testing.T, dir string) { write(t, filepath.Join(dir, "a.yaml"), configMap("b", "2")+"a: [") }, mirror{"a": "1", "b": "2"}, "DMN0102"},
		"became a dangling link": {func(t *testing.T, dir string) {
			must(t, os.Symlink("nowhere", filepath.Join(dir, ".l")))
			must(t, os.Rename(filepath.Join(dir, ".l"), filepath.Join(dir, "a.yaml")))
		}, mirror{"a": "1", "b": "1"}, "cannot be read: no such file"},
		"second definition": {func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "b.yaml"), configMap("a", "second"))
		}, mirror{"a": "1", "b": "1"}, "is already defined at "},
		"earlier definition": {func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "0.yaml"), configMap("a", "first"))
		}, mirror{"a": "first", "b": "1"}, "DMN0108"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := startLive(t, one)
			tt.change(t, v.dir)
			v.want(tt.want, tt.problem)
		})
	}
}

func TestWatchSequence(t *testing.T) {
	t.Parallel()
	v := startLive(t, func(dir string) { write(t, filepath.Join(dir, "a.yaml"), configMap("a", "1")) })
	b := filepath.Join(v.dir, "b.yaml")
	write(t, b, configMap("a", "2"))
	v.want(mirror{"a": "1"}, "DMN0108")
	must(t, os.Remove(filepath.Join(v.dir, "a.yaml")))
	v.want(mirror{"a": "2"}, "")
	write(t, b, "{{ .Values.x }}: }")
	v.want(mirror{"a": "2"}, "Helm template")
	write(t, b, configMap("c", "1"))
	v.want(mirror{"c": "1"}, "")
}

func TestWatchConfigMapMount(t *testing.T) {
	t.Parallel()
	v := startLive(t, func(dir string) {
		write(t, filepath.Join(dir, "..v1/a.yaml"), configMap("a", "1"))
		must(t, os.Symlink("..v1", filepath.Join(dir, "..data")))
		must(t, os.Symlink("..data/a.yaml", filepath.Join(dir, "a.yaml")))
	})
	v.want(mirror{"a": "1"}, "")
	write(t, filepath.Join(v.dir, "..v2/a.yaml"), configMap("a", "2"))
	must(t, os.Symlink("..v2", filepath.Join(v.dir, "..tmp")))
	must(t, os.Rename(filepath.Join(v.dir, "..tmp"), filepath.Join(v.dir, "..data")))
	must(t, os.RemoveAll(filepath.Join(v.dir, "..v1")))
	v.want(mirror{"a": "2"}, "")
}

func TestLoad(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := New([]string{filepath.Join(dir, "none")}, nil).Load(); err == nil || !strings.Contains(err.Error(), "does not exist") {
		t.Error("missing path:", err)
	}
	path := filepath.Join(dir, "any.name")
	write(t, path, configMap("a", "1")+configMap("b", "1"))
	l := New([]string{path}, nil)
	c, err := l.Load()
	must(t, err)
	if len(c.Put) != 2 {
		t.Errorf("first load: %v", c)
	}
	if c, _ = l.Load(); !c.Empty() {
		t.Errorf("no change: %v", c)
	}
	write(t, path, "# moved\n"+configMap("a", "1")+configMap("b", "22"))
	if c, _ = l.Load(); len(c.Put) != 1 || c.Put[0].GetName() != "b" {
		t.Errorf("one change: %v", c)
	}
	at, ok := l.Locate(store.Key{Kind: "ConfigMap", Namespace: "default", Name: "b"}, "data[v].x")
	if want := (Position{path, 10, 11}); !ok || at.Line != 10 {
		t.Errorf("Locate = %v, want %v", at, want)
	}
	must(t, os.Remove(path))
	must(t, os.Mkdir(path, 0o755))
	if c, _ = l.Load(); !c.Empty() || !strings.Contains(problemText(l), "it became a folder; the last good version stays") {
		t.Errorf("folder: %v %s", c, problemText(l))
	}
	must(t, os.Remove(path))
	if c, _ = l.Load(); len(c.Delete) != 2 {
		t.Errorf("gone: %v", c)
	}
}

// TestEmptyFolder says so until a file comes.
func TestEmptyFolder(t *testing.T) {
	t.Parallel()
	v := startLive(t, func(dir string) { write(t, filepath.Join(dir, "README.md"), "hello") })
	v.want(mirror{}, v.dir+": holds no manifests")
	write(t, filepath.Join(v.dir, "sub", "a.yaml"), configMap("a", "1"))
	v.want(mirror{"a": "1"}, "")
	if problems := v.loader.Problems(); len(problems) > 0 {
		t.Errorf("with a file: %v", problems)
	}
}

// TestNamedLink watches where a link to a folder stands, not only where it
// leads.
func TestNamedLink(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "v1", "a.yaml"), configMap("a", "1"))
	must(t, os.Symlink("v1", filepath.Join(dir, "current")))
	l := New([]string{filepath.Join(dir, "current")}, nil)
	if _, err := l.Load(); err != nil {
		t.Fatal(err)
	}
	if !l.folders[dir] {
		t.Errorf("watches %v, want %s too", l.folders, dir)
	}
}

// TestHalfWritten sees a file between truncating and writing, whoever looks:
// what it held stays until the new content comes, or until it is clear that
// none will.
func TestHalfWritten(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.yaml")
	write(t, path, configMap("a", "1"))
	l := New([]string{filepath.Dir(path)}, nil)
	load := func(want mirror) {
		t.Helper()
		c, err := l.Load()
		must(t, err)
		got := mirror{}
		got.apply(c)
		for _, k := range c.Delete {
			got[k.Name] = "deleted"
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("change (-want +got):\n%s", diff)
		}
	}
	load(mirror{"a": "1"})
	must(t, os.Truncate(path, 0))
	load(mirror{})
	write(t, path, configMap("a", "2"))
	load(mirror{"a": "2"})
	must(t, os.Truncate(path, 0))
	must(t, os.Chtimes(path, time.Time{}, time.Now().Add(-time.Minute)))
	load(mirror{"a": "deleted"})
}

// TestWhatNeedsAScan: files of editors beside a manifest cost no look at all
// other files; whatever may hold objects does.
func TestWhatNeedsAScan(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	manifests, elsewhere := filepath.Join(dir, "manifests"), filepath.Join(dir, "elsewhere")
	write(t, filepath.Join(manifests, "a.yaml"), configMap("a", "1"))
	write(t, filepath.Join(manifests, "sub", "b.yaml"), configMap("b", "1"))
	write(t, filepath.Join(elsewhere, "text"), configMap("c", "1"))
	write(t, filepath.Join(manifests, "a.yaml.swp"), "")
	must(t, os.Symlink(filepath.Join(elsewhere, "text"), filepath.Join(manifests, "c.yaml")))
	l := New([]string{manifests}, nil)
	_, err := l.Load()
	must(t, err)
	must(t, os.Rename(filepath.Join(manifests, "sub"), filepath.Join(manifests, "sub.old")))
	for path, enough := range map[string]bool{
		"manifests/a.yaml": true, "manifests/a.yaml.swp": true, "manifests/gone~": true,
		"manifests/new.yaml": false, "manifests/sub": false, "manifests/sub.old": false, "manifests/c.yaml": false, "elsewhere/text": false,
	} {
		if _, _, ok := l.loadFiles(map[string]bool{filepath.Join(dir, path): true}); ok != enough {
			t.Errorf("%s: events are enough: %v, want %v", path, ok, enough)
		}
	}
}
