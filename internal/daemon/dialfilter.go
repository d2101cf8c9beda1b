package daemon

import (
	"errors"
	"net/netip"
)

// The reasons of the dial filter.
var (
	errLinkLocal = errors.New("a link-local address is never a backend")
	errMetadata  = errors.New("the metadata service of a cloud is never a backend")
	errNoHost    = errors.New("not the address of one host")
	errOwn       = errors.New("the address is a listener of Daemun itself, never a backend")
)

// metadata are the addresses of cloud metadata services that are not
// link-local: AWS and GCP over IPv6, Azure, Alibaba.
var metadata = []netip.Addr{
	netip.MustParseAddr("fd00:ec2::254"), netip.MustParseAddr("fd20:ce::254"),
	netip.MustParseAddr("168.63.129.16"), netip.MustParseAddr("100.100.100.200"),
}

// newDialFilter refuses, after resolution and at every dial, addresses that no
// object may lead a request to (H10.2, H10.4): link-local ones, metadata
// services, and own, the listeners of this Daemun. Loopback is allowed: in
// standalone mode Pods live there. A listener on all addresses covers its port
// on loopback and on local, the addresses of this machine.
func newDialFilter(own []netip.AddrPort, local []netip.Addr) func(netip.AddrPort) error {
	listens := make(map[netip.AddrPort]bool)
	for _, l := range own {
		listens[plainAddr(l)] = true
	}
	here := make(map[netip.Addr]bool)
	for _, a := range local {
		here[a.Unmap().WithZone("")] = true
	}
	everywhere := func(port uint16) bool {
		return listens[netip.AddrPortFrom(netip.IPv4Unspecified(), port)] || listens[netip.AddrPortFrom(netip.IPv6Unspecified(), port)]
	}
	return func(to netip.AddrPort) error {
		to = plainAddr(to)
		switch a := to.Addr(); {
		case !a.IsValid(), a.IsUnspecified(), a.IsMulticast(), a == broadcast:
			return errNoHost // the kernel takes the unspecified address for this machine
		case a.IsLinkLocalUnicast():
			return errLinkLocal
		case isMetadata(a):
			return errMetadata
		case listens[to], (a.IsLoopback() || here[a]) && everywhere(to.Port()):
			return errOwn
		}
		return nil
	}
}

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

func isMetadata(a netip.Addr) bool {
	for _, m := range metadata {
		if a == m {
			return true
		}
	}
	return false
}

// plainAddr is the one form in which addresses are compared: IPv4 in IPv6 is
// IPv4, and no zone.
func plainAddr(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}
