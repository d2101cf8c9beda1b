package main

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"

	"daemun/bench/lab"
)

const ours = "Daemun"

// proxy is one program under test.
type proxy struct {
	name, version string
	plain, tls    string // "127.0.0.1:port"
	pid           int
}

// prepare builds the programs and writes what the proxies and loads need.
func (l *rig) prepare() error {
	err := l.Build(map[string]string{"backend": "./bench/backend", "load": "./bench/load", "reverseproxy": "./bench/reverseproxy", "daemun": "./cmd/daemun"})
	if err != nil {
		return err
	}
	keys := map[string][]string{"ecdsa": {"ec", "-pkeyopt", "ec_paramgen_curve:P-256"}, "rsa": {"rsa:2048"}}
	for name, host := range map[string]string{"ecdsa": ecdsaHost, "rsa": rsaHost} {
		if err := l.certificate(name, host, keys[name]); err != nil {
			return err
		}
	}
	for _, size := range []int{0, kib16, mib} {
		if err := os.WriteFile(l.script(size), fmt.Appendf(nil, wrkScript, size), 0o600); err != nil {
			return err
		}
	}
	return l.Write("message", "\x00\x00\x00\x00\x40"+strings.Repeat("x", 64))
}

// certificate makes name.crt, name.key, and name.pem with both.
func (l *rig) certificate(name, host string, key []string) error {
	args := append([]string{
		"req", "-x509", "-nodes", "-days", "30", "-keyout", l.File(name + ".key"), "-out", l.File(name + ".crt"),
		"-subj", "/CN=" + host, "-addext", "subjectAltName=DNS:" + host, "-newkey",
	}, key...)
	if out, err := exec.CommandContext(l.Ctx, "openssl", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("openssl: %w\n%s", err, out)
	}
	crt, err := os.ReadFile(l.File(name + ".crt"))
	if err != nil {
		return err
	}
	private, err := os.ReadFile(l.File(name + ".key"))
	if err != nil {
		return err
	}
	return l.Write(name+".pem", string(crt)+string(private))
}

// startBackend starts what all proxies forward to.
func (l *rig) startBackend() error {
	free, err := lab.FreeAddresses(3)
	if err != nil {
		return err
	}
	l.backend, l.calls, l.callsHTTPS = free[0], free[1], free[2]
	if _, err := l.Run(lab.LoadCore, "backend", l.File("backend"), l.backend, l.calls, l.callsHTTPS); err != nil {
		return err
	}
	err = l.Await(func() error {
		c, err := net.Dial("tcp", l.backend)
		if err != nil {
			return err
		}
		return probeOn(c, ecdsaHost)
	})
	if err != nil {
		return fmt.Errorf("the backend does not serve: %w\n%s", err, l.Log("backend"))
	}
	return nil
}

// start starts the backend and all proxies.
func (l *rig) start() ([]proxy, error) {
	if err := l.BuildIn("bench/caddy", "caddy", "."); err != nil {
		return nil, err
	}
	if err := l.startBackend(); err != nil {
		return nil, err
	}
	var proxies []proxy
	for _, start := range []func(*proxy) error{l.daemun, l.nginx, l.haproxy, l.caddy, l.reverseProxy} {
		free, err := lab.FreeAddresses(2)
		if err != nil {
			return nil, err
		}
		p := proxy{plain: free[0], tls: free[1]}
		if err := start(&p); err != nil {
			return nil, err
		}
		if err := l.Await(func() error { return probe(p) }); err != nil {
			return nil, fmt.Errorf("%s does not serve: %w\n%s", p.name, err, l.Log(strings.ToLower(p.name)))
		}
		proxies = append(proxies, p)
	}
	return proxies, nil
}

// encoded are files as a Secret has them.
func (l *rig) encoded(names ...string) ([]any, error) {
	var list []any
	for _, name := range names {
		b, err := os.ReadFile(l.File(name))
		if err != nil {
			return nil, err
		}
		list = append(list, base64.StdEncoding.EncodeToString(b))
	}
	return list, nil
}

func (l *rig) daemun(p *proxy) error {
	p.name, p.version = ours, "this tree, "+lab.FirstLine("go", "version")
	secrets, err := l.encoded("ecdsa.crt", "ecdsa.key", "rsa.crt", "rsa.key")
	if err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(l.backend)
	if err != nil {
		return err
	}
	manifest := fmt.Sprintf(daemunManifest, append([]any{host, port, lab.PortOf(l.calls)}, secrets...)...)
	if err := l.Write("bench.yaml", manifest); err != nil {
		return err
	}
	return l.daemunUp(p, "daemun", l.File("bench.yaml"))
}

// daemunUp starts Daemun on the proxy's core with the manifests of a path.
func (l *rig) daemunUp(p *proxy, name, path string) error {
	var err error
	p.pid, err = l.Run(lab.ProxyCore, name, l.File("daemun"), "up", "--http-port", lab.PortOf(p.plain), "--https-port", lab.PortOf(p.tls), "--dns-port", "0",
		"--admin-address", "127.0.0.1:0", "--configmap", "default/settings", "--state-dir", l.File(name+".state"), path)
	return err
}

func (l *rig) nginx(p *proxy) error {
	p.name, p.version = "nginx", lab.FirstLine("nginx", "-v")
	if err := l.Write("nginx.conf", fmt.Sprintf(nginxConf, l.File(""), l.backend, p.plain, p.tls, l.calls)); err != nil {
		return err
	}
	var err error
	p.pid, err = l.Run(lab.ProxyCore, "nginx", "nginx", "-c", l.File("nginx.conf"), "-p", l.File(""))
	return err
}

func (l *rig) haproxy(p *proxy) error {
	p.name, p.version = "HAProxy", lab.FirstLine("haproxy", "-v")
	if err := l.Write("haproxy.cfg", fmt.Sprintf(haproxyConf, p.plain, p.tls, l.File(""), l.backend, l.callsHTTPS)); err != nil {
		return err
	}
	var err error
	p.pid, err = l.Run(lab.ProxyCore, "haproxy", "haproxy", "-db", "-f", l.File("haproxy.cfg"))
	return err
}

func (l *rig) caddy(p *proxy) error {
	p.name, p.version = "Caddy", lab.FirstLine(l.File("caddy"), "version")
	admin, err := lab.FreeAddress()
	if err != nil {
		return err
	}
	conf := fmt.Sprintf(caddyConf, l.File(""), lab.PortOf(p.plain), lab.PortOf(p.tls), l.backend, l.calls, admin)
	if err := l.Write("Caddyfile", conf); err != nil {
		return err
	}
	p.pid, err = l.Run(lab.ProxyCore, "caddy", l.File("caddy"), "run", "--config", l.File("Caddyfile"), "--adapter", "caddyfile")
	return err
}

func (l *rig) reverseProxy(p *proxy) error {
	p.name, p.version = "ReverseProxy", "net/http/httputil, "+lab.FirstLine("go", "version")
	var err error
	p.pid, err = l.Run(lab.ProxyCore, "reverseproxy", l.File("reverseproxy"), "http://"+l.backend, "http://"+l.calls, p.plain, p.tls,
		l.File("ecdsa.crt"), l.File("ecdsa.key"), l.File("rsa.crt"), l.File("rsa.key"))
	return err
}

// probe succeeds when a proxy serves on both ports.
func probe(p proxy) error {
	plain, err := net.Dial("tcp", p.plain)
	if err != nil {
		return err
	}
	if err := probeOn(plain, ecdsaHost); err != nil {
		return err
	}
	for _, host := range []string{ecdsaHost, rsaHost} {
		secure, err := tls.Dial("tcp", p.tls, &tls.Config{ServerName: host, InsecureSkipVerify: true})
		if err != nil {
			return err
		}
		if err := probeOn(secure, host); err != nil {
			return err
		}
	}
	return nil
}

func probeOn(c net.Conn, host string) error {
	answer, err := ask(c, "/2", "Host: "+host)
	if err == nil && !bytes.Contains(answer, []byte(" 200 ")) {
		err = fmt.Errorf("answers %q", answer)
	}
	return err
}

// ask sends one request and returns the first piece of its answer.
func ask(c net.Conn, path string, fields ...string) ([]byte, error) {
	defer c.Close()
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\n%s\r\nConnection: close\r\n\r\n", path, strings.Join(fields, "\r\n"))
	buf := make([]byte, 4<<10)
	n, err := c.Read(buf)
	return buf[:n], err
}
