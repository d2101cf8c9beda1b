package proxy

import (
	"bytes"
	"context"
	"crypto/tls"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"daemun/internal/accesslog"
	"daemun/internal/ir"
	"daemun/internal/metrics"
)

// loggedLines ends the log and returns its lines.
func loggedLines(t *testing.T, r *rig, log *accesslog.Log, out *bytes.Buffer) []string {
	t.Helper()
	eventually(t, "the connections end", func() bool { s := r.server.Stats(); return s.Active+s.Idle == 0 })
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := log.Run(ctx); err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(out.String()), "\n")
}

// TestLogFormatVariables pins the variables that are known only here: those of
// responses, attempts, and the connection.
func TestLogFormatVariables(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := accesslog.New(accesslog.Config{Writer: &out})
	log.Use(accesslog.Settings{
		Format: "$host|$request_uri|$uri|$args|$scheme|$server_protocol|$server_name|$namespace/$ingress_name/$service_name|$cookie_a|$http_x_a|" +
			"$sent_http_x_b|$sent_http_content_length|$upstream_http_x_b|$upstream_cookie_s|$bytes_sent|$connection_requests|$request_completion|" +
			"$upstream_bytes_received|$upstream_connect_time|$ssl_protocol|$server_addr|$http2",
		Skip: []string{"/healthy?x"},
	})
	r := newRigWith(t, oneRoute(nil), Config{Log: log}, metrics.New(metrics.Config{}))
	const answer = "HTTP/1.1 200 OK\r\nX-B: b1\r\nSet-Cookie: s=1; Path=/\r\nContent-Length: 2\r\n\r\nok"
	r.endpoints(newScript(t, answering(answer)).addr())
	c := r.dial()
	c.send("GET /p%20q?a=b HTTP/1.1\r\nHost: A.test:80\r\nCookie: b=2; a=1\r\nX-A: y\r\n\r\n")
	c.answer("GET")
	c.get("/healthy?x")
	c.send("GET / HTTP/1.1\r\nHost: b.test\r\nConnection: close\r\n\r\n")
	c.answer("GET")
	c.rest()
	lines := loggedLines(t, r, log, &out)
	for i := range lines {
		lines[i] = regexp.MustCompile(`\|\d+\.\d{3}\|`).ReplaceAllString(lines[i], "|SEC|")
	}
	want := []string{
		"a.test|/p%20q?a=b|/p q|a=b|http|HTTP/1.1|a.test|d/i/s|1|y|b1|2|b1|1|111|1|OK|74|SEC|-|127.0.0.1|-",
		"b.test|/|/|-|http|HTTP/1.1|_|//|-|-|-|147|-|-|275|3|OK|-|-|-|127.0.0.1|-",
	}
	if d := cmp.Diff(want, lines); d != "" {
		t.Error(d)
	}
}

// TestTLSNames: they are OpenSSL's.
func TestTLSNames(t *testing.T) {
	t.Parallel()
	for suite, want := range map[uint16]string{
		tls.TLS_AES_128_GCM_SHA256:                        "TLS_AES_128_GCM_SHA256",
		tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256:         "ECDHE-RSA-AES128-GCM-SHA256",
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384:       "ECDHE-ECDSA-AES256-GCM-SHA384",
		tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256:   "ECDHE-RSA-CHACHA20-POLY1305",
		tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA:            "ECDHE-RSA-AES256-SHA",
		tls.TLS_RSA_WITH_AES_128_GCM_SHA256:               "AES128-GCM-SHA256",
		tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: "ECDHE-ECDSA-CHACHA20-POLY1305",
	} {
		if got := tlsCipher(suite); got != want {
			t.Errorf("%s: got %s, want %s", tls.CipherSuiteName(suite), got, want)
		}
	}
	if got := tlsVersion(tls.VersionTLS13); got != "TLSv1.3" {
		t.Error(got)
	}
}

// TestLogOfServiceRequests: enable-auth-access-log writes a line about the
// request to the service of auth-url beside that of the client's own.
func TestLogOfServiceRequests(t *testing.T) {
	t.Parallel()
	for _, on := range []bool{false, true} {
		var out bytes.Buffer
		log := accesslog.New(accesslog.Config{Writer: &out})
		log.Use(accesslog.Settings{Format: "$request $status $proxy_upstream_name $upstream_status"})
		cfg := oneRoute(func(_ *ir.Host, r *ir.Route) {
			r.ExternalAuth = &ir.ExternalAuth{Backend: authID, Host: "auth.test", Target: "/check"}
		})
		cfg.Settings.Logs.AuthRequests = on
		r := newRigWith(t, cfg, Config{Log: log}, metrics.New(metrics.Config{}))
		r.endpoints(newScript(t, answering(ok)).addr())
		auth := newScript(t, answering(ok)).addr()
		r.upstreams.Update(ir.EndpointSet{Backend: authID, Endpoints: []ir.Endpoint{{Addr: auth}}})
		c := r.dial()
		c.send("GET /x HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
		if resp, _ := c.answer("GET"); resp.StatusCode != 200 {
			t.Fatal(resp.Status)
		}
		c.rest()
		want := []string{"GET /x HTTP/1.1 200 d-auth-80 200", "GET /x HTTP/1.1 200 d-s-80 200"}
		if !on {
			want = want[1:]
		}
		if d := cmp.Diff(want, loggedLines(t, r, log, &out)); d != "" {
			t.Errorf("on %v: %s", on, d)
		}
	}
}
