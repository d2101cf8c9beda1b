package standalone

import (
	"fmt"
	"net/netip"
)

// podNetworks divides the Pod network into blocks that belong to nodes, so
// that an address tells its node.
type podNetworks struct {
	network netip.Prefix
	bits    int // of a block
	ranges  map[netip.Prefix]*addressRange
	owners  map[netip.Prefix]string
}

func newPodNetworks(network netip.Prefix) *podNetworks {
	network = network.Masked()
	p := &podNetworks{network: network, bits: 24, ranges: map[netip.Prefix]*addressRange{}, owners: map[netip.Prefix]string{}}
	if network.Bits() > 20 { // fewer than 16 blocks of 256 addresses
		p.bits = min(network.Bits()+4, 30)
	}
	return p
}

// claim gives a node the block it wishes, if that is free, or the first free
// one. A block is free when it has no owner and no Pod of the last one is
// still ending there.
func (p *podNetworks) claim(node string, wish string) (netip.Prefix, bool) {
	if b, err := netip.ParsePrefix(wish); err == nil && b.Bits() == p.bits && b == b.Masked() && p.network.Contains(b.Addr()) && p.free(b) {
		p.own(b, node)
		return b, true
	}
	if !p.network.Addr().Is4() || p.network.Bits() > 30 {
		return netip.Prefix{}, false
	}
	all := addressRange{prefix: p.network}
	for n := range uint64(1) << (p.bits - p.network.Bits()) {
		b := netip.PrefixFrom(all.plus(n<<(32-p.bits)), p.bits)
		if p.free(b) {
			p.own(b, node)
			return b, true
		}
	}
	return netip.Prefix{}, false
}

func (p *podNetworks) free(b netip.Prefix) bool {
	r := p.ranges[b]
	return p.owners[b] == "" && (r == nil || len(r.used) == 0)
}

func (p *podNetworks) own(b netip.Prefix, node string) {
	p.owners[b] = node
	if p.ranges[b] == nil {
		p.ranges[b] = newAddressRange(b)
	}
}

// disown takes the blocks from their node.
func (p *podNetworks) disown(blocks []netip.Prefix) {
	for _, b := range blocks {
		delete(p.owners, b)
	}
}

// take takes an address of one of the blocks.
func (p *podNetworks) take(blocks []netip.Prefix) (netip.Addr, bool) {
	for _, b := range blocks {
		r := p.ranges[b]
		if uint64(len(r.used)) == r.size {
			continue
		}
		if a, err := r.sequential(); err == nil {
			return a, true
		}
	}
	return netip.Addr{}, false
}

// release gives an address back; the zero address is none.
func (p *podNetworks) release(a netip.Addr) {
	if !a.Is4() {
		return
	}
	if r := p.ranges[netip.PrefixFrom(a, p.bits).Masked()]; r != nil {
		r.release(a)
	}
}

func (p *podNetworks) full(node string) error {
	return fmt.Errorf("node %s has no free Pod address, and no block of %s is left; run fewer Pods or configure a larger network", node, p.network)
}
