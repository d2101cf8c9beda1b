package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"daemun/bench/lab"
)

// What the second table measures: size, files, and how often a change is
// repeated for its median.
const (
	manyIngresses = 10_000
	ingressFiles  = 100
	changes       = 5
	effectTimeout = 60 * time.Second
)

// figure is one line of the second table.
type figure struct{ name, value string }

// scale measures what does not need another proxy beside it.
func (l *rig) scale(only string) ([]figure, error) {
	var all []figure
	for _, part := range []struct {
		name    string
		measure func() ([]figure, error)
	}{
		{"hello", l.hello}, {"ingresses", l.many}, {"services", l.services}, {"lookups", l.lookups}, {"allocations", l.allocations},
	} {
		if !strings.Contains("scale "+part.name, only) {
			continue
		}
		figures, err := part.measure()
		if err != nil {
			return nil, err
		}
		all = append(all, figures...)
		log.Printf("scale: %s done", part.name)
	}
	return all, nil
}

// daemunUp is a Daemun of its own on any core.
type daemunUp struct {
	cmd       *exec.Cmd
	http, dns string // addresses
}

// up starts Daemun and waits until it says it is ready.
func (l *rig) up(name string, paths ...string) (*daemunUp, error) {
	ready := l.File(name + ".ready")
	out, err := os.Create(l.File(name + ".log"))
	if err != nil {
		return nil, err
	}
	defer out.Close()
	args := append([]string{
		"up", "--http-port", "0", "--https-port", "0", "--dns-port", "0", "--admin-address", "127.0.0.1:0", "--ready-file", ready,
		"--state-dir", l.File(name + ".state"),
	}, paths...)
	d := &daemunUp{cmd: exec.Command(l.File("daemun"), args...)}
	d.cmd.Stdout, d.cmd.Stderr = out, out
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	err = l.until(func() bool {
		b, err := os.ReadFile(ready)
		var bound struct{ HTTP, DNS string }
		if err != nil || json.Unmarshal(b, &bound) != nil {
			return false
		}
		d.http, d.dns = bound.HTTP, bound.DNS
		return true
	})
	if err != nil {
		d.stop()
		log, _ := os.ReadFile(l.File(name + ".log"))
		return nil, fmt.Errorf("%s is not ready: %w\n%s", name, err, log)
	}
	return d, nil
}

func (d *daemunUp) stop() {
	_ = d.cmd.Process.Signal(os.Interrupt)
	_ = d.cmd.Wait()
}

// until looks every millisecond whether something has happened.
func (l *rig) until(happened func() bool) error {
	ctx, cancel := context.WithTimeout(l.Ctx, effectTimeout)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !happened() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}

// get returns status and body; status 0 is no answer.
func (d *daemunUp) get(host, path string) (int, string) {
	return fetch(http.DefaultClient, "http://"+d.http+path, host)
}

func fetch(client *http.Client, url, host string) (int, string) {
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return 0, ""
	}
	req.Host = host
	resp, err := client.Do(req)
	if err != nil {
		return 0, ""
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, ""
	}
	return resp.StatusCode, string(body)
}

// hello is the first example: Deployment, Service, Ingress, three Pods.
func (l *rig) hello() ([]figure, error) {
	var took []time.Duration
	var memory string
	for range 3 {
		start := time.Now()
		d, err := l.up("hello", "examples/hello")
		if err != nil {
			return nil, err
		}
		err = l.until(func() bool { status, _ := d.get("hello.localhost", "/"); return status == 200 })
		took = append(took, time.Since(start))
		memory = resident(d.cmd.Process.Pid)
		d.stop()
		_ = os.Remove(l.File("hello.ready"))
		if err != nil {
			return nil, fmt.Errorf("examples/hello: %w", err)
		}
	}
	return []figure{
		{"`daemun up examples/hello`: start to first answer (3 Pods with probes)", middle(took)},
		{"`daemun up examples/hello`: resident memory of Daemun, idle", memory},
	}, nil
}

// many is 10,000 Ingresses of a host each, from files.
func (l *rig) many() ([]figure, error) {
	a, b := named("a"), named("b")
	defer a.Close()
	defer b.Close()
	dir := l.File("many")
	if err := writeMany(dir, a.Addr()); err != nil {
		return nil, err
	}
	start := time.Now()
	d, err := l.up("many", dir)
	if err != nil {
		return nil, err
	}
	defer d.stop()
	last := fmt.Sprintf("host-%d.test", manyIngresses-1)
	if err := l.until(func() bool { status, _ := d.get(last, "/0"); return status == 200 }); err != nil {
		return nil, fmt.Errorf("the last of %d Ingresses: %w", manyIngresses, err)
	}
	ready := time.Since(start)
	memory := resident(d.cmd.Process.Pid)
	var edits, moves []time.Duration
	for i := range changes {
		path := fmt.Sprintf("/%d", i+1)
		took, err := l.effect(func() error { return writeIngresses(dir, ingressFiles-1, path) },
			func() bool { status, _ := d.get(last, path); return status == 200 })
		if err != nil {
			return nil, fmt.Errorf("edit of a path: %w", err)
		}
		edits = append(edits, took)
		to, name := a.Addr(), "a"
		if i%2 == 0 {
			to, name = b.Addr(), "b"
		}
		took, err = l.effect(func() error { return writeEndpoints(dir, to) },
			func() bool { _, body := d.get(last, path); return body == name })
		if err != nil {
			return nil, fmt.Errorf("change of an endpoint: %w", err)
		}
		moves = append(moves, took)
	}
	return []figure{
		{"10,000 Ingresses in 100 files: start to first answer of the last", ready.Round(time.Millisecond).String()},
		{"10,000 Ingresses: resident memory then", memory},
		{"10,000 Ingresses: edit of a path in a file of 100 to its effect", middle(edits)},
		{"10,000 Ingresses: change of an endpoint in a file to its effect", middle(moves)},
	}, nil
}

func (l *rig) effect(change func() error, seen func() bool) (time.Duration, error) {
	start := time.Now()
	if err := change(); err != nil {
		return 0, err
	}
	err := l.until(seen)
	return time.Since(start), err
}

// named is a backend that answers with its name.
func named(name string) net.Listener {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err) // no free port on loopback: nothing can be measured
	}
	go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, name) }))
	return l
}

func writeMany(dir string, backend net.Addr) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	for file := range ingressFiles {
		if err := writeIngresses(dir, file, "/0"); err != nil {
			return err
		}
	}
	return writeEndpoints(dir, backend)
}

// writeIngresses writes one file; its Ingresses serve path and nothing else.
func writeIngresses(dir string, file int, path string) error {
	var b bytes.Buffer
	const perFile = manyIngresses / ingressFiles
	for i := file * perFile; i < (file+1)*perFile; i++ {
		fmt.Fprintf(&b, manyIngress, i, i, path)
	}
	return replace(filepath.Join(dir, fmt.Sprintf("ingresses-%d.yaml", file)), b.Bytes())
}

func writeEndpoints(dir string, backend net.Addr) error {
	host, port, err := net.SplitHostPort(backend.String())
	if err != nil {
		return err
	}
	return replace(filepath.Join(dir, "service.yaml"), fmt.Appendf(nil, manyService, host, port))
}

// replace writes a file as editors do, so that no half of it is ever seen.
func replace(name string, content []byte) error {
	if err := os.WriteFile(name+".new", content, 0o600); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}

// lookups are the Go benchmarks of the route table.
func (l *rig) lookups() ([]figure, error) {
	out, err := l.goBench("./internal/table", "^BenchmarkResolve$/.*/prefix", "100ms")
	if err != nil {
		return nil, err
	}
	var all []figure
	for _, m := range regexp.MustCompile(`hosts=(\d+)/prefix\S*\s+\d+\s+([\d.]+) ns/op.*?(\d+) allocs/op`).FindAllStringSubmatch(out, -1) {
		all = append(all, figure{"route lookup among " + m[1] + " hosts with 10 paths each, every host in turn", m[2] + " ns, " + m[3] + " allocations"})
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("the benchmarks of the route table printed nothing:\n%s", out)
	}
	return all, nil
}

// allocations are those of the whole process in a round trip: proxy, backend
// and client of the Go benchmarks together.
func (l *rig) allocations() ([]figure, error) {
	out, err := l.goBench("./internal/proxy", "^Benchmark(ProxyLoggedGET|ProxyLarge|ReverseProxyGET)$", "500ms")
	if err != nil {
		return nil, err
	}
	names := map[string]string{"ProxyLoggedGET": "small GET with access log and metrics", "ProxyLarge": "1 MiB response", "ReverseProxyGET": "small GET, httputil.ReverseProxy"}
	var all []figure
	for _, m := range regexp.MustCompile(`Benchmark(\w+?)(?:-\d+)?\s+\d+\s.*?(\d+) B/op\s+(\d+) allocs/op`).FindAllStringSubmatch(out, -1) {
		all = append(all, figure{"allocations per request: " + names[m[1]], m[3] + " (" + m[2] + " B)"})
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("the benchmarks of the proxy printed nothing:\n%s", out)
	}
	return all, nil
}

func (l *rig) goBench(pkg, pattern, duration string) (string, error) {
	out, err := exec.CommandContext(l.Ctx, "go", "test", "-run", "^$", "-bench", pattern, "-benchmem", "-benchtime", duration, pkg).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go test -bench %s %s: %w\n%s", pattern, pkg, err, out)
	}
	return string(out), nil
}

// resident is the resident memory of a process.
func resident(pid int) string { return fmt.Sprintf("%.1f MiB", lab.Resident(pid)) }

// middle is the median, with the range.
func middle(list []time.Duration) string {
	slices.Sort(list)
	short := func(i int) string { return list[i].Round(100 * time.Microsecond).String() }
	return fmt.Sprintf("%s (%s to %s)", short(len(list)/2), short(0), short(len(list)-1))
}
