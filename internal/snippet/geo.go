package snippet

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
	"slices"
	"strings"

	"daemun/internal/ir"
)

// geo is a block of that name while it is read.
type geo struct {
	*ir.Map
	// ranges says that lines have ranges of addresses, spans are those so far.
	ranges bool
	spans  []span
}

// span is a range of addresses of IPv4, both ends within.
type span struct{ first, last uint32 }

// maxNetworks bounds what an address is compared with: a range can be 62 of them.
const maxNetworks = 4096

func readGeo(r *reader, d *directive) string {
	g := geo{Map: &ir.Map{Source: "$remote_addr"}}
	if len(d.args) == 2 {
		g.Source = r.text(d, d.args[0])
	}
	name, wrong := r.mapVariable(d.args[len(d.args)-1])
	if wrong != "" {
		return wrong
	}
	g.Name = name
	for i := range d.block {
		line := &d.block[i]
		if line.name == "ranges" && len(line.args) == 0 && i == 0 {
			g.ranges = true
			continue
		}
		if wrong := g.line(line); wrong != "" {
			return r.brokenLine(d, line.at, wrong)
		}
	}
	r.addMap(d, *g.Map)
	return ""
}

// line reads a line of geo. A later one for the same network counts, as in
// nginx.
func (g *geo) line(d *directive) string {
	switch {
	case d.name == "ranges":
		return "ranges is not the first line, and has nothing behind it"
	case d.isBlock || len(d.args) != 1:
		return "a line has a network and a value"
	case slices.Contains([]string{"include", "proxy", "proxy_recursive"}, d.name):
		return d.name + " is not supported: write networks such as 10.0.0.0/8 (for proxies there is the ConfigMap key proxy-real-ip-cidr)"
	case strings.Contains(d.args[0].text, "$"):
		return "a value has no variables, and nginx would take this one by its letters: use map"
	case d.name == "default":
		g.Default = d.args[0].text
		return ""
	case g.ranges:
		return g.rangeLine(d)
	}
	text := d.name
	if text == "delete" {
		text = d.args[0].text
	}
	net, ok := network(text)
	if !ok {
		return text + " is neither default nor a network such as 10.0.0.0/8"
	}
	g.Networks = slices.DeleteFunc(g.Networks, func(have ir.MapNetwork) bool { return have.Net == net })
	if d.name != "delete" {
		g.Networks = append(g.Networks, ir.MapNetwork{Net: net, To: d.args[0].text})
	}
	return ""
}

// rangeLine reads a line such as "10.0.0.1-10.0.0.9 here": it may lie within an
// earlier one, whose networks are larger then, but not across it.
func (g *geo) rangeLine(d *directive) string {
	s, ok := parseSpan(d.name)
	if !ok {
		return d.name + " is no range of IPv4 addresses such as 10.0.0.1-10.0.0.9, as ranges wants it"
	}
	for _, have := range g.spans {
		apart := s.last < have.first || have.last < s.first
		within := have.first <= s.first && s.last <= have.last
		if !apart && !within {
			return d.name + " lies across an earlier range"
		}
	}
	g.spans = append(g.spans, s)
	for _, net := range s.networks() {
		g.Networks = slices.DeleteFunc(g.Networks, func(have ir.MapNetwork) bool { return have.Net == net })
		g.Networks = append(g.Networks, ir.MapNetwork{Net: net, To: d.args[0].text})
	}
	if len(g.Networks) > maxNetworks {
		return "there are too many ranges: together they are more than 4096 networks"
	}
	return ""
}

func parseSpan(text string) (s span, ok bool) {
	first, last, ok := strings.Cut(text, "-")
	if !ok {
		return s, false
	}
	a, err := netip.ParseAddr(first)
	b, err2 := netip.ParseAddr(last)
	if err != nil || err2 != nil || !a.Is4() || !b.Is4() || b.Less(a) {
		return s, false
	}
	four, other := a.As4(), b.As4()
	return span{binary.BigEndian.Uint32(four[:]), binary.BigEndian.Uint32(other[:])}, true
}

// networks are the fewest that make up the range.
func (s span) networks() (list []netip.Prefix) {
	for at, last := uint64(s.first), uint64(s.last); at <= last; {
		size := 32 // of the host part, in bits
		if at > 0 {
			size = bits.TrailingZeros64(at)
		}
		size = min(size, bits.Len64(last-at+1)-1)
		var four [4]byte
		binary.BigEndian.PutUint32(four[:], uint32(at))
		list = append(list, netip.PrefixFrom(netip.AddrFrom4(four), 32-size))
		at += 1 << size
	}
	return list
}

// network reads a network, or an address.
func network(s string) (p netip.Prefix, ok bool) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		a, err := netip.ParseAddr(s)
		if err != nil {
			return p, false
		}
		p = netip.PrefixFrom(a, a.BitLen())
	}
	return p.Masked(), true
}
