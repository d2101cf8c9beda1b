package http1

import "bytes"

// reasonIncomplete tells inside the package that octets are missing.
const reasonIncomplete Reason = 255

// maxOptions bounds the names that Connection may list beside the usual ones,
// because each is compared with each field.
const maxOptions = 32

// maxFields is what section.index can count.
const maxFields = 1<<16 - 1

// stage is how far a message section has been read.
type stage uint8

const (
	stageNone   stage = iota // nothing read, or finished
	stageStart               // before or in the start line
	stageFields              // in the field lines
)

// section reads the lines of a head or trailer section, one complete line at a
// time, so that what is refused depends only on the octets and never on how
// they arrive (H1.16). The line end is searched before the line is looked at:
// a line beyond its limit is refused for that, whatever it holds.
type section struct {
	stage stage
	first *byte // of the buffer that the views point into
	cursor

	lines  int
	fields []Field
	index  [fieldCount]uint16 // position in fields plus one

	trailer bool // drop the fields of H2.8, read no framing

	// What the noted fields said.
	close, keepAlive, upgrade bool     // Connection
	options                   [][]byte // other names in Connection
	expect, expectOther       bool
	contentLength             int64 // -1 without
	te                        struct {
		present, malformed, unknown, lastChunked bool
		chunked                                  int
	}
}

// cursor goes through a buffer line by line.
type cursor struct {
	start int // where the current line begins
	seen  int // no LF between start and seen
}

// next returns the next line without its CRLF and moves on behind it. A line
// is refused with long when it has more than limit octets or does not end
// before total, in which case the reason is totalLong.
func (c *cursor) next(b []byte, limit int, long Reason, total int, totalLong Reason) ([]byte, Reason) {
	end := c.start + limit + len(crlf)
	if total < end {
		end, long = total, totalLong
	}
	lf := bytes.IndexByte(b[c.seen:min(end, len(b))], '\n')
	if lf < 0 {
		if len(b) >= end {
			return nil, long
		}
		c.seen = len(b)
		return nil, reasonIncomplete
	}
	lf += c.seen
	if lf == c.start || b[lf-1] != '\r' {
		return nil, ReasonBareLF
	}
	line := b[c.start : lf-1]
	c.start, c.seen = lf+1, lf+1
	return line, reasonNone
}

// lineLimits are the limits of a section with the reasons that go with them.
type lineLimits struct {
	line, total, count              int
	lineLong, totalLong, countLarge Reason
	underscores                     Underscores
}

func headLimits(lim *Limits) lineLimits {
	return lineLimits{lim.FieldLine, lim.Head, min(lim.Fields, maxFields), ReasonFieldLineLong, ReasonHeadLong, ReasonFields, lim.Underscores}
}

func trailerLimits(lim *Limits) lineLimits {
	return lineLimits{lim.FieldLine, lim.Trailer, min(lim.Trailers, maxFields), ReasonTrailer, ReasonTrailer, ReasonTrailer, lim.Underscores}
}

// begin makes s ready for a new section and keeps the memory it has.
func (s *section) begin() {
	fields, options := s.fields[:0], s.options[:0]
	*s = section{} // in place; a literal with values would be made first and then copied
	s.fields, s.options, s.contentLength = fields, options, -1
}

// resumes reports whether b continues what the last call saw. When the octets
// were moved to another buffer the views are void and reading starts over; as
// buffers grow by doubling, all restarts together stay linear.
func (s *section) resumes(b []byte) bool {
	return s.stage != stageNone && len(b) >= s.seen && &b[0] == s.first
}

// readFields reads field lines up to and including the empty line.
func (s *section) readFields(b []byte, lim *lineLimits) Reason {
	for {
		line, reason := s.next(b, lim.line, lim.lineLong, lim.total, lim.totalLong)
		if reason != reasonNone {
			return reason
		}
		if len(line) == 0 {
			return reasonNone
		}
		if s.lines++; s.lines > lim.count {
			return lim.countLarge
		}
		if reason := s.field(line, lim.underscores); reason != reasonNone {
			return reason
		}
	}
}

// field reads one field line (H1.6–H1.10).
func (s *section) field(line []byte, underscores Underscores) Reason {
	colon, all := 0, octetClass(0)
	for colon < len(line) {
		class := classes[line[colon]]
		if class&classToken == 0 {
			break
		}
		all |= class
		colon++
	}
	if colon == 0 || colon == len(line) || line[colon] != ':' {
		return wrongName(line, colon)
	}
	name, value := line[:colon], trim(line[colon+1:])
	if i := firstControl(value); i >= 0 {
		return wrongOctet(value[i], ReasonFieldValue)
	}
	if all&classUnderscore != 0 && underscores != UnderscoresKeep {
		if underscores == UnderscoresReject {
			return ReasonUnderscore
		}
		return reasonNone
	}
	id := LookupField(name)
	flags := knownFields[id].flags
	if s.trailer && (flags&noTrailer != 0 || id == FieldOther && neverTrailer(name)) {
		return reasonNone
	}
	s.fields = append(s.fields, Field{Name: name, Value: value, ID: id, Hop: flags&hopField != 0})
	if id == FieldOther {
		return reasonNone
	}
	if flags&noted != 0 {
		if reason := s.note(id, value); reason != reasonNone {
			return reason
		}
	}
	if s.index[id] == 0 {
		s.index[id] = uint16(len(s.fields))
	}
	return reasonNone
}

// wrongName tells why a line does not begin with a name and a colon.
func wrongName(line []byte, at int) Reason {
	switch {
	case line[0] == ' ' || line[0] == '\t':
		return ReasonFolding
	case at < len(line):
		return wrongOctet(line[at], ReasonFieldName)
	}
	return ReasonFieldName
}

// wrongOctet is the reason for an octet that is out of place: a CR is not the
// same finding as another one.
func wrongOctet(c byte, other Reason) Reason {
	if c == '\r' {
		return ReasonBareCR
	}
	return other
}

// neverTrailer tells for names without an id whether H2.8 drops them.
func neverTrailer(name []byte) bool {
	return hasPrefixFold(name, "x-forwarded-") || hasPrefixFold(name, "if-")
}

// get returns the value of the first field with this id.
func (s *section) get(id FieldID) ([]byte, bool) {
	if i := s.index[id]; i > 0 {
		return s.fields[i-1].Value, true
	}
	return nil, false
}

// note reads the fields that say how the message is to be read.
func (s *section) note(id FieldID, value []byte) Reason {
	switch id {
	case FieldHost:
		if s.index[FieldHost] != 0 {
			return ReasonDuplicateHost
		}
	case FieldContentLength:
		return s.noteLength(value)
	case FieldTransferEncoding:
		s.noteCodings(value)
	case FieldConnection:
		return s.noteOptions(value)
	case FieldExpect:
		if equalFold(value, "100-continue") {
			s.expect = true
		} else {
			s.expectOther = true
		}
	}
	return reasonNone
}

// noteLength reads Content-Length (H2.4).
func (s *section) noteLength(value []byte) Reason {
	if s.index[FieldContentLength] != 0 {
		return ReasonDuplicateCL
	}
	if len(value) > 19 || !allOf(value, classDigit) {
		return ReasonContentLength
	}
	var n uint64 // 19 digits cannot overflow it
	for _, c := range value {
		n = n*10 + uint64(c-'0')
	}
	if n > 1<<63-1 {
		return ReasonContentLength
	}
	s.contentLength = int64(n)
	return reasonNone
}

// noteCodings reads one line of Transfer-Encoding; framing judges them all.
func (s *section) noteCodings(value []byte) {
	te := &s.te
	te.present = true
	for more := true; more; {
		var coding []byte
		coding, value, more = cutElement(value)
		te.lastChunked = equalFold(coding, "chunked")
		switch {
		case te.lastChunked:
			te.chunked++
		case allOf(coding, classToken):
			te.unknown = true
		default: // empty, or with parameters
			te.malformed = true
		}
	}
}

// noteOptions reads one line of Connection. What is no field name is passed
// over: it can name nothing, and Connection is never sent on as it came.
func (s *section) noteOptions(value []byte) Reason {
	for more := true; more; {
		var option []byte
		option, value, more = cutElement(value)
		switch {
		case len(option) == 0:
		case equalFold(option, "keep-alive"):
			s.keepAlive = true
		case equalFold(option, "close"):
			s.close = true
		case equalFold(option, "upgrade"):
			s.upgrade = true
		case !removable(option):
		case len(s.options) == maxOptions:
			return ReasonConnection
		default:
			s.options = append(s.options, option)
		}
	}
	return reasonNone
}

// removable tells whether a field may be removed because Connection names it:
// not if it is removed anyhow, and not against H4.2.
func removable(name []byte) bool {
	if id := LookupField(name); id != FieldOther {
		return knownFields[id].flags&(hopField|keptField) == 0
	}
	return !hasPrefixFold(name, "x-forwarded-")
}

// cutElement splits a list at its first comma. more tells whether there was
// one, so that the empty element after a last comma counts too.
func cutElement(list []byte) (element, rest []byte, more bool) {
	if i := bytes.IndexByte(list, ','); i >= 0 {
		return trim(list[:i]), list[i+1:], true
	}
	return trim(list), nil, false
}

// framing judges Transfer-Encoding and Content-Length together (H2.1–H2.4).
func (s *section) framing(minor int) Reason {
	te := &s.te
	switch {
	case !te.present:
		return reasonNone
	case s.contentLength >= 0:
		return ReasonTEAndCL
	case minor == 0:
		return ReasonTEInHTTP10
	case te.malformed || te.chunked != 1 || !te.lastChunked:
		return ReasonTE
	case te.unknown:
		return ReasonTEUnknown
	}
	return reasonNone
}

// bodyKind tells how the body ends after framing found nothing wrong, unbounded
// being what no framing field means.
func (s *section) bodyKind(unbounded BodyKind) BodyKind {
	switch {
	case s.te.present:
		return BodyChunked
	case s.contentLength > 0:
		return BodyLength
	case s.contentLength == 0:
		return BodyNone
	}
	return unbounded
}

// persists tells whether the sender wants to keep the connection (RFC 9112
// §9.3).
func (s *section) persists(minor int) bool {
	return !s.close && (minor == 1 || s.keepAlive)
}

// markHops marks the fields that Connection names.
func (s *section) markHops() {
	if len(s.options) == 0 {
		return
	}
	for i := range s.fields {
		f := &s.fields[i]
		for _, option := range s.options {
			f.Hop = f.Hop || equalFold(f.Name, option)
		}
	}
}

// upgradeTo returns the Upgrade field if it asks for one protocol and
// Connection lists it; never h2c (H4.4).
func (s *section) upgradeTo() []byte {
	value, ok := s.get(FieldUpgrade)
	if !ok || !s.upgrade || len(value) == 0 || bytes.IndexByte(value, ',') >= 0 || equalFold(value, "h2c") {
		return nil
	}
	for _, f := range s.fields[s.index[FieldUpgrade]:] {
		if f.ID == FieldUpgrade {
			return nil // asked for twice
		}
	}
	return value
}
