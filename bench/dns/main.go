// Command dns compares internal/dns with Knot and Unbound, which serve the same
// records from memory, on one machine in one run, and writes its section of the
// results.
//
// Each server has one core to itself and one thread; dnsperf has the other.
// What counts is CPU time of the server per query, as a ratio: dnsperf takes
// more of it than the servers do.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net/netip"
	"os"
	"os/signal"
	"strings"
	"time"

	"daemun/bench/lab"
	"daemun/bench/section"
	"daemun/internal/dns"
)

func main() {
	log.SetFlags(0)
	o := lab.Flags()
	services := flag.Int("services", 5000, "Services; every tenth is headless with 40 endpoints")
	serve := flag.String("serve", "", "be the server under test on this address")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	if *serve != "" {
		err = serveOn(ctx, *serve, *services)
	} else {
		err = run(ctx, o, *services)
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

func run(ctx context.Context, o *lab.Options, services int) error {
	made, err := lab.New(ctx)
	if err != nil {
		return err
	}
	defer made.Close()
	l := rig{made}
	list, err := l.start(services)
	if err != nil {
		return err
	}
	var report strings.Builder
	header(&report, list, o, services)
	for _, c := range cells() {
		if !o.Wants(c.name) {
			continue
		}
		file, err := l.questions(c, services)
		if err != nil {
			return err
		}
		samples := map[string][]sample{}
		for round := range o.Rounds + 1 {
			for _, s := range list {
				one, err := l.measure(s, c, file, o.Seconds())
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
	if o.Only != "" {
		return nil
	}
	return section.Replace(o.Out, report.String())
}

func header(b *strings.Builder, list []server, o *lab.Options, services int) {
	fmt.Fprintf(b, "## DNS\n\nMade by `bench/dns/run.sh`: %d Services, every tenth headless with 40 endpoints; the same records from memory in all servers. "+
		"Each server has one core and one thread, dnsperf the other core (8 clients, 100 queries outstanding). Median of %d measurements of %s each, interleaved.\n\n", services, o.Rounds, o.Duration)
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
		qps := lab.Median(all, func(s sample) float64 { return s.qps })
		cpu[s.name] = lab.Median(all, func(s sample) float64 { return s.cpu })
		p99 := lab.Median(all, func(s sample) time.Duration { return s.p99 })
		fmt.Fprintf(b, "| %s | %s | %.0f | %.2f | %.0f %% | %s | %d |\n", name, s.name, qps, cpu[s.name], qps*cpu[s.name]/1e4, p99.Round(10*time.Microsecond), lost)
	}
	fmt.Fprintf(b, "| | **vs Knot** | | **%.2f×** | | | |\n", cpu["Knot"]/cpu["Daemun"])
}
