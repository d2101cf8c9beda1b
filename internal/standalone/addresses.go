package standalone

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// addressRange hands out the addresses of an IPv4 network without its network
// and broadcast addresses.
type addressRange struct {
	prefix netip.Prefix
	size   uint64 // usable addresses
	used   map[netip.Addr]bool
	next   uint64 // where sequential allocation goes on
}

func newAddressRange(p netip.Prefix) *addressRange {
	p = p.Masked()
	r := &addressRange{prefix: p, used: map[netip.Addr]bool{}}
	if bits := 32 - p.Bits(); p.Addr().Is4() && bits >= 2 {
		r.size = 1<<bits - 2
	}
	return r
}

// at returns the i-th usable address.
func (r *addressRange) at(i uint64) netip.Addr { return r.plus(i + 1) }

// plus returns the address i places after the first of the network.
func (r *addressRange) plus(i uint64) netip.Addr {
	base := r.prefix.Addr().As4()
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], binary.BigEndian.Uint32(base[:])+uint32(i))
	return netip.AddrFrom4(b)
}

// sequential takes the next free address after the last one handed out, so
// that an address that was given back is not used again soon.
func (r *addressRange) sequential() (netip.Addr, error) {
	for range r.size {
		a := r.at(r.next)
		r.next = (r.next + 1) % r.size
		if !r.used[a] {
			r.used[a] = true
			return a, nil
		}
	}
	return netip.Addr{}, fmt.Errorf("all addresses of %s are in use", r.prefix)
}

// pool returns a pool of the network's addresses.
func (r *addressRange) pool(band int, share func(a, b *demand) bool) *pool {
	return newPool(int(r.size), band, share)
}

// index is the number of an address in the pool, none for one that is not to
// be had.
func (r *addressRange) index(a netip.Addr) int {
	if r.size == 0 || !r.prefix.Contains(a) || a.Less(r.at(0)) || r.at(r.size-1).Less(a) {
		return none
	}
	first, this := r.at(0).As4(), a.As4()
	return int(binary.BigEndian.Uint32(this[:]) - binary.BigEndian.Uint32(first[:]))
}

func (r *addressRange) release(a netip.Addr) { delete(r.used, a) }
