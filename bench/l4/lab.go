package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"daemun/internal/ir"
	"daemun/internal/l4"
)

// The cores: one for the proxy under test, one for everything else.
const (
	proxyCore = "0"
	loadCore  = "1"
)

const ours = "Daemun"

// proxy is one program under test.
type proxy struct {
	name, version string
	tcp, udp      string // addresses; udp may be empty
	pid           int
}

// lab is what one run has started.
type lab struct {
	ctx       context.Context
	dir       string
	processes []*exec.Cmd
}

func (l *lab) self() string { return filepath.Join(l.dir, "l4") }

func (l *lab) stop() {
	for _, p := range l.processes {
		_ = p.Process.Signal(os.Interrupt)
		_ = p.Wait()
	}
}

// start builds this program and starts the backend and all proxies.
func (l *lab) start() ([]proxy, error) {
	if out, err := exec.CommandContext(l.ctx, "go", "build", "-trimpath", "-o", l.self(), "./bench/l4").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build: %w\n%s", err, out)
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	backends := []string{"127.0.0.2:" + port, "127.0.0.3:" + port, "127.0.0.4:" + port}
	if _, err := l.run(loadCore, "backend", append([]string{l.self(), "backend"}, backends...)...); err != nil {
		return nil, err
	}
	var proxies []proxy
	for i, start := range []func(string, string) (proxy, error){l.daemun, l.haproxy, l.nginx} {
		port, err := freePort()
		if err != nil {
			return nil, err
		}
		p, err := start(port, backends[i])
		if err != nil {
			return nil, err
		}
		if err := l.answers(p); err != nil {
			return nil, err
		}
		proxies = append(proxies, p)
	}
	return proxies, nil
}

func (l *lab) run(core, name string, argv ...string) (int, error) {
	out, err := os.Create(filepath.Join(l.dir, name+".log"))
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

func (l *lab) daemun(port, backend string) (proxy, error) {
	p := proxy{name: ours, version: "this tree, " + firstLine("go", "version"), tcp: "127.96.7.1:" + port, udp: "127.96.7.1:" + port}
	var err error
	p.pid, err = l.run(proxyCore, "daemun", l.self(), "serve", p.tcp, backend)
	return p, err
}

const haproxyConf = `
global
    nbthread 1
    maxconn 4000
defaults
    mode tcp
    option splice-auto
    timeout connect 5s
    timeout client 60s
    timeout server 60s
listen web
    bind %s
    server one %s
`

func (l *lab) haproxy(port, backend string) (proxy, error) {
	p := proxy{name: "HAProxy", version: firstLine("haproxy", "-v"), tcp: "127.0.0.1:" + port}
	conf := filepath.Join(l.dir, "haproxy.cfg")
	if err := os.WriteFile(conf, fmt.Appendf(nil, haproxyConf, p.tcp, backend), 0o600); err != nil {
		return p, err
	}
	var err error
	p.pid, err = l.run(proxyCore, "haproxy", "haproxy", "-db", "-f", conf)
	return p, err
}

const nginxConf = `
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off;
worker_processes 1;
worker_rlimit_nofile 20000;
error_log %[1]s/nginx-error.log;
pid %[1]s/nginx.pid;
events { worker_connections 8192; }
stream {
    proxy_buffer_size 64k;
    server { listen %[2]s; proxy_pass %[3]s; }
    server { listen %[2]s udp; proxy_pass %[3]s; proxy_timeout 60s; }
}
`

func (l *lab) nginx(port, backend string) (proxy, error) {
	p := proxy{name: "nginx", version: firstLine("nginx", "-v"), tcp: "127.0.0.1:" + port, udp: "127.0.0.1:" + port}
	conf := filepath.Join(l.dir, "nginx.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, nginxConf, l.dir, p.tcp, backend), 0o600); err != nil {
		return p, err
	}
	var err error
	p.pid, err = l.run(proxyCore, "nginx", "nginx", "-c", conf, "-p", l.dir)
	return p, err
}

// answers waits until a proxy serves.
func (l *lab) answers(p proxy) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	var err error
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); <-tick.C {
		var c net.Conn
		if c, err = net.Dial("tcp", p.tcp); err == nil {
			err = trip(c, make([]byte, message))
			c.Close()
		}
		if err == nil {
			return nil
		}
	}
	return fmt.Errorf("%s does not serve: %w", p.name, err)
}

// serve is Daemun's layer 4 alone, with one Service.
func serve(at, to string) error {
	address, err := netip.ParseAddrPort(at)
	if err != nil {
		return err
	}
	endpoint, err := netip.ParseAddrPort(to)
	if err != nil {
		return err
	}
	s, err := l4.New(l4.Config{})
	if err != nil {
		return err
	}
	s.Update(&ir.Network{
		Nodes: []*ir.Node{{Name: "local", Addresses: []netip.Addr{netip.MustParseAddr("127.0.0.1")}}},
		Services: []*ir.Service{{
			Namespace: "bench", Name: "bench", ClusterIPs: []netip.Addr{address.Addr()},
			Ports:     []ir.ServicePort{{Transport: ir.TCP, Port: address.Port()}, {Transport: ir.UDP, Port: address.Port()}},
			Endpoints: []ir.ServiceEndpoint{{Addr: endpoint.Addr(), Ports: []uint16{endpoint.Port(), endpoint.Port()}, Ready: true, Serving: true}},
		}},
	})
	for _, p := range s.Problems() {
		return fmt.Errorf("%s", p)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	return s.Run(ctx)
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
	if err != nil {
		return "unknown"
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimPrefix(line, "nginx version: ")
}
