package conformance

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// readers are who stands behind Daemun, by the host that leads there: net/http
// at once, or nginx or HAProxy with net/http behind them.
var readers = map[string]string{"a": "net/http", "n": "nginx", "h": "HAProxy"}

// route: host, port.
const route = `
apiVersion: v1
kind: Service
metadata: {name: "%[1]s"}
spec:
  ports: [{port: 80}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: "%[1]s", labels: {kubernetes.io/service-name: "%[1]s"}}
addressType: IPv4
ports: [{port: %[2]d}]
endpoints: [{addresses: [127.0.0.1]}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: "%[1]s"}
spec:
  rules:
  - host: "%[1]s"
    http:
      paths:
      - {path: /, pathType: Prefix, backend: {service: {name: "%[1]s", port: {number: 80}}}}
---`

// nginxConf: folder, own address, address of the recorder.
const nginxConf = `
daemon off;
pid %[1]s/nginx.pid;
error_log stderr crit;
events {}
http {
  access_log off;
  client_body_temp_path %[1]s/body;
  proxy_temp_path %[1]s/proxy;
  fastcgi_temp_path %[1]s/fastcgi;
  uwsgi_temp_path %[1]s/uwsgi;
  scgi_temp_path %[1]s/scgi;
  large_client_header_buffers 8 32k;
  underscores_in_headers on;
  server {
    listen %[2]s;
    location / {
      proxy_pass http://%[3]s;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Connection "";
    }
  }
}
`

// haproxyConf: own address, address of the recorder.
const haproxyConf = `
defaults
  mode http
  timeout connect 20s
  timeout client 60s
  timeout server 60s
frontend front
  bind %[1]s
  default_backend back
backend back
  server one %[2]s
`

// recorder notes the requests that came whole.
type recorder struct {
	mu  sync.Mutex
	got map[string][]string // by host
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return
	}
	said := fmt.Sprintf("%s %s %q X=%q Cookie=%q", req.Method, req.RequestURI, body, req.Header["X"], req.Header["Cookie"])
	r.mu.Lock()
	r.got[req.Host] = append(r.got[req.Host], said)
	r.mu.Unlock()
	_, _ = io.WriteString(w, "ok")
}

func (r *recorder) take(host string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	got := r.got[host]
	delete(r.got, host)
	return got
}

// TestOneReading pins that what Daemun forwards is one request with one body to
// everybody: what net/http reads of it is what it reads behind nginx and behind
// HAProxy. The messages are those that make two readers disagree, and honest
// ones that are unusual.
func TestOneReading(t *testing.T) {
	rec := &recorder{got: map[string][]string{}}
	server := httptest.NewServer(rec)
	t.Cleanup(server.Close)
	origin := server.Listener.Addr().String()
	manifests := fmt.Sprintf(route, "a", portOf(t, origin)) + fmt.Sprintf(route, "n", startNginx(t, origin)) + fmt.Sprintf(route, "h", startHAProxy(t, origin))
	addr, _ := startWith(t, manifests)
	forwarded := 0
	for name, message := range messages(t) {
		var first []string
		for _, host := range []string{"a", "n", "h"} {
			own := strings.NewReplacer("Host: a\r\n", "Host: "+host+"\r\n", "http://a/", "http://"+host+"/").Replace(message)
			exchange(t, addr, name, own+"GET /end HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n\r\n")
			got := rec.take(host)
			if host == "a" {
				first = got
				forwarded += len(got)
			} else if !slices.Equal(got, first) {
				t.Errorf("%s %q\nnet/http read %q\nbehind %s it read %q", name, message, first, readers[host], got)
			}
		}
	}
	if forwarded < 20 {
		t.Errorf("only %d requests were forwarded", forwarded)
	}
}

// exchange sends a message and waits for the end of the connection, before
// which every answer has come.
func exchange(t *testing.T, addr, name, message string) {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(patience))
	_, _ = io.WriteString(nc, message) // may be refused before its end
	if _, err := io.Copy(io.Discard, nc); err != nil {
		if e, ok := err.(net.Error); ok && e.Timeout() {
			t.Errorf("%s: the connection stays", name)
		}
	}
}

// messages are those of http1, and unusual honest ones.
func messages(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../internal/http1/testdata/smuggling.txt")
	if err != nil {
		t.Fatal(err)
	}
	list := map[string]string{
		"plain":            "GET /x?y=1 HTTP/1.1\r\nHost: a\r\n\r\n",
		"absolute":         "GET http://a/x HTTP/1.1\r\nHost: a\r\n\r\n",
		"http/1.0":         "GET /x HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
		"length":           "PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
		"leading zeros":    "PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 005\r\n\r\nhello",
		"no content":       "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
		"chunks":           "PUT /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n0A;n=v\r\n0123456789\r\n000\r\n\r\n",
		"trailers":         "PUT /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n",
		"like a request":   "PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 35\r\n\r\nGET /smuggled HTTP/1.1\r\nX: yy\r\n\r\n\r\n",
		"chunked requests": "PUT /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n0\r\n\r\n\r\n0\r\n\r\n",
		"obs-text":         "GET / HTTP/1.1\r\nHost: a\r\nX: \xff\xfe \x80\r\n\r\n",
		"empty values":     "GET / HTTP/1.1\r\nHost: a\r\nX:\r\nX: \t \r\n\r\n",
		"blanks":           "GET / HTTP/1.1\r\nHost: a\r\nX: \t a \t b \t\r\n\r\n",
		"lists":            "GET / HTTP/1.1\r\nHost: a\r\nX: a, b\r\nX: c\r\n\r\n",
		"cookies":          "GET / HTTP/1.1\r\nHost: a\r\nCookie: a=1; b=\"2;3\"; c\r\n\r\n",
		"odd path":         "GET /a;b/%41%2f/=?%00&;;?# HTTP/1.1\r\nHost: a\r\n\r\n",
		"odd query":        "GET /?%00&;;?//..\\ HTTP/1.1\r\nHost: a\r\n\r\n",
		"connection lists": "GET / HTTP/1.1\r\nHost: a\r\nConnection: X, close-not, Host\r\nX: hop\r\n\r\n",
		"te lists":         "GET / HTTP/1.1\r\nHost: a\r\nTE: trailers, deflate;q=0.5\r\nConnection: TE\r\n\r\n",
		"empty line first": "\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n",
		"long value":       "GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 12<<10) + "\r\n\r\n",
		"pipelined":        "PUT /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n1PUT /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n2\r\n0\r\n\r\nGET /3 HTTP/1.1\r\nHost: a\r\n\r\n",
	}
	for line := range strings.Lines(string(text)) {
		part := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		message, err := strconv.Unquote(part[len(part)-1])
		if err != nil {
			t.Fatal(err)
		}
		list[part[0]] = message
	}
	return list
}

func startNginx(t *testing.T, origin string) (port int) {
	dir := t.TempDir()
	_ = os.Chmod(filepath.Dir(dir), 0o755) // its workers have another user
	_ = os.Chmod(dir, 0o755)
	addr := freeAddress(t)
	conf := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, nginxConf, dir, addr, origin), 0o644); err != nil {
		t.Fatal(err)
	}
	return startReader(t, addr, "nginx", "-c", conf, "-p", dir)
}

func startHAProxy(t *testing.T, origin string) (port int) {
	addr := freeAddress(t)
	conf := filepath.Join(t.TempDir(), "haproxy.cfg")
	if err := os.WriteFile(conf, fmt.Appendf(nil, haproxyConf, addr, origin), 0o644); err != nil {
		t.Fatal(err)
	}
	return startReader(t, addr, "haproxy", "-db", "-f", conf)
}

// startReader runs a program and waits until it accepts connections.
func startReader(t *testing.T, addr, name string, args ...string) (port int) {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		path = "/usr/sbin/" + name // where Debian has it
	}
	cmd := exec.Command(path, args...)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v (make conformance installs it)", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	})
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for late := time.After(patience); ; {
		if nc, err := net.Dial("tcp", addr); err == nil {
			nc.Close()
			return portOf(t, addr)
		}
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("%s does not accept connections", name)
		}
	}
}

// freeAddress is one that nobody listened at a moment ago.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func portOf(t *testing.T, addr string) int {
	t.Helper()
	_, text, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return port
}
