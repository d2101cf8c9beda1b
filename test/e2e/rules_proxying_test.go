package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
)

// refusing is an address that is taken and where nobody listens.
func refusing(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)
}

// resetting takes a request and answers with the end of the connection.
func resetting(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body) // of a client that may be gone
	panic(http.ErrAbortHandler)
}

// answering answers with a status only.
func answering(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }
}

// silent answers when the client has left.
func silent(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// secure is a Service over TLS; the answer says which name was sent.
func secure(t *testing.T, name string) string {
	t.Helper()
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Named", r.TLS.ServerName)
		speaker(name).ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return backendsAt(name, s.Listener.Addr().String())
}

// TestRulesOfProxying: what backends get, and what becomes of their answers.
func TestRulesOfProxying(t *testing.T) {
	t.Parallel()
	dead := refusing(t)
	live := httptest.NewServer(speaker("half"))
	t.Cleanup(live.Close)
	d := rulesUp(t, nil,
		backends(t, "web", speaker("web")), backends(t, "silent", http.HandlerFunc(silent)), secure(t, "tls"),
		backendsAt("dead", dead), backendsAt("half", dead, live.Listener.Addr().String()),
		backends(t, "reset", http.HandlerFunc(resetting), speaker("reset")),
		backends(t, "busy", answering(503), speaker("busy")),
		backends(t, "big", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Big", strings.Repeat("x", 100<<10))
		})),
		site("fields", "fields.test", nil, "/ Prefix web"),
		site("secfields", "secfields.test!", nil, "/ Prefix web"),
		site("vhost", "vhost.test", on("upstream-vhost: inner.test"), "/ Prefix web"),
		site("vhostvar", "vhostvar.test", on("upstream-vhost: $service_name.$namespace.svc"), "/ Prefix web"),
		site("connclose", "close.test", on("connection-proxy-header: close"), "/ Prefix web"),
		site("connbad", "connbad.test", on("connection-proxy-header: upgrade"), "/ Prefix web"),
		site("small", "small.test", on("proxy-body-size: 1k"), "/ Prefix web"),
		site("unlimited", "unlimited.test", on("proxy-body-size: 0"), "/ Prefix web"),
		site("sizeb", "sizeb.test", on("proxy-body-size: 10b"), "/ Prefix web"),
		site("streamed", "streamed.test", on("proxy-request-buffering: off", "proxy-body-size: 1k"), "/ Prefix web"),
		site("silent", "silent.test", on("proxy-read-timeout: 1", "proxy-next-upstream-tries: 1"), "/ Prefix silent"),
		site("dead", "dead.test", nil, "/ Prefix dead"),
		site("half", "half.test", nil, "/ Prefix half"),
		site("halfoff", "halfoff.test", on("proxy-next-upstream: off"), "/ Prefix half"),
		site("halfone", "halfone.test", on("proxy-next-upstream-tries: 1"), "/ Prefix half"),
		site("reset", "reset.test", nil, "/ Prefix reset"),
		site("resetall", "resetall.test", on("proxy-next-upstream: error timeout non_idempotent"), "/ Prefix reset"),
		site("busy", "busy.test", nil, "/ Prefix busy"),
		site("busynext", "busynext.test", on("proxy-next-upstream: error http_503"), "/ Prefix busy"),
		site("big", "big.test", nil, "/ Prefix big"),
		site("bigger", "bigger.test", on("proxy-buffer-size: 128k"), "/ Prefix big"),
		site("cookie", "cookie.test", on("proxy-cookie-domain: old.test new.test", "proxy-cookie-path: /one/ /"), "/ Prefix web"),
		site("location", "location.test", on("proxy-redirect-from: http://old.test/", "proxy-redirect-to: https://new.test/n/"), "/ Prefix web"),
		site("location2", "location2.test", on("proxy-redirect-from: default", "proxy-redirect-to: https://new.test/"), "/ Prefix web"),
		site("location3", "location3.test", on("proxy-redirect-from: http://old.test/", "proxy-redirect-to: off"), "/ Prefix web"),
		site("http10", "http10.test", on("proxy-http-version: 1.0"), "/ Prefix web"),
		site("overtls", "overtls.test", on("backend-protocol: https"), "/ Prefix tls"),
		site("auto", "auto.test", on("backend-protocol: AUTO_HTTP", "ssl-redirect: false"), "/ Prefix tls"),
		site("badproto", "badproto.test", on("backend-protocol: SPDY"), "/ Prefix web"),
		site("noverify", "noverify.test", on("backend-protocol: HTTPS", "proxy-ssl-verify: on", "proxy-ssl-name: wrong.test"), "/ Prefix tls"),
		site("barename", "barename.test", on("backend-protocol: HTTPS", "proxy-ssl-secret: ca"), "/ Prefix tls"),
		site("nosecret", "nosecret.test", on("backend-protocol: HTTPS", "proxy-ssl-secret: default/none"), "/ Prefix tls"),
		site("viaservice", "viaservice.test", on("service-upstream: true"), "/ Prefix web"),
		site("timeouts", "timeouts.test", on("proxy-connect-timeout: 5s", "proxy-read-timeout: 0"), "/ Prefix web"),
	)
	d.check(t, fieldRows)
	d.check(t, bodyRows(1<<20))
	d.check(t, answerRows)
	d.checkRetries(t)
}

// forged are fields that clients send to be taken for somebody else.
var forged = []string{
	"X-Forwarded-For: 9.9.9.9, 8.8.8.8", "X-Forwarded-Host: evil.test", "X-Forwarded-Proto: https", "X-Forwarded-Port: 1", "X-Forwarded-Scheme: https",
	"X-Scheme: https", "X-Real-IP: 9.9.9.9", "X-Original-Forwarded-For: 7.7.7.7",
}

var fieldRows = []row{
	{"5.1 what Daemun says of the client", "GET http://fields.test/x?y", []string{"Host: fields.test:81"}, "", []string{
		"200", "to web /x?y", "sent Host: fields.test:81", "sent X-Real-IP: 127.0.0.1", "sent X-Forwarded-For: 127.0.0.1", "sent X-Forwarded-Host: fields.test:81",
		"sent X-Forwarded-Port: {http}", "sent X-Forwarded-Proto: http", "sent X-Forwarded-Scheme: http", "sent X-Scheme: http",
		"unsent X-Original-Forwarded-For", "unsent X-Original-Forwarded-Host", "unsent X-Original-URI", "unsent X-Forwarded-Prefix", "unsent Connection", "unsent Upgrade", "no X-Request-ID", "no Server",
	}},
	{"5.1 over TLS", "GET https://secfields.test/x", nil, "", []string{
		"200", "sent X-Forwarded-Port: 443", "sent X-Forwarded-Proto: https", "sent X-Forwarded-Scheme: https", "sent X-Scheme: https",
	}},
	{"5.2 forged fields are replaced", "GET http://fields.test/x", forged, "", []string{
		"200", "sent X-Real-IP: 127.0.0.1", "sent X-Forwarded-For: 127.0.0.1", "sent X-Forwarded-Host: fields.test", "sent X-Forwarded-Port: {http}",
		"sent X-Forwarded-Proto: http", "sent X-Forwarded-Scheme: http", "sent X-Scheme: http", "sent X-Original-Forwarded-For: 9.9.9.9, 8.8.8.8", "sent X-Original-Forwarded-Host: evil.test",
	}},
	{"5.1 X-Request-ID of the client", "GET http://fields.test/x", []string{"X-Request-ID: abc-1"}, "", []string{"200", "sent X-Request-ID: abc-1", "no X-Request-ID"}},
	{"5.1 hop by hop, httpoxy, underscores", "GET http://fields.test/x", []string{"Proxy: http://evil.test", "TE: trailers", "Keep-Alive: 5", "Under_Score: 1", "Connection: keep-alive, X-Hop", "X-Hop: 1"}, "", []string{
		"200", "unsent Proxy", "unsent TE", "unsent Keep-Alive", "unsent Under_Score", "unsent X-Hop", "unsent Connection",
	}},
	{"5.1 what passes", "GET http://fields.test/x", []string{"Forwarded: for=1.2.3.4", "X-Original-URI: /y", "Accept-Encoding: br", "Authorization: Bearer x", "X-Forwarded-Server: s", "X-Forwarded-User: u"}, "", []string{
		"200", "sent Forwarded: for=1.2.3.4", "sent X-Original-URI: /y", "sent Accept-Encoding: br", "sent Authorization: Bearer x", "sent X-Forwarded-Server: s", "sent X-Forwarded-User: u",
	}},
	{"4.4 Upgrade of other protocols", "GET http://fields.test/x", []string{"Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA"}, "", []string{"200", "unsent Upgrade", "unsent Connection"}},
	{"1.2 upstream-vhost", "GET http://vhost.test/x", nil, "", []string{"200", "sent Host: inner.test", "sent X-Forwarded-Host: vhost.test"}},
	{"1.2 upstream-vhost: variables", "GET http://vhostvar.test/x", nil, "", []string{"200", "sent Host: web.default.svc", "sent X-Forwarded-Host: vhostvar.test"}},
	{"1.2 connection-proxy-header", "GET http://close.test/x", []string{"Connection: Upgrade", "Upgrade: websocket"}, "", []string{"200", "sent Connection: close", "unsent Upgrade"}},
	{"1.2 connection-proxy-header: bad", "GET http://connbad.test/x", nil, "", []string{"404"}},
	{"1.2 proxy-http-version", "GET http://http10.test/x", nil, "", []string{"200", "to web /x"}},
	{"1.2 service-upstream", "GET http://viaservice.test/x", nil, "", []string{"200", "to web /x"}},
	{"1.2 bad timeouts are the default", "GET http://timeouts.test/x", nil, "", []string{"200"}},
	{"1.2 backend-protocol, any case; no name is sent", "GET http://overtls.test/x", nil, "", []string{"200", "to tls /x", "X-Named: "}},
	{"1.2 AUTO_HTTP over TLS", "GET https://auto.test/x", nil, "", []string{"200", "to tls /x"}},
	{"1.2 AUTO_HTTP in the clear", "GET http://auto.test/x", nil, "", []string{"400"}},
	{"1.2 backend-protocol: bad", "GET http://badproto.test/x", nil, "", []string{"200", "to web /x"}},
	{"1.6 proxy-ssl-* without a Secret do nothing", "GET http://noverify.test/x", nil, "", []string{"200", "to tls /x"}},
	{"1.6 proxy-ssl-secret: a bare name", "GET http://barename.test/x", nil, "", []string{"503"}},
	{"1.6 proxy-ssl-secret: missing", "GET http://nosecret.test/x", nil, "", []string{"503"}},
}

// bodyRows are about bodies; usual is the default bound.
func bodyRows(usual int) []row {
	chunked := func(n int) string { return fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", n, strings.Repeat("x", n)) }
	in := []string{"Transfer-Encoding: chunked"}
	return []row{
		{"1.2 proxy-body-size: fits", "POST http://small.test/x", nil, strings.Repeat("x", 1024), []string{"200"}},
		{"1.2 proxy-body-size: too long", "POST http://small.test/x", nil, strings.Repeat("x", 1025), []string{"413", "says 413 Request Entity Too Large"}},
		{"1.2 proxy-body-size: chunks fit", "POST http://small.test/x", in, chunked(1024), []string{"200", "sent Content-Length: 1024"}},
		{"1.2 proxy-body-size: chunks too long", "POST http://small.test/x", in, chunked(1025), []string{"413"}},
		{"1.2 proxy-body-size: chunks too long, streamed", "POST http://streamed.test/x", in, chunked(1025), []string{"413"}},
		{"1.2 proxy-body-size: 1m is the default", "POST http://fields.test/x", nil, strings.Repeat("x", usual), []string{"200"}},
		{"1.2 proxy-body-size: more than the default", "POST http://fields.test/x", nil, strings.Repeat("x", usual+1), []string{"413"}},
		{"1.2 proxy-body-size: 0 is unlimited", "POST http://unlimited.test/x", nil, strings.Repeat("x", 2*usual), []string{"200"}},
		{"1.2 proxy-body-size: the suffix b is ignored", "POST http://sizeb.test/x", nil, strings.Repeat("x", 2000), []string{"200"}},
	}
}

var answerRows = []row{
	{"5.3 Server is hidden, others pass", "GET http://fields.test/?f=Server:x&f=X-Powered-By:y&f=X-Accel-Redirect:/z", nil, "", []string{"200", "no Server", "X-Powered-By: y", "no X-Accel-Redirect"}},
	{"1.2 proxy-cookie-domain and -path", "GET http://cookie.test/?f=Set-Cookie:a%3D1%3B+Domain%3D.old.test%3B+Path%3D/one/x", nil, "", []string{"200", "Set-Cookie: a=1; Domain=.new.test; Path=/x"}},
	{"1.2 proxy-cookie-*: others stay", "GET http://cookie.test/?f=Set-Cookie:a%3D1%3B+Domain%3Dolder.test%3B+Path%3D/two/", nil, "", []string{"200", "Set-Cookie: a=1; Domain=older.test; Path=/two/"}},
	{"1.2 proxy-redirect", "GET http://location.test/?status=302&f=Location:http://old.test/a", nil, "", []string{"302", "Location: https://new.test/n/a"}},
	{"1.2 proxy-redirect: others stay", "GET http://location.test/?status=302&f=Location:http://new.test/a", nil, "", []string{"302", "Location: http://new.test/a"}},
	{"1.2 proxy-redirect-from: default", "GET http://location2.test/?status=302&f=Location:http://old.test/a", nil, "", []string{"302", "Location: http://old.test/a"}},
	{"1.2 proxy-redirect-to: off", "GET http://location3.test/?status=302&f=Location:http://old.test/a", nil, "", []string{"302", "Location: http://old.test/a"}},
	{"11 errors of backends pass", "GET http://fields.test/?status=418", nil, "", []string{"418", "to web /?status=418"}},
	{"1.2 proxy-read-timeout", "GET http://silent.test/", nil, "", []string{"504", "says 504 Gateway Time-out"}},
	{"5.4 refused", "GET http://dead.test/", nil, "", []string{"502", "says 502 Bad Gateway"}},
	{"1.2 proxy-buffer-size: head too long", "GET http://big.test/", nil, "", []string{"502"}},
	{"1.2 proxy-buffer-size", "GET http://bigger.test/", nil, "", []string{"200"}},
}

// checkRetries asks several times, so that each endpoint has its turn.
func (d instance) checkRetries(t *testing.T) {
	for _, r := range []struct {
		rule, ask string
		all       bool // every request succeeds, else some fail and some do not
	}{
		{"5.4 error is the default", "GET http://half.test/", true},
		{"5.4 POST that nobody has seen", "POST http://half.test/", true},
		{"1.2 proxy-next-upstream: off", "GET http://halfoff.test/", false},
		{"1.2 proxy-next-upstream-tries: 1", "GET http://halfone.test/", false},
		{"5.4 cut off, GET", "GET http://reset.test/", true},
		{"5.4 cut off, POST", "POST http://reset.test/", false},
		{"1.2 non_idempotent", "POST http://resetall.test/", true},
		{"5.4 statuses are no condition", "GET http://busy.test/", false},
		{"1.2 http_503", "GET http://busynext.test/", true},
		{"1.2 http_503, POST", "POST http://busynext.test/", false},
	} {
		t.Run(r.rule, func(t *testing.T) {
			good, bad := 0, 0
			for range 8 {
				o, err := d.ask(r.ask, nil, "")
				switch {
				case err != nil:
					t.Fatal(err)
				case o.StatusCode == 200:
					good++
				default:
					bad++
				}
			}
			if r.all != (bad == 0) || good == 0 {
				t.Errorf("%s: %d succeeded, %d failed", r.ask, good, bad)
			}
		})
	}
}
