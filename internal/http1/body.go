package http1

import (
	"errors"
	"io"
)

// ErrDrainLimit is returned by Drain when the body is longer than it may read.
var ErrDrainLimit = errors.New("http1: the rest of the body is too long to drain")

const (
	// chunkAllowance is the overhead of chunk lines that every body may have
	// beside one octet for each octet of payload (H2.6).
	chunkAllowance = 16 << 10
	// directRead is the size from which payload is read from the connection
	// straight into the caller's memory instead of through the buffer.
	directRead = 2 << 10
)

// BodyReader reads the body of one message from a Reader, behind its head. It
// gives out payload only; how it was framed ends here. The zero value is ready
// for Reset.
//
// Read returns io.EOF at the proper end, io.ErrUnexpectedEOF when the
// connection ends before, and an *Error when chunks are malformed; in the last
// two cases the message must not be completed towards the other side (H2.10).
// Other errors are the connection's; after a timeout reading may go on.
type BodyReader struct {
	rd   *Reader
	lim  *Limits
	kind BodyKind
	left int64 // octets of the body (BodyLength) or of the chunk still to come
	err  error // final, io.EOF when done

	payload, wire int64
	unread        []byte // given out once already

	// Chunked only.
	part     chunkPart
	overhead int64 // octets of size lines so far
	trailer  section
}

// chunkPart is what a chunked body goes on with.
type chunkPart uint8

const (
	partSize    chunkPart = iota // a size line
	partData                     // left octets of data
	partDataEnd                  // the CRLF behind them
	partTrailer                  // trailer lines and the empty line
)

// Reset makes b read a body that begins with rd's next octet. length counts
// only for BodyLength. lim is kept and not written to.
func (b *BodyReader) Reset(rd *Reader, kind BodyKind, length int64, lim *Limits) {
	b.rd, b.lim, b.kind, b.left, b.err = rd, lim, kind, 0, nil
	b.payload, b.wire, b.unread = 0, 0, nil
	b.part, b.overhead = partSize, 0
	b.trailer.fields = b.trailer.fields[:0] // the rest begins with the last chunk
	switch kind {
	case BodyNone:
		b.err = io.EOF
	case BodyLength:
		b.left = length
		if length <= 0 {
			b.err = io.EOF
		}
	}
}

// Done reports that the body was read to its proper end, so that the next
// octet of the connection belongs to the next message (H2.11).
func (b *BodyReader) Done() bool { return b.err == io.EOF && len(b.unread) == 0 }

// Unread puts back payload that Read has given out: the next Read begins with
// it. p belongs to the BodyReader until it was read.
func (b *BodyReader) Unread(p []byte) { b.unread = p }

// Payload is the number of decoded octets given out so far.
func (b *BodyReader) Payload() int64 { return b.payload }

// Wire is the number of octets of the connection the body took so far, with
// chunk lines and trailers.
func (b *BodyReader) Wire() int64 { return b.wire }

// Keeps reports that Keep is possible: the body has a known length, and some of
// it is buffered or all of it has room behind the head, which must be held.
func (b *BodyReader) Keeps() bool {
	return b.kind == BodyLength && b.err == nil && len(b.unread) == 0 && (b.rd.r < b.rd.w || int64(b.rd.room()) >= b.left)
}

// Keep is Read without a copy: the octets that it takes stay in the Reader's
// buffer, where Buffered began before the first call, and are held with the
// head until Unhold.
func (b *BodyReader) Keep() (int, error) {
	n, err := b.rd.extend(int(min(b.left, largestBuffer)))
	b.Advance(int64(n))
	if b.err != nil {
		return n, nil
	}
	return n, b.early(err)
}

// Remaining is the number of octets a body of known length still has, -1 when
// that is unknown, or when some of them were put back.
func (b *BodyReader) Remaining() int64 {
	if len(b.unread) > 0 {
		return -1
	}
	switch b.kind {
	case BodyNone:
		return 0
	case BodyLength:
		return b.left
	}
	return -1
}

// Advance records that the caller took n octets of a BodyLength or BodyClose
// body itself: from what the Reader has buffered and had to Discard, or, when
// nothing is buffered, from the connection. n is at most Remaining.
func (b *BodyReader) Advance(n int64) {
	b.payload += n
	b.wire += n
	if b.kind == BodyLength {
		if b.left -= n; b.left == 0 {
			b.err = io.EOF
		}
	}
}

// Trailers returns the trailer fields that may be sent on (H2.8): none of
// framing, routing, authentication, forwarding, caching or content description.
// Whether the route declares the rest safe is for the caller to know.
// They are views into the Reader's buffer, valid after Read returned io.EOF and
// until the Reader is used again.
func (b *BodyReader) Trailers() []Field {
	if !b.Done() {
		return nil
	}
	return b.trailer.fields
}

// Read gives out payload, as much as there is without waiting, but at least
// one octet if p has room.
func (b *BodyReader) Read(p []byte) (int, error) {
	if len(b.unread) > 0 {
		n := copy(p, b.unread)
		b.unread = b.unread[n:]
		return n, nil
	}
	if b.err != nil {
		return 0, b.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	switch b.kind {
	case BodyLength:
		return b.readLength(p)
	case BodyChunked:
		return b.readChunked(p)
	}
	n, err := b.rd.Read(p)
	b.Advance(int64(n))
	if err == io.EOF {
		b.err = io.EOF
	}
	return n, err
}

func (b *BodyReader) readLength(p []byte) (int, error) {
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.rd.Read(p)
	b.Advance(int64(n))
	if b.err != nil { // the end
		return n, nil
	}
	return n, b.early(err)
}

// early makes the end of the connection an early end of the body.
func (b *BodyReader) early(err error) error {
	if err == io.EOF {
		b.err = io.ErrUnexpectedEOF
		return b.err
	}
	return err
}

// readChunked decodes what is buffered until p is full, and reads from the
// connection only when nothing was given out yet.
func (b *BodyReader) readChunked(p []byte) (n int, err error) {
	for b.err == nil {
		if b.part == partData {
			if n == len(p) {
				return n, nil
			}
			m := b.readData(p[n:])
			if n += m; m > 0 {
				continue
			}
		} else if reason := b.step(); reason != reasonIncomplete {
			if reason != reasonNone {
				b.err = b.refuse(reason)
			}
			continue
		}
		if n > 0 {
			return n, nil
		}
		if m, err := b.readMore(p); m > 0 || err != nil {
			return m, err
		}
	}
	if n > 0 && b.err == io.EOF {
		return n, nil
	}
	return n, b.err
}

// readData gives out buffered data of the current chunk, 0 when there is none.
func (b *BodyReader) readData(p []byte) int {
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n := copy(p, b.rd.Buffered())
	b.rd.Discard(n)
	b.tookData(n)
	return n
}

func (b *BodyReader) tookData(n int) {
	b.payload += int64(n)
	b.wire += int64(n)
	if b.left -= int64(n); b.left == 0 {
		b.part = partDataEnd
	}
}

// readMore does one Read: much data goes straight to p, little goes through
// the buffer together with the chunk lines that follow it.
func (b *BodyReader) readMore(p []byte) (int, error) {
	if b.part == partData && b.left >= directRead && len(p) >= directRead {
		n, err := b.rd.Read(p[:min(int64(len(p)), b.left)])
		b.tookData(n)
		if n > 0 {
			return n, nil
		}
		return 0, b.early(err)
	}
	_, err := b.rd.Fill()
	return 0, b.early(err)
}

func (b *BodyReader) refuse(reason Reason) error {
	if b.lim.FromBackend {
		return &responseErrors[reason]
	}
	return &requestErrors[reason]
}

// take consumes n octets that are not payload.
func (b *BodyReader) take(n int) {
	b.rd.Discard(n)
	b.wire += int64(n)
}

// step reads the next part of the framing from the buffer if it is there.
func (b *BodyReader) step() Reason {
	in := b.rd.Buffered()
	switch b.part {
	case partSize:
		return b.sizeLine(in)
	case partDataEnd:
		return b.dataEnd(in)
	default:
		return b.trailers(in)
	}
}

// dataEnd reads the CRLF behind chunk data (H2.7). The first octet is judged
// before the second is there.
func (b *BodyReader) dataEnd(in []byte) Reason {
	switch {
	case len(in) == 0:
		return reasonIncomplete
	case in[0] != '\r':
		return ReasonChunkEnd
	case len(in) == 1:
		return reasonIncomplete
	case in[1] != '\n':
		return ReasonChunkEnd
	}
	b.take(2)
	b.part = partSize
	return reasonNone
}

// sizeLine reads the size of the next chunk (H2.5, H2.6).
func (b *BodyReader) sizeLine(in []byte) Reason {
	var at cursor
	text, reason := at.next(in, b.lim.Chunk, ReasonChunkLine, b.lim.Chunk+len(crlf), ReasonChunkLine)
	if reason != reasonNone {
		return reason
	}
	size, reason := chunkSize(text)
	if reason != reasonNone {
		return reason
	}
	if b.overhead += int64(len(text)); b.overhead > chunkAllowance+b.payload {
		return ReasonChunkOverhead
	}
	b.take(at.start)
	if b.left = size; size > 0 {
		b.part = partData
		return reasonNone
	}
	b.part = partTrailer
	b.trailer.begin()
	b.trailer.trailer = true
	return reasonNone
}

// trailers reads the trailer section when it is complete in the buffer.
func (b *BodyReader) trailers(in []byte) Reason {
	if len(in) == 0 {
		return reasonIncomplete
	}
	s := &b.trailer
	if !s.resumes(in) {
		s.begin()
		s.trailer, s.stage, s.first = true, stageFields, &in[0]
	}
	limits := trailerLimits(b.lim)
	if reason := s.readFields(in, &limits); reason != reasonNone {
		return reason
	}
	b.take(s.start)
	b.err = io.EOF
	return reasonNone
}

// Drain reads and drops the rest of the body, at most limit octets of the
// connection (H2.11). It returns nil when the body came to its proper end,
// ErrDrainLimit when it did not within limit, or what Read returned. It does
// not bound the time; set a read deadline.
func (b *BodyReader) Drain(limit int64) error {
	if b.kind == BodyLength && b.left > limit {
		return ErrDrainLimit
	}
	if b.Done() {
		return nil
	}
	scratch := takeBuffer(0)
	defer scratch.put()
	for end := b.wire + limit; b.wire <= end; {
		_, err := b.Read(scratch.b)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return ErrDrainLimit
}
