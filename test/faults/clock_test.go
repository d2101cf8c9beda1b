package faults

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"daemun/internal/daemuntest"
)

// clockRoutes lead to a Service of the test, and pods to Pods of the program
// whose probes ask the test.
const clockRoutes = `
kind: Service
apiVersion: v1
metadata: {name: web}
spec: {ports: [{name: http, port: 80}]}
---
kind: EndpointSlice
apiVersion: discovery.k8s.io/v1
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: %[1]d}]
endpoints: [{addresses: [127.0.0.1]}]
---
kind: Deployment
apiVersion: apps/v1
metadata: {name: pods}
spec:
  replicas: 2
  selector: {matchLabels: {app: pods}}
  template:
    metadata: {labels: {app: pods}}
    spec:
      containers:
      - name: echo
        image: daemun/echo
        env:
        - {name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
        - {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
        ports: [{name: http, containerPort: 3000}]
        readinessProbe: {httpGet: {host: 127.0.0.1, path: /probe, port: %[1]d}, periodSeconds: 1, timeoutSeconds: 60}
        livenessProbe: {httpGet: {path: /health, port: http}, periodSeconds: 1, timeoutSeconds: 60}
---
kind: Service
apiVersion: v1
metadata: {name: pods}
spec: {selector: {app: pods}, ports: [{name: http, port: 80, targetPort: http}]}
---
`

// clockSite is a host with annotations.
func clockSite(host, service string, annotations ...string) string {
	var b strings.Builder
	for _, a := range annotations {
		b.WriteString("\n    nginx.ingress.kubernetes.io/" + a)
	}
	return fmt.Sprintf(`
kind: Ingress
apiVersion: networking.k8s.io/v1
metadata:
  name: %s
  annotations:%s
    nginx.ingress.kubernetes.io/proxy-read-timeout: "3600"
    nginx.ingress.kubernetes.io/ssl-redirect: "false"
spec:
  ingressClassName: nginx
  tls: [{hosts: [%[1]s.test], secretName: %[1]s}]
  rules:
  - host: %[1]s.test
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: %[3]s, port: {number: 80}}}}]}
---
`, host, b.String(), service)
}

func clockManifests(t *testing.T, port int) map[string]string {
	m := map[string]string{
		"settings.yaml": settings(map[string]string{"keep-alive": "3600"}),
		"routes.yaml": fmt.Sprintf(clockRoutes, port) +
			clockSite("web", "web") +
			clockSite("limited", "web", `limit-rpm: "1"`) +
			clockSite("roomy", "web", `limit-rps: "1000"`) +
			clockSite("asked", "web", "auth-url: http://web.default.svc.cluster.local/auth", `auth-cache-key: "$host"`, "auth-cache-duration: 200 1h") +
			clockSite("sticky", "pods", "affinity: cookie", `session-cookie-max-age: "3600"`),
	}
	for _, host := range []string{"web", "limited", "roomy", "asked", "sticky"} {
		m[host+"-secret.yaml"] = daemuntest.TLSSecret(t, host, host+".test", host)
	}
	return m
}

// clockLab is a program whose clock is set while it is at work.
type clockLab struct {
	*lab
	clock *wallClock
	begun time.Time

	// plain, tls and ws are one connection each for the whole test, held is a
	// request that has no answer yet.
	plain, tls, ws, held *client
	// cookie belongs to a client of sticky.test, pod is where it leads.
	cookie, pod string
	// passed are requests that the limit of limited.test let through.
	passed int
}

// TestClockJumps: the clock of the wall may be set to anything while the program
// runs (H11.11). No request fails, no limit opens or closes, nothing ends early,
// and nothing spins.
func TestClockJumps(t *testing.T) {
	t.Parallel()
	if !*each {
		t.Skip("make faults does this: all packages are built once more")
	}
	c := newClockLab(t)
	c.begin()
	for _, j := range jumps() {
		t.Run(j.name, func(t *testing.T) {
			c.clock.set(j.off)
			c.isSet(t, j.off)
			c.round(t, strings.ReplaceAll(j.name, " ", "-"))
			c.quiet(t)
		})
	}
	c.end()
}

func newClockLab(t *testing.T) *clockLab {
	t.Helper()
	c := &clockLab{lab: &lab{T: t, backend: newBackend(t), admin: newAdmin(t)}, clock: newWallClock(t)}
	bin := t.TempDir()
	if err := daemuntest.BuildTo(bin, append(c.clock.flags(), daemuntest.RaceFlags()...)...); err != nil {
		t.Fatal(err)
	}
	c.d = daemuntest.Up(t, daemuntest.Options{Bin: bin, Args: []string{"--configmap", "ingress/settings"}, Env: []string{c.clock.env()}}, clockManifests(t, c.backend.port))
	daemuntest.Eventually(t, patience, "the Pods serve", func() error {
		if status, _, err := c.d.Get("http://sticky.test/"); err != nil || status != 200 {
			return fmt.Errorf("%d, %w", status, err)
		}
		return nil
	})
	return c
}

// begin opens what lasts for the whole test.
func (c *clockLab) begin() {
	c.Helper()
	c.begun = time.Now()
	c.plain, c.ws, c.held = c.dial(c.T), c.dial(c.T), c.dial(c.T)
	conn, err := tls.Dial("tcp", c.d.HTTPS, &tls.Config{ServerName: "web.test", InsecureSkipVerify: true})
	if err != nil {
		c.Fatal(err)
	}
	c.Cleanup(func() { conn.Close() })
	c.tls = newClient(conn)
	for _, k := range []*client{c.plain, c.tls, c.ws, c.held} {
		_ = k.SetDeadline(time.Time{}) // set by each exchange
	}
	c.held.send(get("web.test", "/hold", ""))
	c.ws.send(get("web.test", "/ws", "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"))
	if resp, err := http.ReadResponse(c.ws.br, nil); err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		c.Fatalf("no WebSocket: %v, %v", resp, err)
	}
	resp, err := c.d.Client().Get("http://sticky.test/")
	if err != nil {
		c.Fatal(err)
	}
	defer resp.Body.Close()
	var e daemuntest.Echo
	if err := json.NewDecoder(resp.Body).Decode(&e); err != nil || len(resp.Cookies()) != 1 {
		c.Fatalf("%v, cookies %v", err, resp.Cookies())
	}
	c.cookie, c.pod = resp.Cookies()[0].Name+"="+resp.Cookies()[0].Value, e.Pod
	for range 10 {
		c.limited(c.T)
	}
	if c.passed < 2 || c.passed == 10 {
		c.Fatalf("the limit let %d of 10 pass", c.passed)
	}
	c.round(c.T, "before")
	for i := range 2 { // the second one finds the answer kept
		if status, _, err := c.d.Get("http://asked.test/"); err != nil || status != 200 || c.backend.asked.Load() != 1 {
			c.Fatalf("request %d: %d, %v; the service was asked %d times", i, status, err, c.backend.asked.Load())
		}
	}
}

// isSet looks at the program's clock: without this a test that does not set it
// would pass.
func (c *clockLab) isSet(t *testing.T, off time.Duration) {
	t.Helper()
	resp, err := c.d.Client().Get("http://nobody.test/") // its own answer, with its own date
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	date, err := http.ParseTime(resp.Header.Get("Date"))
	if want := time.Now().Add(off); err != nil || date.Sub(want).Abs() > time.Hour {
		t.Fatalf("the program's date is %v, %v; want about %v", date, err, want)
	}
}

// round has everything work once.
func (c *clockLab) round(t *testing.T, name string) {
	t.Helper()
	for _, k := range []*client{c.plain, c.tls} {
		_ = k.SetDeadline(time.Now().Add(patience))
		k.send(get("web.test", "/", ""))
		k.want(t, 200)
	}
	const frame = "\x82\x85\x00\x00\x00\x00hello"
	_ = c.ws.SetDeadline(time.Now().Add(patience))
	c.ws.send(frame)
	got := make([]byte, len(frame))
	if _, err := io.ReadFull(c.ws.br, got); err != nil || string(got) != frame {
		t.Errorf("the WebSocket brings %q, %v", got, err)
	}
	for _, url := range []string{"http://roomy.test/", "http://asked.test/", "https://web.test/", "https://asked.test/", "http://web.test/bytes?100000"} {
		if status, _, err := c.d.Get(url); err != nil || status != 200 {
			t.Errorf("%s: %d, %v", url, status, err)
		}
	}
	c.fresh(t)
	c.limited(t)
	if minutes := time.Since(c.begun)/time.Minute + 1; c.passed > 6+int(minutes) { // after the rate has been used, its bucket
		t.Errorf("%d requests passed a limit of one each minute within %d minutes", c.passed, minutes)
	}
	c.sticky(t)
	c.change(t, name)
	if n := c.backend.asked.Load(); n > 1 {
		t.Errorf("the service of auth-url was asked %d times within the hour that its answer counts", n)
	}
	if n := c.backend.holding.Load(); n != 1 {
		t.Errorf("%d requests are held, want 1: the one that has no answer yet", n)
	}
}

// fresh shakes hands with TLS anew, with a ticket of an earlier time where there
// is one.
func (c *clockLab) fresh(t *testing.T) {
	t.Helper()
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		conn, err := tls.Dial("tcp", c.d.HTTPS, &tls.Config{ServerName: "web.test", InsecureSkipVerify: true, MaxVersion: version, ClientSessionCache: c.backend.tickets})
		if err != nil {
			t.Error(err)
			continue
		}
		k := newClient(conn)
		k.send(get("web.test", "/", "Connection: close\r\n"))
		k.want(t, 200)
		conn.Close()
	}
}

// limited asks for the host of the limit.
func (c *clockLab) limited(t *testing.T) {
	t.Helper()
	status, _, err := c.d.Get("http://limited.test/")
	switch {
	case err != nil || status != 200 && status != 503:
		t.Errorf("the limit answers %d, %v", status, err)
	case status == 200:
		c.passed++
	}
}

// sticky comes again with its cookie.
func (c *clockLab) sticky(t *testing.T) {
	t.Helper()
	k := c.dial(t)
	defer k.Close()
	k.send(get("sticky.test", "/", "Connection: close\r\nCookie: "+c.cookie+"\r\n"))
	status, body, err := k.answer()
	var e daemuntest.Echo
	if err = errors.Join(err, json.Unmarshal([]byte(body), &e)); err != nil || status != 200 || e.Pod != c.pod {
		t.Errorf("the cookie of %s leads to %q: %d, %v", c.pod, e.Pod, status, err)
	}
}

// change adds a host: changes of manifests are still noticed.
func (c *clockLab) change(t *testing.T, name string) {
	t.Helper()
	c.d.Write("more.yaml", clockSite(name, "web"))
	daemuntest.Eventually(t, patience, "a new host", func() error {
		if status, _, err := c.d.Get("http://" + name + ".test/"); err != nil || status != 200 {
			return fmt.Errorf("%d, %w", status, err)
		}
		return nil
	})
}

// quiet waits while nothing but probes happens: they go on, no table is built,
// and the program spends little time on it.
func (c *clockLab) quiet(t *testing.T) {
	t.Helper()
	revision, spent, begin, seen := c.metric(t, "daemun_table_revision"), c.processorTime(t), time.Now(), c.backend.probed.Load()
	daemuntest.Eventually(t, patience, "probes of both Pods go on", func() error {
		if n := c.backend.probed.Load() - seen; n < 6 {
			return fmt.Errorf("%d since the jump", n)
		}
		return nil
	})
	took, spent := time.Since(begin), c.processorTime(t)-spent
	if spent > took/2 {
		t.Errorf("%v of processor time in %v with nothing to do", spent, took)
	}
	if now := c.metric(t, "daemun_table_revision"); now != revision {
		t.Errorf("table %v was built with nothing changed, after %v", now, revision)
	}
}

// processorTime is what the program has spent so far.
func (c *clockLab) processorTime(t *testing.T) time.Duration {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.d.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:])) // from the third one on
	var ticks int
	for _, f := range fields[11:13] { // utime, stime
		n, err := strconv.Atoi(f)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	const perSecond = 100 // USER_HZ is the same everywhere
	return time.Duration(ticks) * time.Second / perSecond
}

// times finds $request_time in a line of the access log.
var times = regexp.MustCompile(`(?m)^\S+ - .*"GET .* \d+ (\S+) \[`)

// end looks at what the whole time has left behind.
func (c *clockLab) end() {
	c.Helper()
	close(c.backend.release)
	_ = c.held.SetDeadline(time.Now().Add(patience))
	c.held.want(c.T, 200)
	lasted := time.Since(c.begun).Seconds() + 1
	daemuntest.Eventually(c.T, patience, "lines of the access log", func() error {
		if n := strings.Count(c.d.Stdout(), `"GET /hold `); n != 1 {
			return fmt.Errorf("%d of the request that was held", n)
		}
		return nil
	})
	list := times.FindAllStringSubmatch(c.d.Stdout(), -1)
	if len(list) < 50 {
		c.Errorf("%d lines of the access log:\n%s", len(list), c.d.Stdout())
	}
	for _, m := range list {
		if s, err := strconv.ParseFloat(m[1], 64); err != nil || s < 0 || s > lasted {
			c.Errorf("a request lasted %s s, all of it %.0f s: %s", m[1], lasted, m[0])
		}
	}
	if out, code := c.d.Run("get", "pods", "-A", "-o", "json"); code != 0 || !strings.Contains(out, `"restartCount": 0`) || regexp.MustCompile(`"restartCount": [1-9]`).MatchString(out) {
		c.Errorf("a Pod was started again:\n%s", out)
	}
	if text := c.d.Stderr(); strings.Contains(text, "panic") {
		c.Error(text)
	}
}

// TestUnitsWhileTheClockJumps runs tests of packages that measure time while
// the clock is set again and again: what waits there for an end, an answer that
// counts for a while, a Lease, waits for spans of time.
func TestUnitsWhileTheClockJumps(t *testing.T) {
	t.Parallel()
	if !*each {
		t.Skip("make faults does this: all packages are built once more")
	}
	clock := newWallClock(t)
	args := append([]string{"test", "-count=1"}, clock.flags()...)
	cmd := exec.Command("go", append(args, "daemun/internal/kube", "daemun/internal/dns", "daemun/internal/policy", "daemun/internal/probe", "daemun/internal/tunnel")...)
	cmd.Env = append(os.Environ(), clock.env())
	done := make(chan error, 1)
	var out []byte
	go func() { // ends with the command
		var err error
		out, err = cmd.CombinedOutput()
		done <- err
	}()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for all := jumps(); ; {
		select {
		case <-tick.C:
			clock.set(all[rand.IntN(len(all))].off)
		case err := <-done:
			if err != nil {
				t.Errorf("%v\n%s", err, out)
			}
			return
		}
	}
}
