// Command dns compares internal/dns with Knot and Unbound, which serve the same
// records from memory, on one machine in one run, and writes its section of the
// results.
//
// Each server has one core to itself and one thread; dnsperf has the other.
// What counts is CPU time of the server per query, as a ratio: dnsperf takes
// more of it than the servers do.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"log"
	"net/netip"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"time"

	"daemun/bench/section"
	"daemun/internal/dns"
)

func main() {
	log.SetFlags(0)
	duration := flag.Duration("duration", 2*time.Second, "of one measurement, in whole seconds")
	rounds := flag.Int("rounds", 3, "measurements per cell and server; the median counts")
	services := flag.Int("services", 5000, "Services; every tenth is headless with 40 endpoints")
	out := flag.String("out", "bench/RESULTS.md", "file whose section to write")
	only := flag.String("only", "", "measure only cells whose name contains this, and write no file")
	serve := flag.String("serve", "", "be the server under test on this address")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	if *serve != "" {
		err = serveOn(ctx, *serve, *services)
	} else {
		err = run(ctx, options{*duration, *rounds, *services, *out, *only})
	}
	if err != nil {
		log.Fatal("bench/dns: ", err)
	}
}

// serveOn is the server under test, in a process of its own.
func serveOn(ctx context.Context, address string, services int) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	s := dns.New(dns.Config{})
	if _, err := s.Listen(ctx, at); err != nil {
		return err
	}
	s.Update(network(services))
	return s.Run(ctx)
}

// cell is one kind of question.
type cell struct {
	name      string
	questions func(services int) []string
	tcp       bool
}

func cells() []cell {
	return []cell{
		{name: "A of a cluster IP", questions: clusterIPs},
		{name: "NXDOMAIN of the search list", questions: searchWalk},
		{name: "A of 40 endpoints", questions: headless},
		{name: "SRV of one port", questions: servers},
		{name: "A over TCP", questions: clusterIPs, tcp: true},
	}
}

// sample is one measurement.
type sample struct {
	qps  float64
	cpu  float64 // µs of the server per query
	p99  time.Duration
	lost int
}

type options struct {
	duration         time.Duration
	rounds, services int
	out, only        string
}

func run(ctx context.Context, o options) error {
	if runtime.NumCPU() < 2 {
		return fmt.Errorf("needs two cores, this machine shows %d", runtime.NumCPU())
	}
	dir, err := os.MkdirTemp("", "daemun-bench-dns-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	l := &lab{ctx: ctx, dir: dir}
	defer l.stop()
	list, err := l.start(o.services)
	if err != nil {
		return err
	}
	var report strings.Builder
	header(&report, list, o)
	for _, c := range cells() {
		if !strings.Contains(c.name, o.only) {
			continue
		}
		file, err := l.questions(c, o.services)
		if err != nil {
			return err
		}
		samples := map[string][]sample{}
		for round := range o.rounds + 1 {
			for _, s := range list {
				one, err := l.measure(s, c, file, o.duration)
				if err != nil {
					return err
				}
				if round > 0 { // the first one warms up
					samples[s.name] = append(samples[s.name], one)
				}
			}
		}
		row(&report, c, list, samples)
		log.Printf("%s done", c.name)
	}
	fmt.Print(report.String())
	if o.only != "" {
		return nil
	}
	return section.Replace(o.out, report.String())
}

func header(b *strings.Builder, list []server, o options) {
	fmt.Fprintf(b, "## DNS\n\nMade by `bench/dns/run.sh`: %d Services, every tenth headless with 40 endpoints; the same records from memory in all servers. "+
		"Each server has one core and one thread, dnsperf the other core (8 clients, 100 queries outstanding). Median of %d measurements of %s each, interleaved.\n\n", o.services, o.rounds, o.duration)
	for _, s := range list {
		fmt.Fprintf(b, "* **%s**: %s\n", s.name, s.version)
	}
	b.WriteString("\n*CPU* is the server's CPU time per query in µs, *vs Knot* Knot's divided by ours. *Busy* below 100 % means that dnsperf was the limit, " +
		"and queries/s say more about it than about the server. *p99* is at 20,000 queries/s.\n\n" +
		"| questions | server | queries/s | CPU µs | busy | p99 | lost |\n|---|---|---:|---:|---:|---:|---:|\n")
}

func row(b *strings.Builder, c cell, list []server, samples map[string][]sample) {
	cpu := map[string]float64{}
	for i, s := range list {
		all := samples[s.name]
		lost := 0
		for _, one := range all {
			lost += one.lost
		}
		name := c.name
		if i > 0 {
			name = ""
		}
		qps := middle(all, func(s sample) float64 { return s.qps })
		cpu[s.name] = middle(all, func(s sample) float64 { return s.cpu })
		p99 := middle(all, func(s sample) time.Duration { return s.p99 })
		fmt.Fprintf(b, "| %s | %s | %.0f | %.2f | %.0f %% | %s | %d |\n", name, s.name, qps, cpu[s.name], qps*cpu[s.name]/1e4, p99.Round(10*time.Microsecond), lost)
	}
	fmt.Fprintf(b, "| | **vs Knot** | | **%.2f×** | | | |\n", cpu["Knot"]/cpu["Daemun"])
}

func middle[T cmp.Ordered](list []sample, figure func(sample) T) T {
	all := make([]T, 0, len(list))
	for _, s := range list {
		all = append(all, figure(s))
	}
	slices.Sort(all)
	return all[len(all)/2]
}
