package e2e

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"daemun/internal/daemuntest"
)

// webSocket is the client's end of an upgraded connection.
type webSocket struct {
	net.Conn
	r *bufio.Reader
}

// dialWebSocket upgrades a connection; early is sent right behind the request.
func dialWebSocket(t *testing.T, d *daemuntest.Instance, host string, secure bool, early string) webSocket {
	t.Helper()
	var c net.Conn
	var err error
	if secure {
		c, err = tls.Dial("tcp", d.HTTPS, &tls.Config{ServerName: host, InsecureSkipVerify: true})
	} else {
		c, err = net.Dial("tcp", d.HTTP)
	}
	must(t, err)
	t.Cleanup(func() { c.Close() })
	must(t, c.SetDeadline(time.Now().Add(20*time.Second)))
	_, err = io.WriteString(c, "GET /ws HTTP/1.1\r\nHost: "+host+"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"+early)
	must(t, err)
	r := bufio.NewReader(c)
	resp, err := http.ReadResponse(r, nil)
	must(t, err)
	if resp.StatusCode != http.StatusSwitchingProtocols || resp.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Fatalf("%s %v", resp.Status, resp.Header)
	}
	return webSocket{c, r}
}

// echo sends a message and wants it back.
func (w webSocket) echo(text string) error {
	if err := w.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return err
	}
	if _, err := io.WriteString(w, frame(1, text)); err != nil {
		return err
	}
	return w.expect(text)
}

// expect reads frames until a message is complete.
func (w webSocket) expect(want string) error {
	var got []byte
	for final := false; !final; {
		var head [2]byte
		if _, err := io.ReadFull(w.r, head[:]); err != nil {
			return err
		}
		final = head[0]&0x80 != 0
		n := int(head[1] & 0x7f)
		length := make([]byte, map[int]int{126: 2, 127: 8}[n])
		if _, err := io.ReadFull(w.r, length); err != nil {
			return err
		}
		for i, b := range length {
			if i == 0 {
				n = 0
			}
			n = n<<8 | int(b)
		}
		payload := make([]byte, n)
		if _, err := io.ReadFull(w.r, payload); err != nil {
			return err
		}
		got = append(got, payload...)
	}
	if string(got) != want {
		return fmt.Errorf("got a message of %d octets %.60q, want %d octets %.60q", len(got), got, len(want), want)
	}
	return nil
}

// frame is one masked WebSocket frame (RFC 6455 §5.2).
func frame(opcode byte, payload string) string {
	b := []byte{0x80 | opcode}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = append(b, 0x80|126, byte(n>>8), byte(n))
	default:
		b = append(b, 0x80|127, 0, 0, 0, 0, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
	mask := [4]byte{1, 2, 3, 4}
	b = append(b, mask[:]...)
	for i := range len(payload) {
		b = append(b, payload[i]^mask[i%4])
	}
	return string(b)
}

// TestWebSocket upgrades through Daemun and echoes frames both ways, over plain
// HTTP and TLS; what the client sends right behind its request is not lost.
func TestWebSocket(t *testing.T) {
	t.Parallel()
	d := wireInstance(t)
	for _, host := range []string{"web.test", "one.test"} {
		t.Run(host, func(t *testing.T) {
			w := dialWebSocket(t, d, host, host == "one.test", frame(1, "early"))
			must(t, w.expect("early"))
			for _, text := range []string{"hello", strings.Repeat("0123456789", 10000), "bye"} {
				must(t, w.echo(text))
			}
			_, err := io.WriteString(w, frame(8, "\x03\xe8"))
			must(t, err)
			must(t, w.expect("\x03\xe8"))
			if rest, err := io.ReadAll(w.r); len(rest) > 0 || err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("after the close: %q, %v", rest, err)
			}
		})
	}
}

// TestWebSocketStop keeps a WebSocket open while Daemun stops: it ends, and
// does not hold Daemun up longer than the drain time.
func TestWebSocketStop(t *testing.T) {
	t.Parallel()
	d := up(t, map[string]string{"web.yaml": echoApp{name: "web", replicas: 1}.String(), "ingress.yaml": oneIngress("web", "web.test", "web")}, "--drain-timeout", "1s")
	expect(t, d, "http://web.test/", "200 web")
	w := dialWebSocket(t, d, "web.test", false, "")
	must(t, w.echo("hello"))
	if err := d.Stop(); err != nil {
		t.Errorf("exit: %v", err)
	}
	if _, err := io.Copy(io.Discard, w.r); err != nil && errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the connection is still open: %v", err)
	}
}

// holdWebSocket sends a message now and then until ctx ends: nothing may close
// the connection.
func holdWebSocket(ctx context.Context, w webSocket, l *load) {
	tick := time.NewTicker(slowPause)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := w.echo(fmt.Sprint("message ", n)); err != nil {
			l.fail("WebSocket, message %d: %v", n, err)
			return
		}
	}
}

// holdResponse waits for one answer that takes as long as the churn.
func holdResponse(d *daemuntest.Instance, l *load, takes time.Duration) {
	c, err := net.Dial("tcp", d.HTTP)
	if err != nil {
		l.fail("long answer: %v", err)
		return
	}
	defer c.Close()
	fmt.Fprintf(c, "GET /long?delay=%s HTTP/1.1\r\nHost: steady.test\r\n\r\n", takes)
	if err := c.SetDeadline(time.Now().Add(takes + 20*time.Second)); err != nil {
		l.fail("long answer: %v", err)
		return
	}
	if word, _, err := readAnswer(bufio.NewReader(c), http.MethodGet); err != nil || !strings.HasPrefix(word, "200 /long") {
		l.fail("long answer: %q, %v", word, err)
	}
}
