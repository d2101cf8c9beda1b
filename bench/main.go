// Command bench compares Daemun with nginx, HAProxy and httputil.ReverseProxy
// on one machine in one run and writes a table of ratios.
//
// The proxy under test has one core to itself; load generator and backend
// share the other. All write an access log to a file, keep connections to the
// backend, and set the same forwarding fields. What counts is CPU time of the
// proxy per request and requests per second, as ratios: absolute figures
// depend on the machine.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// cell is one kind of traffic.
type cell struct {
	name string
	path string
	tls  bool
	// fresh makes a connection per request. wrk resumes the TLS session of the
	// connection it closed before; full makes a full handshake each time.
	fresh, full bool
	// two is HTTP/2, over TLS; call is a gRPC call of 64 octets, to a backend
	// that speaks HTTP/2, too. echo is a message on a WebSocket and back.
	two, call, echo bool
}

func cells() []cell {
	return []cell{
		{name: "HTTP/1.1 plain, small", path: "/2"},
		{name: "HTTP/1.1 TLS, small", path: "/2", tls: true},
		{name: "TLS handshakes, full", path: "/2", tls: true, fresh: true, full: true},
		{name: "TLS handshakes, resumed", path: "/2", tls: true, fresh: true},
		{name: "HTTP/2 TLS, small", path: "/2", two: true},
		{name: "HTTP/2 TLS, 16 KiB", path: "/16384", two: true},
		{name: "gRPC unary, 64 octets", path: "/bench.Bench/Call", two: true, call: true},
		{name: "WebSocket echo, 64 octets", echo: true},
		{name: "16 KiB plain", path: "/16384"},
		{name: "16 KiB TLS", path: "/16384", tls: true},
		{name: "1 MiB plain", path: "/1048576"},
		{name: "1 MiB TLS", path: "/1048576", tls: true},
	}
}

// sample is one measurement.
type sample struct {
	rps      float64
	cpu      float64 // µs of the proxy per request
	p50, p99 time.Duration
	errors   int
}

func main() {
	log.SetFlags(0)
	duration := flag.Duration("duration", 2*time.Second, "of one measurement")
	rounds := flag.Int("rounds", 3, "measurements per cell and proxy; the median counts")
	out := flag.String("out", "bench/RESULTS.md", "file to write")
	only := flag.String("only", "", "measure only cells and parts of the second table whose name contains this; \"scale\" is all of the second table; writes no file")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *duration, *rounds, *out, *only); err != nil {
		log.Fatal("bench: ", err)
	}
}

func run(ctx context.Context, duration time.Duration, rounds int, out, only string) error {
	if runtime.NumCPU() < 2 {
		return fmt.Errorf("needs two cores, this machine shows %d", runtime.NumCPU())
	}
	dir, err := os.MkdirTemp("", "daemun-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	l := &lab{dir: dir, ctx: ctx}
	defer l.stop()
	if err := l.build(); err != nil {
		return err
	}
	var report strings.Builder
	if err := l.compare(&report, duration, rounds, only); err != nil {
		return err
	}
	figures, err := l.scale(only)
	if err != nil {
		return err
	}
	if len(figures) > 0 {
		scaleTable(&report, figures)
	}
	fmt.Print(report.String())
	if only != "" {
		return nil
	}
	return os.WriteFile(filepath.Clean(out), []byte(report.String()), 0o644)
}

// compare writes the first table.
func (l *lab) compare(report *strings.Builder, duration time.Duration, rounds int, only string) error {
	wanted := slices.DeleteFunc(cells(), func(c cell) bool { return !strings.Contains(c.name, only) })
	if len(wanted) == 0 {
		return nil
	}
	proxies, err := l.start()
	if err != nil {
		return err
	}
	header(report, proxies, duration, rounds)
	for _, c := range wanted {
		results := map[string]sample{}
		for _, p := range proxies {
			// The order of rounds is by proxy inside a cell; a first short run
			// warms pools and caches.
			if _, err := l.measure(p, c, time.Second); err != nil {
				return err
			}
		}
		samples := map[string][]sample{}
		for range rounds {
			for _, p := range proxies {
				s, err := l.measure(p, c, duration)
				if err != nil {
					return err
				}
				samples[p.name] = append(samples[p.name], s)
			}
		}
		for name, list := range samples {
			results[name] = median(list)
		}
		row(report, c, proxies, results)
		log.Printf("%s done", c.name)
	}
	// They do not take time from what comes next.
	l.stop()
	return nil
}

// median takes the median of each figure by itself, and the sum of the errors.
func median(list []sample) sample {
	s := sample{
		rps: middleOf(list, func(s sample) float64 { return s.rps }), cpu: middleOf(list, func(s sample) float64 { return s.cpu }),
		p50: middleOf(list, func(s sample) time.Duration { return s.p50 }), p99: middleOf(list, func(s sample) time.Duration { return s.p99 }),
	}
	for _, one := range list {
		s.errors += one.errors
	}
	return s
}

func middleOf[T cmp.Ordered](list []sample, figure func(sample) T) T {
	all := make([]T, 0, len(list))
	for _, s := range list {
		all = append(all, figure(s))
	}
	slices.Sort(all)
	return all[len(all)/2]
}
