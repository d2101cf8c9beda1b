package dns

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
)

const (
	optSize    = 11
	reasonSize = 6
)

// message is an answer in the making.
type message struct {
	ask
	buf []byte
	// room is how long buf may become before OPT.
	room                           int
	answers, authority, additional int
	flags                          uint16
	reason                         uint16
}

// begin writes the question into buf, which has room for the limit.
func (m *message) begin(a ask, buf []byte) {
	*m = message{ask: a, reason: noReason, room: a.limit}
	if a.edns {
		m.room -= optSize + reasonSize
	}
	m.buf = append(buf[:0], make([]byte, headerSize)...)
	m.buf = append(m.buf, a.question...)
}

// finish writes OPT and the header.
func (m *message) finish(rcode int) []byte {
	if m.edns {
		m.addOPT(rcode)
	}
	b := m.buf
	flags := flagQR | m.flags | m.ask.flags&(opcodes|flagRD|flagCD) | uint16(rcode&0xf)
	binary.BigEndian.PutUint16(b, m.id)
	binary.BigEndian.PutUint16(b[2:], flags)
	questions := 0
	if len(m.question) > 0 {
		questions = 1
	}
	for i, n := range [...]int{questions, m.answers, m.authority, m.additional} {
		binary.BigEndian.PutUint16(b[4+2*i:], uint16(n))
	}
	return b
}

func (m *message) addOPT(rcode int) {
	m.buf = append(m.buf, 0)
	m.buf = binary.BigEndian.AppendUint16(m.buf, typeOPT)
	m.buf = binary.BigEndian.AppendUint16(m.buf, maxUDP)
	extended := uint32(rcode>>4) << 24
	if m.do {
		extended |= flagDO // RFC 3225
	}
	m.buf = binary.BigEndian.AppendUint32(m.buf, extended)
	if m.reason == noReason {
		m.buf = append(m.buf, 0, 0)
	} else {
		m.buf = append(m.buf, 0, reasonSize, 0, 15, 0, 2)
		m.buf = binary.BigEndian.AppendUint16(m.buf, m.reason)
	}
	m.additional++
}

// fits reports whether n more octets do; if not, the client is told to come
// back over TCP.
func (m *message) fits(n int) bool {
	if len(m.buf)+n <= m.room {
		return true
	}
	m.flags |= flagTC
	return false
}

// addSet writes the records of s with the owner at offset owner, the first one
// a different one each time, and their addresses if there is room.
func (m *message) addSet(s *set, owner int) {
	n := s.count()
	first := 0
	if n > 1 {
		first = int(rand.Uint32N(uint32(n)))
	}
	start := len(m.buf)
	for i := range n {
		from, to := s.record((first + i) % n)
		if !m.fits(to - from) {
			return
		}
		m.addRecord(s.wire[from:to], owner)
		m.answers++
	}
	if s.targets != nil {
		m.addTargets(s, first, start)
	}
}

func (m *message) addRecord(record []byte, owner int) {
	at := len(m.buf)
	m.buf = append(m.buf, record...)
	if owner != headerSize {
		binary.BigEndian.PutUint16(m.buf[at:], 0xc000|uint16(owner))
	}
}

// maxPointer is the last offset that a compressed name can point at.
const maxPointer = 0x3fff

// addTargets writes the addresses of SRV targets. They are a courtesy: what
// does not fit is left out without a word (RFC 2181 9).
func (m *message) addTargets(s *set, first, at int) {
	n := s.count()
	var done *node
	for i := range n {
		record := (first + i) % n
		from, to := s.record(record)
		owner := at + recordHead + 6
		at += to - from
		target := s.targets[record]
		if owner > maxPointer || target == done {
			continue
		}
		done = target // ports of one endpoint follow one another
		for j := range target.sets {
			t := &target.sets[j]
			if len(m.buf)+len(t.wire) > m.room {
				return
			}
			for k := range t.count() {
				from, to := t.record(k)
				m.addRecord(t.wire[from:to], owner)
				m.additional++
			}
		}
	}
}

// addAddress writes one address record.
func (m *message) addAddress(a netip.Addr, owner int, ttl uint32) {
	kind, size := uint16(typeAAAA), 16
	if a.Is4() {
		kind, size = typeA, 4
	}
	if !m.fits(recordHead + size) {
		return
	}
	m.buf = binary.BigEndian.AppendUint16(m.buf, 0xc000|uint16(owner))
	m.buf = binary.BigEndian.AppendUint16(m.buf, kind)
	m.buf = binary.BigEndian.AppendUint16(m.buf, classIN)
	m.buf = binary.BigEndian.AppendUint32(m.buf, ttl)
	m.buf = binary.BigEndian.AppendUint16(m.buf, uint16(size))
	if a.Is4() {
		b := a.As4()
		m.buf = append(m.buf, b[:]...)
	} else {
		b := a.As16()
		m.buf = append(m.buf, b[:]...)
	}
	m.answers++
}

// addAlias writes a CNAME and returns where its target is written; 0 means it
// did not fit.
func (m *message) addAlias(a *alias, owner int) (target int) {
	if !m.fits(len(a.record)) {
		return 0
	}
	target = len(m.buf) + recordHead
	m.addRecord(a.record, owner)
	m.answers++
	return target
}

// Offsets in the short form of the SOA record: owner, the end of the server's
// name, the end of the mailbox, the serial number.
const (
	soaServerEnd  = recordHead + len("\x02ns\x03dns")
	soaMailboxEnd = soaServerEnd + 2 + len("\x0ahostmaster")
	soaNumbers    = 20 // octets at the end
)

// addSOA writes the SOA record in short form: names end with a pointer at the
// zone's name, which the question ends with.
func (m *message) addSOA(template []byte, zone int, serial uint32) bool {
	if len(m.buf)+len(template) > m.room {
		return false
	}
	at := len(m.buf)
	m.buf = append(m.buf, template...)
	record := m.buf[at:]
	for _, end := range [...]int{0, soaServerEnd, soaMailboxEnd} {
		binary.BigEndian.PutUint16(record[end:], 0xc000|uint16(zone))
	}
	binary.BigEndian.PutUint32(record[len(record)-soaNumbers:], serial)
	return true
}

// addReverseSOA writes the SOA record of a reverse name, which is a zone of
// its own, with all names written out.
func (m *message) addReverseSOA(template []byte, serial uint32) {
	if len(m.buf)+len(template) > m.room {
		return
	}
	m.buf = append(m.buf, template...)
	binary.BigEndian.PutUint32(m.buf[len(m.buf)-soaNumbers:], serial)
	m.authority++
}

// minimalANY is what ANY gets (RFC 8482 4.2): HINFO "RFC8482" "".
const minimalANY = "\x07RFC8482\x00"

func (m *message) addMinimalANY(ttl uint32) {
	if !m.fits(recordHead + len(minimalANY)) {
		return
	}
	m.buf = binary.BigEndian.AppendUint16(m.buf, ownerQuestion)
	m.buf = binary.BigEndian.AppendUint16(m.buf, typeHINFO)
	m.buf = binary.BigEndian.AppendUint16(m.buf, classIN)
	m.buf = binary.BigEndian.AppendUint32(m.buf, ttl)
	m.buf = binary.BigEndian.AppendUint16(m.buf, uint16(len(minimalANY)))
	m.buf = append(m.buf, minimalANY...)
	m.answers++
}
