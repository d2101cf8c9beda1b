package daemon

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"daemun/internal/configmap"
	"daemun/internal/control"
	"daemun/internal/handover"
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
	// names are those outside that ports lead to; nil where none may. learn
	// finds out which these are.
	names *outsideNames
	learn func()
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
	if p.l4, err = l4.New(l4.Config{DialFilter: g.mayDial, Full: &g.full, Ended: g.logs.logSession, Logger: g.logger, Inherited: inheritedPorts(g.inherited.Ports())}); err != nil {
		return nil, err
	}
	p.tune(nil)
	config := network.PublishedConfig{TCP: c.TCP, UDP: c.UDP, Addresses: addresses, Reserved: g.ownPorts(), Headers: g.publishedHeaders()}
	var again <-chan struct{}
	if !g.config.Translate.DisableExternalName {
		p.names = newOutsideNames(net.DefaultResolver, g.namedService)
		config.Names, again = p.names.ask, p.names.changed
		p.learn = func() { network.NewPublished(config).Translate(g.store.View()) }
	}
	p.loop = control.NewNetworkLoop(control.NetworkConfig{
		Store: g.store, Logger: g.logger, Apply: p.l4.Update, Dirty: g.publishedDirty, Again: again,
		Translator: func() control.NetworkTranslator { return network.NewPublished(config) },
	})
	return p, nil
}

// publishedHeaders reads from the ConfigMap for all hosts whose PROXY headers
// are believed. It is used by one goroutine, and remembers the last answer.
func (g *gateway) publishedHeaders() func(*store.View) network.Headers {
	var last *corev1.ConfigMap
	answer := headersOf(configmap.Default())
	return func(v *store.View) network.Headers {
		object := g.globalConfigMap(v)
		if object != last {
			last, answer = object, headersOf(configmap.Default())
			if object != nil {
				answer = headersOf(configmap.Parse(ir.Ref{}, object.Data).Values)
			}
		}
		return answer
	}
}

func (g *gateway) globalConfigMap(v *store.View) *corev1.ConfigMap {
	namespace, name, _ := strings.Cut(g.config.Translate.ConfigMap, "/")
	return v.ConfigMaps[store.Name{Namespace: namespace, Name: name}]
}

func headersOf(values configmap.Values) network.Headers {
	return network.Headers{Trusted: values.Settings.Forwarded.Trusted, Timeout: values.HeaderTimeout(), Unreadable: values.Denied}
}

// tune applies the keys of the ConfigMap; nil are the defaults.
func (p *publishedPorts) tune(s *ir.Streams) {
	if p == nil {
		return
	}
	if s == nil {
		s = new(ir.DefaultStreams())
	}
	p.l4.Tune(s)
}

// ownPorts are the TCP ports that Daemun itself has, or will have.
func (g *gateway) ownPorts() []uint16 {
	ports := []uint16{uint16(g.config.HTTPPort), uint16(g.config.HTTPSPort)}
	var open []net.Addr
	if l := g.listeners.Load(); l != nil {
		open = append(open, l.http.Addr(), l.https.Addr())
	}
	for _, s := range g.own {
		open = append(open, s.Address)
	}
	for _, a := range open {
		if a, ok := a.(*net.TCPAddr); ok {
			ports = append(ports, uint16(a.Port))
		}
	}
	return ports
}

// revision is that of the services that the published ports lead to.
func (p *publishedPorts) revision(latest uint64) uint64 {
	if p == nil {
		return latest
	}
	return p.loop.Revision()
}

func (p *publishedPorts) problems() []ir.Problem {
	if p == nil {
		return nil
	}
	return append(p.l4.Problems(), p.loop.Problems()...)
}

// build opens the ports; everything has been read by then. Nobody is served
// there yet.
func (p *publishedPorts) build() error {
	if p == nil {
		return nil
	}
	if p.names != nil { // sockets of the Daemun before would close without an endpoint
		p.learn()
		ctx, cancel := context.WithTimeout(context.Background(), firstLookup)
		defer cancel()
		p.names.refresh(ctx, false)
	}
	return p.loop.Build()
}

// start serves what build has opened.
func (p *publishedPorts) start(members *group) {
	if p == nil {
		return
	}
	members.start("tcp and udp services", p.l4.Run)
	members.start("published ports", p.loop.Run)
	if p.names != nil {
		members.start("names of published ports", p.names.Run)
	}
}

// The names of ports between two versions are TRANSPORT/ADDRESS:PORT.

// handOver returns the open ports for the next Daemun.
func (p *publishedPorts) handOver(most int) (list []handover.Port) {
	if p == nil {
		return nil
	}
	for _, s := range p.l4.Sockets(most) {
		list = append(list, handover.Port{Name: string(s.Transport) + "/" + s.At.String(), FD: s.FD})
	}
	return list
}

// inheritedPorts are those of the Daemun before; layer 4 closes what it cannot
// use, and so what has no such name.
func inheritedPorts(ports []handover.Port) (list []l4.Socket) {
	for _, p := range ports {
		transport, at, _ := strings.Cut(p.Name, "/")
		address, _ := netip.ParseAddrPort(at) // zero is no socket's
		list = append(list, l4.Socket{Transport: ir.Transport(transport), At: address, FD: p.FD})
	}
	return list
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
