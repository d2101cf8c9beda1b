package compress

import (
	"io"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
)

// maxActive bounds the compressors that are in use: each holds about a
// megabyte. Responses beyond go out as they are (H6.18).
const maxActive = 512

// brotliWindow is 512 KiB, as nginx's module has it: the usual 4 MiB would be
// memory for each response.
const brotliWindow = 19

// compressor is what both libraries have.
type compressor interface {
	io.Writer
	Flush() error
	Close() error
	Reset(w io.Writer)
}

// Writer compresses one content into memory.
type Writer struct {
	coding Coding
	z      compressor
	room   int
	out    []byte
}

// sink is what a compressor writes to: the Writer's memory, which never fails.
type sink struct{ w *Writer }

func (s sink) Write(p []byte) (int, error) {
	s.w.out = append(s.w.out, p...)
	return len(p), nil
}

// Writer returns a compressor whose output has room free octets in front. It
// returns false when too many are in use. The Writer must be given to Put.
func (s *Settings) Writer(c Coding, room int) (*Writer, bool) {
	if s.active.Add(1) > maxActive {
		s.active.Add(-1)
		return nil, false
	}
	w, _ := s.pools[c].Get().(*Writer)
	if w == nil {
		w = &Writer{coding: c}
		w.z = s.compressor(c)
	}
	w.room = room
	w.Take()
	w.z.Reset(sink{w})
	return w, true
}

func (s *Settings) compressor(c Coding) compressor {
	if c == Brotli {
		return brotli.NewWriterOptions(nil, brotli.WriterOptions{Quality: s.rules[c].level, LGWin: brotliWindow})
	}
	z, err := gzip.NewWriterLevel(nil, s.rules[c].level)
	if err != nil { // out of range, which translation does not let happen
		z = gzip.NewWriter(nil)
	}
	return z
}

// Put takes a Writer back, whether its content came to an end or not.
func (s *Settings) Put(w *Writer) {
	const largest = 128 << 10
	if cap(w.out) > largest {
		w.out = nil
	}
	s.pools[w.coding].Put(w)
	s.active.Add(-1)
}

// Write adds to the content.
func (w *Writer) Write(p []byte) error {
	_, err := w.z.Write(p)
	return err
}

// Flush brings all that was written so far to Out.
func (w *Writer) Flush() error { return w.z.Flush() }

// Close ends the content.
func (w *Writer) Close() error { return w.z.Close() }

// Out is what there is of the output, behind the room. It is valid until the
// next call of another method; it may be appended to.
func (w *Writer) Out() []byte { return w.out }

// Len is the length of the output without the room.
func (w *Writer) Len() int { return len(w.out) - w.room }

// Take drops the output, which was sent.
func (w *Writer) Take() {
	if cap(w.out) < w.room {
		w.out = make([]byte, w.room, 4<<10)
	}
	w.out = w.out[:w.room]
}
