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
