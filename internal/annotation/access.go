package annotation

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"daemun/internal/ir"
)

// maxNetworks bounds a list of networks.
const maxNetworks = 4096

// networks reads a list of networks and addresses with commas between them.
func networks(set func(v *Values, list []netip.Prefix)) func(string, *Values) error {
	return func(s string, v *Values) error {
		list, err := ParseNetworks(s)
		if err != nil {
			return err
		}
		set(v, list)
		return nil
	}
}

// ParseNetworks reads networks and addresses with commas between them; the list
// is sorted and not empty.
func ParseNetworks(s string) ([]netip.Prefix, error) {
	var list []netip.Prefix
	for text := range strings.SplitSeq(s, ",") {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		p, err := network(text)
		if err != nil {
			return nil, fmt.Errorf("holds %s, which is no network: write networks such as 10.0.0.0/8 or addresses such as 192.0.2.7, with commas between them", quote(text))
		}
		if list = append(list, p); len(list) > maxNetworks {
			return nil, fmt.Errorf("holds more than %d networks", maxNetworks)
		}
	}
	if len(list) == 0 {
		return nil, errors.New("holds no network: write networks such as 10.0.0.0/8, with commas between them")
	}
	slices.SortFunc(list, netip.Prefix.Compare)
	return slices.Compact(list), nil
}

// network reads a network or an address. IPv4 in IPv6 form is IPv4.
func network(text string) (netip.Prefix, error) {
	if !strings.Contains(text, "/") {
		addr, err := netip.ParseAddr(text)
		if err != nil || addr.Zone() != "" {
			return netip.Prefix{}, errors.New("no address")
		}
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, err
	}
	if p.Addr().Is4In6() {
		if p.Bits() < 96 {
			return netip.Prefix{}, errors.New("network spans both families")
		}
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked(), nil
}

func (v *Values) access() *ir.Access {
	if v.Access == nil {
		v.Access = &ir.Access{}
	}
	return v.Access
}
