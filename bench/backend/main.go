// Command backend is what the compared proxies forward to: it answers every
// path "/N" with N octets, as cheaply as Go allows, so that the proxy is what
// the measurement sees. "/ws" is a WebSocket that returns what comes; a second
// address answers gRPC calls.
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
	go serveCalls(os.Args[2])
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

// serve reads heads of GET requests and answers them.
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
		answer := answerFor(answers, line)
		for len(bytes.TrimSpace(line)) > 0 {
			if line, err = r.ReadSlice('\n'); err != nil {
				return
			}
		}
		if webSocket {
			returnAll(c)
			return
		}
		if _, err := c.Write(answer); err != nil {
			return
		}
	}
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

// answerFor returns the prepared answer for "GET /N HTTP/1.1".
func answerFor(answers map[string][]byte, line []byte) []byte {
	parts := bytes.SplitN(line, []byte{' '}, 3)
	if len(parts) < 3 {
		return []byte("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
	}
	if a, ok := answers[string(parts[1])]; ok {
		return a
	}
	n, err := strconv.Atoi(string(parts[1][1:]))
	if err != nil {
		n = 2
	}
	a := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n", n)
	a = append(a, bytes.Repeat([]byte{'x'}, n)...)
	answers[string(parts[1])] = a
	return a
}
