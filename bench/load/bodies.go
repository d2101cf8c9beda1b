package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"time"
)

// piece is how much of a long body is read or written at once.
const piece = 256 << 10

// download fetches bodies of one size, one after the other on one connection.
func download(c *client, t target) error {
	return exchanges(c, t, fmt.Sprintf("GET /%d HTTP/1.1\r\nHost: %s\r\n\r\n", t.size, t.host), 0, t.size)
}

// upload sends bodies of one size; the answer has two octets.
func upload(c *client, t target) error {
	return exchanges(c, t, fmt.Sprintf("POST /2 HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n", t.host, t.size), t.size, 2)
}

// exchanges makes one at least, however long it takes.
func exchanges(c *client, t target, head string, up, down int64) error {
	nc, err := dial(t)
	if err != nil {
		return err
	}
	defer nc.Close()
	r := bufio.NewReaderSize(nc, 16<<10)
	buf := make([]byte, piece)
	for {
		start := time.Now()
		if _, err := io.WriteString(nc, head); err != nil {
			return err
		}
		for left := up; left > 0; left -= piece {
			if _, err := nc.Write(buf[:min(left, piece)]); err != nil {
				return fmt.Errorf("%d octets before the end: %w", left, err)
			}
		}
		if err := answer(r, nc, buf, down); err != nil {
			return err
		}
		c.done(start)
		if time.Now().After(t.until) {
			return nil
		}
	}
}

func dial(t target) (net.Conn, error) {
	if !t.tls {
		return net.Dial("tcp", t.addr)
	}
	return tls.Dial("tcp", t.addr, &tls.Config{ServerName: t.host, InsecureSkipVerify: true})
}

// answer reads a head that must say 200 and a body of known length; most of
// the body does not pass through the buffered reader.
func answer(r *bufio.Reader, nc net.Conn, buf []byte, size int64) error {
	line, err := r.ReadString('\n')
	if err != nil {
		return err
	}
	if !bytes.Contains([]byte(line), []byte(" 200 ")) {
		return fmt.Errorf("answer %q", line)
	}
	for line != "\r\n" {
		if line, err = r.ReadString('\n'); err != nil {
			return err
		}
	}
	had, err := r.Discard(int(min(size, int64(r.Buffered()))))
	if err != nil {
		return err
	}
	for left := size - int64(had); left > 0; {
		n, err := nc.Read(buf[:min(left, piece)])
		left -= int64(n)
		if err != nil && left > 0 {
			return fmt.Errorf("%d octets before the end: %w", left, err)
		}
	}
	return nil
}
