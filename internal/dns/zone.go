package dns

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"

	"daemun/internal/ir"
)

const (
	schemaVersion    = "1.1.0"
	schemaVersionTTL = 28800
)

// zone is all names at one moment. It is never written after publication.
type zone struct {
	*fixed
	network  *ir.Network
	services *table[*service]
	reverse  *table[*reverse]
	serial   uint32
}

// fixed is what no Network changes.
type fixed struct {
	pods    PodRecords
	empty   *node
	apex    *node
	version *node // dns-version
	server  *node // ns.dns
}

// reverse is what is at a reverse name.
type reverse struct {
	names []string // sorted
	node  *node
}

// builder compiles Networks to zones.
type builder struct {
	ttl          uint32
	origin       string // wire form of the zone
	originLabels []uint8
	svcSuffix    string // svc.ZONE
	soa          []byte // in short form, see message.addSOA
	soaReverse   []byte // names written out
	fixed        *fixed
}

func newBuilder(c Config) *builder {
	origin, ok := wireName(c.Zone)
	if !ok {
		origin, _ = wireName("cluster.local")
	}
	b := &builder{ttl: uint32(min(c.TTL.Seconds(), 1<<31-1)), origin: origin, originLabels: labelsOf(origin), svcSuffix: "\x03svc" + origin}
	server := "\x02ns\x03dns" + origin
	b.soa = soaTemplate("\x02ns\x03dns\x00\x00", "\x0ahostmaster\x00\x00", b.ttl)
	b.soaReverse = soaTemplate(server, "\x0ahostmaster"+origin, b.ttl)
	var own []netip.Addr
	for _, a := range c.Own {
		if !a.Addr().IsUnspecified() {
			own = append(own, a.Addr())
		}
	}
	version := appendRecord(nil, typeTXT, schemaVersionTTL, "\x05"+schemaVersion)
	b.fixed = &fixed{
		pods: c.Pods, empty: &node{}, apex: &node{sets: []set{nameSet(typeNS, b.ttl, server)}},
		version: &node{sets: []set{{kind: typeTXT, wire: version, size: len(version)}}},
		server:  &node{sets: addressSets(own, b.ttl)},
	}
	return b
}

// soaTemplate lacks the serial number and what the names point at. The minimum
// is the TTL of records: nothing is absent for longer than it would be present.
func soaTemplate(server, mailbox string, ttl uint32) []byte {
	data := []byte(server + mailbox)
	for _, v := range []uint32{0, 7200, 1800, 86400, ttl} {
		data = binary.BigEndian.AppendUint32(data, v)
	}
	return appendRecord(nil, typeSOA, ttl, data)
}

// update makes the zone of n out of the one before. Services are sorted in
// both Networks, so one walk finds what changed.
func (b *builder) update(before *zone, n *ir.Network) *zone {
	if before == nil {
		before = &zone{network: &ir.Network{}, services: newTable[*service](), reverse: newTable[*reverse]()}
	}
	services, reverse := before.services.edit(), before.reverse.edit()
	replace := func(from, to *ir.Service) {
		b.replace(services, reverse, from, to)
	}
	old := before.network.Services
	for _, s := range n.Services {
		for len(old) > 0 && compareServices(old[0], s) < 0 {
			replace(old[0], nil)
			old = old[1:]
		}
		switch {
		case len(old) == 0 || compareServices(old[0], s) > 0:
			replace(nil, s)
		case old[0] != s:
			replace(old[0], s)
			old = old[1:]
		default:
			old = old[1:]
		}
	}
	for _, s := range old {
		replace(s, nil)
	}
	return &zone{
		fixed: b.fixed, network: n, serial: uint32(n.Revision),
		services: services.done(), reverse: reverse.done(),
	}
}

func compareServices(a, b *ir.Service) int {
	if a == b {
		return 0
	}
	if c := strings.Compare(a.Namespace, b.Namespace); c != 0 {
		return c
	}
	return strings.Compare(a.Name, b.Name)
}

// replace puts one Service in the place of another; either may be nil.
func (b *builder) replace(services *edit[*service], reverse *edit[*reverse], from, to *ir.Service) {
	var old, fresh []pointer
	if from != nil {
		if s, ok := services.get(serviceKey(from)); ok {
			old = s.reverse
		}
	}
	if to != nil {
		s := b.service(to)
		fresh = s.reverse
		services.set(serviceKey(to), s)
	} else {
		services.remove(serviceKey(from))
	}
	for len(old) > 0 || len(fresh) > 0 {
		switch {
		case len(old) == 0 || len(fresh) > 0 && fresh[0].compare(old[0]) < 0:
			b.addReverse(reverse, fresh[0])
			fresh = fresh[1:]
		case len(fresh) == 0 || old[0].compare(fresh[0]) < 0:
			b.removeReverse(reverse, old[0])
			old = old[1:]
		default:
			old, fresh = old[1:], fresh[1:]
		}
	}
}

func reverseKey(a netip.Addr) string {
	key := a.As16()
	return string(key[:])
}

func (b *builder) addReverse(e *edit[*reverse], p pointer) {
	key := reverseKey(p.addr)
	var names []string
	if r, ok := e.get(key); ok {
		names = slices.Clone(r.names)
	}
	at, found := slices.BinarySearch(names, p.name)
	if !found {
		names = slices.Insert(names, at, p.name)
	}
	b.setReverse(e, key, names)
}

func (b *builder) removeReverse(e *edit[*reverse], p pointer) {
	key := reverseKey(p.addr)
	r, ok := e.get(key)
	if !ok {
		return
	}
	names := slices.Clone(r.names)
	if at, found := slices.BinarySearch(names, p.name); found {
		names = slices.Delete(names, at, at+1)
	}
	if len(names) == 0 {
		e.remove(key)
		return
	}
	b.setReverse(e, key, names)
}

func (b *builder) setReverse(e *edit[*reverse], key string, names []string) {
	e.set(key, &reverse{names, &node{sets: []set{nameSet(typePTR, b.ttl, names...)}}})
}

// found is what a lookup found. Without a node and an address the name does
// not exist.
type found struct {
	node *node
	addr netip.Addr // of a Pod
}

func (f found) exists() bool { return f.node != nil || f.addr.IsValid() }

// lookup finds a whole lowered name; depth is the number of its labels left of
// the zone's.
func (z *zone) lookup(name []byte, labels []uint8, depth int) found {
	if depth == 0 {
		return found{node: z.apex}
	}
	switch string(labelAt(name, labels[depth-1])) {
	case "svc":
		return found{node: z.lookupService(name, labels, depth)}
	case "pod":
		return z.lookupPod(name, labels, depth)
	case "dns-version":
		if depth == 1 {
			return found{node: z.version}
		}
	case "dns":
		if depth == 1 {
			return found{node: z.empty}
		}
		if depth == 2 && string(labelAt(name, labels[0])) == "ns" {
			return found{node: z.server}
		}
	}
	return found{}
}

func labelAt(name []byte, at uint8) []byte {
	return name[int(at)+1 : int(at)+1+int(name[at])]
}

func (z *zone) lookupService(name []byte, labels []uint8, depth int) *node {
	if depth == 1 {
		return z.empty
	}
	if depth == 2 {
		if z.hasNamespace(labelAt(name, labels[0])) {
			return z.empty
		}
		return nil
	}
	s, ok := z.services.get(name[labels[depth-3]:labels[depth-1]])
	if !ok {
		return nil
	}
	if depth == 3 {
		return s.top
	}
	return s.below[string(name[:labels[depth-3]])]
}

func (z *zone) lookupPod(name []byte, labels []uint8, depth int) found {
	if depth == 1 {
		return found{node: z.empty}
	}
	namespace := labelAt(name, labels[depth-2])
	if depth == 2 {
		if z.pods == PodsInsecure || z.pods == PodsVerified && z.hasNamespace(namespace) {
			return found{node: z.empty}
		}
		return found{}
	}
	if depth > 3 || z.pods == PodsDisabled {
		return found{}
	}
	addr, ok := parseAddressLabel(labelAt(name, labels[0]))
	if !ok || z.pods == PodsVerified && !z.hasPod(namespace, addr) {
		return found{}
	}
	return found{addr: addr}
}

func (z *zone) hasNamespace(name []byte) bool {
	_, ok := slices.BinarySearchFunc(z.network.Namespaces, name, func(have string, want []byte) int {
		return compareText(have, want)
	})
	return ok
}

func (z *zone) hasPod(namespace []byte, addr netip.Addr) bool {
	_, ok := slices.BinarySearchFunc(z.network.Pods, addr, func(p *ir.Pod, want netip.Addr) int {
		if c := compareText(p.Namespace, namespace); c != 0 {
			return c
		}
		return p.Addr.Unmap().Compare(want)
	})
	return ok
}

func compareText(a string, b []byte) int {
	switch {
	case a == string(b):
		return 0
	case a < string(b):
		return -1
	}
	return 1
}

// lookupReverse finds what is at the reverse name of an address.
func (z *zone) lookupReverse(a netip.Addr) *node {
	key := a.Unmap().As16()
	if r, ok := z.reverse.get(key[:]); ok {
		return r.node
	}
	return nil
}
