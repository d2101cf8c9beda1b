package main

import (
	"fmt"
	"strings"
	"time"

	"daemun/bench/lab"
)

const method = `The proxy under test has one core to itself, load and backend share another. All write an access log to a file, count for their metrics
(nginx: stub_status, HAProxy: its statistics, Caddy: metrics), keep up to 320 connections to the backend, set X-Request-ID, X-Real-IP and the
X-Forwarded- fields, and buffer no bodies, as ingress-nginx does but for request bodies. HTTP/1.1 and resumed handshakes are loaded by wrk, HTTP/2 and gRPC calls by h2load
(64 streams are 8 connections, 1,000 are 100), the rest by bench/load; full handshakes use X25519 for all. The warm-up second counts only
where it fails. With 1,000 connections or streams over TLS h2load opens and uses the connections for 5 seconds before each measurement begins, of HTTP/1.1, too.

*CPU* is the proxy's CPU time per request in µs, *RSS* its resident memory after the cell in MiB. *vs best* is Daemun against the best of nginx, HAProxy and Caddy:
requests/s divided by theirs, and their CPU and p99 divided by Daemun's; above 1 Daemun is ahead. The goals, ✓ where they are reached: 1.3× in requests/s and in CPU,
1× in p99. *Busy* is the share of its core that the proxy used:
well below 100 % the other core was the limit, and requests/s and latency say more about load generator and backend than about the proxy.
A proxy of which a single request fails, by error, time or status, has failed the cell; the ratios are those to the others. A cell that Daemun fails fails the run.
`

// report is the sections of the comparison.
func report(proxies []proxy, outcomes []outcome, o *lab.Options) string {
	var b strings.Builder
	fmt.Fprintf(&b, "## HTTP\n\n%sMedian of %d measurements of %ds each, interleaved.\n\n", method, o.Rounds, o.Seconds())
	for _, p := range proxies {
		fmt.Fprintf(&b, "* **%s**: %s\n", p.name, p.version)
	}
	b.WriteString("\n| traffic | proxy | requests/s | CPU µs | busy | p50 | p99 | p99.9 | RSS |\n|---|---|---:|---:|---:|---:|---:|---:|---:|\n")
	for _, o := range outcomes {
		rows(&b, o, proxies)
	}
	goals(&b, outcomes)
	below(&b, outcomes)
	return b.String()
}

func rows(b *strings.Builder, o outcome, proxies []proxy) {
	name := o.name
	for _, p := range proxies {
		if s, ok := o.samples[p.name]; ok {
			fmt.Fprintf(b, "| %s | %s | %s | %s | %.0f %% | %s | %s | %s | %.0f |\n", name, p.name, figureOf(s.rate), figureOf(s.cpu), s.busy(), round(s.P50), round(s.P99), round(s.P999), s.resident)
		} else {
			fmt.Fprintf(b, "| %s | %s | **failed** | %s | | | | | |\n", name, p.name, strings.ReplaceAll(o.failed[p.name], "|", "/"))
		}
		name = ""
	}
	if o.rate == 0 {
		b.WriteString("| | **vs best** | **failed** | | | | | | |\n")
		return
	}
	fmt.Fprintf(b, "| | **vs best** | %s | %s | | | %s | | |\n", ratio(o.rate, ahead), ratio(o.cpu, ahead), ratio(o.p99, noWorse))
}

// ratio is marked where it reaches the goal.
func ratio(r, goal float64) string {
	mark := ""
	if r >= goal {
		mark = " ✓"
	}
	return fmt.Sprintf("**%.2f×**%s", r, mark)
}

// goals says in how many cells they are reached.
func goals(b *strings.Builder, outcomes []outcome) {
	rate, cpu, p99 := 0, 0, 0
	for _, o := range outcomes {
		if o.rate >= ahead {
			rate++
		}
		if o.cpu >= ahead {
			cpu++
		}
		if o.p99 >= noWorse {
			p99++
		}
	}
	fmt.Fprintf(b, "\nOf %d cells the goal of requests/s is reached in %d, that of CPU in %d, that of p99 in %d.\n", len(outcomes), rate, cpu, p99)
}

// below is the section about the cells in which Daemun is not clearly ahead.
func below(b *strings.Builder, outcomes []outcome) {
	fmt.Fprintf(b, "\n## Profiles\n\nWhere Daemun spends its CPU time in the cells in which one of the ratios is below %.1f×, from perf (cpu-clock, 997 Hz) during a second of that load: shares by group, "+
		"then the five functions at the top.\n\n| traffic | requests/s | CPU | by group | at the top |\n|---|---:|---:|---|---|\n", ahead)
	for _, o := range outcomes {
		if o.rate == 0 || min(o.rate, o.cpu) >= ahead {
			continue
		}
		groups := shares(o.profile, 12)
		if groups == "" {
			groups = "no profile"
		}
		fmt.Fprintf(b, "| %s | %.2f× | %.2f× | %s | %s |\n", o.name, o.rate, o.cpu, groups, shares(o.functions, 5))
	}
}

// shares are those above one percent, n at most.
func shares(list []lab.Share, n int) string {
	var parts []string
	for _, s := range list {
		if s.Percent >= 1 && len(parts) < n {
			parts = append(parts, fmt.Sprintf("%s %.0f %%", strings.ReplaceAll(s.Name, "|", "/"), s.Percent))
		}
	}
	return strings.Join(parts, ", ")
}

// scaleSection is Daemun alone.
func (l *rig) scaleSection() (string, error) {
	figures, err := l.scale(l.Only)
	if err != nil || len(figures) == 0 {
		return "", err
	}
	var b strings.Builder
	b.WriteString("## Scale\n\nDaemun alone, on all cores, in the same run. Times that are repeated show the median and the range. " +
		"Allocations are those of proxy, client and backend together.\n\n| what | figure |\n|---|---:|\n")
	for _, f := range figures {
		fmt.Fprintf(&b, "| %s | %s |\n", f.name, f.value)
	}
	return b.String(), nil
}

// figureOf has three digits at least, where there are that many.
func figureOf(f float64) string {
	switch {
	case f < 10:
		return fmt.Sprintf("%.2f", f)
	case f < 1000:
		return fmt.Sprintf("%.1f", f)
	}
	return fmt.Sprintf("%.0f", f)
}

func round(d time.Duration) string {
	if d < time.Millisecond {
		return d.Round(time.Microsecond).String()
	}
	return d.Round(10 * time.Microsecond).String()
}
