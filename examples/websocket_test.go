package examples

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"daemun/internal/daemuntest"
)

// impatient is a second Ingress for the chat, whose connections may be silent
// for a second only.
const impatient = `apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: impatient
  annotations:
    nginx.ingress.kubernetes.io/proxy-read-timeout: "1"
    nginx.ingress.kubernetes.io/proxy-send-timeout: "1"
spec:
  ingressClassName: nginx
  rules:
    - host: impatient.example.com
      http:
        paths:
          - {path: /ws, pathType: Prefix, backend: {service: {name: chat, port: {number: 80}}}}
`

// TestSilentWebSocketOutlivesOthers: while the connection of a route with a
// short time-out is ended for its silence, that of the chat goes on.
func TestSilentWebSocketOutlivesOthers(t *testing.T) {
	t.Parallel()
	folder, err := filepath.Abs("from-ingress-nginx/websocket")
	if err != nil {
		t.Fatal(err)
	}
	d := daemuntest.Up(t, daemuntest.Options{Bin: daemuntest.Build(t), Paths: []string{folder, "manifests"}}, map[string]string{"impatient.yaml": impatient})
	patient := openWebSocket(t, d.HTTP, "chat.example.com")
	short := openWebSocket(t, d.HTTP, "impatient.example.com")
	// The short one ends, in whatever way; what it says before is of no interest.
	if _, err := io.Copy(io.Discard, short); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal("the short connection did not end")
	}
	// A text frame "hi", masked with zeros, and the echo of it.
	if _, err := io.WriteString(patient.conn, "\x81\x82\x00\x00\x00\x00hi"); err != nil {
		t.Fatal(err)
	}
	echo := make([]byte, 4)
	if _, err := io.ReadFull(patient, echo); err != nil || string(echo) != "\x81\x02hi" {
		t.Errorf("%q, %v", echo, err)
	}
}

// webSocket reads what comes after the answer to the handshake.
type webSocket struct {
	io.Reader
	conn net.Conn
}

// openWebSocket tries until it gets through: a Pod may be slower than the short
// time-out, which the answer to the handshake has to keep as well.
func openWebSocket(t *testing.T, address, host string) webSocket {
	t.Helper()
	var opened webSocket
	daemuntest.Eventually(t, time.Minute, "WebSocket to "+host, func() (err error) {
		opened, err = handshake(t, address, host)
		return err
	})
	return opened
}

func handshake(t *testing.T, address, host string) (webSocket, error) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return webSocket{}, err
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		return webSocket{}, err
	}
	fmt.Fprintf(conn, "GET /ws HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", host)
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		return webSocket{}, err
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		return webSocket{}, fmt.Errorf("status %s", resp.Status)
	}
	return webSocket{r, conn}, nil
}
