package e2e

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"daemun/internal/daemuntest"
)

// message is what a client sends on a new connection, and what comes of it.
type message struct {
	name string
	// send are the octets; LF stands for CRLF, "\b" for a bare LF.
	send string
	// want are the answers in order: the status, for a 200 with what the
	// backend saw as path.
	want string
	// closes says that Daemun ends the connection; else the next request on it
	// is answered.
	closes bool
	// seen looks at the last request as the backend saw it.
	seen func(e daemuntest.Echo) error
}

// field wants a header field at the backend to have exactly these values.
func field(name string, values ...string) func(daemuntest.Echo) error {
	return func(e daemuntest.Echo) error {
		if got := e.Headers[name]; !slices.Equal(got, values) {
			return fmt.Errorf("backend saw %s %q, want %q", name, got, values)
		}
		return nil
	}
}

// get is a GET with further lines.
func get(target, lines string) string {
	return "GET " + target + " HTTP/1.1\nHost: web.test\n" + lines + "\n"
}

// post is a POST of a form, whose body the backend reads to its end. Behind it
// comes what a smuggler would like to be read as a request.
func post(lines, body string) string {
	return "POST /refused HTTP/1.1\nHost: web.test\nContent-Type: application/x-www-form-urlencoded\n" + lines + "\n" + body
}

const smuggled = "GET /smuggled HTTP/1.1\nHost: web.test\n\n"

// honestMessages are unusual and right.
func honestMessages() []message {
	return []message{
		{name: "plain", send: get("/a?b=c", ""), want: "200 /a?b=c"},
		{name: "pipelined", send: get("/1", "") + get("/2", "") + get("/3", ""), want: "200 /1, 200 /2, 200 /3"},
		{name: "empty line in front", send: "\n" + get("/a", ""), want: "200 /a"},
		{name: "host in capitals", send: "GET /a HTTP/1.1\nHOST: WEB.Test\n\n", want: "200 /a"},
		{name: "host with port and dot", send: "GET /a HTTP/1.1\nHost: web.test.:8080\n\n", want: "200 /a"},
		{name: "unknown host", send: "GET /a HTTP/1.1\nHost: nobody.test\n\n", want: "404"},
		{name: "absolute form", send: "GET http://web.test/abs?x HTTP/1.1\nHost: web.test\n\n", want: "200 /abs?x"},
		{name: "close asked for", send: get("/a", "Connection: close\n"), want: "200 /a", closes: true},
		{name: "HTTP/1.0", send: "GET /a HTTP/1.0\nHost: web.test\n\n", want: "200 /a", closes: true},
		{name: "HTTP/1.0 keeping the connection", send: "GET /a HTTP/1.0\nHost: web.test\nConnection: keep-alive\n\n", want: "200 /a"},
		{name: "HTTP/1.0 without host", send: "GET /a HTTP/1.0\n\n", want: "404", closes: true},
		{name: "HTTP/1.2", send: "GET /a HTTP/1.2\nHost: web.test\n\n", want: "200 /a"},
		{name: "method nobody knows", send: "BREW /a HTTP/1.1\nHost: web.test\n\n", want: "200 /a"},
		{name: "field in two lines", send: get("/a", "X-Two: 1\nX-Two: 2\n"), want: "200 /a", seen: field("X-Two", "1", "2")},
		{name: "value with high octets", send: get("/a", "X-High: gr\xfc\xdfe\n"), want: "200 /a", seen: field("X-High", "gr\ufffd\ufffde")},
		{name: "underscore in a name", send: get("/a", "X_User: root\n"), want: "200 /a", seen: field("X_User")},
		{name: "forged client address", send: get("/a", "X-Forwarded-For: 6.6.6.6\nX-Real-IP: 6.6.6.6\n"), want: "200 /a", seen: field("X-Real-Ip", "127.0.0.1")},
		{name: "forged chain", send: get("/a", "X-Forwarded-For: 6.6.6.6\n"), want: "200 /a", seen: field("X-Forwarded-For", "127.0.0.1")},
		{name: "hop-by-hop field", send: get("/a", "Connection: x-hop\nX-Hop: 1\n"), want: "200 /a", seen: field("X-Hop")},
		{name: "hop-by-hop on our field", send: get("/a", "Connection: x-forwarded-for\n"), want: "200 /a", seen: field("X-Forwarded-For", "127.0.0.1")},
		{name: "Proxy", send: get("/a", "Proxy: http://evil.test\n"), want: "200 /a", seen: field("Proxy")},
		{name: "h2c", send: get("/a", "Connection: Upgrade, HTTP2-Settings\nUpgrade: h2c\nHTTP2-Settings: AAMAAABkAAQAAP__\n"), want: "200 /a", seen: field("Upgrade")},
		{name: "dot segments", send: get("/a/../b/./c", ""), want: "200 /a/../b/./c"},
		{name: "encoded slash", send: get("/a%2fb", ""), want: "200 /a%2fb"},
		{name: "chunked with extension and trailer", send: post("Transfer-Encoding: chunked\nTrailer: X-Sum\n", "3;a=b\ndel\n7\nay=over\n0\nX-Sum: 1\n\n"), want: `500 "over"`},
		{name: "length", send: post("Content-Length: 10\n", "delay=over"), want: `500 "over"`},
		{name: "length of nothing", send: post("Content-Length: 0\n", ""), want: "200 /refused"},
		{name: "body on GET", send: get("/a", "Content-Length: 3\n") + "abc", want: "200 /a"},
	}
}

// hostileMessages are refused and end the connection.
func hostileMessages() []message {
	long := strings.Repeat("x", 9<<10)
	list := []message{
		{name: "request line with LF", send: "GET /refused HTTP/1.1\bHost: web.test\n\n", want: "400"},
		{name: "field line with LF", send: get("/refused", "X-A: 1\bX-B: 2\n"), want: "400"},
		{name: "bare CR", send: get("/refused", "X-A: 1\rX-B: 2\n"), want: "400"},
		{name: "folded line", send: get("/refused", "X-A: 1\n 2\n"), want: "400"},
		{name: "blank before colon", send: get("/refused", "X-A : 1\n"), want: "400"},
		{name: "no field name", send: get("/refused", ": 1\n"), want: "400"},
		{name: "control in a value", send: get("/refused", "X-A: 1\x012\n"), want: "400"},
		{name: "NUL in a value", send: get("/refused", "X-A: 1\x002\n"), want: "400"},
		{name: "many empty lines", send: strings.Repeat("\n", 20) + get("/refused", ""), want: "400"},
		{name: "no host", send: "GET /refused HTTP/1.1\n\n", want: "400"},
		{name: "two hosts", send: get("/refused", "Host: web.test\n"), want: "400"},
		{name: "host list", send: "GET /refused HTTP/1.1\nHost: web.test, other.test\n\n", want: "400"},
		{name: "host with user", send: "GET /refused HTTP/1.1\nHost: a@web.test\n\n", want: "400"},
		{name: "host with path", send: "GET /refused HTTP/1.1\nHost: web.test/x\n\n", want: "400"},
		{name: "absolute form for another host", send: "GET http://other.test/refused HTTP/1.1\nHost: web.test\n\n", want: "400"},
		{name: "absolute form with user", send: "GET http://a@web.test/refused HTTP/1.1\nHost: web.test\n\n", want: "400"},
		{name: "CONNECT", send: "CONNECT web.test:80 HTTP/1.1\nHost: web.test:80\n\n", want: "405"},
		{name: "TRACE", send: "TRACE /refused HTTP/1.1\nHost: web.test\n\n", want: "405"},
		{name: "HTTP/2.0", send: "GET /refused HTTP/2.0\nHost: web.test\n\n", want: "505"},
		{name: "HTTP/0.9", send: "GET /refused\n\n", want: "400"},
		{name: "version in small letters", send: "GET /refused http/1.1\nHost: web.test\n\n", want: "400"},
		{name: "two blanks", send: "GET  /refused HTTP/1.1\nHost: web.test\n\n", want: "400"},
		{name: "fragment", send: get("/refused#x", ""), want: "400"},
		{name: "high octet in the target", send: get("/refused\xc3\xa4", ""), want: "400"},
		{name: "NUL in the path", send: get("/refused%00", ""), want: "400"},
		{name: "dot segments above the root", send: get("/../a", ""), want: "400"},
		{name: "two readings of a path, dots", send: get("/a/..%2fadmin", ""), want: "400"},
		{name: "two readings of a path, parameter", send: get("/a/..;/admin", ""), want: "400"},
		{name: "two readings of a path, slashes", send: get("//admin", ""), want: "400"},
		{name: "broken percent", send: get("/refused%zz", ""), want: "400"},
		{name: "expectation", send: get("/refused", "Expect: the-unexpected\nContent-Length: 1\n") + "x", want: "417"},
		{name: "long target", send: get("/refused"+long, ""), want: "414"},
		{name: "long field", send: get("/refused", "X-A: "+long+long+"\n"), want: "431"},
		{name: "long head", send: get("/refused", strings.Repeat("X-A: "+long+"\n", 4)), want: "431"},
		{name: "many fields", send: get("/refused", strings.Repeat("X-A: 1\n", 120)), want: "431"},
		{name: "body over the limit", send: post("Content-Length: 1048577\n", ""), want: "413"},
		{name: "second of two", send: get("/1", "") + get("/refused", "X-A : 1\n"), want: "200 /1, 400"},
	}
	framing := []struct{ name, lines, body, want string }{
		{"CL.TE", "Content-Length: 6\nTransfer-Encoding: chunked\n", "0\n\n", "400"},
		{"TE.CL", "Transfer-Encoding: chunked\nContent-Length: 4\n", "5c\n", "400"},
		{"TE with blank before colon", "Transfer-Encoding : chunked\nContent-Length: 0\n", "", "400"},
		{"TE behind vertical tab", "Transfer-Encoding: \x0bchunked\nContent-Length: 0\n", "", "400"},
		{"TE folded", "Transfer-Encoding:\n chunked\nContent-Length: 0\n", "", "400"},
		{"TE twice", "Transfer-Encoding: chunked\nTransfer-Encoding: chunked\n", "0\n\n", "400"},
		{"TE list", "Transfer-Encoding: chunked, chunked\n", "0\n\n", "400"},
		{"TE then identity", "Transfer-Encoding: chunked, identity\n", "0\n\n", "400"},
		{"TE unknown first", "Transfer-Encoding: gzip, chunked\n", "0\n\n", "501"},
		{"TE almost chunked", "Transfer-Encoding: xchunked\n", "0\n\n", "400"},
		{"two equal lengths", "Content-Length: 0\nContent-Length: 0\n", "", "400"},
		{"two lengths", "Content-Length: 0\nContent-Length: 40\n", "", "400"},
		{"length list", "Content-Length: 0, 0\n", "", "400"},
		{"length with sign", "Content-Length: +0\n", "", "400"},
		{"length in hex", "Content-Length: 0x0\n", "", "400"},
		{"length over all bounds", "Content-Length: 99999999999999999999\n", "", "400"},
		{"chunk size with sign", "Transfer-Encoding: chunked\n", "+1\nx\n0\n\n", "400"},
		{"chunk size in words", "Transfer-Encoding: chunked\n", "one\nx\n0\n\n", "400"},
		{"chunk size over all bounds", "Transfer-Encoding: chunked\n", "10000000000000000\nx\n0\n\n", "400"},
		{"chunk size with LF", "Transfer-Encoding: chunked\n", "1\bx\n0\n\n", "400"},
		{"chunk extension with LF", "Transfer-Encoding: chunked\n", "1;a\bb\nx\n0\n\n", "400"},
		{"chunk longer than said", "Transfer-Encoding: chunked\n", "1\nxx\n0\n\n", "400"},
	}
	for _, f := range framing {
		list = append(list, message{name: f.name, send: post(f.lines, f.body) + smuggled, want: f.want})
	}
	list = append(list, message{name: "TE in HTTP/1.0", send: "POST /refused HTTP/1.0\nHost: web.test\nTransfer-Encoding: chunked\n\n0\n\n" + smuggled, want: "400"})
	for i := range list {
		list[i].closes = true
	}
	return list
}

// wireInstance serves web.test and the certificates for the TLS cases.
func wireInstance(t *testing.T) *daemuntest.Instance {
	d := up(t, map[string]string{
		"web.yaml":    echoApp{name: "web", replicas: 1}.String(),
		"admin.yaml":  strings.ReplaceAll(echoApp{name: "admin"}.svc(), "app: admin", "app: web"),
		"web-in.yaml": ingress{name: "web", host: "web.test", rules: []rule{{"/", "web"}, {"/admin", "admin"}}}.String(),
		"small.yaml":  ingress{name: "small", host: "small.test", rules: []rule{{"/", "web"}}, annotations: map[string]string{"proxy-body-size": "1k"}}.String(),
		"one.yaml": ingress{name: "one", host: "one.test", tls: "one", rules: []rule{{"/", "web"}}}.String() +
			"---\n" + daemuntest.TLSSecret(t, "one", "one.test", "one"),
		"wild.yaml": ingress{name: "wild", host: "*.wild.test", tls: "wild", rules: []rule{{"/", "web"}}}.String() +
			"---\n" + daemuntest.TLSSecret(t, "wild", "*.wild.test", "wild"),
	})
	expect(t, d, "http://web.test/", "200 web")
	return d
}

// TestMessages sends odd and hostile messages. What is refused reaches the
// backend neither as it is nor as anything else.
func TestMessages(t *testing.T) {
	t.Parallel()
	d := wireInstance(t)
	for _, m := range slices.Concat(honestMessages(), hostileMessages()) {
		t.Run(m.name, func(t *testing.T) {
			c, err := net.Dial("tcp", d.HTTP)
			must(t, err)
			defer c.Close()
			m.exchange(t, c)
		})
	}
	for line := range strings.Lines(d.Stderr()) {
		if strings.Contains(line, "made to /smuggled") {
			t.Errorf("the backend got a smuggled request: %s", line)
		}
	}
}

// octets are what is really sent.
func (m message) octets() string {
	return strings.NewReplacer("\n", "\r\n", "\b", "\n").Replace(m.send)
}

// exchange sends the message and compares the answers.
func (m message) exchange(t *testing.T, c net.Conn) {
	t.Helper()
	must(t, c.SetDeadline(time.Now().Add(20*time.Second)))
	if _, err := io.WriteString(c, m.octets()); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(c)
	var got []string
	var last daemuntest.Echo
	for range strings.Split(m.want, ", ") {
		word, e, err := readAnswer(r, "GET")
		if err != nil {
			t.Fatalf("after %q: %v", got, err)
		}
		got, last = append(got, word), e
	}
	if strings.Join(got, ", ") != m.want {
		t.Errorf("got %q, want %q", strings.Join(got, ", "), m.want)
	}
	if m.seen != nil {
		if err := m.seen(last); err != nil {
			t.Error(err)
		}
	}
	if m.closes {
		if rest, err := io.ReadAll(r); err != nil || len(rest) > 0 {
			t.Errorf("want the end of the connection, got %q, %v", rest, err)
		}
		return
	}
	if _, err := io.WriteString(c, strings.ReplaceAll(get("/after", ""), "\n", "\r\n")); err != nil {
		t.Fatal(err)
	}
	if word, _, err := readAnswer(r, "GET"); err != nil || word != "200 /after" {
		t.Errorf("next request on the connection: %q, %v", word, err)
	}
}

// readAnswer reads one answer and tells it in a word.
func readAnswer(r *bufio.Reader, method string) (word string, e daemuntest.Echo, err error) {
	resp, err := http.ReadResponse(r, &http.Request{Method: method})
	if err != nil {
		return "", e, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	word = fmt.Sprint(resp.StatusCode)
	switch {
	case resp.StatusCode == 200 && len(body) > 0:
		err = errors.Join(err, json.Unmarshal(body, &e))
		word += " " + e.Path
	case resp.StatusCode == 500: // the echo server tells which duration it could not read
		_, after, _ := strings.Cut(string(body), "duration ")
		word += " " + strings.NewReplacer(`\"`, `"`, `"}`, ``).Replace(after)
	}
	return word, e, err
}

// TestByteWise delivers messages octet by octet: the answers are the same
// (H1.16).
func TestByteWise(t *testing.T) {
	t.Parallel()
	d := wireInstance(t)
	for _, m := range []message{
		{name: "chunked", send: post("Transfer-Encoding: chunked\n", "3;a=b\ndel\n7\nay=over\n0\nX-Sum: 1\n\n"), want: `500 "over"`},
		{name: "length", send: post("Content-Length: 10\n", "delay=over"), want: `500 "over"`},
		{name: "two lengths", send: post("Content-Length: 0\nContent-Length: 40\n", ""), want: "400", closes: true},
	} {
		t.Run(m.name, func(t *testing.T) {
			c, err := net.Dial("tcp", d.HTTP)
			must(t, err)
			defer c.Close()
			must(t, c.(*net.TCPConn).SetNoDelay(true))
			m.exchange(t, byteWise{c})
		})
	}
}

type byteWise struct{ net.Conn }

func (b byteWise) Write(p []byte) (int, error) {
	for i := range p {
		if _, err := b.Conn.Write(p[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(p), nil
}

// TestContinue waits for the word to send the body (H2.13).
func TestContinue(t *testing.T) {
	t.Parallel()
	d := wireInstance(t)
	for _, c := range []struct{ name, head, want string }{
		{"wanted", post("Expect: 100-continue\nContent-Length: 10\n", ""), "100"},
		{"too large", post("Expect: 100-continue\nContent-Length: 2000000\n", ""), "413"},
		{"unknown host", strings.ReplaceAll(post("Expect: 100-continue\nContent-Length: 10\n", ""), "web.test", "nobody.test"), "404"},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn, err := net.Dial("tcp", d.HTTP)
			must(t, err)
			defer conn.Close()
			must(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
			_, err = io.WriteString(conn, strings.ReplaceAll(c.head, "\n", "\r\n"))
			must(t, err)
			r := bufio.NewReader(conn)
			word, _, err := readAnswer(r, "GET")
			if err != nil || word != c.want {
				t.Fatalf("got %q, %v, want %s", word, err, c.want)
			}
			if c.want != "100" {
				return
			}
			_, err = io.WriteString(conn, "delay=over")
			must(t, err)
			if word, _, err := readAnswer(r, "GET"); err != nil || word != `500 "over"` {
				t.Errorf("after the body: %q, %v", word, err)
			}
		})
	}
}

// TestBodyLimit checks the limit of one Ingress at its edge, announced and
// counted.
func TestBodyLimit(t *testing.T) {
	t.Parallel()
	d := wireInstance(t)
	for _, c := range []struct {
		size   int
		stream bool
		want   int
	}{{1024, false, 200}, {1025, false, 413}, {1024, true, 200}, {1025, true, 413}} {
		var body io.Reader = strings.NewReader(strings.Repeat("x", c.size))
		if c.stream {
			body = io.MultiReader(body) // hides the length
		}
		resp, err := d.Client().Post("http://small.test/", "application/x-www-form-urlencoded", body)
		must(t, err)
		resp.Body.Close()
		if resp.StatusCode != c.want {
			t.Errorf("%d octets, streamed %v: status %d, want %d", c.size, c.stream, resp.StatusCode, c.want)
		}
	}
}

// TestHead answers without a body and keeps the connection.
func TestHead(t *testing.T) {
	t.Parallel()
	d := wireInstance(t)
	c, err := net.Dial("tcp", d.HTTP)
	must(t, err)
	defer c.Close()
	must(t, c.SetDeadline(time.Now().Add(20*time.Second)))
	_, err = io.WriteString(c, strings.ReplaceAll("HEAD /a HTTP/1.1\nHost: web.test\n\n"+get("/b", ""), "\n", "\r\n"))
	must(t, err)
	r := bufio.NewReader(c)
	for i, want := range []string{"200", "200 /b"} {
		if word, _, err := readAnswer(r, []string{"HEAD", "GET"}[i]); err != nil || word != want {
			t.Errorf("got %q, %v, want %q", word, err, want)
		}
	}
}

// TestTLS checks which certificate is chosen, what old clients get, and what
// plain HTTP gets on the TLS port.
func TestTLS(t *testing.T) {
	t.Parallel()
	d := wireInstance(t)
	names := map[string]string{}
	for _, name := range []string{"one.test", "ONE.test", "a.wild.test", "wild.test", "a.b.wild.test", "nobody.test", ""} {
		c, err := tls.Dial("tcp", d.HTTPS, &tls.Config{ServerName: name, InsecureSkipVerify: true, MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS13})
		if err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		names[name] = c.ConnectionState().PeerCertificates[0].Subject.CommonName
		c.Close()
	}
	own := names["nobody.test"]
	for name, want := range map[string]string{"one.test": "one", "ONE.test": "one", "a.wild.test": "wild", "wild.test": own, "a.b.wild.test": own, "": own} {
		if names[name] != want || own == "one" || own == "wild" || own == "" {
			t.Errorf("server name %q gets the certificate of %q, want %q", name, names[name], want)
		}
	}
	if c, err := tls.Dial("tcp", d.HTTPS, &tls.Config{ServerName: "one.test", InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}); err == nil {
		c.Close()
		t.Error("TLS 1.1 was accepted")
	}
	c, err := net.Dial("tcp", d.HTTPS)
	must(t, err)
	defer c.Close()
	message{send: get("/refused", ""), want: "400", closes: true}.exchange(t, c)
}
