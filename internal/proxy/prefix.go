package proxy

import "daemun/internal/upstream"

// The beginning of a request body is read before a backend is chosen, and
// leaves with the head. It stays where it was read to behind the head as long
// as it fits there, else it is in pooled memory; either way for this request
// only, so that idle connections hold none of it (H6.15).

// firstMost bounds the buffer that the first octets of a request are read to.
const firstMost = 32 << 10

// expectAnother makes the first read of the connection's next request as large
// as this request was, if that is not too much: clients repeat themselves, and
// head and body then come with one read.
func (x *exchange) expectAnother() {
	c := x.c
	if c.stream != nil {
		return
	}
	c.rd.First = 0
	if n := x.received + x.body.Wire(); n <= firstMost {
		c.rd.First = int(n)
	}
}

// nextOfPrefix is where the next octets of the body go, behind those of the
// prefix; nil says that they stay where they are.
func (x *exchange) nextOfPrefix() []byte {
	inPlace := x.prefix == nil || x.prefixKept
	if inPlace && x.c.stream == nil && x.body.Keeps() {
		if x.prefix == nil {
			x.prefix, x.prefixKept = x.c.rd.Buffered()[:0], true
		}
		return nil
	}
	x.prefixKept = false
	if len(x.prefix) == cap(x.prefix) || inPlace {
		x.prefix = x.prefixMemory.Grow(x.prefix[:len(x.prefix):len(x.prefix)], x.prefixStep())
	}
	return x.prefix[len(x.prefix):cap(x.prefix)]
}

// endRoom is room behind a body of known length: that it has ended may show
// with another read only.
const endRoom = 64

// prefixStep is by how much the prefix grows.
func (x *exchange) prefixStep() int {
	if left := x.req.ContentLength - int64(len(x.prefix)); left >= 0 {
		return int(min(left+endRoom, replayMax))
	}
	return max(1<<10, min(len(x.prefix), replayMax))
}

// addPrefix decides how the prefix leaves: copied behind the head, or, when that
// is worth it and no framing stands between them, from where it is.
func (x *exchange) addPrefix() {
	x.opening, x.behind = x.up, nil
	switch t := x.transport(); {
	case t.Multiplexed(): // as DATA
	case t == upstream.Plain && !x.chunked() && len(x.prefix) > worthCopying:
		x.behind = x.prefix
	case len(x.up)+len(x.prefix)+framingRoom <= largestKept:
		x.up = x.appendPrefix(x.up)
		x.opening = x.up
	default:
		x.opening = x.appendPrefix(x.openingMemory.Grow(x.up[:len(x.up):len(x.up)], len(x.prefix)+framingRoom))
	}
}

// framingRoom is enough for the framing of a prefix: its chunk and the last one,
// or records of FastCGI.
const framingRoom = 256

// dropPrefix gives the memory back that is for one request only.
func (x *exchange) dropPrefix() {
	x.prefix, x.prefixKept, x.opening, x.behind = nil, false, nil, nil
	x.prefixMemory.Free()
	x.openingMemory.Free()
}
