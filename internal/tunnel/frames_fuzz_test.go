package tunnel

import (
	"slices"
	"testing"
)

// FuzzFrames: where a WebSocket frame ends does not depend on how the octets are
// cut, and after whole frames is in between.
func FuzzFrames(f *testing.F) {
	f.Add([]byte{0x82, 3, 1, 2, 3, 0x88, 0}, 2)
	f.Add(append([]byte{0x81, 0x80 | 126, 0, 126, 1, 2, 3, 4}, make([]byte, 126)...), 7)
	f.Add([]byte{0x82, 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, 1)
	f.Fuzz(func(t *testing.T, b []byte, size int) {
		var whole, pieces Frames
		whole.Pass(b)
		size = 1 + (size&0xFF)%16
		for piece := range slices.Chunk(b, size) {
			pieces.Pass(piece)
		}
		if whole.left != pieces.left || whole.have != pieces.have || whole.closed != pieces.closed || whole.Between() != pieces.Between() {
			t.Fatalf("% x whole: %+v, in pieces of %d: %+v", b, whole, size, pieces)
		}
		if len(b) > 125 {
			b = b[:125]
		}
		var one Frames
		one.Pass(append([]byte{0x81, byte(len(b))}, b...))
		if !one.Between() {
			t.Fatalf("in the midst of something after a frame of %d octets", len(b))
		}
	})
}
