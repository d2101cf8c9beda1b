package policy

import (
	"cmp"
	"net/netip"
	"slices"

	"daemun/internal/ir"
)

// Access decides by the address of the client (allow and deny lists).
type Access struct {
	deny, allow *Networks
	// rules are asked in their order by who is in neither list.
	rules []ir.AccessRule
	// others holds for other methods than except, beside all that.
	except []string
	others []ir.AccessRule
}

func newAccess(a *ir.Access, m *ir.MethodAccess) *Access {
	if a == nil && m == nil {
		return nil
	}
	made := &Access{}
	if a != nil {
		made.deny, made.rules = NewNetworks(a.Deny), a.Rules
		if len(a.Allow) > 0 {
			made.allow = NewNetworks(a.Allow)
		}
	}
	if m != nil {
		made.except, made.others = m.Except, m.Rules
	}
	return made
}

// JudgeMethod is Judge for a request with a method.
func (a *Access) JudgeMethod(method []byte, addr netip.Addr) AccessVerdict {
	verdict := a.Judge(addr)
	if verdict == Refused || len(a.except) == 0 || slices.Contains(a.except, string(method)) {
		return verdict
	}
	if others := judgeRules(a.others, addr); others != Indifferent {
		return others
	}
	return verdict
}

// judgeRules finds the first rule that an address fits.
func judgeRules(rules []ir.AccessRule, addr netip.Addr) AccessVerdict {
	addr = addr.Unmap().WithZone("")
	for i := range rules {
		switch r := &rules[i]; {
		case !r.Net.Contains(addr):
		case r.Allow:
			return Allowed
		default:
			return Refused
		}
	}
	return Indifferent
}

// AccessVerdict is what the lists say about an address.
type AccessVerdict uint8

// The verdicts. Indifferent lets a request pass like Allowed, but is nothing
// that satisfies "satisfy: any".
const (
	Indifferent AccessVerdict = iota
	Allowed
	Refused
)

// Judge returns the verdict about a client.
func (a *Access) Judge(addr netip.Addr) AccessVerdict {
	switch {
	case a.deny.Contains(addr):
		return Refused
	case a.allow == nil:
		return judgeRules(a.rules, addr)
	case a.allow.Contains(addr):
		return Allowed
	}
	return Refused
}

// Networks is a set of addresses, made for looking one up.
type Networks struct {
	// ranges are sorted and do not overlap.
	ranges []addrRange
}

type addrRange struct{ from, to netip.Addr }

// NewNetworks returns the union of networks. They must be valid.
func NewNetworks(list []netip.Prefix) *Networks {
	n := &Networks{}
	for _, p := range list {
		from := p.Masked().Addr().Unmap()
		n.ranges = append(n.ranges, addrRange{from, lastOf(p)})
	}
	slices.SortFunc(n.ranges, func(a, b addrRange) int {
		return cmp.Or(a.from.Compare(b.from), b.to.Compare(a.to))
	})
	// Networks do not overlap by halves: one holds the other, or they share
	// nothing.
	kept := n.ranges[:0]
	for _, r := range n.ranges {
		if len(kept) == 0 || kept[len(kept)-1].to.Less(r.from) {
			kept = append(kept, r)
		}
	}
	n.ranges = kept
	return n
}

// lastOf returns the last address of a network.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	last, _ := netip.AddrFromSlice(b)
	return last.Unmap()
}

// few is up to where a walk beats a search.
const few = 8

// Contains reports whether an address is in one of the networks. An IPv4
// address in IPv6 form is the IPv4 address. A nil set holds nothing.
func (n *Networks) Contains(addr netip.Addr) bool {
	if n == nil || len(n.ranges) == 0 {
		return false
	}
	addr = addr.Unmap().WithZone("")
	if len(n.ranges) <= few {
		for i := range n.ranges {
			if r := &n.ranges[i]; !addr.Less(r.from) && !r.to.Less(addr) {
				return true
			}
		}
		return false
	}
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
