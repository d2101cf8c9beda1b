package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"daemun/bench/lab"
)

// swapEvery is the time between two changes of a route.
const swapEvery = 100 * time.Millisecond

// swapIngress: host, path.
const swapIngress = `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: %[1]s}
spec:
  ingressClassName: nginx
  rules:
    - host: %[1]s
      http:
        paths:
          - {path: %[2]s, pathType: Prefix, backend: {service: {name: bench, port: {number: 80}}}}
`

// swaps measures traffic while routes change beside it, and without, in turn.
func (l *rig) swaps() (string, error) {
	if !l.Wants("route swaps") {
		return "", nil
	}
	defer l.Stop()
	dir := l.File("swaps")
	p, err := l.startSwaps(dir)
	if err != nil {
		return "", err
	}
	c := cell{name: "route swaps", tool: wrk, conns: many, host: "steady.test"}
	var calm, swapped []sample
	made := 0
	for round := range l.Rounds + 1 {
		before, err := l.sound(p, c, l.Seconds())
		if err != nil {
			return "", err
		}
		ctx, cancel := context.WithCancel(l.Ctx)
		written := make(chan int, 1)
		go func() { written <- swapRoutes(ctx, dir, made) }()
		during, err := l.sound(p, c, l.Seconds())
		cancel()
		made = <-written
		if err != nil {
			return "", err
		}
		if err := l.Await(func() error { return serves(p, "swapped.test", fmt.Sprintf("/%d", made)) }); err != nil {
			return "", fmt.Errorf("change %d of a route is not in force: %w", made, err)
		}
		if round > 0 { // the first warms up
			calm, swapped = append(calm, before), append(swapped, during)
		}
	}
	log.Printf("route swaps: %d done", made)
	return swapReport(median(calm), median(swapped), l.Options), nil
}

func (l *rig) startSwaps(dir string) (proxy, error) {
	if err := l.startBackend(); err != nil {
		return proxy{}, err
	}
	host, port, err := net.SplitHostPort(l.backend)
	if err != nil {
		return proxy{}, err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return proxy{}, err
	}
	text := fmt.Sprintf(policyService, host, port) + fmt.Sprintf(swapIngress, "steady.test", "/")
	if err := replace(filepath.Join(dir, "steady.yaml"), []byte(text)); err != nil {
		return proxy{}, err
	}
	if err := replace(filepath.Join(dir, "swapped.yaml"), fmt.Appendf(nil, swapIngress, "swapped.test", "/0")); err != nil {
		return proxy{}, err
	}
	free, err := lab.FreeAddresses(2)
	if err != nil {
		return proxy{}, err
	}
	p := proxy{name: ours, plain: free[0], tls: free[1]}
	if err := l.daemunUp(&p, "swaps.daemun", dir); err != nil {
		return proxy{}, err
	}
	return p, l.Await(func() error { return serves(p, "steady.test", "/2") })
}

// swapRoutes changes a path ten times a second until the context ends; the
// return is the number of the last change.
func swapRoutes(ctx context.Context, dir string, last int) int {
	tick := time.NewTicker(swapEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return last
		case <-tick.C:
			text := fmt.Appendf(nil, swapIngress, "swapped.test", fmt.Sprintf("/%d", last+1))
			if err := replace(filepath.Join(dir, "swapped.yaml"), text); err != nil {
				log.Printf("change of a route: %v", err)
				return last
			}
			last++
		}
	}
}

func serves(p proxy, host, path string) error {
	c, err := net.Dial("tcp", p.plain)
	if err != nil {
		return err
	}
	answer, err := ask(c, path, "Host: "+host)
	if err == nil && !strings.Contains(string(answer), " 200 ") {
		err = fmt.Errorf("answers %q", answer)
	}
	return err
}

func swapReport(calm, swapped sample, o *lab.Options) string {
	var b strings.Builder
	fmt.Fprintf(&b, "## Route swaps\n\nDaemun alone: small requests over plain HTTP/1.1 on 64 connections while a path of another host changes in its file ten times a second, and without. "+
		"The changes cost CPU time of the same core. Median of %d measurements of %ds each, in turn; no request failed, and the last change was in force.\n\n", o.Rounds, o.Seconds())
	b.WriteString("| traffic | requests/s | CPU µs | busy | p50 | p99 | p99.9 |\n|---|---:|---:|---:|---:|---:|---:|\n")
	for _, r := range []struct {
		name string
		s    sample
	}{{"no changes", calm}, {"10 changes a second", swapped}} {
		fmt.Fprintf(&b, "| %s | %s | %s | %.0f %% | %s | %s | %s |\n", r.name, figureOf(r.s.rate), figureOf(r.s.cpu), r.s.busy(), round(r.s.P50), round(r.s.P99), round(r.s.P999))
	}
	fmt.Fprintf(&b, "| **vs no changes** | **%.2f×** | **%.2f×** | | | | |\n", swapped.rate/calm.rate, calm.cpu/swapped.cpu)
	return b.String()
}
