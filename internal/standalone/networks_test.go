package standalone

import (
	"net/netip"
	"strings"
	"testing"
)

// TestReserve: what was not chosen moves on, what was chosen is an error.
func TestReserve(t *testing.T) {
	t.Parallel()
	first, err := Networks{}.Reserve()
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	second, err := Networks{}.Reserve()
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	mine := map[netip.Prefix]bool{first.Pods: true, first.Services: true, first.Nodes: true, first.LoadBalancers: true}
	for _, p := range []netip.Prefix{second.Pods, second.Services, second.Nodes, second.LoadBalancers} {
		if mine[p] || p.Bits() != 16 {
			t.Errorf("the second got %s, the first has %v", p, mine)
		}
	}
	for _, text := range []string{
		"another Daemun runs on this machine; here Pods use " + second.Pods.String(),
		"Services use " + second.Services.String(),
	} {
		if !strings.Contains(second.Moved, text) {
			t.Errorf("Moved = %q, want %q", second.Moved, text)
		}
	}
	if _, err := (Networks{Pods: first.Pods}).Reserve(); err == nil || !strings.Contains(err.Error(), "another Daemun on this machine uses --pod-network "+first.Pods.String()) {
		t.Errorf("chosen and taken: %v", err)
	}
	pods := second.Pods
	second.Close()
	again, err := Networks{Pods: pods}.Reserve()
	if err != nil {
		t.Fatalf("given back: %v", err)
	}
	again.Close()
}

func TestReserveRefuses(t *testing.T) {
	t.Parallel()
	for network, want := range map[string]string{
		"192.0.2.0/24":   "ip route add local 192.0.2.0/24 dev lo",
		"127.239.9.1/32": "has no room for addresses",
		"fd00::/64":      "want an IPv4 network such as 127.244.0.0/16",
	} {
		r, err := Networks{Pods: netip.MustParsePrefix(network)}.Reserve()
		if err == nil {
			r.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", network, err, want)
		}
	}
}

// TestNetworksAreApart: two that were chosen must have nothing in common; one
// that was not chosen keeps out of the way, and blames nobody.
func TestNetworksAreApart(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		networks Networks
		want     string
	}{
		{
			Networks{Services: netip.MustParsePrefix("127.240.0.0/16"), Nodes: netip.MustParsePrefix("127.240.9.0/24")},
			"--service-network 127.240.0.0/16 and --node-network 127.240.9.0/24 overlap",
		},
		{Networks{Services: netip.MustParsePrefix("127.240.1.0/29")}, "--service-network 127.240.1.0/29 has room for 6 addresses: want at least 10"},
	} {
		r, err := tt.networks.Reserve()
		if err == nil {
			r.Close()
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v, want %q", err, tt.want)
		}
	}
	r, err := Networks{Pods: netip.MustParsePrefix("127.192.0.0/11")}.Reserve() // to 127.223
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if r.LoadBalancers.Overlaps(r.Pods) || strings.Contains(r.Moved, "load balancers use 127.224.0.0/16") {
		t.Errorf("%v, %q", r.LoadBalancers, r.Moved)
	}
}
