package conformance

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// snippetCase is a host with snippets, and requests to it: "METHOD target" and
// perhaps fields behind "|".
type snippetCase struct {
	name             string
	server, location string
	requests         []string
}

// snippetConf: module, folder, own address, text of http, servers.
const snippetConf = `
load_module %[1]s;
daemon off;
pid %[2]s/nginx.pid;
error_log stderr crit;
events {}
http {
  access_log off;
  client_body_temp_path %[2]s/body;
  proxy_temp_path %[2]s/proxy;
  fastcgi_temp_path %[2]s/fastcgi;
  uwsgi_temp_path %[2]s/uwsgi;
  scgi_temp_path %[2]s/scgi;
  default_type text/html;
  server_tokens off;
  port_in_redirect off;
  keepalive_requests 1000;
  map_hash_bucket_size 128;
  client_max_body_size 1m;
  %[4]s
  %[5]s
}
`

// snippetServer: number of the case, its texts, own address, address of the
// backend. The settings of the location are those of ingress-nginx.
const snippetServer = `
server {
  listen %[4]s;
  server_name case%[1]d.test;
  %[2]s
  location / {
    %[3]s
    proxy_pass http://%[5]s;
    proxy_http_version 1.1;
    proxy_set_header Host $http_host;
    proxy_set_header Connection "";
    proxy_pass_header Server;
  }
}
`

const snippetHead = `
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: d}
data:
  allow-snippet-annotations: "true"
  annotations-risk-level: Critical
  http-snippet: |
%s
---
apiVersion: v1
kind: Service
metadata: {name: back, namespace: d}
spec:
  ports: [{port: 80}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: back, namespace: d, labels: {kubernetes.io/service-name: back}}
addressType: IPv4
ports: [{port: %d}]
endpoints: [{addresses: [127.0.0.1]}]
`

const snippetIngress = `
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: case%[1]d
  namespace: d
  annotations:
    nginx.ingress.kubernetes.io/server-snippet: |
%[2]s
    nginx.ingress.kubernetes.io/configuration-snippet: |
%[3]s
spec:
  rules:
  - host: case%[1]d.test
    http:
      paths:
      - {path: /, pathType: Prefix, backend: {service: {name: back, port: {number: 80}}}}
`

// moreModule is headers-more, which ingress-nginx has built in.
const moreModule = "/usr/lib/nginx/modules/ngx_http_headers_more_filter_module.so"

// TestSnippetsAsNginx gives the same snippets to nginx itself and compares
// what clients and the backend see.
func TestSnippetsAsNginx(t *testing.T) {
	backend := httptest.NewServer(http.HandlerFunc(told))
	t.Cleanup(backend.Close)
	origin := backend.Listener.Addr().String()
	if _, err := os.Stat(moreModule); err != nil {
		t.Fatalf("%v (make conformance installs it)", err)
	}
	own := freeAddress(t)
	manifests := fmt.Sprintf(snippetHead, indent(snippetHTTP), portOf(t, origin))
	var servers strings.Builder
	for i, c := range snippetCases {
		manifests += fmt.Sprintf(snippetIngress, i, indent(c.server), indent(c.location))
		fmt.Fprintf(&servers, snippetServer, i, c.server, c.location, own, origin)
	}
	dir := t.TempDir()
	_ = os.Chmod(filepath.Dir(dir), 0o755) // its workers have another user
	_ = os.Chmod(dir, 0o755)
	conf := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, snippetConf, moreModule, dir, own, snippetHTTP, servers.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	startReader(t, own, "nginx", "-c", conf, "-p", dir)
	addr, _ := startLogged(t, manifests, os.Stderr, "--configmap", "d/settings")
	for i, c := range snippetCases {
		t.Run(c.name, func(t *testing.T) {
			for _, request := range c.requests {
				host := fmt.Sprintf("case%d.test", i)
				want, got := answerOf(t, own, host, request), answerOf(t, addr, host, request)
				if want != got {
					t.Errorf("%s\nnginx:\n%s\nDaemun:\n%s", request, want, got)
				}
			}
		})
	}
}

func indent(text string) string {
	return "      " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n      ")
}

// told answers with what it got, or with what the path asks for.
func told(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Backend", "yes")
	w.Header().Set("X-Hidden", "secret")
	body, _ := io.ReadAll(r.Body)
	status := 200
	switch {
	case strings.HasPrefix(r.URL.Path, "/status/"):
		_, _ = fmt.Sscanf(r.URL.Path, "/status/%d", &status)
	case r.URL.Path == "/cookie":
		w.Header().Add("Set-Cookie", "a=1; Path=/old/x; Domain=inner.test")
		w.Header().Add("Set-Cookie", "b=2; path=/other; HttpOnly")
	case r.URL.Path == "/redirect":
		w.Header().Set("Location", "http://inner.test/x?y")
		status = 302
	}
	text := fmt.Sprintf("%s %s %q\n", r.Method, r.RequestURI, body)
	var names []string
	for name := range r.Header {
		if strings.HasPrefix(name, "X-T") || name == "Authorization" || name == "Cookie" || name == "User-Agent" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		text += name + ": " + strings.Join(r.Header[name], ", ") + "\n"
	}
	kind := "text/plain"
	if r.URL.Path == "/html" {
		kind, text = "text/html", "<head><title>A</title></head><head>B</HEAD>\n"
	}
	if r.URL.Path == "/css" {
		kind = "text/css"
	}
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text)
}

// answerOf asks and returns all that matters of the answer.
func answerOf(t *testing.T, addr, host, request string) string {
	t.Helper()
	line, fields, _ := strings.Cut(request, "|")
	method, target, _ := strings.Cut(strings.TrimSpace(line), " ")
	var body io.Reader
	if method == "POST" {
		body = strings.NewReader("abc")
	}
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+addr+target, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = host
	req.Header.Set("User-Agent", "test")
	for f := range strings.SplitSeq(fields, "|") {
		if name, value, ok := strings.Cut(f, ":"); ok {
			req.Header.Add(strings.TrimSpace(name), strings.TrimSpace(value))
		}
	}
	transport := &http.Transport{DisableKeepAlives: true, DisableCompression: true, DialContext: (&net.Dialer{Timeout: patience}).DialContext}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return "error: " + strings.ReplaceAll(err.Error(), addr, "")
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	content = bytes.ReplaceAll(content, []byte("<center>daemun</center>"), []byte("<center>nginx</center>"))
	out := fmt.Sprintf("%d\n", resp.StatusCode)
	var names []string
	for name := range resp.Header {
		switch name {
		case "Content-Type":
			if resp.StatusCode != 304 { // of no content
				names = append(names, name)
			}
		case "Date", "Server", "Connection", "Content-Length", "Expires", "Accept-Ranges":
		default:
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		out += name + ": " + strings.Join(resp.Header[name], " & ") + "\n"
	}
	return out + "\n" + string(content)
}
