// Command load makes the kinds of traffic that wrk and h2load do not know, and
// prints one line of JSON about them.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"
)

// kinds make traffic with one connection until the time is over, and put what
// they see into the client.
var kinds = map[string]func(c *client, t target) error{
	"handshakes": handshakes, "websockets": websockets, "download": download, "upload": upload, "streams": streams,
}

// target is where the traffic goes.
type target struct {
	addr, host string
	size       int64 // octets of a body
	tls        bool
	until      time.Time
}

// client is one connection slot.
type client struct {
	took   []time.Duration
	errors int
	first  error
}

// done notes the end of one exchange.
func (c *client) done(start time.Time) { c.took = append(c.took, time.Since(start)) }

func (c *client) failed(err error) {
	c.errors++
	if c.first == nil {
		c.first = err
	}
}

// result is what the comparison reads.
type result struct {
	Requests       int
	Seconds        float64
	P50, P99, P999 time.Duration
	Errors         int
	First          string
}

// Arguments: kind, address, host, plain or tls, octets, connections, duration.
func main() {
	log.SetFlags(0)
	if err := run(os.Args[1:]); err != nil {
		log.Fatal("load: ", err)
	}
}

func run(args []string) error {
	if len(args) != 7 {
		return fmt.Errorf("usage: load KIND ADDRESS HOST plain|tls OCTETS CONNECTIONS DURATION")
	}
	kind := kinds[args[0]]
	if kind == nil {
		return fmt.Errorf("no load %q", args[0])
	}
	size, err := strconv.ParseInt(args[4], 10, 64)
	if err != nil {
		return err
	}
	connections, err := strconv.Atoi(args[5])
	if err != nil {
		return err
	}
	duration, err := time.ParseDuration(args[6])
	if err != nil {
		return err
	}
	start := time.Now()
	t := target{addr: args[1], host: args[2], size: size, tls: args[3] == "tls", until: start.Add(duration)}
	clients := make([]client, connections)
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			if err := kind(&clients[i], t); err != nil {
				clients[i].failed(err)
			}
		})
	}
	wg.Wait()
	return json.NewEncoder(os.Stdout).Encode(summary(clients, time.Since(start)))
}

func summary(clients []client, took time.Duration) result {
	r := result{Seconds: took.Seconds()}
	var all []time.Duration
	for _, c := range clients {
		all = append(all, c.took...)
		r.Errors += c.errors
		if c.first != nil && r.First == "" {
			r.First = c.first.Error()
		}
	}
	r.Requests = len(all)
	if len(all) > 0 {
		slices.Sort(all)
		r.P50, r.P99, r.P999 = all[len(all)/2], all[len(all)*99/100], all[len(all)*999/1000]
	}
	return r
}
