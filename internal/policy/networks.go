package policy

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"
)

// Networks is a set of addresses, made for looking one up.
type Networks struct {
	// four are the ranges of IPv4 addresses, ranges the others. Both are sorted
	// and do not overlap.
	four   []range4
	ranges []addrRange
}

type range4 struct{ from, to uint32 }

type addrRange struct{ from, to netip.Addr }

// NewNetworks returns the union of networks. They must be valid.
func NewNetworks(list []netip.Prefix) *Networks {
	all := make([]addrRange, 0, len(list))
	for _, p := range list {
		from, to := p.Masked().Addr().Unmap(), lastOf(p)
		if from.Is4() {
			to = to.Unmap()
		}
		all = append(all, addrRange{from, to})
	}
	slices.SortFunc(all, func(a, b addrRange) int {
		return cmp.Or(a.from.Compare(b.from), b.to.Compare(a.to))
	})
	// Networks do not overlap by halves: one holds the other, or they share
	// nothing.
	kept := all[:0]
	for _, r := range all {
		if len(kept) == 0 || kept[len(kept)-1].to.Less(r.from) {
			kept = append(kept, r)
		}
	}
	n := &Networks{}
	for _, r := range kept {
		if r.from.Is4() {
			n.four = append(n.four, range4{number(r.from), number(r.to)})
		} else {
			n.ranges = append(n.ranges, r)
		}
	}
	return n
}

// number is an IPv4 address as one.
func number(a netip.Addr) uint32 {
	b := a.As4()
	return binary.BigEndian.Uint32(b[:])
}

// lastOf returns the last address of a network.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	last, _ := netip.AddrFromSlice(b)
	return last
}

// Contains reports whether an address is in one of the networks. An IPv4
// address in IPv6 form is the IPv4 address. A nil set holds nothing.
func (n *Networks) Contains(addr netip.Addr) bool {
	if n == nil {
		return false
	}
	if addr = addr.Unmap(); addr.Is4() {
		return n.contains4(number(addr))
	}
	if len(n.ranges) == 0 {
		return false
	}
	addr = addr.WithZone("")
	lo, hi := 0, len(n.ranges) // the first range that begins behind addr
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if addr.Less(n.ranges[mid].from) {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return lo > 0 && !n.ranges[lo-1].to.Less(addr)
}

func (n *Networks) contains4(addr uint32) bool {
	lo, hi := 0, len(n.four)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if addr < n.four[mid].from {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return lo > 0 && addr <= n.four[lo-1].to
}
