package faults

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"time"
)

// client is one connection to the program.
type client struct {
	net.Conn
	br *bufio.Reader
}

func newClient(c net.Conn) *client {
	_ = c.SetDeadline(time.Now().Add(patience))
	return &client{Conn: c, br: bufio.NewReader(c)}
}

// send writes what may not be taken any more.
func (c *client) send(text string) { _, _ = io.WriteString(c, text) }

// answer reads a whole response.
func (c *client) answer() (status int, body string, err error) {
	resp, err := http.ReadResponse(c.br, nil)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

// want reads a response and compares its status.
func (c *client) want(t *testing.T, status int) {
	t.Helper()
	got, body, err := c.answer()
	if err != nil || got != status {
		t.Errorf("got %d %.80q, %v; want %d", got, body, err, status)
	}
}

// ends waits for the end of the connection, whatever comes before it.
func (c *client) ends(t *testing.T) {
	t.Helper()
	if _, err := io.Copy(io.Discard, c.br); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the connection stays")
	}
}

// reset ends the connection without a goodbye.
func (c *client) reset() {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}

// get is a GET for the host.
func get(host, target, fields string) string {
	return fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n", target, host, fields)
}
