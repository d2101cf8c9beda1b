package standalone

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
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
func (r *addressRange) at(i uint64) netip.Addr {
	base := r.prefix.Addr().As4()
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], binary.BigEndian.Uint32(base[:])+1+uint32(i))
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

// band is the number of addresses at the start that dynamic allocation leaves
// to explicit requests (services §2.1).
func (r *addressRange) band() uint64 {
	size := uint64(1) << (32 - r.prefix.Bits())
	if size <= 16 {
		return 0
	}
	return min(max(16, size/16), 256, r.size)
}

// dynamic takes an address of the upper band, the lower only when the upper is
// full. The search starts at a place that follows from key instead of a random
// one: a Service gets the same address at every start.
func (r *addressRange) dynamic(key string) (netip.Addr, error) {
	band := r.band()
	if a, ok := r.scan(band, r.size-band, key); ok {
		return a, nil
	}
	if a, ok := r.scan(0, band, key); ok {
		return a, nil
	}
	return netip.Addr{}, fmt.Errorf("all addresses of %s are in use", r.prefix)
}

func (r *addressRange) scan(from, count uint64, key string) (netip.Addr, bool) {
	if count == 0 {
		return netip.Addr{}, false
	}
	h := fnv.New64a()
	h.Write([]byte(key))
	start := h.Sum64() % count
	for i := range count {
		if a := r.at(from + (start+i)%count); !r.used[a] {
			r.used[a] = true
			return a, true
		}
	}
	return netip.Addr{}, false
}

// explicit takes exactly this address.
func (r *addressRange) explicit(text string) (netip.Addr, error) {
	a, err := netip.ParseAddr(text)
	switch {
	case err != nil:
		return a, fmt.Errorf("%q is no IP address; leave the field out or write an address of %s", text, r.prefix)
	case r.size == 0 || !r.prefix.Contains(a) || a.Less(r.at(0)) || r.at(r.size-1).Less(a):
		return a, fmt.Errorf("%s is not a usable address of the service network %s; leave the field out or choose one of that network", a, r.prefix)
	case r.used[a]:
		return a, fmt.Errorf("%s is already in use; leave the field out or choose a free address", a)
	}
	r.used[a] = true
	return a, nil
}

func (r *addressRange) release(a netip.Addr) { delete(r.used, a) }
