package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// The cores: one for the proxy under test, one for everything else.
const (
	proxyCore = "0"
	loadCore  = "1"
)

// clockTick is the unit of CPU times in /proc, USER_HZ, which is 100 on every
// Linux architecture that Go supports.
const clockTick = time.Second / 100

// proxy is one program under test.
type proxy struct {
	name, version string
	plain, tls    string // "127.0.0.1:port"
	pid           int
}

// lab is what one run has started.
type lab struct {
	ctx       context.Context
	dir       string
	calls     string // the backend's address for gRPC
	processes []*exec.Cmd
}

func (l *lab) stop() {
	for _, p := range l.processes {
		// Interrupt lets Daemun take its children along; the rest needs no
		// grace.
		_ = p.Process.Signal(os.Interrupt)
		_ = p.Wait()
	}
	l.processes = nil
}

// start starts the backend and all proxies.
func (l *lab) start() ([]proxy, error) {
	backend, calls, err := twoAddresses()
	if err != nil {
		return nil, err
	}
	l.calls = calls
	if _, err := l.run(loadCore, "backend", filepath.Join(l.dir, "backend"), backend, calls); err != nil {
		return nil, err
	}
	var proxies []proxy
	for _, start := range []func(string) (proxy, error){l.daemun, l.nginx, l.haproxy, l.reverseProxy} {
		p, err := start(backend)
		if err != nil {
			return nil, err
		}
		if err := answers(p); err != nil {
			return nil, err
		}
		proxies = append(proxies, p)
	}
	return proxies, nil
}

func (l *lab) build() error {
	for name, pkg := range map[string]string{"backend": "./bench/backend", "handshakes": "./bench/handshakes", "websockets": "./bench/websockets", "reverseproxy": "./bench/reverseproxy", "daemun": "./cmd/daemun"} {
		out, err := exec.CommandContext(l.ctx, "go", "build", "-trimpath", "-o", filepath.Join(l.dir, name), pkg).CombinedOutput()
		if err != nil {
			return fmt.Errorf("build %s: %w\n%s", pkg, err, out)
		}
	}
	out, err := exec.CommandContext(l.ctx, "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
		"-keyout", l.file("tls.key"), "-out", l.file("tls.crt"), "-subj", "/CN=bench.test", "-addext", "subjectAltName=DNS:bench.test").CombinedOutput()
	if err != nil {
		return fmt.Errorf("openssl: %w\n%s", err, out)
	}
	pem, err := os.ReadFile(l.file("tls.crt"))
	if err != nil {
		return err
	}
	key, err := os.ReadFile(l.file("tls.key"))
	if err != nil {
		return err
	}
	message := append([]byte{0, 0, 0, 0, 64}, bytes.Repeat([]byte{'x'}, 64)...)
	if err := os.WriteFile(l.file("message"), message, 0o600); err != nil {
		return err
	}
	return os.WriteFile(l.file("tls.pem"), append(pem, key...), 0o600)
}

func (l *lab) file(name string) string { return filepath.Join(l.dir, name) }

// run starts a program on a core with its output in a file.
func (l *lab) run(core, name string, argv ...string) (int, error) {
	out, err := os.Create(l.file(name + ".log"))
	if err != nil {
		return 0, err
	}
	defer out.Close()
	cmd := exec.Command("taskset", append([]string{"-c", core}, argv...)...)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("start %s: %w", name, err)
	}
	l.processes = append(l.processes, cmd)
	return cmd.Process.Pid, nil
}

func (l *lab) daemun(backend string) (proxy, error) {
	host, port, err := net.SplitHostPort(backend)
	if err != nil {
		return proxy{}, err
	}
	crt, err := os.ReadFile(l.file("tls.crt"))
	if err != nil {
		return proxy{}, err
	}
	key, err := os.ReadFile(l.file("tls.key"))
	if err != nil {
		return proxy{}, err
	}
	manifest := fmt.Sprintf(daemunManifest, host, port, portOf(l.calls), base64.StdEncoding.EncodeToString(crt), base64.StdEncoding.EncodeToString(key))
	if err := os.WriteFile(l.file("bench.yaml"), []byte(manifest), 0o600); err != nil {
		return proxy{}, err
	}
	p := proxy{name: "Daemun", version: "this tree, " + firstLine("go", "version")}
	if p.plain, p.tls, err = twoAddresses(); err != nil {
		return proxy{}, err
	}
	p.pid, err = l.run(proxyCore, "daemun", l.file("daemun"), "up", "--http-port", portOf(p.plain), "--https-port", portOf(p.tls),
		"--admin-address", "127.0.0.1:0", "--configmap", "default/daemun", "--state-dir", l.file("state"), l.file("bench.yaml"))
	return p, err
}

func (l *lab) nginx(backend string) (proxy, error) {
	p := proxy{name: "nginx", version: firstLine("nginx", "-v")}
	var err error
	if p.plain, p.tls, err = twoAddresses(); err != nil {
		return proxy{}, err
	}
	conf := fmt.Sprintf(nginxConf, l.dir, backend, p.plain, p.tls, l.calls)
	if err := os.WriteFile(l.file("nginx.conf"), []byte(conf), 0o600); err != nil {
		return proxy{}, err
	}
	p.pid, err = l.run(proxyCore, "nginx", "nginx", "-c", l.file("nginx.conf"), "-p", l.dir)
	return p, err
}

func (l *lab) haproxy(backend string) (proxy, error) {
	p := proxy{name: "HAProxy", version: firstLine("haproxy", "-v")}
	var err error
	if p.plain, p.tls, err = twoAddresses(); err != nil {
		return proxy{}, err
	}
	conf := fmt.Sprintf(haproxyConf, p.plain, p.tls, l.file("tls.pem"), backend, l.calls)
	if err := os.WriteFile(l.file("haproxy.cfg"), []byte(conf), 0o600); err != nil {
		return proxy{}, err
	}
	p.pid, err = l.run(proxyCore, "haproxy", "haproxy", "-db", "-f", l.file("haproxy.cfg"))
	return p, err
}

func (l *lab) reverseProxy(backend string) (proxy, error) {
	p := proxy{name: "ReverseProxy", version: "net/http/httputil, " + firstLine("go", "version")}
	var err error
	if p.plain, p.tls, err = twoAddresses(); err != nil {
		return proxy{}, err
	}
	p.pid, err = l.run(proxyCore, "reverseproxy", l.file("reverseproxy"), "http://"+backend, p.plain, p.tls, l.file("tls.crt"), l.file("tls.key"))
	return p, err
}

// measure loads one proxy with one kind of traffic.
func (l *lab) measure(p proxy, c cell, d time.Duration) (sample, error) {
	if c.two {
		return l.h2load(p, c, d)
	}
	scheme, addr := "http", p.plain
	if c.tls {
		scheme, addr = "https", p.tls
	}
	args := []string{"-c", loadCore, "wrk", "-t1", "-c64", "-d", fmt.Sprintf("%ds", int(d.Seconds())), "--latency", "-H", "Host: bench.test"}
	if c.fresh {
		args = append(args, "-H", "Connection: close")
	}
	args = append(args, scheme+"://"+addr+c.path)
	if c.full {
		args = []string{"-c", loadCore, l.file("handshakes"), addr, c.path, "64", d.String()}
	}
	if c.echo {
		args = []string{"-c", loadCore, l.file("websockets"), addr, "64", d.String()}
	}
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
	return parseWrk(out, after-before)
}

func parseWrk(out []byte, cpu time.Duration) (sample, error) {
	requests := regexp.MustCompile(`(\d+) requests in`).FindSubmatch(out)
	rps := regexp.MustCompile(`Requests/sec:\s+([\d.]+)`).FindSubmatch(out)
	if requests == nil || rps == nil {
		return sample{}, fmt.Errorf("the load generator printed no result:\n%s", out)
	}
	n, _ := strconv.ParseFloat(string(requests[1]), 64)
	s := sample{cpu: float64(cpu.Microseconds()) / n}
	s.rps, _ = strconv.ParseFloat(string(rps[1]), 64)
	for _, q := range []struct {
		name string
		to   *time.Duration
	}{{"50%", &s.p50}, {"99%", &s.p99}} {
		if m := regexp.MustCompile(q.name + `\s+([\d.]+[a-z]+)`).FindSubmatch(out); m != nil {
			*q.to, _ = time.ParseDuration(string(m[1]))
		}
	}
	for _, re := range []string{`Non-2xx or 3xx responses: (\d+)`, `timeout (\d+)`, `read (\d+)`, `connect (\d+)`, `write (\d+)`} {
		if m := regexp.MustCompile(re).FindSubmatch(out); m != nil {
			n, _ := strconv.Atoi(string(m[1]))
			s.errors += n
		}
	}
	return s, nil
}

// cpuTime is the CPU time of a process and its children so far.
func cpuTime(pid int) (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	f := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	user, _ := strconv.ParseInt(string(f[11]), 10, 64)
	system, _ := strconv.ParseInt(string(f[12]), 10, 64)
	total := time.Duration(user+system) * clockTick
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return total, nil
	}
	for _, child := range strings.Fields(string(children)) {
		id, _ := strconv.Atoi(child)
		if t, err := cpuTime(id); err == nil {
			total += t
		}
	}
	return total, nil
}

// answers waits until a proxy serves on both ports.
func answers(p proxy) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	var err error
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); <-tick.C {
		if err = probe(p); err == nil {
			return nil
		}
	}
	return fmt.Errorf("%s does not serve: %w", p.name, err)
}

func probe(p proxy) error {
	plain, err := net.Dial("tcp", p.plain)
	if err != nil {
		return err
	}
	secure, err := tls.Dial("tcp", p.tls, &tls.Config{ServerName: "bench.test", InsecureSkipVerify: true})
	if err != nil {
		plain.Close()
		return err
	}
	for _, c := range []net.Conn{plain, secure} {
		fmt.Fprint(c, "GET /2 HTTP/1.1\r\nHost: bench.test\r\nConnection: close\r\n\r\n")
		buf := make([]byte, 64)
		n, err := c.Read(buf)
		c.Close()
		if err != nil {
			return err
		}
		if !bytes.Contains(buf[:n], []byte(" 200 ")) {
			return fmt.Errorf("answers %q", buf[:n])
		}
	}
	return nil
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

func twoAddresses() (a, b string, err error) {
	if a, err = freeAddress(); err != nil {
		return "", "", err
	}
	b, err = freeAddress()
	return a, b, err
}

func portOf(addr string) string {
	_, port, _ := strings.Cut(addr, ":")
	return port
}

func firstLine(argv ...string) string {
	out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		return "unknown"
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimPrefix(line, "nginx version: ")
}
