package faults

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"daemun/internal/daemuntest"
)

// stream is a Service of its own address; nobody need reach its endpoint.
const stream = `
kind: Service
apiVersion: v1
metadata: {name: stream}
spec: {clusterIP: %s, ports: [{name: tcp, port: 8000}]}
---
kind: EndpointSlice
apiVersion: discovery.k8s.io/v1
metadata: {name: stream-1, labels: {kubernetes.io/service-name: stream}}
addressType: IPv4
ports: [{name: tcp, port: 1}]
endpoints: [{addresses: [127.0.0.1]}]
`

// TestMemoryIsShort: with far less memory than it needs the program turns
// clients away, also those of Services, tells so, and answers its operator.
func TestMemoryIsShort(t *testing.T) {
	t.Parallel()
	l := &lab{T: t, admin: newAdmin(t)}
	networks := daemuntest.ReserveNetworks(t)
	service := netip.MustParsePrefix(networks.Services).Addr().As4()
	service[3] = 77
	address := netip.AddrFrom4(service).String()
	l.d = daemuntest.Up(t, daemuntest.Options{Bin: bin, Networks: &networks, Env: []string{"GOMEMLIMIT=2MiB"}}, map[string]string{
		"routes.yaml": fmt.Sprintf(routes, 1), "stream.yaml": fmt.Sprintf(stream, address),
	})
	daemuntest.Eventually(t, patience, "load is shed", func() error {
		if step := l.metric(t, "daemun_overload_step"); step != 3 {
			return fmt.Errorf("step %v", step)
		}
		return nil
	})
	refused := l.metric(t, "daemun_connections_refused_total")
	for range 3 {
		c := l.dial(t)
		c.send(get("moved.test", "/", ""))
		if status, _, err := c.answer(); err == nil {
			t.Errorf("answered %d", status)
		}
	}
	l.risen(t, "daemun_connections_refused_total", refused)
	c, err := net.Dial("tcp", address+":8000")
	if err == nil {
		_ = c.SetReadDeadline(time.Now().Add(patience))
		if _, err = c.Read(make([]byte, 1)); err == nil {
			t.Error("a Service has an answer")
		}
		c.Close()
	} else if !errors.Is(err, syscall.ECONNRESET) { // it may come before the client looks
		t.Error(err)
	}
	l.risen(t, `daemun_l4_refused_total{reason="memory"}`, 0)
	if limit := l.metric(t, "daemun_memory_limit_bytes"); limit != 2<<20 {
		t.Errorf("the limit is told as %v", limit)
	}
}
