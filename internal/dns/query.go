package dns

import "encoding/binary"

// Numbers of the DNS protocol, as far as they mean something here.
const (
	typeA     = 1
	typeNS    = 2
	typeCNAME = 5
	typeSOA   = 6
	typePTR   = 12
	typeHINFO = 13
	typeMX    = 15
	typeTXT   = 16
	typeAAAA  = 28
	typeSRV   = 33
	typeOPT   = 41
	typeTKEY  = 249
	typeTSIG  = 250
	typeIXFR  = 251
	typeAXFR  = 252
	typeMAILB = 253
	typeMAILA = 254
	typeANY   = 255

	classIN = 1

	rcodeOK       = 0
	rcodeFormat   = 1
	rcodeServFail = 2
	rcodeNXDomain = 3
	rcodeNotImpl  = 4
	rcodeRefused  = 5
	rcodeBadVers  = 16

	flagQR   = 1 << 15
	flagAA   = 1 << 10
	flagTC   = 1 << 9
	flagRD   = 1 << 8
	flagRA   = 1 << 7
	flagAD   = 1 << 5
	flagCD   = 1 << 4
	opcodes  = 0xf << 11
	flagDO   = 1 << 15 // in the TTL field of OPT, lower half
	noReason = 0xffff

	headerSize = 12
	// minUDP is what every client takes (RFC 1035), maxUDP what fits into one
	// packet everywhere (DNS flag day 2020).
	minUDP = 512
	maxUDP = 1232
	maxTCP = 65535

	tokenSize = 16
	// optionToken is of the range for local use (RFC 6891 9).
	optionToken = 65310
)

// Reasons that are told to clients that speak EDNS (RFC 8914).
const (
	reasonNotReady         = 14
	reasonNotAuthoritative = 20
	reasonUpstreams        = 22
	reasonOther            = 0
)

// ask is what an answer needs of its query.
type ask struct {
	id, flags uint16
	// question is as the client wrote it; a view of the query unless kept.
	question []byte
	edns, do bool
	// limit is how many octets the client takes.
	limit int
}

// query is one parsed query. It is used again and again.
type query struct {
	ask
	kind, class uint16
	// name is the lowered name of length octets with the end; labels[:count]
	// say where its labels begin.
	length, count int
	name          [maxName + 1]byte
	labels        [maxLabels]uint8
	// own is true if this server asked it.
	own bool
	// chain[:hops] are the aliases that led from name to what must be asked of
	// an upstream.
	chain [maxChain]*alias
	hops  int
}

// parse reads a query. drop means that it deserves no answer; otherwise a code
// other than rcodeOK is the answer.
func (q *query) parse(msg []byte, token *[tokenSize]byte) (rcode int, drop bool) {
	if len(msg) < headerSize {
		return 0, true
	}
	q.id, q.flags = binary.BigEndian.Uint16(msg), binary.BigEndian.Uint16(msg[2:])
	if q.flags&flagQR != 0 {
		// A response to a response would never end.
		return 0, true
	}
	q.question, q.edns, q.do, q.own, q.hops, q.kind = nil, false, false, false, 0, 0
	if q.flags&opcodes != 0 {
		return rcodeNotImpl, false
	}
	if binary.BigEndian.Uint16(msg[4:]) != 1 {
		return rcodeFormat, false // RFC 9619
	}
	at, ok := q.parseQuestion(msg)
	if !ok {
		return rcodeFormat, false
	}
	if q.kind == typeIXFR || q.kind == typeAXFR {
		return rcodeRefused, false
	}
	if binary.BigEndian.Uint32(msg[6:]) != 0 {
		return rcodeFormat, false // a query answers nothing
	}
	return q.parseAdditional(msg, at, int(binary.BigEndian.Uint16(msg[10:])), token), false
}

// parseQuestion returns where the question ends. Its name cannot be
// compressed: there is nothing before it to point at.
func (q *query) parseQuestion(msg []byte) (int, bool) {
	at := headerSize
	q.count = 0
	for {
		if at >= len(msg) {
			return 0, false
		}
		n := int(msg[at])
		if n == 0 {
			break
		}
		if n > maxLabel || q.count == maxLabels || at+1+n-headerSize >= maxName {
			return 0, false
		}
		q.labels[q.count] = uint8(at - headerSize)
		q.count++
		at += 1 + n
	}
	at++
	if at+4 > len(msg) {
		return 0, false
	}
	q.length = at - headerSize
	for i, c := range msg[headerSize:at] {
		q.name[i] = lower(c)
	}
	q.kind, q.class = binary.BigEndian.Uint16(msg[at:]), binary.BigEndian.Uint16(msg[at+2:])
	q.question = msg[headerSize : at+4]
	return at + 4, true
}

// parseAdditional looks for OPT; everything else there is none of our business.
func (q *query) parseAdditional(msg []byte, at, count int, token *[tokenSize]byte) int {
	version := byte(0)
	for range count {
		start := at
		at = skipName(msg, at)
		if at < 0 || at+10 > len(msg) {
			return rcodeFormat
		}
		kind, size := binary.BigEndian.Uint16(msg[at:]), binary.BigEndian.Uint16(msg[at+2:])
		extended := binary.BigEndian.Uint32(msg[at+4:])
		data := at + 10
		at = data + int(binary.BigEndian.Uint16(msg[at+8:]))
		if at > len(msg) {
			return rcodeFormat
		}
		if kind != typeOPT {
			continue
		}
		if q.edns || msg[start] != 0 {
			return rcodeFormat // RFC 6891 6.1.1
		}
		q.edns = true
		q.do = extended&flagDO != 0
		version = byte(extended >> 16)
		if q.limit < maxTCP {
			q.limit = max(minUDP, min(int(size), maxUDP))
		}
		if !q.parseOptions(msg[data:at], token) {
			return rcodeFormat
		}
	}
	if version != 0 {
		return rcodeBadVers
	}
	return rcodeOK
}

func (q *query) parseOptions(data []byte, token *[tokenSize]byte) bool {
	for len(data) > 0 {
		if len(data) < 4 {
			return false
		}
		code, n := binary.BigEndian.Uint16(data), int(binary.BigEndian.Uint16(data[2:]))
		if 4+n > len(data) {
			return false
		}
		if code == optionToken && string(data[4:4+n]) == string(token[:]) {
			q.own = true
		}
		data = data[4+n:]
	}
	return true
}

// skipName returns what follows a name, -1 if it is cut off.
func skipName(msg []byte, at int) int {
	for at < len(msg) {
		switch n := int(msg[at]); {
		case n == 0:
			return at + 1
		case n >= 0xc0:
			if at+2 > len(msg) {
				return -1
			}
			return at + 2
		case n > maxLabel:
			return -1
		default:
			at += 1 + n
		}
	}
	return -1
}
