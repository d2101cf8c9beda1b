// Command handshakes makes one full TLS handshake, one request and one closed
// connection after the other, and prints what wrk would: wrk itself resumes
// the session of a connection it closed before, so it never makes more than
// one full handshake per connection slot.
package main

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Arguments: address, path, connections, duration.
func main() {
	if len(os.Args) != 5 {
		log.Fatal("usage: handshakes ADDRESS PATH CONNECTIONS DURATION")
	}
	connections, err := strconv.Atoi(os.Args[3])
	if err != nil {
		log.Fatal(err)
	}
	duration, err := time.ParseDuration(os.Args[4])
	if err != nil {
		log.Fatal(err)
	}
	var wg sync.WaitGroup
	clients := make([]client, connections)
	start := time.Now()
	for i := range clients {
		wg.Go(func() { clients[i].run(os.Args[1], os.Args[2], start.Add(duration)) })
	}
	wg.Wait()
	report(clients, time.Since(start))
}

// client makes one connection after the other.
type client struct {
	took   []time.Duration
	errors int
}

func (c *client) run(addr, path string, until time.Time) {
	// X25519 only, which every version of OpenSSL has: the hybrid with ML-KEM
	// would be measured for the one proxy that offers it.
	config := &tls.Config{ServerName: "bench.test", InsecureSkipVerify: true, CurvePreferences: []tls.CurveID{tls.X25519}}
	request := []byte("GET " + path + " HTTP/1.1\r\nHost: bench.test\r\nConnection: close\r\n\r\n")
	for time.Now().Before(until) {
		start := time.Now()
		if err := once(addr, config, request); err != nil {
			c.errors++
			continue
		}
		c.took = append(c.took, time.Since(start))
	}
}

func once(addr string, config *tls.Config, request []byte) error {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer nc.Close()
	t := tls.Client(nc, config)
	if _, err := t.Write(request); err != nil {
		return err
	}
	answer, err := io.ReadAll(t)
	switch {
	case err != nil:
		return err
	case t.ConnectionState().DidResume:
		return fmt.Errorf("the session was resumed")
	case !bytes.Contains(answer, []byte(" 200 ")):
		return fmt.Errorf("answer %q", answer)
	}
	return nil
}

func report(clients []client, took time.Duration) {
	var all []time.Duration
	failed := 0
	for _, c := range clients {
		all = append(all, c.took...)
		failed += c.errors
	}
	if len(all) == 0 {
		log.Fatal("no handshake succeeded")
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
