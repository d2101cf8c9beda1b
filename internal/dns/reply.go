package dns

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"time"
)

// reply is what an upstream answered, rewritten so that it can be copied
// behind any spelling of the question. It is never written once it is made.
type reply struct {
	rcode int
	ad    bool
	// failed replies are made here, because no upstream answered.
	failed bool
	// body is answer and authority section. Its names are compressed as in a
	// message whose question has the name's length.
	body               []byte
	base               int // where body begins in such a message
	answers, authority int
	records            []extent
	// pointers are where compressed names are in body.
	pointers []uint32
	// addresses are where the data of the asked addresses is, if they are all
	// of one name: their order changes with every answer.
	addresses   []uint32
	addressSize int

	ttl  time.Duration // how long it may be kept
	born time.Time
}

// extent is one record of a body.
type extent struct{ ttl, end uint32 }

var (
	errMessage  = errors.New("malformed answer")
	errMismatch = errors.New("an answer to something else")
	errCut      = errors.New("truncated answer")
)

// Bounds on how long answers are kept.
const (
	maxPositive = time.Hour
	maxNegative = 5 * time.Minute
	// failureTTL is how long a failure is: RFC 9520 wants a second at least.
	failureTTL = time.Second
)

// decoder reads an upstream's message and writes a body.
type decoder struct {
	msg   []byte
	at    int
	reply *reply
	names map[string]int // suffixes that were written, and where
}

// decode reads the answer to the question with that id. A copy of nothing but
// what is asked for and its authority is kept: the additional section is of no
// use to clients of a forwarder.
func decode(msg []byte, id uint16, question []byte) (*reply, error) {
	if len(msg) < headerSize {
		return nil, errMismatch
	}
	flags := binary.BigEndian.Uint16(msg[2:])
	if binary.BigEndian.Uint16(msg) != id || flags&flagQR == 0 || flags&opcodes != 0 {
		return nil, errMismatch
	}
	r := &reply{rcode: int(flags & 0xf), ad: flags&flagAD != 0, base: headerSize + len(question)}
	if binary.BigEndian.Uint16(msg[4:]) == 0 && (r.rcode == rcodeFormat || r.rcode == rcodeNotImpl) {
		return r, nil // some servers do not repeat what they did not understand
	}
	if binary.BigEndian.Uint16(msg[4:]) != 1 || !sameQuestion(msg[headerSize:], question) {
		return nil, errMismatch
	}
	if flags&flagTC != 0 {
		return nil, errCut
	}
	d := &decoder{msg: msg, at: r.base, reply: r, names: map[string]int{}}
	d.know(question[:len(question)-4], headerSize)
	for range binary.BigEndian.Uint16(msg[6:]) {
		if !d.record() {
			return nil, errMessage
		}
		r.answers++
	}
	for range binary.BigEndian.Uint16(msg[8:]) {
		if !d.record() {
			return nil, errMessage
		}
		r.authority++
	}
	r.judge(binary.BigEndian.Uint16(question[len(question)-4:]))
	return r, nil
}

func sameQuestion(have, want []byte) bool {
	if len(have) < len(want) {
		return false
	}
	for i, c := range want {
		if lower(have[i]) != lower(c) {
			return false
		}
	}
	return true
}

// record copies one record.
func (d *decoder) record() bool {
	var buf [maxName]byte
	owner, at, ok := expand(buf[:0], d.msg, d.at)
	if !ok || at+10 > len(d.msg) {
		return false
	}
	kind, size := binary.BigEndian.Uint16(d.msg[at:]), int(binary.BigEndian.Uint16(d.msg[at+8:]))
	data := at + 10
	if data+size > len(d.msg) {
		return false
	}
	d.at = data + size
	d.name(owner, true)
	r := d.reply
	ttl := uint32(len(r.body) + 4)
	r.body = append(r.body, d.msg[at:data]...)
	start := len(r.body)
	if !d.data(kind, data, d.at) {
		return false
	}
	if len(r.body) > maxTCP {
		return false
	}
	binary.BigEndian.PutUint16(r.body[start-2:], uint16(len(r.body)-start))
	r.records = append(r.records, extent{ttl, uint32(len(r.body))})
	return true
}

// layout says where names are in the data of a type: octets before the first,
// how many names, whether new messages may compress them (RFC 3597 4).
func layout(kind uint16) (before, names int, compress bool) {
	switch kind {
	case typeNS, typeCNAME, typePTR, 3, 4, 7, 8, 9: // MD, MF, MB, MG, MR
		return 0, 1, true
	case typeSOA, 14: // MINFO
		return 0, 2, true
	case typeMX:
		return 2, 1, true
	case 39: // DNAME
		return 0, 1, false
	case 17: // RP
		return 0, 2, false
	case 18, 21, 36: // AFSDB, RT, KX
		return 2, 1, false
	case typeSRV:
		return 6, 1, false
	case 26: // PX
		return 2, 2, false
	}
	return 0, 0, false
}

func (d *decoder) data(kind uint16, at, end int) bool {
	before, names, compress := layout(kind)
	if at+before > end {
		return false
	}
	d.reply.body = append(d.reply.body, d.msg[at:at+before]...)
	at += before
	for range names {
		var buf [maxName]byte
		name, next, ok := expand(buf[:0], d.msg, at)
		if !ok || next > end {
			return false
		}
		d.name(name, compress)
		at = next
	}
	d.reply.body = append(d.reply.body, d.msg[at:end]...)
	return true
}

// expand reads a name with its compression. Pointers must lead backwards, so
// that they end.
func expand(name, msg []byte, at int) (_ []byte, next int, ok bool) {
	limit := at
	for {
		if at >= len(msg) {
			return nil, 0, false
		}
		n := int(msg[at])
		switch {
		case n == 0:
			if next == 0 {
				next = at + 1
			}
			return append(name, 0), next, true
		case n >= 0xc0:
			if at+2 > len(msg) {
				return nil, 0, false
			}
			to := int(binary.BigEndian.Uint16(msg[at:])) & maxPointer
			if next == 0 {
				next = at + 2
			}
			if to >= limit || to < headerSize {
				return nil, 0, false
			}
			at, limit = to, to
		case n > maxLabel || at+1+n > len(msg) || len(name)+1+n+1 > maxName:
			return nil, 0, false
		default:
			name = append(name, msg[at:at+1+n]...)
			at += 1 + n
		}
	}
}

// name writes a name, with a pointer at the longest suffix that is there.
func (d *decoder) name(name []byte, compress bool) {
	r := d.reply
	var low [maxName]byte
	for i, c := range name {
		low[i] = lower(c)
	}
	for i := 0; i < len(name); i += 1 + int(name[i]) {
		if name[i] == 0 {
			r.body = append(r.body, 0)
			return
		}
		suffix := string(low[i:len(name)])
		if at, ok := d.names[suffix]; ok && compress {
			r.pointers = append(r.pointers, uint32(len(r.body)))
			r.body = binary.BigEndian.AppendUint16(r.body, 0xc000|uint16(at))
			return
		}
		// Room is left for aliases that may come in front of the body.
		if at := r.base + len(r.body); at <= maxPointer-maxChain*(recordHead+maxName) {
			if _, ok := d.names[suffix]; !ok {
				d.names[suffix] = at
			}
		}
		r.body = append(r.body, name[i:i+1+int(name[i])]...)
	}
}

// know remembers the suffixes of a name that is in front of the body.
func (d *decoder) know(name []byte, at int) {
	low := make([]byte, len(name))
	for i, c := range name {
		low[i] = lower(c)
	}
	for i := 0; i < len(low) && low[i] != 0; i += 1 + int(low[i]) {
		d.names[string(low[i:])] = at + i
	}
}

// judge finds out how long the reply may be kept, and which records are the
// addresses that were asked for.
func (r *reply) judge(kind uint16) {
	shortest := uint32(1<<31 - 1)
	var negative uint32
	found, soa, one := false, false, true
	var owner uint16
	start := 0
	for i, rec := range r.records {
		ttl := binary.BigEndian.Uint32(r.body[rec.ttl:])
		if ttl > 1<<31-1 {
			ttl = 0 // RFC 2181 8
		}
		t := binary.BigEndian.Uint16(r.body[rec.ttl-4:])
		switch {
		case i < r.answers:
			shortest = min(shortest, ttl)
			if t == kind {
				found = true
			}
			if t == kind && (t == typeA || t == typeAAAA) {
				// A pointer is two octets; an owner of any other form is one
				// more name.
				this := binary.BigEndian.Uint16(r.body[start:])
				one = one && this >= 0xc000 && (owner == 0 || this == owner)
				owner = this
				r.addresses = append(r.addresses, rec.ttl+6)
				r.addressSize = int(rec.end - rec.ttl - 6)
				one = one && r.addressSize == addressSize(kind)
			}
		case t == typeSOA && rec.end >= 4:
			soa = true
			negative = min(ttl, binary.BigEndian.Uint32(r.body[rec.end-4:]))
		}
		start = int(rec.end)
	}
	if !one || len(r.addresses) < 2 {
		r.addresses = nil
	}
	switch {
	case r.rcode == rcodeOK && found:
		r.ttl = min(time.Duration(shortest)*time.Second, maxPositive)
	case (r.rcode == rcodeOK || r.rcode == rcodeNXDomain) && soa:
		r.ttl = min(time.Duration(min(shortest, negative))*time.Second, maxNegative) // RFC 2308 5
	case r.rcode != rcodeOK && r.rcode != rcodeNXDomain:
		r.ttl = failureTTL
	}
}

func addressSize(kind uint16) int {
	if kind == typeA {
		return 4
	}
	return 16
}

// addReply writes a reply behind the aliases that led to it and returns the
// response code.
func (m *message) addReply(r *reply, chain []*alias, age uint32) int {
	asked := headerSize // where the name that was asked of the upstream is
	if len(chain) > 0 {
		asked = len(m.buf) - len(chain[len(chain)-1].name)
		if r.rcode != rcodeOK {
			return rcodeOK // the alias alone
		}
	}
	if r.failed {
		m.reason = reasonUpstreams
		return r.rcode
	}
	if r.ad && len(chain) == 0 && (m.do || m.ask.flags&flagAD != 0) {
		m.flags |= flagAD
	}
	m.copyBody(r, asked, age)
	return r.rcode
}

func (m *message) copyBody(r *reply, asked int, age uint32) {
	n := len(r.records)
	if len(m.buf)+len(r.body) > m.room {
		// Whole answer records that fit, and word that there are more.
		m.flags |= flagTC
		n = min(n, r.answers)
		for n > 0 && len(m.buf)+int(r.records[n-1].end) > m.room {
			n--
		}
	}
	if n == 0 {
		return
	}
	base := len(m.buf)
	m.buf = append(m.buf, r.body[:r.records[n-1].end]...)
	body := m.buf[base:]
	if asked != headerSize {
		r.relocate(body, base, asked)
	}
	for _, rec := range r.records[:n] {
		ttl := binary.BigEndian.Uint32(body[rec.ttl:])
		if ttl > 1<<31-1 {
			ttl = 0
		}
		binary.BigEndian.PutUint32(body[rec.ttl:], ttl-min(ttl, age))
	}
	r.rotate(body)
	m.answers += min(n, r.answers)
	m.authority += n - min(n, r.answers)
}

// relocate corrects what compressed names point at: the body now begins at
// base, and the name it answers is at asked.
func (r *reply) relocate(body []byte, base, asked int) {
	for _, p := range r.pointers {
		if int(p)+2 > len(body) {
			return
		}
		to := int(binary.BigEndian.Uint16(body[p:])) & maxPointer
		if to < r.base {
			to += asked - headerSize
		} else {
			to += base - r.base
		}
		binary.BigEndian.PutUint16(body[p:], 0xc000|uint16(to))
	}
}

// rotate begins with another address each time.
func (r *reply) rotate(body []byte) {
	n := len(r.addresses)
	if n == 0 {
		return
	}
	first := int(rand.Uint32N(uint32(n)))
	for i, to := range r.addresses {
		if int(to)+r.addressSize > len(body) {
			return
		}
		from := r.addresses[(i+first)%n]
		copy(body[to:int(to)+r.addressSize], r.body[from:int(from)+r.addressSize])
	}
}
