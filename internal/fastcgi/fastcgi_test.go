package fastcgi

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/fcgi"
	"strings"
	"testing"
	"testing/iotest"
)

// replay is a connection that gives out octets.
type replay struct {
	net.Conn
	r io.Reader
}

func (r replay) Read(p []byte) (int, error) { return r.r.Read(p) }

func record(kind byte, content string) string {
	return string(append(appendHeader(nil, kind, len(content)), content...))
}

const properEnd = "\x01\x03\x00\x01\x00\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"

func TestAnswers(t *testing.T) {
	t.Parallel()
	padded := "\x01\x06\x00\x01\x00\x02\x05\x00ok-----"
	for _, c := range []struct {
		name, in, want string
		err            error
	}{
		{"status", record(typeStdout, "Status: 404 Not Found\r\nX: 1\r\n\r\nbody") + properEnd, "HTTP/1.1 404 Not Found\r\nX: 1\r\nConnection: close\r\n\r\nbody", nil},
		{"no status", record(typeStdout, "X: 1\n\nbody") + properEnd, "HTTP/1.1 200 OK\r\nX: 1\r\nConnection: close\r\n\r\nbody", nil},
		{"location", record(typeStdout, "Location: /x\r\n\r\n") + properEnd, "HTTP/1.1 302 Found\r\nLocation: /x\r\nConnection: close\r\n\r\n", nil},
		{"framing is not theirs", record(typeStdout, "Transfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n") + properEnd, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", nil},
		{"parts", record(typeStdout, "X") + record(typeStderr, "oops") + record(typeStdout, ": 1\r\n\r") + record(typeStdout, "\nbo") + padded + record(typeStdout, "") + properEnd, "HTTP/1.1 200 OK\r\nX: 1\r\nConnection: close\r\n\r\nbook", nil},
		{"cut", record(typeStdout, "X: 1\r\n\r\nbo"), "HTTP/1.1 200 OK\r\nX: 1\r\nConnection: close\r\n\r\nbo", io.ErrUnexpectedEOF},
		{"no head", record(typeStdout, "X: 1\r\n") + properEnd, "", errHead},
		{"endless head", strings.Repeat(record(typeStdout, strings.Repeat("x", 30000)), 4), "", errHead},
		{"overloaded", "\x01\x03\x00\x01\x00\x08\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00", "", errRejected},
		{"no FastCGI", "HTTP/1.1 400 Bad Request\r\n\r\n", "", errRecord},
	} {
		for how, r := range map[string]io.Reader{"whole": strings.NewReader(c.in), "octets": iotest.OneByteReader(strings.NewReader(c.in))} {
			conn := NewConn(replay{r: r})
			got, err := io.ReadAll(conn)
			if string(got) != c.want || !errors.Is(err, c.err) {
				t.Errorf("%s, %s: %q, %v; want %q, %v", c.name, how, got, err, c.want, c.err)
			}
			if c.name == "parts" && string(conn.Stderr()) != "oops" {
				t.Errorf("standard error %q", conn.Stderr())
			}
		}
	}
}

// TestAgainstTheStandardLibrary asks a server of net/http/fcgi.
func TestAgainstTheStandardLibrary(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = fcgi.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			w.Header().Set("X-Long", r.Header.Get("Long")[:3])
			w.WriteHeader(201)
			_, _ = w.Write(append([]byte(r.URL.String()+" "), body...))
		}))
	}()
	t.Cleanup(func() {
		l.Close()
		<-served
	})
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	body := bytes.Repeat([]byte("x"), 200000)
	var p Params
	for name, value := range map[string]string{
		"REQUEST_METHOD": "PUT", "SERVER_PROTOCOL": "HTTP/1.1", "HTTP_HOST": "a.test", "REQUEST_URI": "/x?y=1", "CONTENT_LENGTH": "200000",
		"HTTP_LONG": strings.Repeat("a", 70000),
	} {
		p.AddString(name, []byte(value))
	}
	request := AppendStdinEnd(AppendStdin(p.Append(AppendBegin(nil)), body))
	c := NewConn(nc)
	go func() { _, _ = c.Write(request) }()
	got, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, _ := bytes.Cut(got, []byte("\r\n\r\n"))
	if !bytes.HasPrefix(head, []byte("HTTP/1.1 201 Created\r\n")) || !bytes.Contains(head, []byte("X-Long: aaa")) {
		t.Errorf("head %q", head)
	}
	if want := append([]byte("http://a.test/x?y=1 "), body...); !bytes.Equal(rest, want) {
		t.Errorf("body of %d octets, want %d: %.40q", len(rest), len(want), rest)
	}
}

func TestPutStdinHeader(t *testing.T) {
	t.Parallel()
	room := make([]byte, 20)
	if at := PutStdinHeader(room, 300); !bytes.Equal(room[at:], appendHeader(nil, typeStdin, 300)) || at != 12 {
		t.Errorf("%d: %q", at, room[at:])
	}
}

// FuzzConn: an answer is never more than was sent, and always ends.
func FuzzConn(f *testing.F) {
	f.Add([]byte(record(typeStdout, "Status: 404\r\n\r\nx") + properEnd))
	f.Add([]byte(properEnd))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, _ := io.ReadAll(NewConn(replay{r: bytes.NewReader(b)}))
		if len(got) > 3*len(b)+100 {
			t.Errorf("%d octets of %d", len(got), len(b))
		}
	})
}
