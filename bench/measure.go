package main

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"daemun/bench/lab"
)

// result is what a load generator says, bench/load in just this form.
type result struct {
	Requests       int
	Seconds        float64
	P50, P99, P999 time.Duration
	Errors         int
	First          string // the first error, if it is known
}

// sample is one measurement.
type sample struct {
	result
	rate     float64 // requests per second
	cpu      float64 // µs of the proxy per request
	resident float64 // MiB of the proxy afterwards
}

// busy is the share of its core that the proxy used, in percent.
func (s sample) busy() float64 { return s.rate * s.cpu / 1e4 }

// measure loads one proxy with one kind of traffic.
func (l *rig) measure(p proxy, c cell, seconds int) (sample, error) {
	_ = os.Remove(l.File("h2load.log"))
	mark := ""
	if c.warm > 0 {
		mark = h2loadStarts
	}
	out, cpu, err := l.LoadFrom(p.pid, mark, l.command(p, c, seconds)...)
	if err != nil {
		return sample{}, err
	}
	r, err := l.parse(c, out)
	if err != nil {
		return sample{}, err
	}
	if r.Requests == 0 {
		return sample{}, fmt.Errorf("no request succeeded: %s", r.First)
	}
	n := float64(r.Requests)
	return sample{result: r, rate: n / r.Seconds, cpu: float64(cpu.Microseconds()) / n, resident: lab.Resident(p.pid)}, nil
}

// sound is a measurement without a failed request.
func (l *rig) sound(p proxy, c cell, seconds int) (sample, error) {
	s, err := l.measure(p, c, seconds)
	if err == nil && s.Errors > 0 {
		err = fmt.Errorf("%d of %d requests failed: %s", s.Errors, s.Errors+s.Requests, s.First)
	}
	return s, err
}

// command is the load generator with its arguments.
func (l *rig) command(p proxy, c cell, seconds int) []string {
	scheme, addr := "http", p.plain
	if c.tls {
		scheme, addr = "https", p.tls
	}
	switch c.tool {
	case wrk:
		args := []string{"wrk", "-t1", "-c", strconv.Itoa(c.conns), "-d", fmt.Sprintf("%ds", seconds), "-s", l.script(c.up), "-H", "Host: " + c.authority()}
		if c.fresh {
			args = append(args, "-H", "Connection: close")
		}
		for _, f := range c.fields {
			args = append(args, "-H", f)
		}
		return append(args, scheme+"://"+addr+c.target())
	case h2load, h1load:
		conns, each := shape(c.conns)
		args := []string{"h2load"}
		if c.tool == h1load {
			conns, each, args = c.conns, 1, []string{"h2load", "--h1"}
		}
		args = append(args, "-t1", "-c"+strconv.Itoa(conns), "-m"+strconv.Itoa(each), "-D"+strconv.Itoa(seconds), "--log-file="+l.File("h2load.log"), "--connect-to="+addr)
		if c.warm > 0 {
			args = append(args, "--warm-up-time="+strconv.Itoa(c.warm))
		}
		if c.grpc {
			args = append(args, "-d", l.File("message"), "-H", "content-type: application/grpc", "-H", "te: trailers")
		}
		return append(args, "https://"+c.authority()+c.target())
	}
	kind, conns := "plain", c.conns
	if c.tls {
		kind = "tls"
	}
	if c.tool == streams {
		conns, _ = shape(c.conns)
	}
	return []string{l.File("load"), string(c.tool), addr, c.authority(), kind, strconv.Itoa(max(c.down, c.up)), strconv.Itoa(conns), fmt.Sprintf("%ds", seconds)}
}

// shape is how streams are spread over connections of HTTP/2.
func shape(streams int) (conns, each int) {
	switch {
	case streams < 8:
		return 1, streams
	case streams <= 64:
		return streams / 8, 8
	}
	return streams / 10, 10
}

// wrkScript: octets of the body. It tells wrk to print what bench/load prints;
// it has no function that wrk would call for each request.
const wrkScript = `
local size = %d
if size > 0 then
  wrk.method = "POST"
  wrk.body = string.rep("x", size)
end
function done(summary, latency, requests)
  local e = summary.errors
  local first = ""
  for _, kind in ipairs({"connect", "read", "write", "status", "timeout"}) do
    if e[kind] > 0 then first = first .. kind .. " " .. e[kind] .. " " end
  end
  io.write(string.format('\n{"Requests":%%d,"Seconds":%%f,"P50":%%d,"P99":%%d,"P999":%%d,"Errors":%%d,"First":"%%s"}\n',
    summary.requests - e.status, summary.duration / 1e6,
    latency:percentile(50) * 1000, latency:percentile(99) * 1000, latency:percentile(99.9) * 1000,
    e.connect + e.read + e.write + e.status + e.timeout, first))
end
`

func (l *rig) script(up int) string { return l.File(fmt.Sprintf("wrk-%d.lua", up)) }

// parse reads the line of JSON among what was printed.
func (l *rig) parse(c cell, out []byte) (result, error) {
	if c.tool == h2load || c.tool == h1load {
		requests, err := os.ReadFile(l.File("h2load.log"))
		if err != nil {
			return result{}, err
		}
		return parseH2load(out, requests)
	}
	var r result
	return r, lab.JSON(out, &r)
}

// h2loadStarts is in the line that h2load prints when its warm-up is over.
const h2loadStarts = "Main benchmark duration is started"

var (
	h2loadRate   = regexp.MustCompile(`finished in ([\d.]+)(ms|s), ([\d.]+) req/s`)
	h2loadCounts = regexp.MustCompile(`requests: \d+ total, \d+ started, \d+ done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout`)
	h2loadStatus = regexp.MustCompile(`status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx`)
)

// parseH2load takes the counts from the summary and the latencies from the
// log: start, status, µs in each line.
func parseH2load(out, requests []byte) (result, error) {
	rate, counts, status := h2loadRate.FindSubmatch(out), h2loadCounts.FindSubmatch(out), h2loadStatus.FindSubmatch(out)
	if rate == nil || counts == nil || status == nil {
		return result{}, fmt.Errorf("h2load printed no result:\n%s", out)
	}
	number := func(b []byte) int { n, _ := strconv.Atoi(string(b)); return n }
	var r result
	r.Requests = number(counts[1])
	perSecond, _ := strconv.ParseFloat(string(rate[3]), 64)
	if perSecond > 0 {
		r.Seconds = float64(r.Requests) / perSecond
	}
	// Those that failed count once more among those with an error.
	r.Errors = number(counts[2]) + number(counts[4])
	if r.Errors > 0 {
		r.First = strings.TrimSpace(string(counts[0]) + "; " + string(status[0]))
	}
	var took []time.Duration
	for line := range bytes.Lines(requests) {
		f := bytes.Fields(line)
		if len(f) < 3 || len(f[1]) != 3 || f[1][0] != '2' {
			continue
		}
		if us, err := strconv.Atoi(string(f[2])); err == nil {
			took = append(took, time.Duration(us)*time.Microsecond)
		}
	}
	if len(took) > 0 {
		slices.Sort(took)
		r.P50, r.P99, r.P999 = took[len(took)/2], took[len(took)*99/100], took[len(took)*999/1000]
	}
	return r, nil
}

// median takes that of each figure by itself, and the sum of the errors.
func median(list []sample) sample {
	var s sample
	s.rate = lab.Median(list, func(s sample) float64 { return s.rate })
	s.cpu = lab.Median(list, func(s sample) float64 { return s.cpu })
	s.resident = lab.Median(list, func(s sample) float64 { return s.resident })
	s.P50 = lab.Median(list, func(s sample) time.Duration { return s.P50 })
	s.P99 = lab.Median(list, func(s sample) time.Duration { return s.P99 })
	s.P999 = lab.Median(list, func(s sample) time.Duration { return s.P999 })
	for _, one := range list {
		s.Errors += one.Errors
		s.First = one.First + s.First
	}
	return s
}
