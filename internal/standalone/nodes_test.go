package standalone

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"daemun/internal/manifest"
	"daemun/internal/store"
)

func node(name string, change ...func(*corev1.Node)) *corev1.Node {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}
	for _, f := range change {
		f(n)
	}
	return n
}

func nodeSet(list ...*corev1.Node) map[string]*corev1.Node {
	out := map[string]*corev1.Node{}
	for _, n := range list {
		out[n.Name] = n
	}
	return out
}

// spell lists nodes with their addresses and Pod networks.
func spell(n *nodes) string {
	var out []string
	for _, node := range n.list {
		if len(node.Spec.PodCIDRs) > 0 && node.Spec.PodCIDR != node.Spec.PodCIDRs[0] {
			out = append(out, "podCIDR is not the first of podCIDRs")
		}
		out = append(out, fmt.Sprint(node.Name, " ", nodeIP(node), " ", strings.Join(node.Spec.PodCIDRs, ",")))
	}
	return strings.Join(out, "; ")
}

func testNodes(pods string) *nodes {
	return newNodes(netip.MustParsePrefix("127.18.0.0/24"), netip.MustParsePrefix(pods))
}

func TestNodesHaveNetworks(t *testing.T) {
	t.Parallel()
	n := testNodes("127.244.0.0/16")
	n.update(nil)
	if got := spell(n); got != "local 127.18.0.1 127.244.0.0/24" {
		t.Error(got)
	}
	foreign := func(n *corev1.Node) { n.Spec.PodCIDR, n.Spec.PodCIDRs = "10.244.1.0/24", []string{"10.244.1.0/24"} }
	wish := func(n *corev1.Node) { n.Spec.PodCIDR = "127.244.9.0/24" }
	a, b, c := node("a"), node("b", foreign), node("c", wish)
	n.update(nodeSet(a, b, c))
	if got := spell(n); got != "a 127.18.0.1 127.244.0.0/24; b 127.18.0.2 127.244.1.0/24; c 127.18.0.3 127.244.9.0/24" {
		t.Error(got)
	}
	before := n.get("a")
	// A node keeps what it has when it is changed while another goes.
	n.update(nodeSet(a, node("c", wish, func(n *corev1.Node) { n.Labels = map[string]string{"x": "y"} })))
	if got := spell(n); got != "a 127.18.0.1 127.244.0.0/24; c 127.18.0.3 127.244.9.0/24" || n.get("a") != before {
		t.Error(got)
	}
}

// TestPodAddressesTellTheNode: each Pod has an address of its node; a node
// whose block is full gets another.
func TestPodAddressesTellTheNode(t *testing.T) {
	t.Parallel()
	n := testNodes("127.244.0.0/22") // blocks of 64, 62 of them usable
	n.update(nodeSet(node("a"), node("b")))
	if got := spell(n); got != "a 127.18.0.1 127.244.0.0/26; b 127.18.0.2 127.244.0.64/26" {
		t.Fatal(got)
	}
	seen := map[netip.Addr]bool{}
	for i := range 63 {
		addr, err := n.podAddress("a")
		if err != nil || seen[addr] {
			t.Fatalf("%d: %s %v", i, addr, err)
		}
		seen[addr] = true
		inside := false
		for _, c := range n.get("a").Spec.PodCIDRs {
			inside = inside || netip.MustParsePrefix(c).Contains(addr)
		}
		if !inside {
			t.Errorf("%s is not in %v", addr, n.get("a").Spec.PodCIDRs)
		}
	}
	if got := spell(n); got != "a 127.18.0.1 127.244.0.0/26,127.244.0.128/26; b 127.18.0.2 127.244.0.64/26" {
		t.Error(got)
	}
	// The block of a node that is gone is not given on while a Pod ends there.
	held, err := n.podAddress("b")
	if err != nil {
		t.Fatal(err)
	}
	n.update(nodeSet(node("c")))
	if got := spell(n); got != "c 127.18.0.1 127.244.0.192/26" {
		t.Error(got)
	}
	n.pods.release(held)
	n.update(nodeSet(node("c"), node("d")))
	if got := spell(n); got != "c 127.18.0.1 127.244.0.192/26; d 127.18.0.2 127.244.0.64/26" {
		t.Error(got)
	}
}

func TestNoPodAddressLeft(t *testing.T) {
	t.Parallel()
	n := testNodes("127.244.0.0/29") // two blocks of two
	n.update(nodeSet(node("a"), node("b"), node("c")))
	if got := spell(n); got != "a 127.18.0.1 127.244.0.0/30; b 127.18.0.2 127.244.0.4/30; c 127.18.0.3 " {
		t.Error(got)
	}
	var errs []string
	for range 3 {
		if _, err := n.podAddress("a"); err != nil {
			errs = append(errs, err.Error())
		}
	}
	if got := strings.Join(errs, "; "); got != "node a has no free Pod address, and no block of 127.244.0.0/29 is left; run fewer Pods or configure a larger network" {
		t.Error(got)
	}
	if _, err := n.podAddress("c"); err == nil {
		t.Error("a node without a block gives addresses")
	}
}

// TestClusterOfTwoNodes: what the store shows when Pods spread, and that
// slices follow a node's zone.
func TestClusterOfTwoNodes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		zone := func(name string) func(*corev1.Node) {
			return func(n *corev1.Node) { n.Labels = map[string]string{corev1.LabelTopologyZone: name} }
		}
		same := corev1.ServiceTrafficDistributionPreferSameZone
		web := svc("web", func(s *corev1.Service) { s.Spec.TrafficDistribution = &same })
		l := newLab(t, node("a", zone("x")), node("b", zone("y")), deployment("web", 2, program("serve")), web)
		defer l.end()
		for _, p := range l.pods() {
			n := l.store.View().Nodes[store.Name{Name: p.Spec.NodeName}]
			if !netip.MustParsePrefix(n.Spec.PodCIDR).Contains(netip.MustParseAddr(p.Status.PodIP)) {
				t.Errorf("%s has %s on %s, which has %s", p.Name, p.Status.PodIP, n.Name, n.Spec.PodCIDR)
			}
		}
		zones := func() string {
			seen := map[string]bool{}
			for _, s := range l.store.View().SlicesOf(store.NameOf(web)) {
				for _, e := range s.Endpoints {
					seen[*e.Zone+e.Hints.ForZones[0].Name] = true
				}
			}
			return fmt.Sprint(seen)
		}
		if got := zones(); got != "map[xx:true yy:true]" {
			t.Error(got)
		}
		l.put(node("b", zone("z")))
		if got := zones(); got != "map[xx:true zz:true]" {
			t.Errorf("after b moved: %s", got)
		}
		l.Apply(manifest.Change{Delete: []store.Key{{Kind: "Node", Name: "b"}}})
		synctest.Wait()
		if got := zones(); got != "map[xx:true]" {
			t.Errorf("after b is gone: %s", got)
		}
	})
}
