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
		"Access log on for all. Median of %d measurements of %s each, interleaved.\n\n", runtime.NumCPU(), strings.TrimSpace(string(kernel)), rounds, duration)
	for _, p := range proxies {
		fmt.Fprintf(b, "* **%s**: %s\n", p.name, p.version)
	}
	b.WriteString("\n*CPU* is the proxy's CPU time per request in µs. *vs best* is the best of nginx and HAProxy divided by Daemun (CPU), and Daemun divided by the best (requests/s): above 1 Daemun is ahead.\n\n")
	b.WriteString("| traffic | proxy | requests/s | CPU µs | p50 | p99 | errors |\n|---|---|---:|---:|---:|---:|---:|\n")
}

func row(b *strings.Builder, c cell, proxies []proxy, results map[string]sample) {
	for i, p := range proxies {
		s := results[p.name]
		name := c.name
		if i > 0 {
			name = ""
		}
		fmt.Fprintf(b, "| %s | %s | %.0f | %.1f | %s | %s | %d |\n", name, p.name, s.rps, s.cpu, round(s.p50), round(s.p99), s.errors)
	}
	d, n, h := results["Daemun"], results["nginx"], results["HAProxy"]
	fmt.Fprintf(b, "| | **vs best** | **%.2f×** | **%.2f×** | | | |\n", d.rps/max(n.rps, h.rps), min(n.cpu, h.cpu)/d.cpu)
}

func round(d time.Duration) string {
	if d < time.Millisecond {
		return d.Round(time.Microsecond).String()
	}
	return d.Round(10 * time.Microsecond).String()
}
