// Command l4 compares layer 4 of Daemun with HAProxy in TCP mode and nginx
// stream on one machine in one run, and writes its section of the results.
//
// The proxy under test has one core to itself; load and backend, both this
// program, share the other. Daemun does what the Service network asks for: it
// chooses an endpoint by the rules and shows it the client's own address. The
// others forward to one address and show their own.
package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

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
	duration := flag.Duration("duration", 2*time.Second, "of one measurement")
	rounds := flag.Int("rounds", 3, "measurements per cell and proxy; the median counts")
	out := flag.String("out", "bench/RESULTS.md", "file whose section to write")
	only := flag.String("only", "", "measure only cells whose name contains this, and write no file")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	return compare(ctx, options{*duration, *rounds, *out, *only})
}

type options struct {
	duration  time.Duration
	rounds    int
	out, only string
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

func compare(ctx context.Context, o options) error {
	if runtime.NumCPU() < 2 {
		return fmt.Errorf("needs two cores, this machine shows %d", runtime.NumCPU())
	}
	if !slices.ContainsFunc(cells(), func(c cell) bool { return strings.Contains(c.name, o.only) }) {
		return nil // something else was asked for
	}
	dir, err := os.MkdirTemp("", "daemun-bench-l4-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	l := &lab{ctx: ctx, dir: dir}
	defer l.stop()
	proxies, err := l.start()
	if err != nil {
		return err
	}
	var report strings.Builder
	header(&report, proxies, o)
	for _, c := range cells() {
		if !strings.Contains(c.name, o.only) {
			continue
		}
		results := map[string]sample{}
		samples := map[string][]sample{}
		for round := -1; round < o.rounds; round++ { // the first warms up
			for _, p := range proxies {
				if c.udp && p.udp == "" {
					continue
				}
				s, err := l.measure(p, c, o.duration)
				if err != nil {
					return err
				}
				if round >= 0 {
					samples[p.name] = append(samples[p.name], s)
				}
			}
		}
		for name, list := range samples {
			results[name] = median(list)
		}
		row(&report, c, proxies, results)
		log.Printf("%s done", c.name)
	}
	fmt.Print(report.String())
	if o.only != "" {
		return nil
	}
	return section.Replace(o.out, report.String())
}

// measure loads one proxy with one kind of traffic.
func (l *lab) measure(p proxy, c cell, d time.Duration) (sample, error) {
	to := p.tcp
	if c.udp {
		to = p.udp
	}
	before, err := cpuTime(p.pid)
	if err != nil {
		return sample{}, err
	}
	cmd := exec.CommandContext(l.ctx, "taskset", "-c", loadCore, l.self(), "load", c.kind, to, d.String())
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return sample{}, fmt.Errorf("load against %s: %w", p.name, err)
	}
	after, err := cpuTime(p.pid)
	if err != nil {
		return sample{}, err
	}
	var r result
	if err := json.Unmarshal(out, &r); err != nil {
		return sample{}, fmt.Errorf("the load generator printed %q", out)
	}
	cpu := after - before
	return sample{
		rate: r.Count / r.Seconds, cpu: float64(cpu.Microseconds()) / max(r.Count, 1),
		busy: cpu.Seconds() / r.Seconds, errors: r.Errors,
	}, nil
}

func median(list []sample) sample {
	s := sample{
		rate: middle(list, func(s sample) float64 { return s.rate }),
		cpu:  middle(list, func(s sample) float64 { return s.cpu }),
		busy: middle(list, func(s sample) float64 { return s.busy }),
	}
	for _, one := range list {
		s.errors += one.errors
	}
	return s
}

func middle[T cmp.Ordered](list []sample, figure func(sample) T) T {
	all := make([]T, 0, len(list))
	for _, s := range list {
		all = append(all, figure(s))
	}
	slices.Sort(all)
	return all[len(all)/2]
}

func header(b *strings.Builder, proxies []proxy, o options) {
	fmt.Fprintf(b, "## Layer 4\n\nMade by `go run ./bench/l4`, set up as above. Median of %d measurements of %s each, interleaved; no access logs. "+
		"Daemun binds each upstream socket to the client's address, as a Service does; the others do not. HAProxy may splice (`splice-auto`) and has no UDP.\n\n", o.rounds, o.duration)
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
	fmt.Fprintf(b, "| | **vs best** | **%.2f×** | **%.2f×** | | |\n", d.rate/bestRate, bestCPU/d.cpu)
}

// clockTick is the unit of CPU times in /proc.
const clockTick = time.Second / 100

// cpuTime is the CPU time of a process and its children so far.
func cpuTime(pid int) (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	f := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	user, _ := strconv.ParseInt(string(f[11]), 10, 64)
	system, _ := strconv.ParseInt(string(f[12]), 10, 64)
	total := time.Duration(user+system) * clockTick
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return total, nil
	}
	for _, child := range strings.Fields(string(children)) {
		id, _ := strconv.Atoi(child)
		if t, err := cpuTime(id); err == nil {
			total += t
		}
	}
	return total, nil
}
