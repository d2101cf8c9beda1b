package http1

import "sync"

const (
	smallestBuffer = 4 << 10
	bufferSizes    = 9 // 4 KiB to 1 MiB, each twice the one before
	largestBuffer  = smallestBuffer << (bufferSizes - 1)
)

// buffer is a pooled piece of memory. It has one owner at a time, who returns
// it with put.
type buffer struct {
	b    []byte
	size int // index of its pool
}

// buffers holds the unused buffers of each size. It is shared by all
// connections, for which it is there; nothing can be observed through it.
var buffers [bufferSizes]sync.Pool

// sizeFor is the smallest size with room for n octets.
func sizeFor(n int) int {
	size := 0
	for size < bufferSizes-1 && smallestBuffer<<size < n {
		size++
	}
	return size
}

func takeBuffer(size int) *buffer {
	if buf, ok := buffers[size].Get().(*buffer); ok {
		return buf
	}
	return &buffer{b: make([]byte, smallestBuffer<<size), size: size}
}

// put gives the buffer back; nil is allowed.
func (buf *buffer) put() {
	if buf != nil {
		buffers[buf.size].Put(buf)
	}
}

// Memory is pooled memory for content, of the sizes that Readers take. The zero
// value holds none. It has one owner at a time.
type Memory struct{ buf *buffer }

// Grow returns b with room for n octets more: b itself if it has that, else its
// copy in memory that is m's, in place of what m had before.
func (m *Memory) Grow(b []byte, n int) []byte {
	need := len(b) + n
	if need <= cap(b) {
		return b
	}
	var next *buffer
	var room []byte
	if need <= largestBuffer {
		next = takeBuffer(sizeFor(need))
		room = next.b
	} else {
		room = make([]byte, need)
	}
	b = room[:copy(room, b)]
	m.buf.put()
	m.buf = next
	return b
}

// Free gives the memory back; nobody may refer to it any more. It may be called
// more than once.
func (m *Memory) Free() {
	m.buf.put()
	m.buf = nil
}
