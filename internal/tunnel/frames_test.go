package tunnel

import (
	"slices"
	"strings"
	"testing"
)

func TestFramesFollowTheStream(t *testing.T) {
	t.Parallel()
	frame := func(head string, payload int) string { return head + strings.Repeat("p", payload) }
	for name, tt := range map[string]struct {
		stream string
		closed bool
	}{
		"empty":        {frame("\x81\x00", 0), false},
		"short":        {frame("\x81\x05", 5), false},
		"short masked": {frame("\x81\x85mask", 5), false},
		"medium":       {frame("\x82\x7e\x01\x00", 256), false},
		"long":         {frame("\x02\x7f\x00\x00\x00\x00\x00\x01\x00\x00", 65536), false},
		"long masked":  {frame("\x82\xff\x00\x00\x00\x00\x00\x01\x00\x00mask", 65536), false},
		"two":          {frame("\x81\x05", 5) + frame("\x89\x7e\x00\x7e", 126), false},
		"close":        {frame("\x88\x02", 2), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, step := range []int{1, 3, len(tt.stream)} {
				var f Frames
				for at := 0; at < len(tt.stream); at += step {
					if at > 0 && f.Between() && name != "two" {
						t.Fatalf("step %d: between frames at %d of %d", step, at, len(tt.stream))
					}
					f.Pass([]byte(tt.stream[at:min(at+step, len(tt.stream))]))
				}
				if f.closed != tt.closed || f.Between() == tt.closed {
					t.Errorf("step %d: closed %v, between %v", step, f.closed, f.Between())
				}
			}
		})
	}
}

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
