package dashboards

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// manifests have an Ingress that works, over TLS too, one that refuses, one
// whose Service has no endpoint and one whose Service does not exist.
const manifests = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: daemun/echo, ports: [{containerPort: 3000}], readinessProbe: {httpGet: {path: /health, port: 3000}, periodSeconds: 1}}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 3000}]}
---
apiVersion: v1
kind: Service
metadata: {name: empty}
spec: {selector: {app: nobody}, ports: [{port: 80}]}
`

const ingress = `
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: %[1]s, annotations: {nginx.ingress.kubernetes.io/allowlist-source-range: %[3]q}}
spec:
  tls: [{hosts: [%[1]s.test], secretName: %[4]q}]
  rules: [{host: %[1]s.test, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: %[2]s, port: {number: 80}}}}]}}]
`

// daemun is a running program.
type daemun struct {
	http, https, admin string
	folder             string // of its manifests
	client             *http.Client
}

// start builds and starts the program.
func start(t *testing.T) *daemun {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "daemun")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./cmd/daemun")
	build.Dir, build.Env = "../..", append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text := manifests + secret(t, "ec", ecdsaKey) + secret(t, "rsa", rsaKey)
	for _, i := range [][4]string{{"web", "web", "", "ec"}, {"denied", "web", "192.0.2.0/24", "rsa"}, {"empty", "empty", "", "ec"}, {"missing", "missing", "", "ec"}} {
		text += fmt.Sprintf(ingress, i[0], i[1], i[2], i[3])
	}
	d := &daemun{folder: filepath.Join(dir, "manifests"), client: &http.Client{
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}, //nolint:gosec // its own certificates
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	if err := os.Mkdir(d.folder, 0o700); err != nil {
		t.Fatal(err)
	}
	d.write(t, "all.yaml", text)
	ready := filepath.Join(dir, "ready.json")
	cmd := exec.CommandContext(t.Context(), program, "up", d.folder, "--http-port", "0", "--https-port", "0", "--dns-port", "0",
		"--admin-address", "127.0.0.1:0", "--ready-file", ready, "--state-dir", filepath.Join(dir, "state"))
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 30 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { _ = cmd.Wait(); close(done) }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		<-done
		if t.Failed() {
			t.Logf("%s", &log)
		}
	})
	for tick := time.NewTicker(20 * time.Millisecond); ; {
		if text, err := os.ReadFile(ready); err == nil {
			var a struct{ HTTP, HTTPS, Admin string }
			if err := json.Unmarshal(text, &a); err != nil {
				t.Fatal(err)
			}
			tick.Stop()
			d.http, d.https, d.admin = a.HTTP, a.HTTPS, a.Admin
			return d
		}
		select {
		case <-done:
			t.Fatalf("ended:\n%s", &log)
		case <-tick.C:
		}
	}
}

// write gives it a manifest.
func (d *daemun) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(d.folder, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// change has it build another table, and waits until that is live.
func (d *daemun) change(t *testing.T, host string) {
	t.Helper()
	d.write(t, host+".yaml", fmt.Sprintf(ingress, host, "web", "", "ec"))
	for tick := time.NewTicker(20 * time.Millisecond); d.status(t, "GET", host+".test") != 200; <-tick.C {
		if t.Context().Err() != nil {
			t.Fatal("not live")
		}
	}
}

// refuse sends what is refused before routing.
func (d *daemun) refuse(t *testing.T) {
	t.Helper()
	c, err := net.Dial("tcp", d.http)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, c)
}

// ask makes one request and checks its status.
func (d *daemun) ask(t *testing.T, method, host string, status int) {
	t.Helper()
	if got := d.status(t, method, host); got != status {
		t.Errorf("%s %s: %d, want %d", method, host, got, status)
	}
}

func (d *daemun) status(t *testing.T, method, host string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "https://"+d.https+"/a", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	resp, err := d.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	return resp.StatusCode
}

func (d *daemun) scrape(t *testing.T) string {
	t.Helper()
	resp, err := d.client.Get("http://" + d.admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("%s, %v", resp.Status, err)
	}
	return string(text)
}

func ecdsaKey() (any, any, error) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	return k, k.Public(), err
}

func rsaKey() (any, any, error) {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	return k, k.Public(), err
}

// secret is a Secret with a certificate of its own.
func secret(t *testing.T, name string, make func() (any, any, error)) string {
	t.Helper()
	key, public, err := make()
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(42), Subject: pkix.Name{CommonName: "test", Organization: []string{"Test"}},
		DNSNames: []string{"*.test", "web.test", "denied.test", "empty.test", "missing.test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	b64 := func(kind string, der []byte) string {
		return base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return fmt.Sprintf("---\napiVersion: v1\nkind: Secret\ntype: kubernetes.io/tls\nmetadata: {name: %s}\ndata: {tls.crt: %s, tls.key: %s}\n", name, b64("CERTIFICATE", der), b64("PRIVATE KEY", private))
}
