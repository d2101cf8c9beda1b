package echo

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// exchange sends raw octets and reads one response.
func exchange(t *testing.T, address, request string) (*http.Response, string) {
	t.Helper()
	conn := dial(t, address)
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	method, _, _ := strings.Cut(request, " ")
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%q: %v", request, err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func get(t *testing.T, address, target string, headers ...string) (*http.Response, string) {
	t.Helper()
	return exchange(t, address, "GET "+target+" HTTP/1.1\r\nHost: h.test\r\n"+strings.Join(append(headers, "Connection: close"), "\r\n")+"\r\n\r\n")
}

func TestEchoAnswerIsExact(t *testing.T) {
	t.Parallel()
	r := startHTTP(t)
	resp, body := exchange(t, r.find("http"), "POST //a/b%20c?x=1&y=<z> HTTP/1.1\r\nHost: h.test:8080\r\nx-lower: 1\r\nX-Two: b\r\nX-Two: a\r\nContent-Length: 2\r\n\r\nhi")
	want := `{
 "path": "//a/b%20c?x=1\u0026y=\u003cz\u003e",
 "host": "h.test:8080",
 "method": "POST",
 "proto": "HTTP/1.1",
 "headers": {
  "Content-Length": [
   "2"
  ],
  "X-Lower": [
   "1"
  ],
  "X-Two": [
   "b",
   "a"
  ]
 },
 "httpPort": "0",
 "namespace": "ns",
 "ingress": "ing",
 "service": "svc",
 "pod": "pod-1",
 "remoteAddr": "CLIENT",
 "bodyBytes": 2
}`
	if diff := cmp.Diff(want, regexp.MustCompile(`"127\.0\.0\.1:\d+"`).ReplaceAllString(body, `"CLIENT"`)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "application/json" || resp.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("status %d, header %v", resp.StatusCode, resp.Header)
	}
}

func TestPaths(t *testing.T) {
	t.Parallel()
	r := startHTTP(t)
	cases := []struct {
		target string
		code   int
		body   string // a part of it
	}{
		{"/health", 200, "OK"},
		{"//health", 200, "OK"},
		{"/health/", 200, `"path": "/health/"`},
		{"/ready", 200, "OK"},
		{"/status/404", 404, ""},
		{"/status/204", 204, ""},
		{"/status/503?x=1", 400, ""},
		{"/status/20", 400, ""},
		{"/status/2000", 400, ""},
		{"/status/+20", 400, ""},
		{"/status/099", 400, ""},
		{"/status/abc", 400, ""},
		{"//status/404", 400, ""},
		{"/status/", 400, ""},
		{"/status", 200, `"path": "/status"`},
		{"/ws/more", 200, `"path": "/ws/more"`},
		{"/ws", 400, "not a WebSocket handshake"},
		{"/?delay=1ms", 200, `"path": "/?delay=1ms"`},
		{"/?delay=soon", 500, `{"message":"time: invalid duration \"soon\""}`},
		{"/retry/x", 400, "uuid"},
		{"/retry/x?uuid=u", 400, "succeedAfter"},
		{"/retry/x?uuid=u&succeedAfter=x", 400, "succeedAfter"},
		{"/retry/x?uuid=u&succeedAfter=1&responseCode=x", 400, "responseCode"},
		{"/retry/x?uuid=u&succeedAfter=1&delayRetry=x", 400, "delayRetry"},
		{"/retry/x?uuid=u&succeedAfter=2&responseCode=503&delayRetry=1ms", 503, ""},
		{"/retry/y?uuid=u&succeedAfter=2&responseCode=500", 500, ""},
		{"/retry/y?uuid=u&succeedAfter=2&responseCode=500", 200, `"path": "/retry/y?uuid=u`},
		{"/retry/y?uuid=other&succeedAfter=0", 200, `"pod": "pod-1"`},
	}
	for _, c := range cases {
		resp, body := get(t, r.find("http"), c.target)
		if resp.StatusCode != c.code || !strings.Contains(body, c.body) {
			t.Errorf("%s: got %d %q, want %d %q", c.target, resp.StatusCode, body, c.code, c.body)
		}
		if strings.HasPrefix(c.target, "/status/") && body != "" {
			t.Errorf("%s: body %q", c.target, body)
		}
	}
}

func TestDelayFromFormBody(t *testing.T) {
	t.Parallel()
	r := startHTTP(t)
	resp, _ := exchange(t, r.find("http"), "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 9\r\n\r\ndelay=bad")
	if resp.StatusCode != 500 {
		t.Errorf("status %d, want 500", resp.StatusCode)
	}
}

func TestRetryResets(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	r := start(t, time.Now, []string{"https"}, "TLS_SERVER_CERT="+a.file("server.pem"), "TLS_SERVER_PRIVKEY="+a.file("server.key"))
	const request = "GET /retry/?uuid=%s&succeedAfter=1 HTTP/1.1\r\nHost: h\r\n\r\n"
	plain := dial(t, r.find("http"))
	secure := tls.Client(dial(t, r.find("https")), &tls.Config{RootCAs: a.pool, ServerName: "echo.test"})
	for name, conn := range map[string]net.Conn{"plain": plain, "tls": secure} {
		fmt.Fprintf(conn, request, name)
		n, err := conn.Read(make([]byte, 100))
		if n != 0 || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%s: read %d octets and %v, want a reset", name, n, err)
		}
	}
	if resp, _ := get(t, r.find("http"), "/retry/?uuid=plain&succeedAfter=1"); resp.StatusCode != 200 {
		t.Errorf("second call: %d", resp.StatusCode)
	}
}

func TestSetHeader(t *testing.T) {
	t.Parallel()
	r := startHTTP(t)
	cases := []struct {
		name    string
		headers []string
		want    []string // lines of the response head
	}{
		{"one", []string{"X-Echo-Set-Header: X-A:b"}, []string{"X-A: b"}},
		{"letters stay", []string{"X-Echo-Set-Header: x-lOWER:b"}, []string{"x-lOWER: b"}},
		{"several", []string{"X-Echo-Set-Header: X-A:b, X-C:d ", "X-Echo-Set-Header: X-E:f"}, []string{"X-A: b", "X-C: d", "X-E: f"}},
		{"repeated", []string{"X-Echo-Set-Header: X-A:1, X-A:2", "X-Echo-Set-Header: X-A: 3"}, []string{"X-A: 1,2,3"}},
		{"no colon", []string{"X-Echo-Set-Header: X-A"}, []string{"X-A:"}},
		{"value with colon", []string{"X-Echo-Set-Header: X-A:b:c"}, []string{"X-A: b:c"}},
		{"empty", []string{"X-Echo-Set-Header:"}, nil},
		{"content type", []string{"X-Echo-Set-Header: content-type:text/html"}, []string{"Content-Type: application/json"}},
	}
	for _, c := range cases {
		conn := dial(t, r.find("http"))
		fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n%s\r\n\r\n", strings.Join(c.headers, "\r\n"))
		text, err := io.ReadAll(conn)
		if err != nil {
			t.Fatal(err)
		}
		head, _, _ := strings.Cut(string(text), "\r\n\r\n")
		for _, line := range c.want {
			found := false
			for got := range strings.SplitSeq(head, "\r\n") {
				found = found || strings.TrimSpace(got) == line
			}
			if !found {
				t.Errorf("%s: no %q in\n%s", c.name, line, head)
			}
		}
		if strings.Contains(strings.ToLower(head), "text/html") || strings.Contains(head, "\r\n:") {
			t.Errorf("%s:\n%s", c.name, head)
		}
	}
}

func TestLogLine(t *testing.T) {
	t.Parallel()
	r := startHTTP(t)
	conn := dial(t, r.find("http"))
	fmt.Fprint(conn, "GET /mirror?x=%20 HTTP/1.1\r\nHost: h\r\n\r\n")
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("Echoing back request made to /mirror?x=%%20 to client (%s)\n", conn.LocalAddr())
	if !strings.Contains(r.out.String(), want) {
		t.Errorf("no %q in %q", want, r.out.String())
	}
}

func TestReadiness(t *testing.T) {
	t.Parallel()
	var age atomic.Int64
	begin := time.Unix(1000, 0)
	now := func() time.Time { return begin.Add(time.Duration(age.Load())) }
	r := start(t, now, []string{"h2c"}, "ECHO_READY_AFTER=5s", "ECHO_READY_FOR=1m")
	for _, c := range []struct {
		age  time.Duration
		code int
	}{{0, 503}, {5*time.Second - 1, 503}, {5 * time.Second, 200}, {65*time.Second - 1, 200}, {65 * time.Second, 503}, {time.Hour, 503}} {
		age.Store(int64(c.age))
		if resp, _ := get(t, r.find("http"), "/ready"); resp.StatusCode != c.code {
			t.Errorf("after %v: got %d, want %d", c.age, resp.StatusCode, c.code)
		}
		if resp, _ := get(t, r.find("http"), "/health"); resp.StatusCode != 200 {
			t.Errorf("health after %v: %d", c.age, resp.StatusCode)
		}
	}
}

// TestReadinessByHand: what a POST says counts from then on.
func TestReadinessByHand(t *testing.T) {
	t.Parallel()
	r := startHTTP(t)
	for _, c := range []struct {
		ready      string
		post, then int
	}{{"false", 204, 503}, {"perhaps", 400, 503}, {"true", 204, 200}, {"", 400, 200}} {
		resp, _ := exchange(t, r.find("http"), "POST /ready?ready="+c.ready+" HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n")
		now, _ := get(t, r.find("http"), "/ready")
		if resp.StatusCode != c.post || now.StatusCode != c.then {
			t.Errorf("ready=%s: got %d, then %d; want %d, then %d", c.ready, resp.StatusCode, now.StatusCode, c.post, c.then)
		}
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	r := start(t, time.Now, []string{"https"}, "HTTPS_PORT=0",
		"TLS_SERVER_CERT="+a.file("server.pem"), "TLS_SERVER_PRIVKEY="+a.file("server.key"), "TLS_CLIENT_CACERTS="+a.file("ca.pem"))
	chain := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.client.Certificate[0]}))
	cases := []struct {
		name  string
		cfg   *tls.Config
		proto string
		want  tlsAnswer
	}{
		{"http/1.1", &tls.Config{NextProtos: []string{"http/1.1"}}, "HTTP/1.1", tlsAnswer{"TLSv1.3", nil, "echo.test", "http/1.1", "TLS_AES_128_GCM_SHA256"}},
		{"no ALPN, TLS 1.2", &tls.Config{MaxVersion: tls.VersionTLS12}, "HTTP/1.1", tlsAnswer{"TLSv1.2", nil, "echo.test", "", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"}},
		{"h2 with client certificate", &tls.Config{NextProtos: []string{"h2"}, Certificates: []tls.Certificate{a.client}}, "HTTP/2.0", tlsAnswer{"TLSv1.3", []string{chain}, "echo.test", "h2", "TLS_AES_128_GCM_SHA256"}},
	}
	for _, c := range cases {
		c.cfg.RootCAs, c.cfg.ServerName = a.pool, "echo.test"
		tr := &http.Transport{TLSClientConfig: c.cfg, ForceAttemptHTTP2: c.proto == "HTTP/2.0", Protocols: new(http.Protocols)}
		tr.Protocols.SetHTTP1(c.proto == "HTTP/1.1")
		tr.Protocols.SetHTTP2(c.proto == "HTTP/2.0")
		if c.cfg.MaxVersion == tls.VersionTLS12 { // the transport would add ALPN
			tr.DialTLSContext = func(ctx context.Context, _, address string) (net.Conn, error) {
				return (&tls.Dialer{Config: c.cfg}).DialContext(ctx, "tcp", address)
			}
		}
		resp, err := (&http.Client{Transport: tr}).Get("https://" + r.find("https") + "/x")
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		var got answer
		if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		tr.CloseIdleConnections()
		if diff := cmp.Diff(&c.want, got.TLS); diff != "" || got.Proto != c.proto {
			t.Errorf("%s: %s (-want +got):\n%s", c.name, got.Proto, diff)
		}
	}
	foreign := newAuthority(t)
	conn := tls.Client(dial(t, r.find("https")), &tls.Config{
		RootCAs: a.pool, ServerName: "echo.test", Certificates: []tls.Certificate{foreign.client},
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &foreign.client, nil },
	})
	if _, err := fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: h\r\n\r\n"); err == nil {
		if _, err = conn.Read(make([]byte, 1)); err == nil {
			t.Error("a client certificate of another authority was accepted")
		}
	}
}

func TestH2CPriorKnowledge(t *testing.T) {
	t.Parallel()
	r := startHTTP(t)
	tr := &http.Transport{Protocols: new(http.Protocols)}
	defer tr.CloseIdleConnections()
	tr.Protocols.SetUnencryptedHTTP2(true)
	for _, path := range []string{"/x?y", "/health", "/status/404"} { // the echo only
		resp, err := (&http.Client{Transport: tr}).Get("http://" + r.find("h2c") + path)
		if err != nil {
			t.Fatal(err)
		}
		var got answer
		if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if got.Path != path || got.Proto != "HTTP/2.0" || resp.StatusCode != 200 || got.TLS != nil {
			t.Errorf("%s: %d %+v", path, resp.StatusCode, got)
		}
	}
}

func TestH2CUpgrade(t *testing.T) {
	t.Parallel()
	r := startHTTP(t)
	if resp, body := get(t, r.find("h2c"), "/"); resp.StatusCode != 400 || body == "" {
		t.Errorf("plain HTTP/1.1: %d %q", resp.StatusCode, body)
	}
	if resp, body := get(t, r.find("h2c"), "/", "Upgrade: h2c"); resp.StatusCode != 200 || !strings.Contains(body, `"proto": "HTTP/1.1"`) {
		t.Errorf("upgrade without settings: %d %q", resp.StatusCode, body)
	}
	conn := dial(t, r.find("h2c"))
	long := strings.Repeat("v", 40000) // more than one frame of fields
	fmt.Fprintf(conn, "POST /up?x HTTP/1.1\r\nHost: h.test\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: %s\r\nX-Long: %s\r\nContent-Length: 2\r\n\r\nhi",
		base64.RawURLEncoding.EncodeToString([]byte{0, 4, 0, 1, 0, 0}), long)
	reader := bufio.NewReader(conn)
	resp, err := http.ReadResponse(reader, nil)
	if err != nil || resp.StatusCode != 101 || resp.Header.Get("Upgrade") != "h2c" {
		t.Fatalf("%v %v", resp, err)
	}
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	framer := http2.NewFramer(conn, reader)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	var second strings.Builder
	encoder := hpack.NewEncoder(&second)
	for _, f := range [][2]string{{":method", "GET"}, {":scheme", "http"}, {":authority", "h.test"}, {":path", "/second"}, {"x-own", "table"}} {
		if err := encoder.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(framer.WriteSettings(), framer.WriteSettingsAck(),
		framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, BlockFragment: []byte(second.String()), EndStream: true, EndHeaders: true})); err != nil {
		t.Fatal(err)
	}
	bodies, ended := map[uint32]string{}, 0
	for ended < 2 {
		frame, err := framer.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		if data, ok := frame.(*http2.DataFrame); ok {
			bodies[data.StreamID] += string(data.Data())
			if data.StreamEnded() {
				ended++
			}
		}
	}
	var first, next answer
	if err := errors.Join(json.Unmarshal([]byte(bodies[1]), &first), json.Unmarshal([]byte(bodies[3]), &next)); err != nil {
		t.Fatal(err)
	}
	if first.Path != "/up?x" || first.Method != "POST" || first.Proto != "HTTP/2.0" || first.Host != "h.test" || first.Headers["X-Long"][0] != long || first.Headers["Upgrade"] != nil {
		t.Errorf("first: %+v", first)
	}
	if next.Path != "/second" || next.Headers["X-Own"] == nil {
		t.Errorf("second: %+v", next)
	}
}

func TestShutdownFinishesWhatIsInFlight(t *testing.T) {
	t.Parallel()
	r := startHTTP(t)
	conn := dial(t, r.find("http"))
	fmt.Fprint(conn, "GET /slow?delay=300ms HTTP/1.1\r\nHost: h\r\n\r\n")
	eventually(t, "the request has arrived", func() bool { return strings.Contains(r.out.String(), "/slow") })
	r.stop()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || resp.StatusCode != 200 {
		t.Errorf("%v %v", resp, err)
	}
	err = <-r.done
	r.done <- err
	if err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestRefusedEnvironment(t *testing.T) {
	t.Parallel()
	cases := []struct {
		env  map[string]string
		want string
	}{
		{map[string]string{"GRPC_ECHO_SERVER": "1", "HTTP_PORT": "x"}, `HTTP_PORT is "x"; want a port number, 0 to 65535`},
		{map[string]string{"ECHO_STANDS_IN_FOR": "nginx"}, `ECHO_STANDS_IN_FOR is "nginx"; want oauth2-proxy or error-pages`},
		{map[string]string{"HTTP_PORT": "web"}, `HTTP_PORT is "web"; want a port number, 0 to 65535`},
		{map[string]string{"TCP_ECHO_SERVER": "1", "TCP_PORT": "x"}, `TCP_PORT is "x"; want a port number, 0 to 65535`},
		{map[string]string{"TCP_ECHO_SERVER": "1", "TLS_PORT": "70000"}, `TLS_PORT is "70000"; want a port number, 0 to 65535`},
		{map[string]string{"UDP_ECHO_SERVER": "1", "UDP_PORT": "x"}, `UDP_PORT is "x"; want a port number, 0 to 65535`},
		{map[string]string{"ECHO_READY_AFTER": "5"}, `ECHO_READY_AFTER is "5"; want a duration such as 5s`},
		{map[string]string{"HTTP_PORT": "0", "H2C_PORT": "0", "TLS_SERVER_CERT": "/no/such", "TLS_SERVER_PRIVKEY": "/no/such"}, `TLS_SERVER_CERT and TLS_SERVER_PRIVKEY: open /no/such: no such file or directory`},
		{map[string]string{"BIND_ADDRESS": "192.0.2.1", "HTTP_PORT": "0"}, "listen tcp 192.0.2.1:0: bind: cannot assign requested address"},
	}
	for _, c := range cases {
		if c.env["BIND_ADDRESS"] == "" {
			c.env["BIND_ADDRESS"] = "127.0.0.1"
		}
		err := Run(t.Context(), func(name string) string { return c.env[name] }, io.Discard)
		if err == nil || err.Error() != c.want {
			t.Errorf("%v: got %v, want %s", c.env, err, c.want)
		}
	}
}

func TestTCP(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	r := start(t, time.Now, []string{"tls"}, "TCP_ECHO_SERVER=yes", "TLS_SERVER_CERT="+a.file("server.pem"), "TLS_SERVER_PRIV_KEY="+a.file("server.key"))
	plain := dial(t, r.find("tcp"))
	secure := tls.Client(dial(t, r.find("tls")), &tls.Config{RootCAs: a.pool, ServerName: "echo.test", CurvePreferences: []tls.CurveID{tls.X25519}})
	const base = `{"namespace":"ns","ingress":"ing","service":"svc","pod":"pod-1","tcpport":"0","tlsport":"0","remoteAddr":%q,`
	for _, c := range []struct {
		conn net.Conn
		want []string
	}{
		{plain, []string{"PONG", "false", fmt.Sprintf(base, plain.LocalAddr()) + `"isTLS":false}`}},
		{secure, []string{"PONG", "true", fmt.Sprintf(base, secure.LocalAddr()) + `"isTLS":true,"tls":{"version":"TLS 1.3","serverName":"echo.test","curves":"X25519","cipherSuite":"TLS_AES_128_GCM_SHA256"}}`}},
	} {
		fmt.Fprint(c.conn, "nothing\nPING\r\nIS_TLS\ntest\nTEST\n")
		lines := bufio.NewScanner(c.conn)
		var got []string
		for len(got) < 4 && lines.Scan() {
			got = append(got, lines.Text())
		}
		if diff := cmp.Diff(append([]string{"Gateway API Test TCP Server"}, c.want...), got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	r.stop()
	if _, err := plain.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("after the end: %v, want end of file", err)
	}
}

func TestUDP(t *testing.T) {
	t.Parallel()
	r := start(t, time.Now, []string{"udp"}, "UDP_ECHO_SERVER=yes")
	conn, err := net.Dial("udp", r.find("udp"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ send, request string }{
		{"hello\n", "hello\n"}, {"", ""}, {strings.Repeat("x", 2000), strings.Repeat("x", 1024)},
	} {
		if _, err := conn.Write([]byte(c.send)); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 4096)
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		request, err := json.Marshal(c.request)
		if err != nil {
			t.Fatal(err)
		}
		want := `{"request":` + string(request) + `,"namespace":"ns","ingress":"ing","service":"svc","pod":"pod-1","remoteAddr":"` + conn.LocalAddr().String() + `"}`
		if diff := cmp.Diff(want, string(buf[:n])); diff != "" {
			t.Error(diff)
		}
	}
}

// TestPortOfAService: what a Service named "http" puts into the environment is
// no port of this program.
func TestPortOfAService(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{"": "3000", "81": "81", "tcp://127.96.0.9:80": "3000", "udp://127.96.0.9:53": "3000"} {
		e := environment{getenv: func(string) string { return value }}
		if got, err := e.port("HTTP_PORT", "3000"); err != nil || got != want {
			t.Errorf("%q: got %q, %v, want %q", value, got, err, want)
		}
	}
}
