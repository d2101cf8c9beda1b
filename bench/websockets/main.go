// Command websockets opens WebSockets through a proxy, sends a message on each,
// waits for its echo, sends the next, and prints what wrk would.
package main

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Arguments: address, connections, duration.
func main() {
	if len(os.Args) != 4 {
		log.Fatal("usage: websockets ADDRESS CONNECTIONS DURATION")
	}
	connections, err := strconv.Atoi(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	duration, err := time.ParseDuration(os.Args[3])
	if err != nil {
		log.Fatal(err)
	}
	var wg sync.WaitGroup
	clients := make([]client, connections)
	start := time.Now()
	for i := range clients {
		wg.Go(func() { clients[i].err = clients[i].run(os.Args[1], start.Add(duration)) })
	}
	wg.Wait()
	report(clients, time.Since(start))
}

// client is one WebSocket.
type client struct {
	took []time.Duration
	err  error
}

// message is a masked text frame of 64 octets; the mask is zero.
var message = append([]byte{0x81, 0x80 | 64, 0, 0, 0, 0}, bytes.Repeat([]byte{'x'}, 64)...)

func (c *client) run(addr string, until time.Time) error {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer nc.Close()
	fmt.Fprint(nc, "GET /ws HTTP/1.1\r\nHost: bench.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
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
	for time.Now().Before(until) {
		start := time.Now()
		if _, err := nc.Write(message); err != nil {
			return err
		}
		if _, err := io.ReadFull(nc, buf[:len(message)]); err != nil {
			return err
		}
		c.took = append(c.took, time.Since(start))
	}
	return nil
}

func report(clients []client, took time.Duration) {
	var all []time.Duration
	failed := 0
	for _, c := range clients {
		all = append(all, c.took...)
		if c.err != nil {
			log.Print(c.err)
			failed++
		}
	}
	if len(all) == 0 {
		log.Fatal("no message came back")
	}
	slices.Sort(all)
	for _, percent := range []int{50, 99} {
		fmt.Printf("%d%% %s\n", percent, all[len(all)*percent/100].Round(time.Microsecond))
	}
	fmt.Printf("%d requests in %s\nRequests/sec: %.2f\n", len(all), took, float64(len(all))/took.Seconds())
	if failed > 0 {
		fmt.Printf("Socket errors: connect %d, read 0, write 0, timeout 0\n", failed)
	}
}
