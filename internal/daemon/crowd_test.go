package daemon

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// crowded is a server with room for three connections. Its handler waits for
// release at /wait.
func crowded(t *testing.T, release chan struct{}) (address string, begun chan struct{}) {
	t.Helper()
	begun = make(chan struct{})
	s := httptest.NewUnstartedServer(bodiless(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/wait" {
			begun <- struct{}{}
			<-release
		}
	})))
	c := &crowd{most: 3}
	s.Config.ConnState = c.count
	s.Start()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String(), begun
}

func joins(t *testing.T, address, say string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.WriteString(c, say); err != nil {
		t.Fatal(err)
	}
	return c
}

// wantClosed waits for the end of a connection without an answer.
func wantClosed(t *testing.T, c net.Conn) {
	t.Helper()
	n, err := c.Read(make([]byte, 1))
	if timeout, ok := err.(net.Error); n > 0 || err == nil || ok && timeout.Timeout() {
		t.Errorf("the connection is there: %d, %v", n, err)
	}
}

// TestCrowdLetsProbesThrough: whoever holds connections without asking for
// something loses the oldest, half a request or none.
func TestCrowdLetsProbesThrough(t *testing.T) {
	t.Parallel()
	address, _ := crowded(t, nil)
	silent := []net.Conn{joins(t, address, ""), joins(t, address, "GET /half HT"), joins(t, address, "")}
	for i, oldest := range silent {
		probe := joins(t, address, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
		b := make([]byte, len("HTTP/1.1 200"))
		if _, err := io.ReadFull(probe, b); err != nil || string(b) != "HTTP/1.1 200" {
			t.Fatalf("probe %d: %q, %v", i, b, err)
		}
		wantClosed(t, oldest)
	}
}

// TestNobodyWaitsForBodies: a request with one is answered, and its connection is
// closed when that does not come.
func TestNobodyWaitsForBodies(t *testing.T) {
	t.Parallel()
	address, _ := crowded(t, nil)
	for _, framing := range []string{"Content-Length: 10", "Transfer-Encoding: chunked"} {
		c := joins(t, address, "GET /healthz HTTP/1.1\r\nHost: a\r\n"+framing+"\r\n\r\n")
		if b, err := io.ReadAll(c); err != nil || !strings.HasPrefix(string(b), "HTTP/1.1 200") {
			t.Errorf("%s: %q, %v", framing, b, err)
		}
	}
	c := joins(t, address, "GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhiGET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	if b, err := io.ReadAll(c); err != nil || strings.Count(string(b), "HTTP/1.1 200") < 1 {
		t.Errorf("%q, %v", b, err)
	}
}

// TestCrowdThatIsServedStays: who is being served is not interrupted.
func TestCrowdThatIsServedStays(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	address, begun := crowded(t, release)
	var busy []net.Conn
	for i := range 3 {
		busy = append(busy, joins(t, address, fmt.Sprintf("GET /wait HTTP/1.1\r\nHost: a%d\r\n\r\n", i)))
		<-begun
	}
	wantClosed(t, joins(t, address, ""))
	close(release)
	for _, c := range busy {
		b := make([]byte, len("HTTP/1.1 200"))
		if _, err := io.ReadFull(c, b); err != nil || string(b) != "HTTP/1.1 200" {
			t.Errorf("%q, %v", b, err)
		}
	}
}
