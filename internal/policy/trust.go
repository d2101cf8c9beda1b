package policy

import (
	"bytes"
	"net/netip"

	"daemun/internal/ir"
)

// Trust knows the peers that are believed about where a request comes from
// (H4.7). Nobody is where it is nil.
type Trust struct {
	// IR is the source.
	IR       ir.Forwarded
	networks *Networks // nil: everybody
}

// NewTrust returns nil when nothing that a peer says is believed.
func NewTrust(f ir.Forwarded) *Trust {
	if !f.Believe && !f.BelieveAddress {
		return nil
	}
	t := &Trust{IR: f}
	if len(f.Trusted) > 0 {
		t.networks = NewNetworks(f.Trusted)
	}
	return t
}

// Believes reports whether a peer is trusted.
func (t *Trust) Believes(peer netip.Addr) bool {
	return t.networks == nil || t.networks.Contains(peer)
}

// Walk goes through a list of addresses from its end, where the nearest is, to
// the first that is not trusted: that is the client. at is what is known
// before; an element that is no address ends the walk before it. more says that
// all were trusted, so that an earlier field decides.
func (t *Trust) Walk(at netip.Addr, list []byte) (client netip.Addr, more bool) {
	for {
		comma := bytes.LastIndexByte(list, ',')
		addr, ok := address(bytes.Trim(list[comma+1:], " \t"))
		if !ok {
			return at, false
		}
		if at = addr; !t.Believes(addr) {
			return at, false
		}
		if comma < 0 {
			return at, true
		}
		list = list[:comma]
	}
}

// longestAddress bounds an address with port: "[" IPv6 "]:65535".
const longestAddress = 45 + 2 + 6

// address reads an address as proxies write them: alone, or with a port.
func address(text []byte) (netip.Addr, bool) {
	if addr, ok := ipv4(text); ok {
		return addr, true
	}
	if len(text) == 0 || len(text) > longestAddress {
		return netip.Addr{}, false
	}
	s := string(text)
	addr, err := netip.ParseAddr(s)
	if err != nil {
		withPort, err := netip.ParseAddrPort(s)
		if err == nil {
			addr = withPort.Addr()
		} else if addr, err = netip.ParseAddr(string(bytes.TrimSuffix(bytes.TrimPrefix(text, []byte("[")), []byte("]")))); err != nil {
			return netip.Addr{}, false
		}
	}
	if addr.Zone() != "" {
		return netip.Addr{}, false
	}
	return addr.Unmap(), true
}

// ipv4 is netip.ParseAddr for what there is most of, without an allocation.
func ipv4(text []byte) (netip.Addr, bool) {
	var octets [4]byte
	at, digits, n := 0, 0, 0
	for _, c := range text {
		switch {
		case '0' <= c && c <= '9':
			if digits > 0 && n == 0 { // a leading zero: octal for some
				return netip.Addr{}, false
			}
			digits++
			if n = n*10 + int(c-'0'); n > 255 {
				return netip.Addr{}, false
			}
		case c == '.' && digits > 0 && at < 3:
			octets[at] = byte(n)
			at, digits, n = at+1, 0, 0
		default:
			return netip.Addr{}, false
		}
	}
	if at != 3 || digits == 0 {
		return netip.Addr{}, false
	}
	octets[3] = byte(n)
	return netip.AddrFrom4(octets), true
}
