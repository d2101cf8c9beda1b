package dns

import (
	"encoding/binary"
	"net/netip"
)

// ownerQuestion is the compressed form of the name that was asked for. All
// records are kept with it as their owner.
const ownerQuestion = 0xc000 | headerSize

// recordHead is owner, type, class, TTL and length of data.
const recordHead = 2 + 2 + 2 + 4 + 2

// set is the records of one type at one name, ready to be copied.
type set struct {
	kind uint16
	wire []byte
	// ends is where each record ends; nil means that all have the size of the
	// first.
	ends []uint32
	size int
	// targets are the nodes whose addresses go with each record, if any.
	targets []*node
}

func (s *set) count() int {
	if s.ends != nil {
		return len(s.ends)
	}
	return len(s.wire) / s.size
}

// record returns where the i-th record begins and ends.
func (s *set) record(i int) (from, to int) {
	if s.ends == nil {
		return i * s.size, (i + 1) * s.size
	}
	if i > 0 {
		from = int(s.ends[i-1])
	}
	return from, int(s.ends[i])
}

// node is what is at one name: records, an alias, or nothing (there are names
// below it).
type node struct {
	sets  []set
	alias *alias
}

func (n *node) get(kind uint16) *set {
	for i := range n.sets {
		if n.sets[i].kind == kind {
			return &n.sets[i]
		}
	}
	return nil
}

// alias is a CNAME.
type alias struct {
	record []byte // ready to be copied
	name   []byte // where it leads
	labels []uint8
	inZone bool
}

func appendRecord[D string | []byte](b []byte, kind uint16, ttl uint32, data D) []byte {
	b = binary.BigEndian.AppendUint16(b, ownerQuestion)
	b = binary.BigEndian.AppendUint16(b, kind)
	b = binary.BigEndian.AppendUint16(b, classIN)
	b = binary.BigEndian.AppendUint32(b, ttl)
	b = binary.BigEndian.AppendUint16(b, uint16(len(data)))
	return append(b, data...)
}

// addressSets makes A and AAAA sets of addresses, which may repeat.
func addressSets(addrs []netip.Addr, ttl uint32) []set {
	var four, six []byte
	seen := make(map[netip.Addr]bool, len(addrs))
	for _, a := range addrs {
		a = a.Unmap().WithZone("")
		if !a.IsValid() || seen[a] {
			continue
		}
		seen[a] = true
		if a.Is4() {
			four = appendRecord(four, typeA, ttl, a.AsSlice())
		} else {
			six = appendRecord(six, typeAAAA, ttl, a.AsSlice())
		}
	}
	var sets []set
	if len(four) > 0 {
		sets = append(sets, set{kind: typeA, wire: four, size: recordHead + 4})
	}
	if len(six) > 0 {
		sets = append(sets, set{kind: typeAAAA, wire: six, size: recordHead + 16})
	}
	return sets
}

// nameSet makes a set of records whose data is a name each.
func nameSet(kind uint16, ttl uint32, names ...string) set {
	s := set{kind: kind}
	for _, name := range names {
		s.wire = appendRecord(s.wire, kind, ttl, name)
		s.ends = append(s.ends, uint32(len(s.wire)))
	}
	return s
}

// server is one SRV record.
type server struct {
	port uint16
	name string // of the target
	node *node  // with its addresses
}

// serverSet makes a SRV set. Targets are not compressed (RFC 2782).
func serverSet(servers []server, ttl uint32) set {
	s := set{kind: typeSRV}
	weight := uint16(max(1, 100/len(servers)))
	for _, srv := range servers {
		data := make([]byte, 6, 6+len(srv.name))
		binary.BigEndian.PutUint16(data[2:], weight)
		binary.BigEndian.PutUint16(data[4:], srv.port)
		s.wire = appendRecord(s.wire, typeSRV, ttl, append(data, srv.name...))
		s.ends = append(s.ends, uint32(len(s.wire)))
		s.targets = append(s.targets, srv.node)
	}
	return s
}
