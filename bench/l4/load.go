package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// message is the size of a small request and of its answer; its first octet
// says what the backend does.
const message = 64

const (
	doEcho   = 'e'
	doStream = 's'
)

// result is what a load prints.
type result struct {
	Count   float64 // units moved
	Seconds float64
	Errors  int
}

// backend echoes messages on TCP and UDP, or sends without end. It has an
// address for each proxy: the ports that one has used must not stand in the
// way of another.
func backend(addresses []string) error {
	failed := make(chan error)
	for _, at := range addresses {
		l, err := net.Listen("tcp", at)
		if err != nil {
			return err
		}
		pc, err := net.ListenPacket("udp", at)
		if err != nil {
			return err
		}
		go echoDatagrams(pc.(*net.UDPConn))
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					failed <- err
					return
				}
				go serveConn(c)
			}
		}()
	}
	return <-failed
}

func echoDatagrams(c *net.UDPConn) {
	b := make([]byte, 2048)
	for {
		n, from, err := c.ReadFromUDPAddrPort(b)
		if err == nil {
			_, _ = c.WriteToUDPAddrPort(b[:n], from)
		}
	}
}

func serveConn(c net.Conn) {
	defer c.Close()
	b := make([]byte, message)
	for {
		if _, err := io.ReadFull(c, b); err != nil {
			return
		}
		if b[0] == doStream {
			piece := make([]byte, 256<<10)
			for {
				if _, err := c.Write(piece); err != nil {
					return
				}
			}
		}
		if _, err := c.Write(b); err != nil {
			return
		}
	}
}

// worker makes traffic until the deadline and counts.
type worker func(to string, until time.Time, units *atomic.Int64) error

// load runs one kind of traffic and prints the result.
func load(kind, to, duration string) error {
	d, err := time.ParseDuration(duration)
	if err != nil {
		return err
	}
	kinds := map[string]struct {
		work    worker
		workers int
		scale   float64
	}{
		"connect": {connections, 64, 1}, "trips": {trips, 64, 1}, "stream": {streams, 4, 1 << 20},
		"datagrams": {datagrams, 64, 1},
	}
	k, ok := kinds[kind]
	if !ok {
		return fmt.Errorf("no load %q", kind)
	}
	var units, failed atomic.Int64
	var all sync.WaitGroup
	begin := time.Now()
	for range k.workers {
		all.Go(func() {
			for time.Now().Before(begin.Add(d)) {
				if err := k.work(to, begin.Add(d), &units); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
					if failed.Add(1) == 1 {
						fmt.Fprintln(os.Stderr, kind, err)
					}
				}
			}
		})
	}
	all.Wait()
	return json.NewEncoder(os.Stdout).Encode(result{Count: float64(units.Load()) / k.scale, Seconds: time.Since(begin).Seconds(), Errors: int(failed.Load())})
}

// trip sends one message and reads its answer.
func trip(c net.Conn, b []byte) error {
	b[0] = doEcho
	if _, err := c.Write(b); err != nil {
		return err
	}
	_, err := io.ReadFull(c, b)
	return err
}

func connections(to string, until time.Time, units *atomic.Int64) error {
	b := make([]byte, message)
	for time.Now().Before(until) {
		c, err := net.Dial("tcp", to)
		if err != nil {
			return err
		}
		err = trip(c, b)
		c.Close()
		if err != nil {
			return err
		}
		units.Add(1)
	}
	return nil
}

func trips(to string, until time.Time, units *atomic.Int64) error {
	c, err := net.Dial("tcp", to)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(until)
	b := make([]byte, message)
	for {
		if err := trip(c, b); err != nil {
			return err
		}
		units.Add(1)
	}
}

func streams(to string, until time.Time, units *atomic.Int64) error {
	c, err := net.Dial("tcp", to)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(until)
	first := make([]byte, message)
	first[0] = doStream
	if _, err := c.Write(first); err != nil {
		return err
	}
	b := make([]byte, 256<<10)
	for {
		n, err := c.Read(b)
		units.Add(int64(n))
		if err != nil {
			return err
		}
	}
}

func datagrams(to string, until time.Time, units *atomic.Int64) error {
	c, err := net.Dial("udp", to)
	if err != nil {
		return err
	}
	defer c.Close()
	return ping(c, until, units)
}

// ping makes round trips; a lost datagram is sent again.
func ping(c net.Conn, until time.Time, units *atomic.Int64) error {
	b := make([]byte, message)
	for time.Now().Before(until) {
		if _, err := c.Write(b); err != nil {
			return err
		}
		_ = c.SetReadDeadline(time.Now().Add(time.Second))
		if _, err := c.Read(b); err != nil {
			return fmt.Errorf("no answer: %w", errors.Unwrap(err))
		}
		units.Add(1)
	}
	return nil
}
