package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"daemun/bench/lab"
)

// The size of the Service network. Of ten Services five have a cluster IP only,
// two are of type NodePort, three are headless.
const (
	manyServices     = 5000
	serviceFiles     = 100
	endpointsPerEach = 4
	flips            = 20
)

// services measures the Service network: from files to the first answers, and
// how long an endpoint that moves takes to be seen by each kind of client.
func (l *rig) services() ([]figure, error) {
	ports, err := twins()
	if err != nil {
		return nil, err
	}
	defer ports.close()
	dir := l.File("services")
	if err := writeServices(dir, ports); err != nil {
		return nil, err
	}
	start := time.Now()
	d, err := l.up("services", dir)
	if err != nil {
		return nil, err
	}
	defer d.stop()
	ready := time.Since(start)
	w, err := watchers(d)
	if err != nil {
		return nil, err
	}
	if _, err := l.flip(dir, ports, 0, w); err != nil { // connections to Daemun are warm then
		return nil, err
	}
	memory := resident(d.cmd.Process.Pid)
	seen := make([][]time.Duration, len(w))
	for i := range flips {
		took, err := l.flip(dir, ports, i+1, w)
		if err != nil {
			return nil, err
		}
		for n, t := range took {
			seen[n] = append(seen[n], t)
		}
	}
	edits, err := l.secondPorts(dir, w[0].at)
	if err != nil {
		return nil, err
	}
	figures := []figure{
		{"5,000 Services with 20,000 endpoints in 100 files: start to ready", ready.Round(time.Millisecond).String()},
		{"5,000 Services: resident memory then", memory},
	}
	for n, one := range w {
		figures = append(figures, figure{fmt.Sprintf("5,000 Services: change of an endpoint in a file to its effect on %s (%d times)", one.name, flips), middle(seen[n])})
	}
	return append(figures, figure{"5,000 Services: edit of a port in a file to its effect on a new connection", middle(edits)}), nil
}

// secondPorts changes the number of a port until a connection to the new one
// succeeds.
func (l *rig) secondPorts(dir, address string) ([]time.Duration, error) {
	var edits []time.Duration
	for i := range changes {
		port := 100 + i
		took, err := l.effect(func() error { return writeSecondPort(dir, port) }, func() bool {
			conn, err := net.DialTimeout("tcp", net.JoinHostPort(address, fmt.Sprint(port)), time.Second)
			if err != nil {
				return false
			}
			conn.Close()
			return true
		})
		if err != nil {
			return nil, fmt.Errorf("edit of a port of a Service: %w", err)
		}
		edits = append(edits, took)
	}
	return edits, nil
}

// watcher is one way to see where the Service "moved" leads to: it returns the
// address of the server.
type watcher struct {
	name string
	at   string // the address that is asked
	look func() string
}

func watchers(d *daemunUp) ([]watcher, error) {
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, d.dns)
	}}
	address, err := resolver.LookupHost(context.Background(), "moved.default.svc.cluster.local.")
	if err != nil {
		return nil, err
	}
	fresh := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	return []watcher{
		{"a new connection to the cluster IP", address[0], func() string { _, text := fetch(fresh, "http://"+address[0]+"/", ""); return text }},
		{"a question for the headless name", d.dns, func() string {
			found, err := resolver.LookupHost(context.Background(), "moved-headless.default.svc.cluster.local.")
			if err != nil || len(found) != 1 {
				return ""
			}
			return found[0]
		}},
		{"a request through an Ingress", d.http, func() string { _, text := d.get("moved.test", "/"); return text }},
	}, nil
}

// flip moves the endpoint and returns when each watcher has seen it.
func (l *rig) flip(dir string, t *twinServers, round int, w []watcher) ([]time.Duration, error) {
	to := t.hosts[round%len(t.hosts)]
	start := time.Now()
	if err := writeMoved(dir, to, t.port); err != nil {
		return nil, err
	}
	took, errs := make([]time.Duration, len(w)), make([]error, len(w))
	var all sync.WaitGroup
	for i, one := range w {
		all.Go(func() {
			errs[i] = l.until(func() bool { return one.look() == to })
			took[i] = time.Since(start)
		})
	}
	all.Wait()
	for i, err := range errs {
		if err != nil {
			return nil, fmt.Errorf("an endpoint moved to %s, seen by %s: %w", to, w[i].name, err)
		}
	}
	return took, nil
}

// twinServers answer with their own address, on two addresses and one port.
type twinServers struct {
	hosts   []string
	port    string
	servers []net.Listener
}

func twins() (*twinServers, error) {
	t := &twinServers{hosts: []string{"127.10.255.1", "127.10.255.2"}, port: "0"}
	for _, host := range t.hosts {
		s, err := net.Listen("tcp", net.JoinHostPort(host, t.port))
		if err != nil {
			t.close()
			return nil, err
		}
		t.servers = append(t.servers, s)
		t.port = lab.PortOf(s.Addr().String())
		go http.Serve(s, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, host) }))
	}
	return t, nil
}

func (t *twinServers) close() {
	for _, s := range t.servers {
		s.Close()
	}
}

func writeServices(dir string, t *twinServers) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	const perFile = manyServices / serviceFiles
	for file := range serviceFiles {
		var b bytes.Buffer
		for i := file * perFile; i < (file+1)*perFile; i++ {
			spec := ""
			switch i % 10 {
			case 1, 6:
				spec = "type: NodePort"
			case 2, 5, 8:
				spec = "clusterIP: None"
			}
			fmt.Fprintf(&b, manyServiceDocument, i, spec)
			fmt.Fprintf(&b, manySliceDocument, fmt.Sprint("s-", i), "8080", endpointsOf(i))
		}
		if err := replace(filepath.Join(dir, fmt.Sprintf("services-%02d.yaml", file)), b.Bytes()); err != nil {
			return err
		}
	}
	if err := writeSecondPort(dir, 81); err != nil {
		return err
	}
	return writeMoved(dir, t.hosts[1], t.port)
}

// endpointsOf are addresses that no other Service has.
func endpointsOf(service int) string {
	var b bytes.Buffer
	for n := service * endpointsPerEach; n < (service+1)*endpointsPerEach; n++ {
		fmt.Fprintf(&b, "\n  - {addresses: [127.10.%d.%d], conditions: {ready: true}}", n/250, n%250+1)
	}
	return b.String()
}

func writeSecondPort(dir string, port int) error {
	return replace(filepath.Join(dir, "moved.yaml"), fmt.Appendf(nil, movedDocuments, port))
}

// writeMoved writes the one file that changes: the slices of both Services.
func writeMoved(dir, host, port string) error {
	endpoint := fmt.Sprintf("\n  - {addresses: [%s]}", host)
	text := fmt.Sprintf(manySliceDocument, "moved", port, endpoint) + fmt.Sprintf(manySliceDocument, "moved-headless", port, endpoint)
	return replace(filepath.Join(dir, "moved-slices.yaml"), []byte(text))
}
