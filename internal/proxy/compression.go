package proxy

import (
	"bytes"
	"io"
	"time"

	"daemun/internal/compress"
	"daemun/internal/http1"
	"daemun/internal/policy"
	"daemun/internal/upstream"
)

// packing is how a response is compressed on its way to the client.
type packing struct {
	writer *compress.Writer // nil: it goes out as it is
	coding compress.Coding
	// output takes the content, nil if that goes out as it is: writer, or what
	// replaces texts in front of it.
	output output
	// room is how much of the content is read at once.
	room int
	// replaces is nil unless texts are replaced.
	replaces *policy.Substitution
	// bare: the client, of HTTP/1.0, gets no chunks.
	bare bool
	// varies: the response depends on Accept-Encoding, compressed or not.
	varies bool
}

// pack decides whether the response whose head was read is compressed, and
// returns its framing then. What the backend has compressed itself, a part of
// something and what must not be transformed (RFC 9110 §7.7) stay as they are.
func (x *exchange) pack(f framing) framing {
	if f == frameNone || x.req.Minor == 0 || !x.mayTransform() {
		return f
	}
	kind, _ := x.resp.Get(http1.FieldContentType)
	resp := compress.Response{Status: x.resp.Status, ContentType: kind, Length: x.resp.ContentLength}
	req := compress.Request{AcceptEncoding: x.acceptEncoding()}
	req.UserAgent, _ = x.req.Get(http1.FieldUserAgent)
	p := &x.packing
	p.coding, p.varies = x.table.Compression.Choose(&resp, &req)
	if p.coding == compress.Identity {
		return f
	}
	w, ok := x.table.Compression.Writer(p.coding, http1.ChunkHeaderMax)
	if !ok {
		x.c.server.counters.uncompressed.Add(1)
		return f
	}
	p.writer, p.output, p.room = w, w, pieceSize
	x.resp.ContentLength = -1
	if f == frameLength {
		return frameChunked
	}
	return f
}

// unpack gives the compressor back. It may be called more than once.
func (x *exchange) unpack() {
	if w := x.packing.writer; w != nil {
		x.table.Compression.Put(w)
	}
	x.packing = packing{}
}

func (x *exchange) mayTransform() bool {
	for i := range x.resp.Fields {
		switch f := &x.resp.Fields[i]; f.ID {
		case http1.FieldContentEncoding:
			if len(f.Value) > 0 {
				return false
			}
		case http1.FieldContentRange:
			return false
		case http1.FieldCacheControl:
			if listHas(f.Value, "no-transform") {
				return false
			}
		}
	}
	return true
}

// listHas reports whether a list with commas has an element.
func listHas(list []byte, want string) bool {
	for len(list) > 0 {
		var element []byte
		element, list, _ = bytes.Cut(list, []byte(","))
		if element = bytes.TrimSpace(element); len(element) == len(want) && bytes.EqualFold(element, []byte(want)) {
			return true
		}
	}
	return false
}

// acceptEncoding is the value of the field; several are one list.
func (x *exchange) acceptEncoding() []byte {
	first, ok := x.req.Get(http1.FieldAcceptEncoding)
	if !ok {
		return nil
	}
	joined := false
	for i := range x.req.Fields {
		f := &x.req.Fields[i]
		if f.ID != http1.FieldAcceptEncoding || len(f.Value) > 0 && len(first) > 0 && &f.Value[0] == &first[0] {
			continue
		}
		if !joined {
			x.location, joined = append(x.location[:0], first...), true
		}
		x.location = append(append(x.location, ','), f.Value...)
	}
	if joined {
		return x.location
	}
	return first
}

// ofOctets are fields about the octets of a content, which are others when it
// is compressed.
var ofOctets = []string{"Accept-Ranges", "Content-MD5", "Content-Digest", "Repr-Digest"}

// appendPackedField appends a field of a response that is compressed: a strong
// ETag becomes a weak one (RFC 9110 §8.8.1).
func (x *exchange) appendPackedField(b []byte, f *http1.Field) []byte {
	switch {
	case f.ID == http1.FieldContentEncoding: // an empty one
		return b
	case x.packing.drops(f):
		return b
	case f.ID == http1.FieldETag && len(f.Value) > 0 && f.Value[0] == '"':
		weak := *f
		weak.Value = append([]byte("W/"), f.Value...)
		return x.appendResponseField(b, &weak)
	case f.ID == http1.FieldOther:
		for _, name := range ofOctets {
			if bytes.EqualFold(f.Name, []byte(name)) {
				return b
			}
		}
	}
	return x.appendResponseField(b, f)
}

// appendPacking appends what says how the response is compressed.
func (x *exchange) appendPacking(b []byte) []byte {
	if x.packing.writer != nil {
		b = http1.AppendField(b, "Content-Encoding", x.packing.coding.String())
	}
	if !x.packing.varies {
		return b
	}
	for i := range x.resp.Fields {
		if f := &x.resp.Fields[i]; f.ID == http1.FieldVary && (listHas(f.Value, "accept-encoding") || listHas(f.Value, "*")) {
			return b
		}
	}
	return append(b, "Vary: Accept-Encoding\r\n"...)
}

// relayPacked is relayBody for a response that is compressed. Before it waits
// for the backend the client gets all there is, as an event stream needs, unless
// the length is known: then the rest is on its way.
func (x *exchange) relayPacked(up *upstream.Conn) (toClient, fromUpstream error) {
	p := x.c.server.pieces.Get().(*piece)
	defer x.c.server.pieces.Put(p)
	w, begin := x.packing.output, time.Now()
	flushes := x.responseLeft() < 0 || x.packing.writer == nil
	paced := x.policies != nil && x.policies.Bandwidth != nil
	sent := int64(0)
	for {
		if err := x.beforeWait(up, flushes); err != nil {
			return err, nil
		}
		data := p.b[:x.packing.room]
		if paced {
			most, err := x.allowance(begin, sent)
			if err != nil {
				return err, nil
			}
			data = data[:min(most, int64(len(data)))]
		}
		n, err := x.readReady(up, data)
		if err != nil && err != io.EOF {
			return x.flushHead(), err
		}
		_ = w.Write(data[:n]) // to memory
		done := x.responseDone()
		if done {
			_ = w.Close()
		}
		sent += int64(w.Len())
		if w.Len() >= pieceSize || done {
			if err := x.sendPacked(up, done); err != nil || done {
				return err, nil
			}
		}
	}
}

// beforeWait gives the client what there is when the next read may wait.
func (x *exchange) beforeWait(up *upstream.Conn, flushes bool) error {
	if x.ready(up) {
		return nil
	}
	if !flushes {
		return x.flushHead()
	}
	if err := x.packing.output.Flush(); err != nil {
		return err
	}
	return x.sendPacked(up, false)
}

// flushHead sends the response head unless that was done.
func (x *exchange) flushHead() error {
	if x.c.stream == nil || len(x.out) == 0 {
		return x.flush()
	}
	head := x.out
	x.out = x.out[:0]
	return x.sendHead(head, nil, false)
}

// sendPacked sends what the compressor has given, with the head if that is
// pending; end says that it is the last.
func (x *exchange) sendPacked(up *upstream.Conn, end bool) error {
	w := x.packing.output
	defer w.Take()
	if st := x.c.stream; st != nil {
		what := part{data: w.Out()[http1.ChunkHeaderMax:], end: end}
		if len(x.out) > 0 {
			what.head = x.out
			x.out = x.out[:0]
		}
		if end {
			what.trailers = x.responseTrailers(up)
		}
		if what.head == nil && len(what.data) == 0 && !end {
			return nil
		}
		return x.sendPart(st, what)
	}
	out := w.Out()
	if w.Len() == 0 && len(x.out) == 0 && !end {
		return nil
	}
	if x.packing.bare {
		return x.flushWith(out[http1.ChunkHeaderMax:])
	}
	if n := w.Len(); n > 0 {
		at := http1.PutChunkHeader(out[:http1.ChunkHeaderMax], n)
		out = http1.AppendChunkEnd(out[at:])
	} else {
		out = out[http1.ChunkHeaderMax:]
	}
	if end {
		out = http1.AppendLastChunk(out, x.responseTrailers(up))
	}
	return x.flushWith(out)
}
