package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// sized answers with as many octets as the path says, or as /xml and /html.
func sized(w http.ResponseWriter, r *http.Request) {
	n, kind := 1000, "application/octet-stream"
	switch name := strings.TrimPrefix(r.URL.Path, "/"); name {
	case "xml":
		kind = "application/xml"
	case "html":
		kind = "text/html; charset=utf-8"
	default:
		n, _ = strconv.Atoi(name)
	}
	w.Header().Set("Content-Type", kind)
	_, _ = io.WriteString(w, strings.Repeat("x", n)) // of a client that is gone
}

// TestRulesOfCompression: use-gzip, enable-brotli and what bounds them.
func TestRulesOfCompression(t *testing.T) {
	t.Parallel()
	gz, br := []string{"Accept-Encoding: gzip"}, []string{"Accept-Encoding: br"}
	for _, tt := range []struct {
		lines []string
		rows  []row
	}{
		{nil, []row{
			{"gzip: off by default", "GET http://web.test/xml", gz, "", []string{"200", "no Content-Encoding"}},
			{"brotli: off by default", "GET http://web.test/xml", br, "", []string{"200", "no Content-Encoding"}},
		}},
		{[]string{"use-gzip: true"}, []row{
			{"gzip: types by default", "GET http://web.test/xml", gz, "", []string{"200", "Content-Encoding: gzip", "Vary: Accept-Encoding", "Content-Type: application/xml"}},
			{"gzip: HTML", "GET http://web.test/html", gz, "", []string{"200", "Content-Encoding: gzip"}},
			{"gzip: other types", "GET http://web.test/1000", gz, "", []string{"200", "no Content-Encoding"}},
			{"gzip: not asked for", "GET http://web.test/xml", nil, "", []string{"200", "no Content-Encoding"}},
			{"gzip: for old browsers, too", "GET http://web.test/xml", []string{gz[0], "User-Agent: Mozilla/45.0 (compatible; MSIE 6.0; Windows NT 5.1)"}, "", []string{"200", "Content-Encoding: gzip"}},
		}},
		{[]string{"use-gzip: true", "gzip-level: 4", "gzip-disable: msie6", "gzip-min-length: 100", "gzip-types: application/octet-stream"}, []row{
			{"gzip-min-length: less", "GET http://web.test/99", gz, "", []string{"200", "Content-Type: application/octet-stream", "no Content-Encoding"}},
			{"gzip-min-length", "GET http://web.test/100", gz, "", []string{"200", "Content-Type: application/octet-stream", "Content-Encoding: gzip"}},
			{"gzip-disable: another browser", "GET http://web.test/100", []string{gz[0], "User-Agent: Mozilla/4.8 [en] (Windows NT 5.1; U)"}, "", []string{"200", "Content-Encoding: gzip"}},
			{"gzip-disable: msie6", "GET http://web.test/100", []string{gz[0], "User-Agent: Mozilla/45.0 (compatible; MSIE 6.0; Windows NT 5.1)"}, "", []string{"200", "no Content-Encoding"}},
			{"gzip-disable: msie6 spares SV1", "GET http://web.test/100", []string{gz[0], "User-Agent: Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1; SV1)"}, "", []string{"200", "Content-Encoding: gzip"}},
		}},
		{[]string{"use-gzip: true", "gzip-types: text/html"}, []row{
			{"gzip-types: HTML only", "GET http://web.test/xml", gz, "", []string{"200", "no Content-Encoding"}},
			{"gzip-types: HTML", "GET http://web.test/html", gz, "", []string{"200", "Content-Type: text/html; charset=utf-8", "Content-Encoding: gzip"}},
		}},
		{[]string{"use-gzip: true", "gzip-types: *"}, []row{{"gzip-types: all", "GET http://web.test/1000", gz, "", []string{"200", "Content-Encoding: gzip"}}}},
		{[]string{"enable-brotli: true", "brotli-types: application/octet-stream", "brotli-min-length: 24"}, []row{
			{"brotli-min-length", "GET http://web.test/24", br, "", []string{"200", "Content-Type: application/octet-stream", "Content-Encoding: br"}},
			{"brotli-min-length: less", "GET http://web.test/23", br, "", []string{"200", "Content-Type: application/octet-stream", "no Content-Encoding"}},
		}},
	} {
		d := rulesUp(t, bySettings, settings(tt.lines...), backends(t, "web", http.HandlerFunc(sized)), site("web", "web.test", nil, "/ Prefix web"))
		d.check(t, tt.rows)
	}
}

// TestRulesOfSnippetSettings: snippets of the ConfigMap beside those of
// annotations, and words that no annotation may have.
func TestRulesOfSnippetSettings(t *testing.T) {
	t.Parallel()
	own := "server-snippet: more_set_headers \"Foo: Bar\";\nmore_set_headers \"Xpto: Lalala\";"
	global := "server-snippet: more_set_headers \"Globalfoo: Foooo\";"
	sites := []string{
		backends(t, "web", speaker("web")), site("plain", "plain.test", nil, "/ Prefix web"), site("own", "own.test", on(own), "/ Prefix web"),
		site("name", "name.test", on(`configuration-snippet: more_set_headers "Custom-Header: $proxy_host";`), "/ Prefix web"),
		site("vhost", "vhost.test", on("upstream-vhost: different.host", `configuration-snippet: more_set_headers "Custom-Header: $proxy_host";`), "/ Prefix web"),
		site("service", "service.test", on(`configuration-snippet: more_set_input_headers "service-name: $service_name";`), "/ Prefix web"),
		site("comment", "comment.test", on("configuration-snippet: \n\t\t\t# bla_by_lua"), "/ Prefix web"),
		site("words", "words.test", on("configuration-snippet: \n\t\t\t# something_forbidden"), "/ Prefix web"),
	}
	d := rulesUp(t, bySettings, append(sites, settings(append(snippets, global, "main-snippet: # main snippet", "http-snippet: # http snippet", "annotation-value-word-blocklist: other_forbidden,something_forbidden")...))...)
	d.check(t, []row{
		{"server-snippet of the ConfigMap", "GET http://plain.test/", nil, "", []string{"200", "Globalfoo: Foooo", "no Foo", "no Xpto"}},
		{"server-snippet of both", "GET http://own.test/", nil, "", []string{"200", "Globalfoo: Foooo", "Foo: Bar", "Xpto: Lalala"}},
		{"proxy_host", "GET http://name.test/", nil, "", []string{"200", "Custom-Header: default-web-80"}},
		{"proxy_host beside upstream-vhost", "GET http://vhost.test/", nil, "", []string{"200", "Custom-Header: default-web-80", "sent Host: different.host"}},
		{"service_name", "GET http://service.test/", nil, "", []string{"200", "sent Service-Name: web"}},
		{"a snippet of a comment", "GET http://comment.test/", nil, "", []string{"200"}},
		{"annotation-value-word-blocklist", "GET http://words.test/", nil, "", []string{"404"}},
	})
	// Not allowed by the administrator: ingress-nginx leaves out what an
	// annotation says, Daemun closes the host.
	closed := rulesUp(t, bySettings, append(sites, settings("annotations-risk-level: Critical", global))...)
	closed.check(t, []row{
		{"server-snippet without leave for annotations", "GET http://plain.test/", nil, "", []string{"200", "Globalfoo: Foooo"}},
		{"server-snippet of an annotation without leave", "GET http://own.test/", nil, "", []string{"503", "no Foo"}},
	})
	// By default an annotation of that risk is not even loaded.
	rejected := rulesUp(t, bySettings, append(sites, settings(global))...)
	rejected.check(t, []row{{"annotations-risk-level by default", "GET http://own.test/", nil, "", []string{"404"}}})
}

// TestRulesOfForwardedFields: what the ports and the ConfigMap make of the
// fields of proxies.
func TestRulesOfForwardedFields(t *testing.T) {
	t.Parallel()
	lies := []string{"X-Forwarded-Port: 1234", "X-Forwarded-Proto: myproto", "X-Forwarded-For: 1.2.3.4", "X-Forwarded-Host: myhost"}
	hosts := []string{backends(t, "web", speaker("web")), backends(t, "asked", http.HandlerFunc(asked)), site("web", "web.test!", on("ssl-redirect: false"), "/ Prefix web"),
		site("redirect", "redirect.test!", nil, "/ Prefix web"), site("auth", "auth.test!", on(asks+"200", "auth-response-headers: X-Saw"), "/ Prefix web")}
	nobody := rulesUp(t, nil, hosts...)
	nobody.check(t, []row{
		{"use-forwarded-headers: false", "GET http://web.test/", lies, "", []string{
			"200", "sent Host: web.test", "sent X-Forwarded-Port: {http}", "sent X-Forwarded-Proto: http", "sent X-Original-Forwarded-For: 1.2.3.4", "sent X-Forwarded-Host: web.test", "sent X-Forwarded-For: 127.0.0.1",
		}},
		{"listen on other ports: 443 over TLS", "GET https://web.test/", nil, "", []string{"200", "sent X-Forwarded-Port: 443", "sent X-Forwarded-Proto: https"}},
		{"listen on other ports: with auth-url", "GET https://auth.test/", nil, "", []string{"200", "sent X-Forwarded-Port: 443"}},
	})
	real := rulesUp(t, bySettings, append(hosts, settings("enable-real-ip: true"))...)
	real.check(t, []row{{"enable-real-ip", "GET http://web.test/", lies, "", []string{
		"200", "sent Host: web.test", "sent X-Forwarded-Host: web.test", "sent X-Forwarded-Proto: http", "sent X-Forwarded-Port: {http}", "sent X-Forwarded-For: 1.2.3.4",
	}}})
	all := rulesUp(t, bySettings, append(hosts, settings("use-forwarded-headers: true"))...)
	all.check(t, []row{
		{"use-forwarded-headers", "GET http://web.test/", lies, "", []string{
			"200", "sent Host: myhost", "sent X-Forwarded-Host: myhost", "sent X-Forwarded-Proto: myproto", "sent X-Forwarded-Port: 1234", "sent X-Forwarded-For: 1.2.3.4",
		}},
		{"use-forwarded-headers: the first of many hosts", "GET http://web.test/", []string{"X-Forwarded-Host: myhost.com, another.host,example.net"}, "", []string{"200", "sent Host: myhost.com", "sent X-Forwarded-Host: myhost.com"}},
		{"redirects have no port, of X-Forwarded-Host neither", "GET http://redirect.test/", []string{"X-Forwarded-Host: example.com:80"}, "", []string{"308", "Location: https://example.com"}},
	})
}

// TestRulesOfProxyProtocolPorts: the port that the header names is told on.
func TestRulesOfProxyProtocolPorts(t *testing.T) {
	t.Parallel()
	d := instance{preface: "PROXY TCP4 192.168.0.1 192.168.0.11 56324 1234\r\n"}
	d.Instance = up(t, map[string]string{"all.yaml": settings("use-proxy-protocol: true") + backends(t, "web", speaker("web")) + site("web", "web.test", nil, "/ Prefix web")}, bySettings...)
	d.check(t, []row{
		{"proxy protocol: the port", "GET http://web.test/", nil, "", []string{"200", "sent X-Forwarded-Port: 1234", "sent X-Forwarded-Proto: http", "sent X-Forwarded-For: 192.168.0.1"}},
		{"proxy protocol: over TLS", "GET https://web.test/", nil, "", []string{"200", "sent X-Forwarded-Port: 1234", "sent X-Forwarded-Proto: https", "sent X-Forwarded-For: 192.168.0.1"}},
	})
	d.preface = "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n"
	d.check(t, []row{{"proxy protocol: 443 is https", "GET http://web.test/", nil, "", []string{"200", "sent X-Forwarded-Port: 443", "sent X-Forwarded-Proto: https"}}})
}

// TestRulesOfAccessBlock: expressions as administrators write them for nginx.
func TestRulesOfAccessBlock(t *testing.T) {
	t.Parallel()
	web := []string{backends(t, "web", speaker("web")), site("web", "web.test", nil, "/ Prefix web")}
	d := rulesUp(t, bySettings, append(web, settings(`block-user-agents: ~*chrome\/68\.0\.3440\.106\ safari\/537\.36,AlphaBot`, `block-referers: ~*example\.com,qwerty`))...)
	agent := func(text string) []string { return []string{"User-Agent: " + text} }
	d.check(t, []row{
		{"block-user-agents: an expression with escapes", "GET http://web.test/", agent("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/68.0.3440.106 Safari/537.36"), "", []string{"403"}},
		{"block-user-agents: a text", "GET http://web.test/", agent("AlphaBot"), "", []string{"403"}},
		{"block-user-agents: another", "GET http://web.test/", agent("Mozilla/5.0 (iPhone; CPU iPhone OS 11_4_1 like Mac OS X) AppleWebKit/605.1.15 Safari/604.1"), "", []string{"200"}},
		{"block-referers: an expression", "GET http://web.test/", []string{"Referer: example.com"}, "", []string{"403"}},
		{"block-referers: a text", "GET http://web.test/", []string{"Referer: qwerty"}, "", []string{"403"}},
		{"block-referers: another", "GET http://web.test/", []string{"Referer: qwerty123"}, "", []string{"200"}},
	})
	up := up(t, map[string]string{"all.yaml": strings.Join(append(web, settings("block-cidrs: 172.16.0.0/12,127.0.0.0/8,10.0.0.0/8")), "")}, bySettings...)
	instance{Instance: up}.check(t, []row{{"block-cidrs", "GET http://web.test/", nil, "", []string{"403"}}})
}

// TestRulesOfGlobalAuthCompanions: all keys beside global-auth-url.
func TestRulesOfGlobalAuthCompanions(t *testing.T) {
	t.Parallel()
	d := rulesUp(t, bySettings, settings(
		"global-auth-url: http://asked.default.svc.cluster.local:80/200", "global-auth-method: GET", "global-auth-response-headers: X-Saw, X-User", "global-auth-request-redirect: Foo-Redirect",
		"global-auth-snippet: proxy_set_header My-Custom-Header 42;", "no-auth-locations: /open"),
		backends(t, "web", speaker("web")), backends(t, "asked", http.HandlerFunc(asked)), users,
		site("web", "web.test", nil, "/ Prefix web"),
		site("basic", "basic.test", on("enable-global-auth: false", basic, basicOf), "/ Prefix web", "/open Prefix web"),
	)
	d.check(t, []row{
		{"global-auth-method, -snippet, -request-redirect", "POST http://web.test/x", nil, "abc", []string{"200", "says \\\"Method\\\":\\\"GET\\\"", "says \\\"My-Custom-Header\\\":[\\\"42\\\"]", "says \\\"X-Auth-Request-Redirect\\\":[\\\"Foo-Redirect\\\"]"}},
		{"global-auth-response-headers", "GET http://web.test/x", nil, "", []string{"200", "sent X-User: ann"}},
		{"no-auth-locations: passwords elsewhere", "GET http://basic.test/", nil, "", []string{"401", "says 401 Authorization Required"}},
		{"no-auth-locations: no passwords there", "GET http://basic.test/open", nil, "", []string{"200"}},
		{"no-auth-locations: with a password", "GET http://basic.test/", []string{"Authorization: Basic cGxhaW46c2VjcmV0"}, "", []string{"200"}},
	})
}

// TestRulesOfKeepAlive: keep-alive-requests ends a connection with an answer.
func TestRulesOfKeepAlive(t *testing.T) {
	t.Parallel()
	d := rulesUp(t, bySettings, settings("keep-alive-requests: 2", "keep-alive: 140"), backends(t, "web", speaker("web")), site("web", "web.test", nil, "/ Prefix web"))
	c, err := net.Dial("tcp", d.HTTP)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(c)
	for n, closes := range []bool{false, true} {
		if _, err := io.WriteString(c, requestText("GET", "web.test", "/", nil, "")); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.Close != closes {
			t.Errorf("keep-alive-requests: after %d: close is %v, want %v (%v)", n+1, resp.Close, closes, err)
		}
	}
	if _, err := r.ReadByte(); err != io.EOF {
		t.Errorf("keep-alive-requests: then %v", err)
	}
}

// TestRulesOfLogFormat: values are escaped as the format wants it.
func TestRulesOfLogFormat(t *testing.T) {
	t.Parallel()
	format := `log-format-upstream: {"my_header1":"$http_header1", "my_header2":"$http_header2"}`
	for _, tt := range []struct{ escape, want string }{
		{"true", `{"my_header1":"Here is \"header1\" with json escape", "my_header2":""}`},
		{"false", `{"my_header1":"Here is \x22header1\x22 with json escape", "my_header2":"-"}`},
	} {
		d := rulesUp(t, bySettings, settings(format, "log-format-escape-json: "+tt.escape))
		d.check(t, []row{{"log-format-escape-json: " + tt.escape, "GET http://probe.test/", []string{`header1: Here is "header1" with json escape`}, "", []string{"200"}}})
		d.logs(t, tt.want)
	}
}

// TestRulesOfReferencedFields: fields of other ConfigMaps follow their changes.
func TestRulesOfReferencedFields(t *testing.T) {
	t.Parallel()
	fields := func(name, field string) string {
		return fmt.Sprintf("---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\ndata: {%s}\n", name, field)
	}
	d := rulesUp(t, append([]string{}, bySettings...))
	shows := func(want string) {
		t.Helper()
		d.Eventually(20*time.Second, want, func() error {
			o, err := d.ask("GET http://probe.test/", nil, "")
			if err != nil {
				return err
			}
			if got, ok := o.is(want); !ok {
				return fmt.Errorf("got %s", got)
			}
			return nil
		})
	}
	d.Write("settings.yaml", settings("add-headers: default/one"))
	d.Write("one.yaml", fields("one", "X-First: Prepare for trouble!, X-Second: And make it double!"))
	shows("X-First: Prepare for trouble!")
	shows("X-Second: And make it double!")
	d.Write("one.yaml", fields("one", "X-First: baz"))
	shows("X-First: baz")
	shows("no X-Second")
	d.Write("two.yaml", fields("two", "Ho: hum"))
	d.Write("settings.yaml", settings("add-headers: default/two"))
	shows("Ho: hum")
	shows("no X-First")
}

// tuning are keys that tune nginx's own workings, with values of its tests.
var tuning = []string{
	"enable-aio-write: true", "enable-multi-accept: false", "reuse-port: false", "worker-processes: 11", "max-worker-open-files: 1000", "max-worker-connections: 1000", "worker-cpu-affinity: auto",
	"server-name-hash-bucket-size: 512", "server-name-hash-max-size: 4096", "proxy-headers-hash-bucket-size: 512", "proxy-headers-hash-max-size: 4096", "variables-hash-bucket-size: 512",
	"variables-hash-max-size: 512", "map-hash-bucket-size: 512", "lua-shared-dicts: configuration_data:60,certificate_data:300", "grpc-buffer-size-kb: 8", "enable-serial-reloads: true",
	"ssl-dh-param: default/dh", "ssl-session-cache: true", "ssl-session-cache-size: 10m", "ssl-session-tickets: true", "limit-rate: 1", "upstream-keepalive-connections: 128", "upstream-keepalive-timeout: 120",
	"upstream-keepalive-requests: 200", "proxy-next-upstream: timeout http_502", "proxy-next-upstream-timeout: 999999", "proxy-next-upstream-tries: 888888", "load-balance: ewma",
	"proxy-connect-timeout: 50", "proxy-read-timeout: 20", "proxy-send-timeout: 20", "ssl-ciphers: ALL:!aNULL:!EXPORT56:RC4+RSA:+HIGH:+MEDIUM:+LOW:+SSLv2:+EXP", "error-log-level: debug",
	"access-log-params: buffer=4k", "opentelemetry-operation-name: HTTP $request_method $uri", "opentelemetry-trust-incoming-span: false", "worker-shutdown-timeout: 600s",
}

// TestRulesOfTuning: none of them stops anything, nor is one unknown or wrong.
func TestRulesOfTuning(t *testing.T) {
	t.Parallel()
	d := rulesUp(t, bySettings, settings(tuning...))
	d.check(t, []row{{"tuning", "GET https://probe.test/", nil, "", []string{"200"}}})
	out, _ := d.Run("get", "problems", "-A", "--no-headers")
	for line := range strings.Lines(out) {
		if f := strings.Fields(line); f[1] != "notice" && !strings.Contains(line, "ssl-ciphers") { // it names suites in OpenSSL's language
			t.Errorf("tuning: %s", line)
		}
	}
}
