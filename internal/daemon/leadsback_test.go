package daemon

import (
	"errors"
	"net/netip"
	"testing"

	"daemun/internal/ir"
	"daemun/internal/standalone"
)

// TestServicesAreNoEndpoints: whatever address a Service can have, an endpoint
// with it is refused.
func TestServicesAreNoEndpoints(t *testing.T) {
	t.Parallel()
	s := &serviceAddresses{
		ranges: standalone.Networks{
			Pods: netip.MustParsePrefix("127.244.0.0/16"), Services: netip.MustParsePrefix("127.96.0.0/16"),
			Nodes: netip.MustParsePrefix("127.18.0.0/16"), LoadBalancers: netip.MustParsePrefix("127.200.0.0/16"),
		},
		hosts: []netip.Addr{netip.MustParseAddr("127.0.0.1")},
	}
	before := s.refuse(netip.MustParseAddrPort("127.0.9.9:7000"))
	s.update(&ir.Network{
		Services: []*ir.Service{{
			Name: "web", ExternalIPs: []netip.Addr{netip.MustParseAddr("127.0.9.9")}, Ports: []ir.ServicePort{{Transport: ir.UDP, Port: 7000}},
		}},
		Nodes: []*ir.Node{{Name: "a", Addresses: []netip.Addr{netip.MustParseAddr("127.0.8.8")}}},
	})
	if before != nil {
		t.Errorf("an external address is refused before a Service has it: %v", before)
	}
	for _, tt := range []struct {
		name, to string
		want     error
	}{
		{"cluster IP", "127.96.3.4:80", errLeadsBack},
		{"load balancer", "127.200.3.4:80", errLeadsBack},
		{"external address", "127.0.9.9:7000", errLeadsBack},
		{"another port there", "127.0.9.9:7001", nil},
		{"node port on a node", "127.18.0.1:30080", errLeadsBack},
		{"node port on a node's own address", "127.0.8.8:32767", errLeadsBack},
		{"another port there", "127.0.8.8:5432", nil},
		{"node port on this machine", "127.0.0.1:30000", errLeadsBack},
		{"program on this machine", "127.0.0.1:9000", nil},
		{"Pod", "127.244.0.7:30080", nil},
		{"elsewhere", "192.0.2.1:30080", nil},
	} {
		if err := s.refuse(netip.MustParseAddrPort(tt.to)); !errors.Is(err, tt.want) {
			t.Errorf("%s, %s: %v, want %v", tt.name, tt.to, err, tt.want)
		}
	}
}
