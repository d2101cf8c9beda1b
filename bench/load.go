package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// h2load measures cells over HTTP/2: eight connections with eight streams each.
func (l *lab) h2load(p proxy, c cell, d time.Duration) (sample, error) {
	requests := l.file("h2load.log")
	args := []string{
		"-c", loadCore, "h2load", "-t1", "-c8", "-m8", "-D" + strconv.Itoa(int(d.Seconds())), "--log-file=" + requests,
		"-H", ":authority: bench.test", "--connect-to=" + p.tls,
	}
	if c.call {
		args = append(args, "-d", l.file("message"), "-H", "content-type: application/grpc", "-H", "te: trailers")
	}
	args = append(args, "https://bench.test"+c.path)
	_ = os.Remove(requests)
	before, err := cpuTime(p.pid)
	if err != nil {
		return sample{}, err
	}
	out, err := exec.CommandContext(l.ctx, "taskset", args...).CombinedOutput()
	if err != nil {
		return sample{}, fmt.Errorf("load against %s: %w\n%s", p.name, err, out)
	}
	after, err := cpuTime(p.pid)
	if err != nil {
		return sample{}, err
	}
	times, err := os.ReadFile(requests)
	if err != nil {
		return sample{}, err
	}
	return parseH2load(out, times, after-before)
}

func parseH2load(out, log []byte, cpu time.Duration) (sample, error) {
	rps := regexp.MustCompile(`finished in [\d.]+\w+, ([\d.]+) req/s`).FindSubmatch(out)
	counts := regexp.MustCompile(`(\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout`).FindSubmatch(out)
	if rps == nil || counts == nil {
		return sample{}, fmt.Errorf("the load generator printed no result:\n%s", out)
	}
	var s sample
	s.rps, _ = strconv.ParseFloat(string(rps[1]), 64)
	n, _ := strconv.ParseFloat(string(counts[2]), 64)
	s.cpu = float64(cpu.Microseconds()) / n
	failed, _ := strconv.Atoi(string(counts[3]))
	late, _ := strconv.Atoi(string(counts[5]))
	s.errors = failed + late
	var took []time.Duration
	for line := range bytes.Lines(log) {
		f := bytes.Fields(line)
		if len(f) < 3 {
			continue
		}
		if us, err := strconv.Atoi(string(f[2])); err == nil {
			took = append(took, time.Duration(us)*time.Microsecond)
		}
	}
	if len(took) == 0 {
		return sample{}, fmt.Errorf("the load generator logged no request:\n%s", out)
	}
	slices.Sort(took)
	s.p50, s.p99 = took[len(took)/2], took[len(took)*99/100]
	return s, nil
}
