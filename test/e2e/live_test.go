package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"daemun/internal/daemuntest"
)

// saw asks for a URL and tells the answer in a word: the status, and the
// Service whose Pod answered.
func saw(d *daemuntest.Instance, url string) string {
	status, e, err := d.Get(url)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(fmt.Sprint(status, " ", e.Service))
}

// expect waits until a URL is answered as wanted.
func expect(t *testing.T, d *daemuntest.Instance, url, want string) {
	t.Helper()
	daemuntest.Eventually(t, 20*time.Second, url, func() error {
		if got := saw(d, url); got != want {
			return fmt.Errorf("got %q, want %q", got, want)
		}
		return nil
	})
}

// change is one edit of the manifests with what it does to one URL.
type change struct {
	name     string
	do       func(t *testing.T, d *daemuntest.Instance)
	url      string
	old, new string
}

// TestChanges applies changes one after the other. Each takes effect by itself;
// until then the old answer is given, from then on the new one, never another.
func TestChanges(t *testing.T) {
	t.Parallel()
	web := echoApp{name: "web", replicas: 1, container: probe("readinessProbe", "/health")}
	other := echoApp{name: "other", replicas: 1, container: probe("readinessProbe", "/health")}
	paths := func(rules ...rule) string { return ingress{name: "main", host: "main.test", rules: rules}.String() }
	d := up(t, map[string]string{
		"web.yaml": web.String(), "other.yaml": other.String(), "keep.yaml": oneIngress("keep", "keep.test", "web"),
		"ingress.yaml": paths(rule{"/a", "web"}),
	})
	expect(t, d, "http://keep.test/", "200 web")
	write := func(name, text string) func(*testing.T, *daemuntest.Instance) {
		return func(_ *testing.T, d *daemuntest.Instance) { d.Write(name, text) }
	}
	remove := func(name string) func(*testing.T, *daemuntest.Instance) {
		return func(_ *testing.T, d *daemuntest.Instance) { d.Remove(name) }
	}
	for _, c := range []change{
		{"path added", write("ingress.yaml", paths(rule{"/a", "web"}, rule{"/b", "web"})), "http://main.test/b", "404", "200 web"},
		{"backend changed", write("ingress.yaml", paths(rule{"/a", "other"}, rule{"/b", "web"})), "http://main.test/a", "200 web", "200 other"},
		{"path renamed", write("ingress.yaml", paths(rule{"/a", "other"}, rule{"/c", "web"})), "http://main.test/b", "200 web", "404"},
		{"written in place", inPlace("ingress.yaml", paths(rule{"/a", "web"}, rule{"/c", "web"})), "http://main.test/a", "200 other", "200 web"},
		{"file added", write("more.yaml", oneIngress("more", "more.test", "web")), "http://more.test/", "404", "200 web"},
		{"file renamed", rename("more.yaml", "renamed.yaml"), "http://more.test/", "200 web", "200 web"},
		{"file of another name edited", write("renamed.yaml", oneIngress("more", "more.test", "other")), "http://more.test/", "200 web", "200 other"},
		{"file deleted", remove("renamed.yaml"), "http://more.test/", "200 other", "404"},
		{"folder added", write("deep/down.yaml", oneIngress("deep", "deep.test", "web")), "http://deep.test/", "404", "200 web"},
		{"broken", write("deep/down.yaml", "kind: [\n"), "http://deep.test/", "200 web", "200 web"},
		{"mended", write("deep/down.yaml", oneIngress("deep", "deep.test", "other")), "http://deep.test/", "200 web", "200 other"},
		{"Deployment deleted", write("other.yaml", other.svc()), "http://deep.test/", "200 other", "503"},
		{"Deployment back", write("other.yaml", other.String()), "http://deep.test/", "503", "200 other"},
		{"Service deleted", write("other.yaml", other.deployment()), "http://deep.test/", "200 other", "503"},
		{"Service back", write("other.yaml", other.String()), "http://deep.test/", "503", "200 other"},
		{"Ingress deleted", remove("deep/down.yaml"), "http://deep.test/", "200 other", "404"},
	} {
		c.check(t, d)
	}
}

// check makes the change and follows the answers.
func (c change) check(t *testing.T, d *daemuntest.Instance) {
	t.Helper()
	expect(t, d, c.url, c.old)
	often := time.NewTicker(time.Millisecond)
	defer often.Stop()
	start := time.Now()
	c.do(t, d)
	took := time.Duration(0)
	for after := 0; after < 50; { // a wrong answer may be short: look on for a while
		got := saw(d, c.url)
		switch {
		case got == c.new:
			if after++; after == 1 {
				took = time.Since(start)
			}
		case got != c.old || after > 0:
			t.Errorf("%s: %s was answered %q between %q and %q", c.name, c.url, got, c.old, c.new)
		}
		if got := saw(d, "http://keep.test/"); got != "200 web" {
			t.Errorf("%s: a host that did not change was answered %q", c.name, got)
		}
		if time.Since(start) > 20*time.Second {
			t.Fatalf("%s: not effective after 20s", c.name)
		}
		<-often.C
	}
	t.Logf("%-30s effective after %v", c.name, took.Round(100*time.Microsecond))
}

// inPlace truncates and writes a file, as editors without rename do.
func inPlace(name, text string) func(*testing.T, *daemuntest.Instance) {
	return func(t *testing.T, d *daemuntest.Instance) {
		if err := os.WriteFile(filepath.Join(d.Manifests, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func rename(from, to string) func(*testing.T, *daemuntest.Instance) {
	return func(t *testing.T, d *daemuntest.Instance) {
		if err := os.Rename(filepath.Join(d.Manifests, from), filepath.Join(d.Manifests, to)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFolderSwap switches a folder by a symbolic link, as mounted ConfigMaps
// and release tools do.
func TestFolderSwap(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	releases := map[string]string{
		"v1": oneIngress("main", "main.test", "web"),
		"v2": oneIngress("main", "main.test", "other"),
	}
	for version, text := range releases {
		if err := os.Mkdir(filepath.Join(dir, version), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, version, "ingress.yaml"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	link(t, dir, "v1")
	d := daemuntest.Up(t, daemuntest.Options{Bin: bin, Dir: dir, Paths: []string{"manifests", "current"}}, map[string]string{
		"web.yaml": echoApp{name: "web", replicas: 1}.String(), "other.yaml": echoApp{name: "other", replicas: 1}.String(),
		"keep.yaml": oneIngress("keep", "keep.test", "web"),
	})
	to := func(version string) func(*testing.T, *daemuntest.Instance) {
		return func(t *testing.T, _ *daemuntest.Instance) { link(t, dir, version) }
	}
	for _, c := range []change{
		{"link to v2", to("v2"), "http://main.test/", "200 web", "200 other"},
		{"link to v1", to("v1"), "http://main.test/", "200 other", "200 web"},
	} {
		c.check(t, d)
	}
}

// link points the link "current" somewhere else in one step.
func link(t *testing.T, dir, to string) {
	t.Helper()
	if err := os.Symlink(to, filepath.Join(dir, "next")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, "next"), filepath.Join(dir, "current")); err != nil {
		t.Fatal(err)
	}
}

// TestScaling changes the number of replicas: requests reach exactly the Pods
// there are, and none fails.
func TestScaling(t *testing.T) {
	t.Parallel()
	app := func(replicas int) string {
		return echoApp{name: "web", replicas: replicas, container: probe("readinessProbe", "/health")}.String()
	}
	d := up(t, map[string]string{"web.yaml": app(1), "ingress.yaml": oneIngress("web", "web.test", "web")})
	for _, replicas := range []int{1, 4, 2, 0, 3} {
		start := time.Now()
		d.Write("web.yaml", app(replicas))
		daemuntest.Eventually(t, 30*time.Second, fmt.Sprint(replicas, " replicas"), func() error {
			pods := map[string]bool{}
			for range 40 {
				status, e, err := d.Get("http://web.test/")
				switch {
				case err == nil && status == 200:
					pods[e.Pod] = true
				case err == nil && status == 503 && (replicas == 0 || replicas == 3): // none was or is left
				default:
					t.Errorf("on the way to %d replicas: status %d, error %v", replicas, status, err)
				}
			}
			if len(pods) != replicas {
				return fmt.Errorf("%d Pods answer", len(pods))
			}
			return nil
		})
		t.Logf("%d replicas answer after %v", replicas, time.Since(start).Round(time.Millisecond))
	}
}
