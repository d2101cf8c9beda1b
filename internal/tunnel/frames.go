package tunnel

import "encoding/binary"

// Frames follows the WebSocket frames of one direction (RFC 6455 §5.2), to know
// where one of our own may stand. It does not look into them. The zero value
// stands at the beginning of a stream.
type Frames struct {
	head   [14]byte
	have   int    // octets of head
	left   uint64 // octets of the payload still to come
	closed bool   // a Close frame began: nothing may follow it
}

// opClose is the opcode of a Close frame.
const opClose = 0x8

// Pass takes note of octets that go by.
func (f *Frames) Pass(b []byte) {
	for len(b) > 0 {
		if f.left > 0 {
			n := min(f.left, uint64(len(b)))
			f.left -= n
			b = b[n:]
			continue
		}
		f.head[f.have] = b[0]
		f.have++
		b = b[1:]
		f.endHead()
	}
}

// endHead looks whether the frame's head is complete.
func (f *Frames) endHead() {
	if f.have < 2 {
		return
	}
	size, length := 2, uint64(f.head[1]&0x7F)
	switch length {
	case 126:
		size += 2
	case 127:
		size += 8
	}
	if f.have >= size {
		switch size {
		case 4:
			length = uint64(binary.BigEndian.Uint16(f.head[2:]))
		case 10:
			length = binary.BigEndian.Uint64(f.head[2:])
		}
	}
	if f.head[1]&0x80 != 0 {
		size += 4 // the mask
	}
	if f.have == size {
		f.closed = f.closed || f.head[0]&0x0F == opClose
		f.have, f.left = 0, length
	}
}

// Between reports that a frame of our own may be sent now.
func (f *Frames) Between() bool { return f.have == 0 && f.left == 0 && !f.closed }
