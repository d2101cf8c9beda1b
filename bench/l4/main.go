// Command l4 compares layer 4 of Daemun with HAProxy in TCP mode and nginx
// stream on one machine in one run, and writes its section of the results.
//
// The proxy under test has one core to itself; load and backend, both this
// program, share the other. Daemun does what the Service network asks for: it
// chooses an endpoint by the rules and shows it the client's own address. The
// others forward to one address and show their own.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"daemun/bench/lab"
	"daemun/bench/section"
)

func main() {
	log.SetFlags(0)
	if err := dispatch(os.Args[1:]); err != nil {
		log.Fatal("bench/l4: ", err)
	}
}

// dispatch runs one of the parts when the first argument names it, and the
// whole comparison otherwise.
func dispatch(args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case "serve":
			return serve(args[1], args[2])
		case "backend":
			return backend(args[1:])
		case "load":
			return load(args[1], args[2], args[3])
		}
	}
	o := lab.Flags()
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	return compare(ctx, o)
}

// cell is one kind of traffic.
type cell struct {
	name, kind string
	unit       string
	udp        bool
}

func cells() []cell {
	return []cell{
		{"new connections, 64 octets each way", "connect", "connections/s", false},
		{"round trips on 64 open connections", "trips", "round trips/s", false},
		{"stream, 4 connections", "stream", "MiB/s", false},
		{"UDP round trips, 64 flows", "datagrams", "round trips/s", true},
	}
}

// sample is one measurement.
type sample struct {
	rate   float64
	cpu    float64 // µs of the proxy per unit
	busy   float64 // share of its core
	errors int
}

func compare(ctx context.Context, o *lab.Options) error {
	if !slices.ContainsFunc(cells(), func(c cell) bool { return o.Wants(c.name) }) {
		return nil // something else was asked for
	}
	made, err := lab.New(ctx)
	if err != nil {
		return err
	}
	defer made.Close()
	l := rig{made}
	proxies, err := l.start()
	if err != nil {
		return err
	}
	var report strings.Builder
	var failed []error
	header(&report, proxies, o)
	for _, c := range cells() {
		if !o.Wants(c.name) {
			continue
		}
		results, err := l.rounds(c, proxies, o)
		if err != nil {
			return err
		}
		if n := results[ours].errors; n > 0 {
			failed = append(failed, fmt.Errorf("%s: %d errors of Daemun", c.name, n))
		}
		row(&report, c, proxies, results)
		log.Printf("%s done", c.name)
	}
	fmt.Print(report.String())
	if o.Only == "" {
		failed = append(failed, section.Replace(o.Out, report.String()))
	}
	return errors.Join(failed...)
}

// rounds measures a cell in turns. A peer that cannot do it has no result;
// Daemun has to.
func (l rig) rounds(c cell, proxies []proxy, o *lab.Options) (map[string]sample, error) {
	samples, results, out := map[string][]sample{}, map[string]sample{}, map[string]bool{}
	for round := -1; round < o.Rounds; round++ { // the first warms up
		for _, p := range proxies {
			if out[p.name] || c.udp && p.udp == "" {
				continue
			}
			s, err := l.measure(p, c, o.Duration)
			switch {
			case err == nil && round >= 0:
				samples[p.name] = append(samples[p.name], s)
			case err != nil && (p.name == ours || l.Ctx.Err() != nil):
				return nil, err
			case err != nil:
				log.Printf("%s, %s: %v", c.name, p.name, err)
				out[p.name] = true
			}
		}
	}
	for name, list := range samples {
		if !out[name] {
			results[name] = median(list)
		}
	}
	return results, nil
}

// measure loads one proxy with one kind of traffic.
func (l rig) measure(p proxy, c cell, d time.Duration) (sample, error) {
	to := p.tcp
	if c.udp {
		to = p.udp
	}
	out, cpu, err := l.Load(p.pid, l.self(), "load", c.kind, to, d.String())
	if err != nil {
		return sample{}, fmt.Errorf("load against %s: %w", p.name, err)
	}
	var r result
	if err := lab.JSON(out, &r); err != nil {
		return sample{}, err
	}
	return sample{
		rate: r.Count / r.Seconds, cpu: float64(cpu.Microseconds()) / max(r.Count, 1),
		busy: cpu.Seconds() / r.Seconds, errors: r.Errors,
	}, nil
}

func median(list []sample) sample {
	s := sample{
		rate: lab.Median(list, func(s sample) float64 { return s.rate }),
		cpu:  lab.Median(list, func(s sample) float64 { return s.cpu }),
		busy: lab.Median(list, func(s sample) float64 { return s.busy }),
	}
	for _, one := range list {
		s.errors += one.errors
	}
	return s
}

func header(b *strings.Builder, proxies []proxy, o *lab.Options) {
	fmt.Fprintf(b, "## Layer 4\n\nMade by `go run ./bench/l4`, set up as above. Median of %d measurements of %s each, interleaved; no access logs. "+
		"Daemun binds each upstream socket to the client's address, as a Service does; the others do not. HAProxy may splice (`splice-auto`) and has no UDP.\n\n", o.Rounds, o.Duration)
	for _, p := range proxies {
		fmt.Fprintf(b, "* **%s**: %s\n", p.name, p.version)
	}
	b.WriteString("\n*CPU* is the proxy's CPU time in µs per connection, round trip or MiB. With *busy* far below 100 % the other core was the limit: then compare CPU, the rates are those of load, backend and whatever else the machine did.\n\n" +
		"| traffic | proxy | rate | CPU µs | busy | errors |\n|---|---|---:|---:|---:|---:|\n")
}

func row(b *strings.Builder, c cell, proxies []proxy, results map[string]sample) {
	name := c.name
	bestRate, bestCPU := 0.0, 0.0
	for _, p := range proxies {
		s, ok := results[p.name]
		if !ok {
			continue
		}
		fmt.Fprintf(b, "| %s | %s | %.0f %s | %.2f | %.0f %% | %d |\n", name, p.name, s.rate, c.unit, s.cpu, 100*s.busy, s.errors)
		name = ""
		if p.name != ours {
			bestRate = max(bestRate, s.rate)
			if bestCPU == 0 || s.cpu < bestCPU {
				bestCPU = s.cpu
			}
		}
	}
	d := results[ours]
	if bestRate == 0 {
		return
	}
	fmt.Fprintf(b, "| | **vs best** | **%.2f×** | **%.2f×** | | |\n", d.rate/bestRate, bestCPU/d.cpu)
}
