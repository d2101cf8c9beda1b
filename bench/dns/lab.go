package main

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The cores: one for the server under test, one for the load.
const (
	serverCore = "0"
	loadCore   = "1"
)

// clockTick is the unit of CPU times in /proc.
const clockTick = time.Second / 100

// server is one program under test.
type server struct {
	name, version, port string
	pid                 int
}

// lab is what one run has started.
type lab struct {
	ctx       context.Context
	dir       string
	processes []*exec.Cmd
}

func (l *lab) stop() {
	for _, p := range l.processes {
		_ = p.Process.Signal(os.Interrupt)
		_ = p.Wait()
	}
}

func (l *lab) file(name string) string { return filepath.Join(l.dir, name) }

func (l *lab) start(services int) ([]server, error) {
	var list []server
	for _, start := range []func(string, int) (server, error){l.daemun, l.knot, l.unbound} {
		port, err := freePort()
		if err != nil {
			return nil, err
		}
		s, err := start(port, services)
		if err != nil {
			return nil, err
		}
		s.port = port
		if err := l.answers(s); err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

func (l *lab) run(name string, argv ...string) (int, error) {
	out, err := os.Create(l.file(name + ".log"))
	if err != nil {
		return 0, err
	}
	defer out.Close()
	cmd := exec.Command("taskset", append([]string{"-c", serverCore}, argv...)...)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("start %s: %w", name, err)
	}
	l.processes = append(l.processes, cmd)
	return cmd.Process.Pid, nil
}

func (l *lab) daemun(port string, services int) (server, error) {
	self, err := os.Executable()
	if err != nil {
		return server{}, err
	}
	pid, err := l.run("daemun", self, "-serve", "127.0.0.1:"+port, "-services", strconv.Itoa(services))
	return server{name: "Daemun", version: "internal/dns of this tree, " + firstLine("go", "version"), pid: pid}, err
}

const knotConf = `server:
    rundir: %[1]s
    user: root:root
    listen: 127.0.0.1@%[2]s
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
database:
    storage: %[1]s
zone:
  - domain: cluster.local
    file: %[1]s/zone
    zonefile-sync: -1
    journal-content: none
    semantic-checks: off
`

const zoneHead = `cluster.local. 5 IN SOA ns.dns.cluster.local. hostmaster.cluster.local. 1 7200 1800 86400 5
cluster.local. 5 IN NS ns.dns.cluster.local.
ns.dns.cluster.local. 5 IN A 10.96.0.10
`

func (l *lab) knot(port string, services int) (server, error) {
	if err := os.WriteFile(l.file("zone"), []byte(zoneHead+strings.Join(records(services), "\n")+"\n"), 0o600); err != nil {
		return server{}, err
	}
	if err := os.WriteFile(l.file("knot.conf"), fmt.Appendf(nil, knotConf, l.dir, port), 0o600); err != nil {
		return server{}, err
	}
	pid, err := l.run("knot", "knotd", "-c", l.file("knot.conf"))
	return server{name: "Knot", version: firstLine("knotd", "--version"), pid: pid}, err
}

const unboundConf = `server:
    directory: "%[1]s"
    username: ""
    chroot: ""
    pidfile: ""
    use-syslog: no
    num-threads: 1
    interface: 127.0.0.1
    port: %[2]s
    do-ip6: no
    so-reuseport: no
    module-config: "iterator"
    minimal-responses: no
    local-zone: "cluster.local." static
    include: "%[1]s/local-data"
remote-control:
    control-enable: no
`

func (l *lab) unbound(port string, services int) (server, error) {
	var data strings.Builder
	for _, line := range append(strings.Split(strings.TrimSpace(zoneHead), "\n"), records(services)...) {
		fmt.Fprintf(&data, "local-data: '%s'\n", line)
	}
	if err := os.WriteFile(l.file("local-data"), []byte(data.String()), 0o600); err != nil {
		return server{}, err
	}
	if err := os.WriteFile(l.file("unbound.conf"), fmt.Appendf(nil, unboundConf, l.dir, port), 0o600); err != nil {
		return server{}, err
	}
	pid, err := l.run("unbound", "unbound", "-d", "-c", l.file("unbound.conf"))
	return server{name: "Unbound", version: firstLine("unbound", "-V"), pid: pid}, err
}

// answers waits until a server knows a name.
func (l *lab) answers(s server) error {
	query := []byte("\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x0cservice-0000\x07team-00\x03svc\x07cluster\x05local\x00\x00\x01\x00\x01")
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); <-tick.C {
		c, err := net.Dial("udp", "127.0.0.1:"+s.port)
		if err != nil {
			return err
		}
		buf := make([]byte, 512)
		_ = c.SetDeadline(time.Now().Add(time.Second))
		_, _ = c.Write(query)
		n, err := c.Read(buf)
		c.Close()
		if err == nil && n > 8 && buf[3]&0xf == 0 && buf[7] == 1 {
			return nil
		}
	}
	text, _ := os.ReadFile(l.file(strings.ToLower(s.name) + ".log"))
	return fmt.Errorf("%s does not answer:\n%s", s.name, text)
}

func (l *lab) questions(c cell, services int) (string, error) {
	file := l.file("questions")
	return file, os.WriteFile(file, []byte(strings.Join(c.questions(services), "\n")+"\n"), 0o600)
}

// calmRate is the load under which latency is measured, in queries per second.
const calmRate = "20000"

// measure loads one server with one kind of questions: as much as dnsperf can
// for d, then calmly for a second.
func (l *lab) measure(s server, c cell, file string, d time.Duration) (sample, error) {
	before, err := cpuTime(s.pid)
	if err != nil {
		return sample{}, err
	}
	out, err := l.dnsperf(s, c, file, "-l", strconv.Itoa(int(d.Seconds())))
	if err != nil {
		return sample{}, err
	}
	after, err := cpuTime(s.pid)
	if err != nil {
		return sample{}, err
	}
	one, err := parse(out, after-before)
	if err != nil {
		return sample{}, err
	}
	if out, err = l.dnsperf(s, c, file, "-l", "1", "-Q", calmRate, "-v"); err != nil {
		return sample{}, err
	}
	one.p99 = percentile(out, 0.99)
	return one, nil
}

func (l *lab) dnsperf(s server, c cell, file string, more ...string) ([]byte, error) {
	mode := "udp"
	if c.tcp {
		mode = "tcp"
	}
	args := []string{"-c", loadCore, "dnsperf", "-s", "127.0.0.1", "-p", s.port, "-m", mode, "-d", file, "-c", "8", "-q", "100", "-e"}
	out, err := exec.CommandContext(l.ctx, "taskset", append(args, more...)...).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("load against %s: %w\n%s", s.name, err, out)
	}
	return out, nil
}

func parse(out []byte, cpu time.Duration) (sample, error) {
	figure := func(expr string) float64 {
		if m := regexp.MustCompile(expr).FindSubmatch(out); m != nil {
			f, _ := strconv.ParseFloat(string(m[1]), 64)
			return f
		}
		return math.NaN()
	}
	completed := figure(`Queries completed:\s+(\d+)`)
	s := sample{qps: figure(`Queries per second:\s+([\d.]+)`), lost: int(figure(`Queries lost:\s+(\d+)`)), cpu: float64(cpu.Microseconds()) / completed}
	if math.IsNaN(s.qps) || math.IsNaN(s.cpu) {
		return sample{}, fmt.Errorf("dnsperf printed no result:\n%s", out)
	}
	return s, nil
}

// percentile reads dnsperf's lines of single queries, which end with seconds.
func percentile(out []byte, q float64) time.Duration {
	var all []float64
	for _, m := range regexp.MustCompile(`(?m)^> .* ([\d.]+)$`).FindAllSubmatch(out, -1) {
		seconds, _ := strconv.ParseFloat(string(m[1]), 64)
		all = append(all, seconds)
	}
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return time.Duration(all[int(q*float64(len(all)-1))] * float64(time.Second))
}

// cpuTime is the CPU time of a process so far.
func cpuTime(pid int) (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	f := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	user, _ := strconv.ParseInt(string(f[11]), 10, 64)
	system, _ := strconv.ParseInt(string(f[12]), 10, 64)
	return time.Duration(user+system) * clockTick, nil
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}

func firstLine(argv ...string) string {
	out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	if err != nil && len(out) == 0 {
		return "unknown"
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return line
}
