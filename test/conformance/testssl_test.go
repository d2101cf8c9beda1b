package conformance

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// tlsSite: backend port.
const tlsSite = `
apiVersion: v1
kind: Service
metadata: {name: site}
spec:
  ports: [{port: 80}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: site, labels: {kubernetes.io/service-name: site}}
addressType: IPv4
ports: [{port: %d}]
endpoints: [{addresses: [127.0.0.1]}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {enable-ocsp: "true"}
---`

// secured: name, Secret entries of spec.tls, host.
const secured = `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: %[1]s}
spec:
  tls: [%[2]s]
  rules:
  - host: %[3]s
    http:
      paths:
      - {path: /, pathType: Prefix, backend: {service: {name: site, port: {number: 80}}}}
---`

// secret: name, certificates, key (base64).
const secret = `
apiVersion: v1
kind: Secret
metadata: {name: %s}
type: kubernetes.io/tls
data: {tls.crt: %s, tls.key: %s}
---`

// TestTestssl is https://testssl.sh, every test of it: no finding is above LOW,
// neither for a host with an ECDSA and an RSA certificate and the defaults of
// the program, nor for one whose certificate demands a stapled OCSP answer.
func TestTestssl(t *testing.T) {
	a := newAuthority(t)
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		// Fields that the program does not add and an application should.
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("X-Frame-Options", "DENY")
	}))
	t.Cleanup(backend.Close)
	common := fmt.Sprintf(tlsSite, portOf(t, backend.Listener.Addr().String()))

	_, defaults := startWith(t, common+host("pair.test", map[string][2][]byte{
		"ecdsa": pair(a.leaf(t, "pair.test", ecdsaKey(t))), "rsa": pair(a.leaf(t, "pair.test", rsaKey(t))),
	}))
	_, stapling := startLogged(t, common+host("must.test", map[string][2][]byte{
		"must": pair(a.leaf(t, "must.test", ecdsaKey(t), must)),
	}), os.Stderr, "--configmap", "default/settings")
	awaitStaple(t, stapling, "must.test")

	t.Run("ECDSA and RSA", func(t *testing.T) {
		t.Parallel()
		findings := testssl(t, a.root, defaults, "pair.test")
		sizes := about(findings, "cert_keySize")
		slices.Sort(sizes)
		if len(sizes) != 2 || !strings.HasPrefix(sizes[0], "EC 256") || !strings.HasPrefix(sizes[1], "RSA 2048") {
			t.Errorf("clients get certificates with the keys %q", sizes)
		}
	})
	t.Run("must-staple", func(t *testing.T) {
		t.Parallel()
		findings := testssl(t, a.root, stapling, "must.test")
		for id, want := range map[string]string{"cert_mustStapleExtension": "supported", "OCSP_stapling": "offered", "cert_ocspRevoked": "not revoked"} {
			if got := about(findings, id); len(got) != 1 || got[0] != want {
				t.Errorf("%s is %q, want %q", id, got, want)
			}
		}
	})
}

func pair(chain, key []byte) [2][]byte { return [2][]byte{chain, key} }

// host is an Ingress with Secrets, by name.
func host(name string, secrets map[string][2][]byte) string {
	var entries []string
	text := ""
	for secretName, s := range secrets {
		text += fmt.Sprintf(secret, secretName, base64.StdEncoding.EncodeToString(s[0]), base64.StdEncoding.EncodeToString(s[1]))
		entries = append(entries, fmt.Sprintf("{hosts: [%s], secretName: %s}", name, secretName))
	}
	return text + fmt.Sprintf(secured, strings.TrimSuffix(name, ".test"), strings.Join(entries, ", "), name)
}

// awaitStaple waits until handshakes bring an OCSP answer.
func awaitStaple(t *testing.T, addr, host string) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for late := time.After(10 * patience); ; { // an attempt that fails is repeated after a minute
		nc, err := tls.Dial("tcp", addr, &tls.Config{ServerName: host, InsecureSkipVerify: true})
		if err == nil {
			stapled := nc.OCSPResponse()
			_ = nc.Close()
			if len(stapled) > 0 {
				return
			}
		}
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("no handshake for %s brings an OCSP answer (%v)", host, err)
		}
	}
}

// finding is what testssl.sh says about one thing.
type finding struct{ ID, Severity, Finding, CVE string }

// worst is how long a whole run may take; a machine that does nothing else
// needs a few minutes.
const worst = 40 * time.Minute

// testssl runs all tests against a host, without any question to the outside,
// and fails for findings above LOW.
func testssl(t *testing.T, root, addr, host string) []finding {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), worst)
	defer cancel()
	file := filepath.Join(t.TempDir(), "findings.json")
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, "testssl", "--quiet", "--color", "0", "--warnings", "off", "--nodns", "none", "--ip", "127.0.0.1", "--full",
		"--connect-timeout", "120", "--openssl-timeout", "120", "--add-ca", root, "--jsonfile", file, "https://"+net.JoinHostPort(host, port)+"/")
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "HEADER_MAXSLEEP=60", "MAX_WAITSOCK=60", "MAX_OSSL_FAIL=10", "MAX_SOCKET_FAIL=10", "MAX_HEADER_FAIL=10") // the machine may be busy
	cmd.WaitDelay = patience
	// Its exit code counts findings of all kinds.
	out, runErr := cmd.CombinedOutput()
	var findings []finding
	b, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(b, &findings)
	}
	if err != nil || len(about(findings, "scanTime")) != 1 {
		t.Fatalf("testssl (make conformance installs it) did not finish: %v, findings: %v\n%s", runErr, err, out)
	}
	judge(t, findings)
	return findings
}

// judge fails for what is above LOW. WARN is what could not be tested, which
// depends on the OpenSSL that is there; it may be little only.
func judge(t *testing.T, findings []finding) {
	t.Helper()
	untested := 0
	for _, f := range findings {
		switch f.Severity {
		case "OK", "INFO", "DEBUG":
		case "LOW":
			t.Logf("LOW: %s: %s", f.ID, f.Finding)
		case "WARN":
			t.Logf("not tested: %s: %s", f.ID, f.Finding)
			untested++
		default:
			t.Errorf("%s: %s: %s %s", f.Severity, f.ID, f.Finding, f.CVE)
		}
	}
	t.Logf("%d findings", len(findings))
	if untested > 10 || len(findings) < 100 {
		t.Errorf("of %d things %d could not be tested", len(findings), untested)
	}
}

// about are the findings of one name, of all certificates.
func about(findings []finding, id string) (list []string) {
	for _, f := range findings {
		if name, _, _ := strings.Cut(f.ID, " "); name == id {
			list = append(list, f.Finding)
		}
	}
	return list
}
