package faults

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"daemun/internal/daemuntest"
)

// patience is how long anything may take that has to happen.
const patience = 90 * time.Second

const routes = `
kind: Service
apiVersion: v1
metadata: {name: web}
spec: {ports: [{name: http, port: 80}]}
---
kind: EndpointSlice
apiVersion: discovery.k8s.io/v1
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: %d}]
endpoints: [{addresses: [127.0.0.1]}]
---
kind: Ingress
apiVersion: networking.k8s.io/v1
metadata:
  name: web
  annotations:
    nginx.ingress.kubernetes.io/proxy-read-timeout: "600"
    nginx.ingress.kubernetes.io/proxy-body-size: 64m
spec:
  ingressClassName: nginx
  rules:
  - host: web.test
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
---
kind: Ingress
apiVersion: networking.k8s.io/v1
metadata:
  name: short
  annotations:
    nginx.ingress.kubernetes.io/proxy-read-timeout: "1"
    nginx.ingress.kubernetes.io/proxy-body-size: 32k
    nginx.ingress.kubernetes.io/proxy-request-buffering: "off"
spec:
  ingressClassName: nginx
  rules:
  - host: short.test
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
---
kind: Ingress
apiVersion: networking.k8s.io/v1
metadata:
  name: moved
  annotations: {nginx.ingress.kubernetes.io/permanent-redirect: "https://moved.test/"}
spec:
  ingressClassName: nginx
  rules:
  - host: moved.test
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
`

// usual are the settings outside of faults that change them: the pool of
// connections to backends empties soon, so that it does not hide a leak.
var usual = map[string]string{"upstream-keepalive-timeout": "1"}

// lab is a running program with its backend.
type lab struct {
	*testing.T
	d       *daemuntest.Instance
	backend *backend
	base    state
	admin   *http.Client
}

// state is what must return to its base line. Connections that wait in a pool
// have descriptors of their own and are no leak: they are counted apart.
type state struct{ goroutines, descriptors, pooled int }

// newLab starts the program; args and env are added to what it gets.
func newLab(t *testing.T, o daemuntest.Options) *lab {
	t.Helper()
	l := &lab{T: t, backend: newBackend(t), admin: newAdmin(t)}
	o.Bin = bin
	o.Args = append([]string{"--configmap", "ingress/settings"}, o.Args...)
	l.d = daemuntest.Up(t, o, map[string]string{
		"routes.yaml": fmt.Sprintf(routes, l.backend.port), "settings.yaml": settings(usual),
	})
	l.warmUp()
	l.base = l.settled()
	return l
}

func newAdmin(t *testing.T) *http.Client {
	c := &http.Client{Transport: &http.Transport{}, Timeout: patience}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// warmUp does once what is begun at its first use.
func (l *lab) warmUp() {
	l.Helper()
	l.honest(l.T)
	for _, scheme := range []string{"http", "https"} {
		resp, err := l.d.Client().Post(scheme+"://web.test/upload", "text/plain", strings.NewReader(strings.Repeat("x", 1<<20)))
		if err != nil {
			l.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	l.d.Client().CloseIdleConnections()
}

func settings(data map[string]string) string {
	var b strings.Builder
	b.WriteString("kind: ConfigMap\napiVersion: v1\nmetadata: {name: settings, namespace: ingress}\ndata:\n")
	for key, value := range data {
		fmt.Fprintf(&b, "  %s: %q\n", key, value)
	}
	return b.String()
}

// with changes settings while f runs. It waits for the table that has them.
func (l *lab) with(t *testing.T, data map[string]string, f func()) {
	t.Helper()
	all := map[string]string{}
	for _, m := range []map[string]string{usual, data} {
		for key, value := range m {
			all[key] = value
		}
	}
	l.apply(t, "settings.yaml", settings(all))
	defer l.apply(t, "settings.yaml", settings(usual))
	f()
}

func (l *lab) apply(t *testing.T, file, text string) {
	t.Helper()
	before := l.metric(t, "daemun_table_revision")
	l.d.Write(file, text)
	daemuntest.Eventually(t, patience, "the change is live", func() error {
		if now := l.metric(t, "daemun_table_revision"); now <= before {
			return fmt.Errorf("table %v", now)
		}
		return nil
	})
}

// each looks after every single fault, and breaks a program on one processor as
// well; otherwise faults of one kind are looked at together. It takes minutes on
// a busy machine, which is why it has a target of its own: make faults.
var each = flag.Bool("each", false, "look after each fault, and on one processor as well")

// fault runs one of them as a subtest.
func (l *lab) fault(name string, f func(t *testing.T)) {
	l.Run(name, func(t *testing.T) {
		f(t)
		if *each {
			l.asBefore(t)
		}
	})
}

// kind runs all faults of one kind, and looks afterwards whether all is as
// before.
func (l *lab) kind(name string, faults func()) {
	faults()
	l.Run("after "+name, l.asBefore)
}

func (l *lab) asBefore(t *testing.T) {
	l.honest(t)
	l.recovered(t)
}

// honest makes one request on a connection of its own. A busy machine may be
// later than a time of the lab is long, hence several tries.
func (l *lab) honest(t *testing.T) {
	t.Helper()
	daemuntest.Eventually(t, patience, "an honest request", func() error {
		c, err := l.connect()
		if err != nil {
			return err
		}
		defer c.Close()
		c.send("GET /honest HTTP/1.1\r\nHost: web.test\r\nConnection: close\r\n\r\n")
		status, body, err := c.answer()
		if err != nil || status != 200 || body != "took 0" {
			return fmt.Errorf("%d %q %w", status, body, err)
		}
		return nil
	})
}

// ofScrape are goroutines that the scrape itself may have or not have while it
// counts. Each fault happens at least five times: what one leaks is more.
const ofScrape = 4

// recovered waits until the program holds no more than at its base line.
func (l *lab) recovered(t *testing.T) {
	t.Helper()
	daemuntest.Eventually(t, patience, "everything is back", func() error {
		open := int(l.backend.open.Load())
		now, err := l.state()
		switch {
		case err != nil:
			return err
		case now.goroutines > l.base.goroutines+ofScrape, now.descriptors > l.base.descriptors, open > now.pooled:
			return fmt.Errorf("%+v with %d connections to the backend, base line %+v", now, open, l.base)
		}
		return nil
	})
	text := l.metrics(t)
	for _, m := range regexp.MustCompile(`(?m)^(daemun_(?:dns_|l4_)?panics_total\S*) (\S+)$`).FindAllStringSubmatch(text, -1) {
		if m[2] != "0" {
			t.Errorf("%s is %s\n%s", m[1], m[2], l.d.Stderr())
		}
	}
}

// settled is the state when no connection is pooled and descriptors are the same
// time after time.
func (l *lab) settled() state {
	l.Helper()
	var last state
	same := 0
	daemuntest.Eventually(l.T, patience, "the base line", func() error {
		now, err := l.state()
		switch {
		case err != nil:
			return err
		case now.pooled > 0, now.descriptors != last.descriptors:
			last, same = now, 0
		}
		last.goroutines = max(last.goroutines, now.goroutines)
		if same++; same < 20 {
			return errors.New("not settled")
		}
		return nil
	})
	return last
}

// state looks at the program; an error says that it is still busy.
func (l *lab) state() (state, error) {
	text, err := l.scrape()
	if err != nil {
		return state{}, err
	}
	for _, series := range []string{
		`nginx_ingress_controller_nginx_process_connections{state="active"}`, `daemun_body_buffer_bytes{place="memory"}`, `daemun_body_buffer_bytes{place="disk"}`,
		`daemun_upstream_connections{state="active"}`,
	} {
		if n := value(text, series); n != 0 {
			return state{}, fmt.Errorf("%s is %v", series, n)
		}
	}
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", l.d.Process.Pid))
	pooled := int(value(text, `daemun_upstream_connections{state="idle"}`))
	return state{goroutines: int(value(text, "go_goroutines")), descriptors: len(list) - pooled, pooled: pooled}, err
}

func (l *lab) scrape() (string, error) {
	resp, err := l.admin.Get("http://" + l.d.Admin + "/metrics")
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return string(b), err
}

func (l *lab) metrics(t *testing.T) string {
	t.Helper()
	text, err := l.scrape()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// metric is the sum of a series whatever further labels it has.
func (l *lab) metric(t *testing.T, series string) float64 {
	t.Helper()
	return value(l.metrics(t), series)
}

// risen waits until a counter is more than it was.
func (l *lab) risen(t *testing.T, series string, before float64) {
	t.Helper()
	daemuntest.Eventually(t, patience, series+" counts", func() error {
		if now := l.metric(t, series); now <= before {
			return fmt.Errorf("it is %v and was %v", now, before)
		}
		return nil
	})
}

// value adds up what a series has, with any further labels; 0 without one.
func value(text, series string) (sum float64) {
	name := regexp.QuoteMeta(series)
	if before, label, ok := strings.Cut(strings.TrimSuffix(series, "}"), "{"); ok {
		name = regexp.QuoteMeta(before) + `\{[^}]*` + regexp.QuoteMeta(label) + `[^}]*\}`
	}
	for _, m := range regexp.MustCompile(`(?m)^`+name+`(?:\{[^}]*\})? (\S+)$`).FindAllStringSubmatch(text, -1) {
		v, _ := strconv.ParseFloat(m[1], 64)
		sum += v
	}
	return sum
}

// bounded lowers a limit of the running program while f runs.
func (l *lab) bounded(t *testing.T, resource int, most uint64, f func()) {
	t.Helper()
	var old unix.Rlimit
	if err := unix.Prlimit(l.d.Process.Pid, resource, nil, &old); err != nil {
		t.Fatal(err)
	}
	if err := unix.Prlimit(l.d.Process.Pid, resource, &unix.Rlimit{Cur: most, Max: old.Max}, nil); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Prlimit(l.d.Process.Pid, resource, &old, nil); err != nil {
			t.Error(err)
		}
	}()
	f()
}

// dial opens a connection to the HTTP port.
func (l *lab) dial(t *testing.T) *client {
	t.Helper()
	c, err := l.connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func (l *lab) connect() (*client, error) {
	c, err := net.Dial("tcp", l.d.HTTP)
	if err != nil {
		return nil, err
	}
	return newClient(c), nil
}
