// Package conformance runs the suites of others against the built program. It
// is a module of its own, so that what they need never reaches ours.
package conformance

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/summerwind/h2spec"
	"github.com/summerwind/h2spec/config"
)

// patience bounds the start and the end of the program.
const patience = time.Minute

const manifests = `
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  containers:
  - {name: web, image: daemun/echo}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{port: 80, targetPort: 3000}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec:
  rules:
  - http:
      paths:
      - {path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}
`

// start is startWith for the echo server.
func start(t *testing.T) (httpAddr, httpsAddr string) { return startWith(t, manifests) }

// startWith is startLogged with the log in that of the test.
func startWith(t *testing.T, manifests string) (httpAddr, httpsAddr string) {
	t.Helper()
	return startLogged(t, manifests, os.Stderr)
}

// startLogged builds Daemun, runs manifests with further arguments and returns
// where it listens.
func startLogged(t *testing.T, manifests string, log io.Writer, args ...string) (httpAddr, httpsAddr string) {
	t.Helper()
	dir := t.TempDir()
	bin := filepath.Join(dir, "daemun")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", bin, "./cmd/daemun")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	file, ready := filepath.Join(dir, "m.yaml"), filepath.Join(dir, "ready")
	if err := os.WriteFile(file, []byte(manifests), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, bin, append([]string{
		"up", "--quiet", "--http-port", "0", "--https-port", "0", "--admin-address", "127.0.0.1:0",
		"--state-dir", filepath.Join(dir, "state"), "--ready-file", ready, file,
	}, args...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = patience
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait()
	})
	var addrs struct{ HTTP, HTTPS string }
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for late := time.After(patience); ; {
		if b, err := os.ReadFile(ready); err == nil && json.Unmarshal(b, &addrs) == nil {
			return addrs.HTTP, addrs.HTTPS
		}
		select {
		case <-tick.C:
		case <-late:
			t.Fatal("daemun up does not become ready")
		}
	}
}

// TestH2spec is https://github.com/summerwind/h2spec, every test of it.
func TestH2spec(t *testing.T) {
	_, addr := start(t)
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	ok, err := h2spec.Run(&config.Config{
		Host: host, Port: number, Path: "/", Timeout: 5 * time.Second, MaxHeaderLen: 4000, TLS: true, Insecure: true, Strict: true,
		Sections: []string{},
	})
	if err != nil || !ok {
		t.Errorf("h2spec: passed %v, error %v", ok, err)
	}
}
