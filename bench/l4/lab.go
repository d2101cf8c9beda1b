package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/signal"

	"daemun/bench/lab"
	"daemun/internal/ir"
	"daemun/internal/l4"
)

const ours = "Daemun"

// proxy is one program under test.
type proxy struct {
	name, version string
	tcp, udp      string // addresses; udp may be empty
	pid           int
}

// rig is a lab with this comparison's programs.
type rig struct{ *lab.Lab }

func (l rig) self() string { return l.File("l4") }

// start builds this program and starts the backend and all proxies.
func (l rig) start() ([]proxy, error) {
	if err := l.Build(map[string]string{"l4": "./bench/l4"}); err != nil {
		return nil, err
	}
	at, err := lab.FreeAddress()
	if err != nil {
		return nil, err
	}
	port := lab.PortOf(at)
	backends := []string{"127.0.0.2:" + port, "127.0.0.3:" + port, "127.0.0.4:" + port}
	if _, err := l.Run(lab.LoadCore, "backend", append([]string{l.self(), "backend"}, backends...)...); err != nil {
		return nil, err
	}
	var proxies []proxy
	for i, start := range []func(string, string) (proxy, error){l.daemun, l.haproxy, l.nginx} {
		at, err := lab.FreeAddress()
		if err != nil {
			return nil, err
		}
		p, err := start(lab.PortOf(at), backends[i])
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

func (l rig) daemun(port, backend string) (proxy, error) {
	p := proxy{name: ours, version: "this tree, " + lab.FirstLine("go", "version"), tcp: "127.96.7.1:" + port, udp: "127.96.7.1:" + port}
	var err error
	p.pid, err = l.Run(lab.ProxyCore, "daemun", l.self(), "serve", p.tcp, backend)
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

func (l rig) haproxy(port, backend string) (proxy, error) {
	p := proxy{name: "HAProxy", version: lab.FirstLine("haproxy", "-v"), tcp: "127.0.0.1:" + port}
	conf := l.File("haproxy.cfg")
	if err := l.Write("haproxy.cfg", fmt.Sprintf(haproxyConf, p.tcp, backend)); err != nil {
		return p, err
	}
	var err error
	p.pid, err = l.Run(lab.ProxyCore, "haproxy", "haproxy", "-db", "-f", conf)
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

func (l rig) nginx(port, backend string) (proxy, error) {
	p := proxy{name: "nginx", version: lab.FirstLine("nginx", "-v"), tcp: "127.0.0.1:" + port, udp: "127.0.0.1:" + port}
	conf := l.File("nginx.conf")
	if err := l.Write("nginx.conf", fmt.Sprintf(nginxConf, l.File(""), p.tcp, backend)); err != nil {
		return p, err
	}
	var err error
	p.pid, err = l.Run(lab.ProxyCore, "nginx", "nginx", "-c", conf, "-p", l.File(""))
	return p, err
}

// answers waits until a proxy serves.
func (l rig) answers(p proxy) error {
	err := l.Await(func() error {
		c, err := net.Dial("tcp", p.tcp)
		if err != nil {
			return err
		}
		defer c.Close()
		return trip(c, make([]byte, message))
	})
	if err != nil {
		return fmt.Errorf("%s does not serve: %w", p.name, err)
	}
	return nil
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
