package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"daemun/internal/daemuntest"
)

// TestScale runs many Ingresses, one file each, and edits one of them. The
// times are logged, not judged.
func TestScale(t *testing.T) {
	t.Parallel()
	count := 1000
	if text := os.Getenv("DAEMUN_SCALE"); text != "" {
		var err error
		if count, err = strconv.Atoi(text); err != nil {
			t.Fatalf("DAEMUN_SCALE: %v", err)
		}
	}
	one := func(n int, path string) string {
		return ingress{name: fmt.Sprint("site-", n), host: fmt.Sprintf("site-%d.test", n), rules: []rule{{path, "web"}}}.String()
	}
	manifests := map[string]string{"a-web.yaml": echoApp{name: "web", replicas: 1, container: probe("readinessProbe", "/health")}.String()}
	manifests["keep.yaml"] = oneIngress("keep", "keep.test", "web")
	for n := range count {
		manifests[fmt.Sprintf("site-%05d.yaml", n)] = one(n, "/first")
	}
	start := time.Now()
	d := daemuntest.Start(t, daemuntest.Options{Bin: bin}, manifests)
	written := time.Since(start)
	d.WaitReady(60 * time.Second)
	for n := 0; n < count; n += max(1, count/50) {
		expect(t, d, fmt.Sprintf("http://site-%d.test/first", n), "200 web")
	}
	t.Logf("%d Ingresses: ready %v after the start, resident memory %d MiB", count, (time.Since(start) - written).Round(time.Millisecond), daemuntest.RSS(t, d.Process.Pid)>>20)

	last := count - 1
	for edit := range 5 {
		c := change{
			name: fmt.Sprint("edit ", edit), url: fmt.Sprintf("http://site-%d.test/edited-%d", last, edit), old: "404", new: "200 web",
			do: func(_ *testing.T, d *daemuntest.Instance) {
				d.Write(fmt.Sprintf("site-%05d.yaml", last), one(last, fmt.Sprint("/edited-", edit)))
			},
		}
		c.check(t, d)
	}
}

// TestIdleMemory logs what the first example takes.
func TestIdleMemory(t *testing.T) {
	t.Parallel()
	hello, err := filepath.Abs("../../examples/hello")
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	d := daemuntest.Up(t, daemuntest.Options{Bin: bin, Paths: []string{hello}}, nil)
	ready := time.Since(start)
	expect(t, d, "http://hello.localhost/", "200 hello")
	var below int64
	for _, p := range daemuntest.Descendants(t, d.Process.Pid) {
		below += daemuntest.RSS(t, p.PID)
	}
	t.Logf("examples/hello: ready after %v, resident memory %.1f MiB, of its Pods %.1f MiB",
		ready.Round(time.Millisecond), float64(daemuntest.RSS(t, d.Process.Pid))/(1<<20), float64(below)/(1<<20))
}

// TestAccessLog wants one line per request on standard output, and nothing
// else there.
func TestAccessLog(t *testing.T) {
	t.Parallel()
	d := up(t, map[string]string{"web.yaml": echoApp{name: "web", replicas: 1}.String(), "ingress.yaml": oneIngress("web", "web.test", "web")})
	expect(t, d, "http://web.test/", "200 web")
	before := strings.Count(d.Stdout(), "/counted")
	const requests = 50
	for n := range requests {
		if got := saw(d, fmt.Sprint("http://web.test/counted/", n)); got != "200 web" {
			t.Errorf("got %q", got)
		}
	}
	if err := d.Stop(); err != nil {
		t.Error(err)
	}
	lines := strings.Split(strings.TrimSuffix(d.Stdout(), "\n"), "\n")
	if got := strings.Count(d.Stdout(), `"GET /counted/`) - before; got != requests {
		t.Errorf("%d lines for %d requests", got, requests)
	}
	for _, line := range lines {
		if !strings.HasPrefix(line, "127.0.0.1 - - [") || !strings.Contains(line, "[default-web-8080]") {
			t.Errorf("line %q", line)
		}
	}
}
