// Command backend is what the compared proxies forward to: it answers every
// path "/N" with N octets once it has read the body, as cheaply as Go allows, so that the proxy is what
// the measurement sees. "/ws" is a WebSocket that returns what comes; a second
// address answers gRPC calls, a third one those whose :scheme is https.
package main

import (
	"bufio"
	"bytes"
	"fmt"
	"log"
	"net"
	"os"
	"strconv"
)

func main() {
	go serveCalls(os.Args[2], false)
	go serveCalls(os.Args[3], true)
	l, err := net.Listen("tcp", os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	for {
		c, err := l.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go serve(c)
	}
}

// piece is how much of a long body is read or written at once.
const piece = 256 << 10

// ones is such a piece, never written to.
var ones = bytes.Repeat([]byte{'x'}, piece)

// serve reads requests and answers them.
func serve(c net.Conn) {
	defer c.Close()
	r := bufio.NewReaderSize(c, 8<<10)
	answers := map[string][]byte{}
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return
		}
		webSocket := bytes.HasPrefix(line, []byte("GET /ws "))
		answer, more := answerFor(answers, line)
		length := 0
		for len(bytes.TrimSpace(line)) > 0 {
			if line, err = r.ReadSlice('\n'); err != nil {
				return
			}
			length = max(length, contentLength(line))
		}
		if !discard(r, c, length) {
			return
		}
		if webSocket {
			returnAll(c)
			return
		}
		if _, err := c.Write(answer); err != nil {
			return
		}
		for ; more > 0; more -= piece {
			if _, err := c.Write(ones[:min(more, piece)]); err != nil {
				return
			}
		}
	}
}

// contentLength is what a line says about it, 0 if it is another field.
func contentLength(line []byte) int {
	const name = "content-length:"
	if len(line) < len(name) || !bytes.EqualFold(line[:len(name)], []byte(name)) {
		return 0
	}
	n, err := strconv.Atoi(string(bytes.TrimSpace(line[len(name):])))
	if err != nil {
		return 0
	}
	return n
}

// discard reads a body: what is buffered, then the rest in large pieces.
func discard(r *bufio.Reader, c net.Conn, length int) bool {
	had, err := r.Discard(min(length, r.Buffered()))
	if err != nil || length == had {
		return err == nil
	}
	buf := make([]byte, min(length-had, piece))
	for left := length - had; left > 0; {
		n, err := c.Read(buf[:min(left, len(buf))])
		if left -= n; err != nil {
			return false
		}
	}
	return true
}

// returnAll is a WebSocket for the one key that bench/websockets has.
func returnAll(c net.Conn) {
	fmt.Fprint(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")
	buf := make([]byte, 4<<10)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		if _, err := c.Write(buf[:n]); err != nil {
			return
		}
	}
}

// prepared is the longest body that is kept whole.
const prepared = 4 << 20

// answerFor returns the prepared answer for "GET /N HTTP/1.1", and how much of
// its body is not in it.
func answerFor(answers map[string][]byte, line []byte) (answer []byte, more int) {
	parts := bytes.SplitN(line, []byte{' '}, 3)
	if len(parts) < 3 {
		return []byte("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"), 0
	}
	if a, ok := answers[string(parts[1])]; ok {
		return a, 0
	}
	n, err := strconv.Atoi(string(parts[1][1:]))
	if err != nil {
		n = 2
	}
	answer = fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n", n)
	if n > prepared {
		return answer, n
	}
	answer = append(answer, bytes.Repeat([]byte{'x'}, n)...)
	answers[string(parts[1])] = answer
	return answer, 0
}
