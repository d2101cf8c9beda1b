package main

import (
	"fmt"
	"log"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"

	"daemun/bench/lab"
)

// ahead is the ratio of requests/s and of CPU that is the goal; cells below it
// are profiled. That of the 99th percentile is noWorse.
const (
	ahead   = 1.3
	noWorse = 1.0
)

// outcome is a cell with what all proxies did in it.
type outcome struct {
	cell
	samples map[string]sample
	failed  map[string]string // why, by proxy
	// rate, cpu and p99 are the ratios to the best of the others, above 1 where
	// Daemun is ahead; 0 if there is none.
	rate, cpu, p99 float64
	profile        []lab.Share
	functions      []lab.Share
}

// compare is the table of proxies side by side.
func (l *rig) compare() (string, error) {
	wanted := slices.DeleteFunc(cells(), func(c cell) bool { return !l.Wants(c.name) })
	if len(wanted) == 0 {
		return "", nil
	}
	defer l.Stop() // they take no time from what comes next
	proxies, err := l.start()
	if err != nil {
		return "", err
	}
	var outcomes []outcome
	for i, c := range wanted {
		o := l.interleave(c, proxies)
		if l.Ctx.Err() != nil {
			return "", l.Ctx.Err()
		}
		if min(o.rate, o.cpu) < ahead && l.profiles {
			if err := l.explain(&o, proxies[0]); err != nil {
				log.Printf("no profile of %s: %v", c.name, err)
			}
		}
		log.Printf("%d of %d: %s: %.2f× requests/s, %.2f× CPU", i+1, len(wanted), c.name, o.rate, o.cpu)
		outcomes = append(outcomes, o)
	}
	return report(proxies, outcomes, l.Options), nil
}

// interleave measures a cell in rounds; in each comes one proxy after the
// other, so that a slow moment of the machine meets all of them. The round
// before the first warms pools and caches. A proxy that fails is left out of
// what follows of the cell.
func (l *rig) interleave(c cell, proxies []proxy) outcome {
	o := outcome{cell: c, samples: map[string]sample{}, failed: map[string]string{}}
	samples := map[string][]sample{}
	for round := range l.Rounds + 1 {
		for _, p := range proxies {
			if o.failed[p.name] != "" || l.Ctx.Err() != nil {
				continue
			}
			seconds := l.Seconds()
			if round == 0 {
				seconds = 1
			}
			s, err := l.sound(p, c, seconds)
			if err != nil {
				o.failed[p.name] = oneLine(err)
				l.fail(c.name, p.name, err.Error())
				continue
			}
			if round > 0 {
				samples[p.name] = append(samples[p.name], s)
			}
		}
	}
	for name, list := range samples {
		if o.failed[name] == "" {
			o.samples[name] = median(list)
		}
	}
	o.compare()
	return o
}

// compare sets the ratios to the best of the peers. ReverseProxy is a yardstick
// for Go, not a peer.
func (o *outcome) compare() {
	d, ok := o.samples[ours]
	if !ok {
		return
	}
	rate, cpu, p99 := 0.0, 0.0, time.Duration(0)
	for _, name := range []string{"nginx", "HAProxy", "Caddy"} {
		s, ok := o.samples[name]
		if !ok {
			continue
		}
		rate = max(rate, s.rate)
		if cpu == 0 || s.cpu < cpu {
			cpu = s.cpu
		}
		if p99 == 0 || s.P99 < p99 {
			p99 = s.P99
		}
	}
	if rate > 0 {
		o.rate, o.cpu, o.p99 = d.rate/rate, cpu/d.cpu, float64(p99)/float64(d.P99)
	}
}

// explain profiles Daemun in a cell.
func (l *rig) explain(o *outcome, p proxy) error {
	if o.failed[ours] != "" {
		return fmt.Errorf("the cell failed")
	}
	var err error
	o.profile, o.functions, err = l.Profile(p.pid, func() error {
		_, err := l.measure(p, o.cell, 1)
		return err
	})
	return err
}

func oneLine(err error) string {
	text, _, _ := strings.Cut(err.Error(), "\n")
	return text
}

// head is what stands above all sections.
func head() string {
	kernel, _ := exec.Command("uname", "-r").Output()
	cpu, _ := exec.Command("sh", "-c", "sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1").Output()
	return fmt.Sprintf("# Side by side\n\nMade by `make bench` on %d cores (%s), Linux %s, %s. Each section says how; absolute figures depend on the machine, ratios much less.\n",
		runtime.NumCPU(), strings.TrimSpace(string(cpu)), strings.TrimSpace(string(kernel)), time.Now().UTC().Format(time.DateOnly))
}
