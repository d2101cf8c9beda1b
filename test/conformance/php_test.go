package conformance

import (
	"bytes"
	"crypto/md5"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// application is a Service of FastCGI: address, port, folder of the scripts.
const application = `
apiVersion: v1
kind: Service
metadata: {name: php}
spec:
  ports: [{port: 9000}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: php, labels: {kubernetes.io/service-name: php}}
addressType: IPv4
ports: [{port: %[2]d}]
endpoints: [{addresses: [%[1]s]}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: php}
data:
  SCRIPT_FILENAME: "%[3]s$fastcgi_script_name"
  APP_ENV: testing
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: php
  annotations:
    nginx.ingress.kubernetes.io/backend-protocol: FCGI
    nginx.ingress.kubernetes.io/fastcgi-index: index.php
    nginx.ingress.kubernetes.io/fastcgi-params-configmap: php
spec:
  rules:
  - http:
      paths:
      - {path: /, pathType: Prefix, backend: {service: {name: php, port: {number: 9000}}}}
`

// fpmConf: address. Without an error_log PHP tells errors to who asked.
const fpmConf = `
[global]
error_log = /dev/stderr
log_level = warning
[www]
user = root
group = root
listen = %s
pm = static
pm.max_children = 2
php_flag[display_errors] = off
php_flag[log_errors] = on
`

// The scripts: one tells what it got, the other answers in unusual ways.
var scripts = map[string]string{
	"index.php": `<?php
header('Content-Type: application/json');
$body = file_get_contents('php://input');
echo json_encode(['script' => __FILE__, 'size' => strlen($body), 'sum' => md5($body),
  'get' => (object)$_GET, 'post' => (object)$_POST, 'server' => array_filter($_SERVER, 'is_string')]);
`,
	"shop/index.php": `<?php require '../index.php';`,
	"answer.php": `<?php
switch ($_GET['do']) {
case 'missing': http_response_code(404); header('X-Own: yes'); echo 'no such thing'; break;
case 'created': header('HTTP/1.1 201 Created'); echo 'made'; break;
case 'nothing': http_response_code(204); break;
case 'cookies': setcookie('a', '1'); setcookie('b', '2', ['path' => '/', 'httponly' => true]); echo 'two'; break;
case 'found': header('Location: /elsewhere?x=1'); break;
case 'moved': header('Location: http://other.test/', true, 301); break;
case 'length': header('Content-Length: 5'); echo 'hello'; break;
case 'large': echo str_repeat('0123456789', 50000); break;
case 'parts': foreach (['a', 'b', 'c'] as $part) { echo $part; flush(); } break;
case 'log': error_log('a line for the log'); echo 'logged'; break;
case 'throw': throw new Exception('thrown by the application');
}
`,
}

// php is a php-fpm with its scripts.
type php struct{ dir, addr string }

// newPHP has an address of its own, so that no connection of others takes the
// port while php-fpm is stopped.
func newPHP(t *testing.T) *php {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p := &php{dir: t.TempDir(), addr: l.Addr().String()}
	for name, text := range scripts {
		p.write(t, name, text)
	}
	p.write(t, "fpm.conf", fmt.Sprintf(fpmConf, p.addr))
	return p
}

func (p *php) write(t *testing.T, name, text string) {
	t.Helper()
	file := filepath.Join(p.dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// start runs php-fpm, as whoever runs the test, until stop or the test's end.
func (p *php) start(t *testing.T) (stop func()) {
	t.Helper()
	found, err := filepath.Glob("/usr/sbin/php-fpm*") // Debian's has its version in its name
	if err != nil || len(found) == 0 {
		t.Fatal("there is no php-fpm (make conformance installs it)")
	}
	cmd := exec.Command(found[len(found)-1], "--nodaemonize", "--allow-to-run-as-root", "--no-php-ini", "--fpm-config", filepath.Join(p.dir, "fpm.conf"))
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it waits for its workers
		_ = cmd.Wait()
	})
	t.Cleanup(stop)
	eventually(t, "php-fpm accepts connections", func() bool {
		nc, err := net.Dial("tcp", p.addr)
		if err == nil {
			nc.Close()
		}
		return err == nil
	})
	return stop
}

// eventually waits until something is so.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for late := time.After(patience); !is(); {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("not so after %v: %s", patience, what)
		}
	}
}

// lines is a log that can be read while it is written.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.b.String(), text)
}

// site is where the application is served.
type site struct {
	client      *http.Client
	http, https string // origins
}

// newSite follows no redirects and believes every certificate.
func newSite(t *testing.T, httpAddr, httpsAddr string) *site {
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &site{
		client: &http.Client{
			Transport: transport, Timeout: patience,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		http: "http://" + httpAddr, https: "https://" + httpsAddr,
	}
}

// ask sends a request; the body goes in chunks if its length cannot be seen.
func (s *site) ask(t *testing.T, method, url string, body io.Reader, fields ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(fields); i += 2 {
		req.Header.Add(fields[i], fields[i+1])
	}
	resp, err := s.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	return resp, string(got)
}

// seen is what index.php tells.
type seen struct {
	Script            string
	Size              int
	Sum               string
	Get, Post, Server map[string]string
}

// see asks for what index.php tells.
func (s *site) see(t *testing.T, method, url string, body io.Reader, fields ...string) (got seen) {
	t.Helper()
	resp, text := s.ask(t, method, url, body, fields...)
	if err := json.Unmarshal([]byte(text), &got); err != nil || resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("%s %s: %d %q %v", method, url, resp.StatusCode, text, err)
	}
	return got
}

// TestPHP asks an application of PHP through php-fpm, as with FCGI backends of
// ingress-nginx.
func TestPHP(t *testing.T) {
	p := newPHP(t)
	stop := p.start(t)
	host, _, _ := net.SplitHostPort(p.addr)
	log := &lines{}
	httpAddr, httpsAddr := startLogged(t, fmt.Sprintf(application, host, portOf(t, p.addr), p.dir), io.MultiWriter(os.Stderr, log))
	s := newSite(t, httpAddr, httpsAddr)
	t.Run("request", func(t *testing.T) { checkRequests(t, s, p) })
	t.Run("tls", func(t *testing.T) { checkTLS(t, s) })
	t.Run("body", func(t *testing.T) { checkBodies(t, s) })
	t.Run("answer", func(t *testing.T) { checkAnswers(t, s) })
	t.Run("log", func(t *testing.T) { checkLog(t, s, log) })
	stop()
	t.Run("stopped", func(t *testing.T) {
		for range 3 {
			if resp, _ := s.ask(t, "POST", s.http+"/", strings.NewReader("x")); resp.StatusCode != 502 {
				t.Errorf("status %d", resp.StatusCode)
			}
		}
	})
	p.start(t)
	eventually(t, "the application is back", func() bool {
		resp, _ := s.ask(t, "GET", s.http+"/", nil)
		return resp.StatusCode == 200
	})
}

// checkRequests: the script is found, with the index where the path ends with a
// slash, and gets what nginx's fastcgi_params would tell it.
func checkRequests(t *testing.T, s *site, p *php) {
	for path, script := range map[string]string{"/": "index.php", "/index.php": "index.php", "/shop/": "index.php"} {
		got := s.see(t, "GET", s.http+path+"?q=1&name=a%20b%26c", nil)
		if want := filepath.Join(p.dir, script); got.Script != want || got.Get["q"] != "1" || got.Get["name"] != "a b&c" {
			t.Errorf("%s: %s with %v, want %s", path, got.Script, got.Get, want)
		}
	}
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(s.http, "http://"))
	got := s.see(t, "GET", s.http+"/shop/?q=1", nil, "X-Custom", "one", "X-Custom", "two",
		"Cookie", "a=1; b=2", "Proxy", "http://evil.test", "X-Forwarded-For", "1.2.3.4")
	for name, want := range map[string]string{
		"REQUEST_METHOD": "GET", "REQUEST_URI": "/shop/?q=1", "QUERY_STRING": "q=1", "SCRIPT_NAME": "/shop/index.php", "DOCUMENT_URI": "/shop/",
		"SCRIPT_FILENAME": p.dir + "/shop/index.php", "APP_ENV": "testing", "SERVER_PROTOCOL": "HTTP/1.1", "REQUEST_SCHEME": "http", "HTTPS": "",
		"REMOTE_ADDR": "127.0.0.1", "SERVER_ADDR": "127.0.0.1", "SERVER_PORT": port, "GATEWAY_INTERFACE": "CGI/1.1",
		"HTTP_HOST": strings.TrimPrefix(s.http, "http://"), "HTTP_X_CUSTOM": "one, two", "HTTP_COOKIE": "a=1; b=2",
		"HTTP_PROXY": "", "HTTP_X_FORWARDED_FOR": "127.0.0.1", "HTTP_X_FORWARDED_PROTO": "http", "CONTENT_LENGTH": "",
	} {
		if got.Server[name] != want {
			t.Errorf("%s is %q, want %q", name, got.Server[name], want)
		}
	}
}

func checkTLS(t *testing.T, s *site) {
	got := s.see(t, "POST", s.https+"/", strings.NewReader("a=1"), "Content-Type", "application/x-www-form-urlencoded")
	for name, want := range map[string]string{
		"HTTPS": "on", "REQUEST_SCHEME": "https", "SERVER_PROTOCOL": "HTTP/2.0", "REMOTE_ADDR": "127.0.0.1",
		"HTTP_X_FORWARDED_PROTO": "https", "HTTP_HOST": strings.TrimPrefix(s.https, "https://"),
	} {
		if got.Server[name] != want {
			t.Errorf("%s is %q, want %q", name, got.Server[name], want)
		}
	}
	if got.Post["a"] != "1" {
		t.Errorf("form %v", got.Post)
	}
}

// checkBodies, with their length and without, which PHP needs and gets.
func checkBodies(t *testing.T, s *site) {
	for _, origin := range []string{s.http, s.https} {
		for _, size := range []int{0, 1, 8 << 10, 65528, 65529, 300 << 10} {
			content := bytes.Repeat([]byte("0123456789abcde\n"), size/16+1)[:size]
			for how, body := range map[string]io.Reader{"length": bytes.NewReader(content), "chunks": struct{ io.Reader }{bytes.NewReader(content)}} {
				got := s.see(t, "POST", origin+"/", body, "Content-Type", "application/octet-stream")
				if got.Size != size || got.Sum != fmt.Sprintf("%x", md5.Sum(content)) || got.Server["CONTENT_LENGTH"] != fmt.Sprint(size) {
					t.Errorf("%s, %s of %d: PHP got %d, CONTENT_LENGTH %q", origin, how, size, got.Size, got.Server["CONTENT_LENGTH"])
				}
			}
		}
	}
}

// checkAnswers: status and fields are those that PHP sets.
func checkAnswers(t *testing.T, s *site) {
	for _, c := range []struct {
		do     string
		status int
		field  string
		values []string
		body   string
	}{
		{"missing", 404, "X-Own", []string{"yes"}, "no such thing"},
		{"created", 201, "X-Own", nil, "made"},
		{"nothing", 204, "Content-Length", nil, ""},
		{"cookies", 200, "Set-Cookie", []string{"a=1", "b=2; path=/; HttpOnly"}, "two"},
		{"found", 302, "Location", []string{"/elsewhere?x=1"}, ""},
		{"moved", 301, "Location", []string{"http://other.test/"}, ""},
		{"length", 200, "Content-Length", []string{"5"}, "hello"},
		{"large", 200, "Status", nil, strings.Repeat("0123456789", 50000)},
		{"parts", 200, "Status", nil, "abc"},
		{"throw", 500, "X-Own", nil, ""},
	} {
		resp, body := s.ask(t, "GET", s.http+"/answer.php?do="+c.do, nil)
		if resp.StatusCode != c.status || !slices.Equal(resp.Header.Values(c.field), c.values) || body != c.body {
			t.Errorf("%s: %d, %s %q, %.40q; want %d, %q, %.40q", c.do, resp.StatusCode, c.field, resp.Header.Values(c.field), body, c.status, c.values, c.body)
		}
	}
	if resp, body := s.ask(t, "HEAD", s.https+"/answer.php?do=missing", nil); resp.StatusCode != 404 || body != "" {
		t.Errorf("HEAD: %d %q", resp.StatusCode, body)
	}
	if resp, body := s.ask(t, "GET", s.http+"/none.php", nil); resp.StatusCode != 404 || body != "File not found.\n" {
		t.Errorf("a script that is not there: %d %q", resp.StatusCode, body)
	}
}

// checkLog: what PHP writes to its standard error is in the log.
func checkLog(t *testing.T, s *site, log *lines) {
	if _, body := s.ask(t, "GET", s.http+"/answer.php?do=log", nil); body != "logged" {
		t.Errorf("answer %q", body)
	}
	for _, text := range []string{"a line for the log", "thrown by the application", "Primary script unknown"} {
		eventually(t, "the log has: "+text, func() bool { return log.has(text) })
	}
}
