package proxy

import (
	"crypto/tls"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"daemun/internal/ir"
	"daemun/internal/listen"
)

// idleTunnel is what an idle WebSocket may keep, its client and its backend
// included, which are in the same process; over TLS the client is the larger
// part.
const idleTunnel, idleTunnelTLS = 28 << 10, 52 << 10

// TestIdleWebSocketsAreSmall holds WebSockets that are silent, measures them,
// and changes everything that may change: all stay (H6.15, H11.1). It measures
// the process, so it runs alone.
func TestIdleWebSocketsAreSmall(t *testing.T) {
	for name, config := range map[string]*tls.Config{"plain": nil, "TLS": listen.NewCertificates().Config()} {
		t.Run(name, func(t *testing.T) { measureTunnels(t, config) })
	}
}

func measureTunnels(t *testing.T, config *tls.Config) {
	tunnels := 400
	if raceDetector { // which is slow, and has memory of its own
		tunnels = 50
	}
	r, _ := up(t, func(_ int, c *client) {
		c.head()
		c.send(upgradeAnswer)
		c.br = nil // what an idle backend keeps is not the point
		_ = c.SetDeadline(time.Time{})
		var octet [1]byte
		for {
			if _, err := io.ReadFull(c.Conn, octet[:]); err != nil {
				return
			}
			_, _ = c.Write(octet[:])
		}
	}, nil)
	r.wrap.Store(config)
	before := inUse()
	all := make([]net.Conn, tunnels)
	var opening sync.WaitGroup
	turns := make(chan struct{}, 16)
	for i := range all {
		turns <- struct{}{}
		opening.Go(func() {
			defer func() { <-turns }()
			nc, err := net.Dial("tcp", r.listener.Addr().String())
			if err != nil {
				t.Error(err)
				return
			}
			if config != nil {
				nc = tls.Client(nc, &tls.Config{InsecureSkipVerify: true})
			}
			all[i] = nc
			_, _ = io.WriteString(nc, upgradeRequest)
			head := make([]byte, len(upgradeAnswer))
			for n := 0; n < 4 || string(head[n-4:n]) != "\r\n\r\n"; n++ {
				if _, err := io.ReadFull(nc, head[n:n+1]); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	opening.Wait()
	if t.Failed() {
		return
	}
	eventually(t, "all are tunnels", func() bool { return r.server.Stats().Tunnels == tunnels })
	most := int64(idleTunnel)
	if config != nil {
		most = idleTunnelTLS
	}
	each := (int64(inUse()) - int64(before)) / int64(tunnels)
	t.Logf("%.1f KiB per idle WebSocket, its client and its backend", float64(each)/1024)
	if each > most && !raceDetector {
		t.Errorf("%d octets per idle WebSocket, want at most %d", each, most)
	}
	r.config = oneRoute(func(_ *ir.Host, route *ir.Route) { route.MaxBody = 5 })
	r.publish()
	r.endpoints()
	r.config = &ir.Config{Settings: ir.DefaultSettings()}
	r.publish()
	for _, nc := range all {
		var octet [1]byte
		_, _ = nc.Write([]byte{'x'})
		if _, err := io.ReadFull(nc, octet[:]); err != nil || octet[0] != 'x' {
			t.Fatalf("after changes: %q, %v", octet, err)
		}
	}
	for _, nc := range all {
		nc.Close()
	}
	eventually(t, "all end", func() bool { return r.server.Stats().Tunnels == 0 })
}
