package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// message is a masked text frame of 64 octets; the mask is zero.
var message = append([]byte{0x81, 0x80 | 64, 0, 0, 0, 0}, bytes.Repeat([]byte{'x'}, 64)...)

// websockets opens a WebSocket, sends a message, waits for its echo, sends the
// next.
func websockets(c *client, t target) error {
	nc, err := net.Dial("tcp", t.addr)
	if err != nil {
		return err
	}
	defer nc.Close()
	fmt.Fprintf(nc, "GET /ws HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", t.host)
	buf := make([]byte, 4<<10)
	head := ""
	for !strings.Contains(head, "\r\n\r\n") {
		n, err := nc.Read(buf)
		if err != nil {
			return fmt.Errorf("%w after %q", err, head)
		}
		head += string(buf[:n])
	}
	if !strings.Contains(head, " 101 ") {
		return fmt.Errorf("answer %q", head)
	}
	for time.Now().Before(t.until) {
		start := time.Now()
		if _, err := nc.Write(message); err != nil {
			return err
		}
		if _, err := io.ReadFull(nc, buf[:len(message)]); err != nil {
			return err
		}
		if !bytes.Equal(buf[:len(message)], message) {
			return fmt.Errorf("the echo is %q", buf[:len(message)])
		}
		c.done(start)
	}
	return nil
}
