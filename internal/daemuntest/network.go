package daemuntest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
)

// networkGuard is the port that is held on the last address of a block while
// the block is in use. Nothing else listens there: Pods get the first
// addresses.
const networkGuard = 47111

// Networks are addresses that one instance has for itself.
type Networks struct {
	Pods, Services, Nodes, LoadBalancers string // CIDR
	// NodePorts is the address beside those of nodes where node ports answer.
	NodePorts string
}

// Flags gives an instance these addresses.
func (n Networks) Flags() []string {
	return []string{
		"--pod-network", n.Pods, "--service-network", n.Services, "--node-network", n.Nodes,
		"--load-balancer-network", n.LoadBalancers, "--nodeport-addresses", n.NodePorts,
	}
}

// ReserveNetworks finds addresses for an instance, so that several run on one
// machine without meeting, in this process or another. They are given back
// with the test.
func ReserveNetworks(t testing.TB) Networks {
	t.Helper()
	for range 1000 {
		// 127.130.0.0 to 127.189.255.255 in blocks of 4096: away from what
		// Daemun uses by default.
		second, third := 130+rand.IntN(60), 16*rand.IntN(16)
		l, err := net.Listen("tcp", fmt.Sprintf("127.%d.%d.254:%d", second, third+15, networkGuard))
		if err != nil {
			continue
		}
		t.Cleanup(func() { l.Close() })
		network := func(i int) string { return fmt.Sprintf("127.%d.%d.0/22", second, third+4*i) }
		return Networks{
			Pods: network(0), Services: network(1), Nodes: network(2), LoadBalancers: network(3),
			NodePorts: fmt.Sprintf("127.%d.%d.253/32", second, third+15),
		}
	}
	t.Fatal("no block of loopback addresses is free")
	return Networks{}
}
