package main

import (
	"fmt"
	"math"
	"net"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"daemun/bench/lab"
)

// server is one program under test.
type server struct {
	name, version, port string
	pid                 int
}

// rig is a lab with this comparison's servers.
type rig struct{ *lab.Lab }

func (l rig) start(services int) ([]server, error) {
	var list []server
	for _, start := range []func(string, int) (server, error){l.daemun, l.knot, l.unbound} {
		at, err := lab.FreeAddress()
		if err != nil {
			return nil, err
		}
		port := lab.PortOf(at)
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

func (l rig) daemun(port string, services int) (server, error) {
	self, err := os.Executable()
	if err != nil {
		return server{}, err
	}
	pid, err := l.Run(lab.ProxyCore, "daemun", self, "-serve", "127.0.0.1:"+port, "-services", strconv.Itoa(services))
	return server{name: "Daemun", version: "internal/dns of this tree, " + lab.FirstLine("go", "version"), pid: pid}, err
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

func (l rig) knot(port string, services int) (server, error) {
	if err := os.WriteFile(l.File("zone"), []byte(zoneHead+strings.Join(records(services), "\n")+"\n"), 0o600); err != nil {
		return server{}, err
	}
	if err := os.WriteFile(l.File("knot.conf"), fmt.Appendf(nil, knotConf, l.File(""), port), 0o600); err != nil {
		return server{}, err
	}
	pid, err := l.Run(lab.ProxyCore, "knot", "knotd", "-c", l.File("knot.conf"))
	return server{name: "Knot", version: lab.FirstLine("knotd", "--version"), pid: pid}, err
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

func (l rig) unbound(port string, services int) (server, error) {
	var data strings.Builder
	for _, line := range append(strings.Split(strings.TrimSpace(zoneHead), "\n"), records(services)...) {
		fmt.Fprintf(&data, "local-data: '%s'\n", line)
	}
	if err := os.WriteFile(l.File("local-data"), []byte(data.String()), 0o600); err != nil {
		return server{}, err
	}
	if err := os.WriteFile(l.File("unbound.conf"), fmt.Appendf(nil, unboundConf, l.File(""), port), 0o600); err != nil {
		return server{}, err
	}
	pid, err := l.Run(lab.ProxyCore, "unbound", "unbound", "-d", "-c", l.File("unbound.conf"))
	return server{name: "Unbound", version: lab.FirstLine("unbound", "-V"), pid: pid}, err
}

// answers waits until a server knows a name.
func (l rig) answers(s server) error {
	query := []byte("\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x0cservice-0000\x07team-00\x03svc\x07cluster\x05local\x00\x00\x01\x00\x01")
	err := l.Await(func() error {
		c, err := net.Dial("udp", "127.0.0.1:"+s.port)
		if err != nil {
			return err
		}
		defer c.Close()
		buf := make([]byte, 512)
		_ = c.SetDeadline(time.Now().Add(time.Second))
		_, _ = c.Write(query)
		n, err := c.Read(buf)
		if err == nil && (n <= 8 || buf[3]&0xf != 0 || buf[7] != 1) {
			err = fmt.Errorf("answers %x", buf[:n])
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("%s does not answer: %w\n%s", s.name, err, l.Log(strings.ToLower(s.name)))
	}
	return nil
}

func (l rig) questions(c cell, services int) (string, error) {
	file := l.File("questions")
	return file, os.WriteFile(file, []byte(strings.Join(c.questions(services), "\n")+"\n"), 0o600)
}

// calmRate is the load under which latency is measured, in queries per second.
const calmRate = "20000"

// measure loads one server with one kind of questions: as much as dnsperf can
// for some seconds, then calmly for a second.
func (l rig) measure(s server, c cell, file string, seconds int) (sample, error) {
	out, cpu, err := l.dnsperf(s, c, file, "-l", strconv.Itoa(seconds))
	if err != nil {
		return sample{}, err
	}
	one, err := parse(out, cpu)
	if err != nil {
		return sample{}, err
	}
	if out, _, err = l.dnsperf(s, c, file, "-l", "1", "-Q", calmRate, "-v"); err != nil {
		return sample{}, err
	}
	one.p99 = percentile(out, 0.99)
	return one, nil
}

func (l rig) dnsperf(s server, c cell, file string, more ...string) ([]byte, time.Duration, error) {
	mode := "udp"
	if c.tcp {
		mode = "tcp"
	}
	args := []string{"dnsperf", "-s", "127.0.0.1", "-p", s.port, "-m", mode, "-d", file, "-c", "8", "-q", "100", "-e"}
	out, cpu, err := l.Load(s.pid, append(args, more...)...)
	if err != nil {
		return nil, 0, fmt.Errorf("load against %s: %w", s.name, err)
	}
	return out, cpu, nil
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
