package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"

	"daemun/internal/control"
	"daemun/internal/dns"
	"daemun/internal/explain"
	"daemun/internal/ir"
	"daemun/internal/l4"
	"daemun/internal/metrics"
	"daemun/internal/resolvconf"
	"daemun/internal/standalone"
)

// codeDNSPort: nobody answers on port 53.
const codeDNSPort = "DMN0611"

// NetworkConfig is what can be told about the Service network.
type NetworkConfig struct {
	// ClusterDomain is the zone of the names of Services.
	ClusterDomain string
	// DNSPort is that of the DNS server on the listen address; 0 is any free
	// one. When DNSPortMoves is set and the port is taken, any other will do:
	// on many desktops 5353 belongs to multicast DNS.
	DNSPort      int
	DNSPortMoves bool
	// NodePortAddresses are networks; addresses of this machine in them answer
	// on node ports, beside those of the nodes. Empty is the listen address.
	NodePortAddresses []netip.Prefix
}

// serviceNetwork is the Service network of one Daemun: layer 4 and DNS, and
// the loop that makes both serve the same.
type serviceNetwork struct {
	l4   *l4.Server
	dns  *dns.Server
	loop *control.NetworkLoop

	// hosts are where node ports answer beside the nodes' addresses.
	hosts []netip.Addr
	// server is where Pods ask for names by convention, on port 53. standard is
	// the same, invalid where that is not permitted. address is the DNS
	// server's on a port of our choice.
	server, standard netip.Addr
	address          netip.AddrPort
	// wrong is what could not be opened.
	wrong []ir.Problem
}

// openNetwork opens the sockets that do not depend on any Service.
func (g *gateway) openNetwork(ctx context.Context, c NetworkConfig, ranges standalone.Networks) (*serviceNetwork, error) {
	n := &serviceNetwork{server: standalone.DNSAddress(ranges.Services)}
	var err error
	if n.hosts, err = nodePortAddresses(c.NodePortAddresses, g.config.ListenAddress); err != nil {
		return nil, err
	}
	services := &serviceAddresses{ranges: ranges, hosts: n.hosts}
	filter := func(to netip.AddrPort) error {
		if err := services.refuse(to); err != nil {
			return err
		}
		return g.mayDial(to)
	}
	if n.l4, err = l4.New(l4.Config{HostAddresses: n.hosts, DialFilter: filter, Full: &g.full, Logger: g.logger}); err != nil {
		return nil, err
	}
	machine, err := resolvconf.Read("/etc/resolv.conf")
	if err != nil {
		g.say("names outside the cluster are not resolved: " + err.Error())
	}
	n.dns = dns.New(dns.Config{
		Zone: c.ClusterDomain, Upstreams: machine.Resolvers(), Own: []netip.AddrPort{netip.AddrPortFrom(n.server, dnsPort)},
		Flag: "--dns-port", Logger: g.logger,
	})
	if err := n.openDNS(ctx, c, g.config.ListenAddress); err != nil {
		n.close()
		return nil, err
	}
	n.openStandard(ctx)
	n.loop = control.NewNetworkLoop(control.NetworkConfig{Store: g.store, Logger: g.logger, Also: g.publishedDirty, Apply: func(network *ir.Network) {
		services.update(network)
		// Names follow: they never lead to what is not served yet.
		n.l4.Update(network)
		n.dns.Update(network)
	}})
	return n, nil
}

// dnsPort is the only port that a resolv.conf can name.
const dnsPort = 53

// openDNS opens the DNS server on the listen address.
func (n *serviceNetwork) openDNS(ctx context.Context, c NetworkConfig, listen string) error {
	host, err := netip.ParseAddr(listen)
	if err != nil {
		return fmt.Errorf("--listen-address %s: want an IP address", listen)
	}
	n.address, err = n.dns.Listen(ctx, netip.AddrPortFrom(host, uint16(c.DNSPort)))
	if errors.Is(err, syscall.EADDRINUSE) && c.DNSPortMoves {
		n.address, err = n.dns.Listen(ctx, netip.AddrPortFrom(host, 0))
	}
	return err
}

// openStandard opens port 53 on the address that Pods ask. Ordinary users may
// not, as a rule: everything else goes on.
func (n *serviceNetwork) openStandard(ctx context.Context) {
	_, err := n.dns.Listen(ctx, netip.AddrPortFrom(n.server, dnsPort))
	if err == nil {
		n.standard = n.server
		return
	}
	why := err.Error()
	switch {
	case errors.Is(err, syscall.EACCES):
		why = fmt.Sprintf("no permission to answer DNS on %s:%d: lower the sysctl net.ipv4.ip_unprivileged_port_start to %[2]d, or give the program CAP_NET_BIND_SERVICE", n.server, dnsPort)
	case errors.Is(err, syscall.EADDRINUSE):
		why = fmt.Sprintf("another program has %s:%d, perhaps a resolver that listens on all addresses: have it listen on its own only, or choose another --service-network", n.server, dnsPort)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		why = fmt.Sprintf("%s, where Pods ask for names, is not an address of this machine: choose a --service-network of 127.0.0.0/8", n.server)
	}
	n.wrong = append(n.wrong, ir.Problem{
		Code: codeDNSPort, Severity: ir.SeverityNotice,
		Message: why + "; until then Pods find Services in their /etc/hosts, and DNS answers on " + n.address.String(),
	})
}

// nameServer is where DNS answers, for explanations.
func (n *serviceNetwork) nameServer() explain.NameServer {
	return explain.NameServer{Standard: netip.AddrPortFrom(n.server, dnsPort), Open: n.standard.IsValid(), Other: n.address}
}

// problems are those of sockets and of Services.
func (n *serviceNetwork) problems() []ir.Problem {
	return slices.Concat(n.wrong, n.l4.Problems(), n.loop.Problems())
}

// layer4 is what /metrics shows of connections and flows.
func (n *serviceNetwork) layer4() metrics.Layer4 { return layer4Metrics(n.l4.Stats()) }

func layer4Metrics(s l4.Stats) metrics.Layer4 {
	return metrics.Layer4{
		Frontends: s.Frontends, Listening: s.Listening, Failed: s.Failed,
		Connections: s.Connections, OpenConnections: s.OpenConnections, Idled: s.Idled, Panics: s.Panics, DialFailures: s.DialFailures,
		AcceptErrors: s.AcceptErrors, BytesToEndpoints: s.BytesToEndpoints, BytesToClients: s.BytesToClients,
		Flows: s.Flows, FlowsEvicted: s.FlowsEvicted, OpenFlows: s.OpenFlows, DatagramsIn: s.DatagramsIn, DatagramsOut: s.DatagramsOut, DatagramsLost: s.DatagramsLost,
		Refused: map[string]uint64{
			"no endpoint": s.Refused.NoEndpoint, "policy": s.Refused.Policy, "source range": s.Refused.SourceRange,
			"dial filter": s.Refused.DialFilter, "limit": s.Refused.Limit, "no PROXY header": s.Refused.Header, "memory": s.Refused.Memory,
		},
	}
}

// names is what /metrics shows of DNS.
func (n *serviceNetwork) names() metrics.DNS {
	s := n.dns.Stats()
	return metrics.DNS{
		UDP: s.UDP, TCP: s.TCP, ByType: s.ByType, ByRcode: s.ByRcode, Truncated: s.Truncated, Dropped: s.Dropped,
		Forwarded: s.Forwarded, ForwardFailed: s.ForwardFailed, Coalesced: s.Coalesced, Overloaded: s.Overloaded,
		CacheHits: s.CacheHits, CacheMisses: s.CacheMisses, Loops: s.Loops, Panics: s.Panics,
		CacheEntries: s.CacheEntries, InFlight: s.InFlight, Connections: s.Connections, DownUpstreams: s.DownUpstreams,
	}
}

// start serves what the loop has built.
func (n *serviceNetwork) start(members *group) {
	members.start("layer 4", n.l4.Run)
	members.start("dns", n.dns.Run)
	members.start("network loop", n.loop.Run)
}

// close releases the sockets of a network that was never started.
func (n *serviceNetwork) close() {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	_ = n.l4.Shutdown(ended) // nothing is open
	if n.dns != nil {
		_ = n.dns.Close()
	}
}

// nodePortAddresses are the addresses of this machine that the networks hold. A
// single address is taken as it is: all of 127.0.0.0/8 is on this machine
// without standing in any list.
func nodePortAddresses(networks []netip.Prefix, listen string) ([]netip.Addr, error) {
	if len(networks) == 0 {
		addr, err := netip.ParseAddr(listen)
		if err != nil {
			return nil, fmt.Errorf("--listen-address %s: want an IP address", listen)
		}
		if !addr.IsUnspecified() {
			return []netip.Addr{addr}, nil
		}
		networks = []netip.Prefix{netip.PrefixFrom(netip.IPv4Unspecified(), 0)}
		if addr.Is6() {
			networks = append(networks, netip.PrefixFrom(addr, 0))
		}
	}
	var out []netip.Addr
	found, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("addresses of this machine: %w", err)
	}
	for _, p := range networks {
		if p.IsSingleIP() {
			out = append(out, p.Addr())
			continue
		}
		for _, a := range found {
			if own, err := netip.ParsePrefix(a.String()); err == nil && p.Contains(own.Addr()) && !own.Addr().IsLinkLocalUnicast() {
				out = append(out, own.Addr())
			}
		}
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return slices.Compact(out), nil
}
