package main

import (
	"fmt"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

func header(b *strings.Builder, proxies []proxy, duration time.Duration, rounds int) {
	kernel, _ := exec.Command("uname", "-r").Output()
	fmt.Fprintf(b, "# Side by side\n\nMade by `make bench` on %d cores, Linux %s. The proxy is pinned to one core, load (wrk, 64 connections) and backend share another. "+
		"Access log on for all; nginx is set up as ingress-nginx does it (response buffering off, one log write per request). "+
		"Median of %d measurements of %s each, interleaved.\n\n", runtime.NumCPU(), strings.TrimSpace(string(kernel)), rounds, duration)
	for _, p := range proxies {
		fmt.Fprintf(b, "* **%s**: %s\n", p.name, p.version)
	}
	b.WriteString("\n*CPU* is the proxy's CPU time per request in µs. *vs best* is the best of nginx and HAProxy divided by Daemun (CPU), and Daemun divided by the best (requests/s): above 1 Daemun is ahead. " +
		"*Busy* is the share of its core that the proxy used: well below 100 % the other core was the limit, and requests/s and latency say more about load generator and backend than about the proxy. " +
		"Full handshakes come from bench/handshakes (X25519 for all), because wrk resumes its sessions.\n\n")
	b.WriteString("| traffic | proxy | requests/s | CPU µs | busy | p50 | p99 | errors |\n|---|---|---:|---:|---:|---:|---:|---:|\n")
}

func row(b *strings.Builder, c cell, proxies []proxy, results map[string]sample) {
	for i, p := range proxies {
		s := results[p.name]
		name := c.name
		if i > 0 {
			name = ""
		}
		fmt.Fprintf(b, "| %s | %s | %.0f | %.1f | %.0f %% | %s | %s | %d |\n", name, p.name, s.rps, s.cpu, s.rps*s.cpu/1e4, round(s.p50), round(s.p99), s.errors)
	}
	d, n, h := results["Daemun"], results["nginx"], results["HAProxy"]
	fmt.Fprintf(b, "| | **vs best** | **%.2f×** | **%.2f×** | | | | |\n", d.rps/max(n.rps, h.rps), min(n.cpu, h.cpu)/d.cpu)
}

// scaleTable is the second table.
func scaleTable(b *strings.Builder, figures []figure) {
	b.WriteString("\n## Scale\n\nDaemun alone, on all cores, in the same run. Times that are repeated show the median and the range. " +
		"Allocations are those of proxy, client and backend together.\n\n| what | figure |\n|---|---:|\n")
	for _, f := range figures {
		fmt.Fprintf(b, "| %s | %s |\n", f.name, f.value)
	}
}

func round(d time.Duration) string {
	if d < time.Millisecond {
		return d.Round(time.Microsecond).String()
	}
	return d.Round(10 * time.Microsecond).String()
}
