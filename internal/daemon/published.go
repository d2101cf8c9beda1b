package daemon

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"daemun/internal/control"
	"daemun/internal/ir"
	"daemun/internal/l4"
	"daemun/internal/network"
	"daemun/internal/store"
)

// PublishedConfig names the ConfigMaps ("namespace/name", or empty) of the TCP
// and UDP ports that lead to Services.
type PublishedConfig struct{ TCP, UDP string }

func (c PublishedConfig) objects() (list []store.Key) {
	for _, name := range []string{c.TCP, c.UDP} {
		if k, ok := keyOf("ConfigMap", name); ok {
			list = append(list, k)
		}
	}
	return list
}

// publishedPorts are the TCP and UDP services of a controller: layer 4, and
// the loop that follows the ConfigMaps.
type publishedPorts struct {
	l4   *l4.Server
	loop *control.NetworkLoop
}

// openPublished prepares the ports, if there are to be any. The sockets open
// with the first network.
func (g *gateway) openPublished(c PublishedConfig) (*publishedPorts, error) {
	if c == (PublishedConfig{}) {
		return nil, nil //nolint:nilnil // none are asked for
	}
	addresses := []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()}
	if listen := g.config.ListenAddress; listen != "" {
		addr, err := netip.ParseAddr(listen)
		if err != nil {
			return nil, fmt.Errorf("--listen-address %s: want an IP address", listen)
		}
		if !addr.IsUnspecified() {
			addresses = []netip.Addr{addr}
		}
	}
	p := &publishedPorts{}
	var err error
	if p.l4, err = l4.New(l4.Config{DialFilter: g.mayDial, Ended: g.logs.logSession, Logger: g.logger}); err != nil {
		return nil, err
	}
	config := network.PublishedConfig{TCP: c.TCP, UDP: c.UDP, Addresses: addresses, Reserved: []uint16{uint16(g.config.HTTPPort), uint16(g.config.HTTPSPort)}}
	if admin, ok := g.admin.Addr().(*net.TCPAddr); ok {
		config.Reserved = append(config.Reserved, uint16(admin.Port))
	}
	p.loop = control.NewNetworkLoop(control.NetworkConfig{
		Store: g.store, Logger: g.logger, Apply: p.l4.Update,
		Translator: func() control.NetworkTranslator { return network.NewPublished(config) },
	})
	return p, nil
}

func (p *publishedPorts) problems() []ir.Problem {
	if p == nil {
		return nil
	}
	return append(p.l4.Problems(), p.loop.Problems()...)
}

// start opens the ports; everything has been read by then.
func (p *publishedPorts) start(members *group) error {
	if p == nil {
		return nil
	}
	if err := p.loop.Build(); err != nil {
		return err
	}
	members.start("tcp and udp services", p.l4.Run)
	members.start("published ports", p.loop.Run)
	return nil
}

// close gives up ports that serve nobody yet.
func (p *publishedPorts) close() {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	_ = p.drain(ended) // the end of ended is no news
}

// drain closes the ports and lets connections finish until ctx ends.
func (p *publishedPorts) drain(ctx context.Context) error {
	if p == nil {
		return nil
	}
	return p.l4.Shutdown(ctx)
}
