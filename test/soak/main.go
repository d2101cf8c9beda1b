// Command soak runs Daemun for a long time under everything at once: HTTP/1,
// HTTP/2, gRPC and WebSockets, changes of routes and endpoints, slow and hostile
// clients. It builds and starts the program, loads it, and prints a table. It
// fails when an honest client saw an error, when goroutines, descriptors or
// memory do not come back to what they were after the first part of the time,
// when the program met a bug of its own, and when it does not end well.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"sync"
	"time"
)

func main() {
	log.SetFlags(log.Ltime)
	duration := flag.Duration("for", 3*time.Minute, "time of load")
	websockets := flag.Int("websockets", 0, "instead of load, hold so many idle WebSockets and tell what they cost")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := inFolder(func(dir string) error {
		if *websockets > 0 {
			return idleWebSockets(ctx, dir, *websockets)
		}
		return run(ctx, dir, *duration)
	}); err != nil {
		log.Fatal("soak: ", err)
	}
}

func inFolder(do func(dir string) error) error {
	dir, err := os.MkdirTemp("", "daemun-soak-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	return do(dir)
}

func run(ctx context.Context, dir string, duration time.Duration) error {
	l, err := start(ctx, dir)
	if err != nil {
		return err
	}
	err = l.soak(ctx, duration)
	if ended := l.stop(); err == nil && ended != nil {
		err = fmt.Errorf("the program did not end well: %w", ended)
	}
	if err != nil {
		l.tell()
	}
	return err
}

func (l *lab) soak(ctx context.Context, duration time.Duration) error {
	kinds := l.kinds()
	// The first part fills pools, tables and caches, as the second one will.
	load(ctx, kinds, duration/5)
	before, err := l.rest(ctx)
	if err != nil {
		return err
	}
	log.Printf("warm: %s", before)
	load(ctx, kinds, duration-duration/5)
	after, err := l.rest(ctx)
	if err != nil {
		return err
	}
	fmt.Print(table(kinds))
	fmt.Printf("\nat rest before: %s\nat rest after:  %s\n", before, after)
	return judge(kinds, before, after)
}

// load runs all kinds of traffic for a time. What is under way is finished.
func load(ctx context.Context, kinds []*kind, d time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	var running sync.WaitGroup
	for _, k := range kinds {
		for n := range k.clients {
			running.Go(func() { k.repeat(ctx, n) })
		}
	}
	running.Wait()
}

// state is what the program holds when nobody asks anything of it.
type state struct {
	goroutines, descriptors int
	memory                  int // KiB resident
	panics                  int // since the start
}

func (s state) String() string {
	return fmt.Sprintf("%d goroutines, %d descriptors, %d MiB, %d panics", s.goroutines, s.descriptors, s.memory>>10, s.panics)
}

const (
	// moreGoroutines and moreDescriptors may differ between two moments of rest:
	// pooled connections to backends, timers that run just then.
	moreGoroutines, moreDescriptors = 20, 80
	// moreMemory is what may be added to a quarter of the memory (KiB).
	moreMemory = 24 << 10
)

func judge(kinds []*kind, before, after state) error {
	for _, k := range kinds {
		switch {
		case k.failed.Load() > 0:
			return fmt.Errorf("%s: %d unexpected errors", k.name, k.failed.Load())
		case k.done.Load() == 0:
			return fmt.Errorf("%s: nothing was done", k.name)
		}
	}
	switch {
	case after.panics > 0:
		return fmt.Errorf("%d panics", after.panics)
	case after.goroutines > before.goroutines+moreGoroutines:
		return fmt.Errorf("goroutines are left behind: %d, then %d", before.goroutines, after.goroutines)
	case after.descriptors > before.descriptors+moreDescriptors:
		return fmt.Errorf("descriptors are left behind: %d, then %d", before.descriptors, after.descriptors)
	case after.memory > before.memory*5/4+moreMemory:
		return fmt.Errorf("memory grows: %d KiB, then %d KiB", before.memory, after.memory)
	}
	return nil
}
