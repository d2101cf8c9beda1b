package dns

import (
	"bytes"
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"daemun/internal/ir"
)

// service is everything below NAME.NAMESPACE.svc.ZONE.
type service struct {
	// top is at the name itself; nil means that it does not exist.
	top *node
	// below are the names under it, by their wire form without what follows.
	below map[string]*node
	// reverse are the reverse names that lead here, sorted.
	reverse []pointer
}

// pointer is one PTR record.
type pointer struct {
	addr netip.Addr
	name string
}

func (p pointer) compare(q pointer) int {
	return cmp.Or(p.addr.Compare(q.addr), strings.Compare(p.name, q.name))
}

// serviceKey is the wire form of NAME.NAMESPACE, empty if there is none.
func serviceKey(s *ir.Service) string {
	b, ok := appendLabel(nil, s.Name)
	if !ok {
		return ""
	}
	if b, ok = appendLabel(b, s.Namespace); !ok {
		return ""
	}
	return string(b)
}

// service compiles one Service. A name that cannot be written has no records:
// the API server refuses such names.
func (b *builder) service(s *ir.Service) *service {
	key := serviceKey(s)
	name := key + b.svcSuffix
	if key == "" || len(name) > maxName {
		return &service{}
	}
	switch {
	case s.ExternalName != "":
		return &service{top: b.external(s.ExternalName)}
	case s.Headless:
		return b.headless(s, name)
	}
	return b.clusterIP(s, name)
}

// external makes an alias. Text that is an address is no name.
func (b *builder) external(target string) *node {
	if _, err := netip.ParseAddr(strings.TrimSuffix(target, ".")); err == nil {
		return nil
	}
	name, ok := wireName(target)
	if !ok || name == "\x00" {
		return nil
	}
	labels := labelsOf(name)
	return &node{alias: &alias{
		record: appendRecord(nil, typeCNAME, b.ttl, name), name: []byte(name), labels: labels,
		inZone: inZone([]byte(name), labels, b.origin, len(b.originLabels)),
	}}
}

func (b *builder) clusterIP(s *ir.Service, name string) *service {
	top := &node{sets: addressSets(s.ClusterIPs, b.ttl)}
	svc := &service{top: top}
	if len(top.sets) == 0 {
		return svc // it has no address yet
	}
	for i := range s.Ports {
		if p := &s.Ports[i]; p.Name != "" {
			svc.port(p, []server{{p.Port, name, top}}, b.ttl)
		}
	}
	for _, a := range s.ClusterIPs {
		if a.IsValid() {
			svc.reverse = append(svc.reverse, pointer{a.Unmap().WithZone(""), name})
		}
	}
	svc.sortReverse()
	return svc
}

// headless gives every ready endpoint. Without any nothing exists.
func (b *builder) headless(s *ir.Service, name string) *service {
	svc := &service{}
	hosts := b.hosts(s, name)
	if len(hosts.names) == 0 {
		return svc
	}
	svc.top = &node{sets: addressSets(hosts.all, b.ttl)}
	svc.below = make(map[string]*node, len(hosts.names)+2*len(s.Ports))
	nodes := make(map[string]*node, len(hosts.names))
	for host, addrs := range hosts.names {
		n := &node{sets: addressSets(addrs, b.ttl)}
		nodes[host] = n
		svc.below[host[:len(host)-len(name)]] = n
		for _, a := range addrs {
			svc.reverse = append(svc.reverse, pointer{a, host})
		}
	}
	for i := range s.Ports {
		var servers []server
		seen := map[server]bool{}
		for _, r := range hosts.ready {
			if i >= len(r.ports) || r.ports[i] == 0 {
				continue
			}
			srv := server{r.ports[i], r.host, nodes[r.host]}
			if !seen[srv] {
				seen[srv] = true
				servers = append(servers, srv)
			}
		}
		if len(servers) > 0 && s.Ports[i].Name != "" {
			svc.port(&s.Ports[i], servers, b.ttl)
		}
	}
	svc.sortReverse()
	return svc
}

// hosts is what of a headless Service is ready.
type hosts struct {
	ready []host
	all   []netip.Addr
	names map[string][]netip.Addr // by whole wire name
}

type host struct {
	host  string
	ports []uint16
}

func (b *builder) hosts(s *ir.Service, service string) hosts {
	h := hosts{names: map[string][]netip.Addr{}}
	for i := range s.Endpoints {
		e := &s.Endpoints[i]
		addr := e.Addr.Unmap().WithZone("")
		if !e.Ready || !addr.IsValid() {
			continue
		}
		label := e.Hostname
		if label == "" {
			label = addressLabel(addr)
		}
		wire, ok := appendLabel(nil, label)
		name := string(wire) + service
		if !ok || len(name) > maxName {
			continue
		}
		h.all = append(h.all, addr)
		h.ready = append(h.ready, host{name, e.Ports})
		h.names[name] = append(h.names[name], addr)
	}
	return h
}

// port adds _NAME._TRANSPORT, and _TRANSPORT above it, which has no records.
func (s *service) port(p *ir.ServicePort, servers []server, ttl uint32) {
	transport, ok := appendLabel(nil, "_"+string(p.Transport))
	if !ok {
		return
	}
	name, ok := appendLabel(nil, "_"+p.Name)
	if !ok {
		return
	}
	if s.below == nil {
		s.below = make(map[string]*node, 2)
	}
	if s.below[string(transport)] == nil {
		s.below[string(transport)] = &node{}
	}
	s.below[string(slices.Concat(name, transport))] = &node{sets: []set{serverSet(servers, ttl)}}
}

func (s *service) sortReverse() {
	slices.SortFunc(s.reverse, pointer.compare)
	s.reverse = slices.Compact(s.reverse)
}

// inZone tells whether a whole name is the origin or below it.
func inZone(name []byte, labels []uint8, origin string, originLabels int) bool {
	n := len(labels) - originLabels
	if n < 0 {
		return false
	}
	if originLabels == 0 {
		return true
	}
	at := int(labels[n])
	return len(name)-at == len(origin) && bytes.HasSuffix(name, []byte(origin))
}
