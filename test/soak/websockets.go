package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// spareFiles is what the program keeps beside its clients and their backends
	// (H6.13); this process needs less.
	spareFiles = 1 << 10
	// otherClients are those beside the WebSockets, such as ours that ask how
	// things are.
	otherClients = 64
)

// filesFor is the limit of open files that so many WebSockets need. Each is two
// descriptors of the program, one to the client and one to the backend, and as
// many here: processes of their own for clients and backends would not lower it.
func filesFor(webSockets int) uint64 { return uint64(2*(webSockets+otherClients) + spareFiles) }

// mayOpen raises the limit of open files as far as that is needed and allowed,
// for this process and those that it starts, and returns how many WebSockets may
// be open at a time.
func mayOpen(wanted int) (int, error) {
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil {
		return 0, err
	}
	need := filesFor(wanted)
	if r.Max < need {
		// Only root may; others get what there is.
		_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: need, Max: need})
	} else if r.Cur < need {
		_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: need, Max: r.Max})
	}
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil {
		return 0, err
	}
	if r.Cur >= need {
		return wanted, nil
	}
	return max(0, (int(r.Cur)-spareFiles)/2-otherClients), nil
}

// idleWebSockets opens so many WebSockets that say nothing, tells what each of
// them takes of the program's memory, changes the configuration and the
// endpoints under them, and then has each of them carry a message.
func idleWebSockets(ctx context.Context, dir string, wanted int) error {
	n, err := mayOpen(wanted)
	if err != nil {
		return err
	}
	if n < wanted {
		log.Printf("%d WebSockets in place of %d: each takes two descriptors of the program, and here it may have no more (ulimit -Hn); %d need a limit of %d", n, wanted, wanted, filesFor(wanted))
	}
	l, err := start(ctx, dir)
	if err != nil {
		return err
	}
	defer l.stop()
	// They say nothing for as long as this takes.
	if err := l.write("routes", strings.Replace(routes, "{nginx", `{nginx.ingress.kubernetes.io/proxy-read-timeout: "3600", nginx`, 1)); err != nil {
		return err
	}
	fmt.Printf("%-8s %10s %12s %14s %12s\n", "", "WebSockets", "KiB each", "all echo in", "goroutines")
	for _, secure := range []bool{false, true} {
		if err := l.holdWebSockets(ctx, n, secure); err != nil {
			return err
		}
	}
	return nil
}

func (l *lab) holdWebSockets(ctx context.Context, n int, secure bool) error {
	before, err := l.rest(ctx)
	if err != nil {
		return err
	}
	all := make([]socket, n)
	defer func() {
		for i := range all {
			if all[i].Conn != nil {
				all[i].Close()
			}
		}
	}()
	err = atOnce(n, func(i int) (err error) {
		all[i], err = l.openSocket(secure)
		return err
	})
	if err != nil {
		return err
	}
	after, err := l.still(ctx)
	if err != nil {
		return err
	}
	c, random := &churn{l: l}, rand.New(rand.NewPCG(1, 2))
	for range 3 {
		if err := errors.Join(c.route(ctx, random), c.endpoints(ctx, random)); err != nil {
			return err
		}
	}
	begin := time.Now()
	if err := atOnce(n, func(i int) error { return echoOn(all[i], all[i].br, 126) }); err != nil {
		return fmt.Errorf("a WebSocket did not live through the changes: %w", err)
	}
	name := "plain"
	if secure {
		name = "TLS"
	}
	fmt.Printf("%-8s %10d %12.1f %14s %12d\n", name, n, float64(after.memory-before.memory)/float64(n), time.Since(begin).Round(time.Millisecond), after.goroutines)
	return nil
}

// still waits until the program's memory does not become less any more.
func (l *lab) still(ctx context.Context) (least state, err error) {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for since := time.Now(); time.Since(since) < settle; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return state{}, ctx.Err()
		}
		s, err := l.state()
		if err != nil {
			return state{}, err
		}
		if least.memory == 0 || s.memory < least.memory {
			least, since = s, time.Now()
		}
	}
	return least, nil
}

// atOnce runs do for each number below n, some at a time.
func atOnce(n int, do func(int) error) error {
	var running sync.WaitGroup
	turns, failed := make(chan struct{}, 32), make(chan error, 1)
	for i := range n {
		turns <- struct{}{}
		running.Go(func() {
			defer func() { <-turns }()
			if err := do(i); err != nil {
				select {
				case failed <- err:
				default:
				}
			}
		})
	}
	running.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

// socket is an open WebSocket.
type socket struct {
	net.Conn
	br io.Reader
}

func (l *lab) openSocket(secure bool) (socket, error) {
	addr := l.plain
	if secure {
		addr = l.secure
	}
	nc, err := dial(addr)
	if err != nil {
		return socket{}, err
	}
	if secure {
		nc = tls.Client(nc, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	}
	br, err := upgrade(nc)
	if err != nil {
		nc.Close()
		return socket{}, err
	}
	_ = nc.SetDeadline(time.Time{})
	if br.Buffered() > 0 {
		return socket{nc, br}, nil
	}
	return socket{nc, nc}, nil // without the reader's buffer
}
