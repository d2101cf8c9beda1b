package http1

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
)

// TestKeepLeavesABodyBehindItsHead checks that head and body stay where they
// were read to, in whatever pieces they come, and that what follows is unread.
func TestKeepLeavesABodyBehindItsHead(t *testing.T) {
	t.Parallel()
	head, body, next := strings.Repeat("h", 100), strings.Repeat("0123456789", 350), "next"
	for _, size := range []int{100, 101, 1000, 3600, 3604, 5000} {
		var rd Reader
		rd.Reset(&pieces{octets: []byte(head + body + next), sizes: []int{size}, err: io.EOF})
		if _, err := rd.Fill(); err != nil {
			t.Fatal(err)
		}
		heldHead := rd.Buffered()[:len(head)]
		rd.Hold(len(head))
		var b BodyReader
		b.Reset(&rd, BodyLength, int64(len(body)), &Limits{})
		kept := rd.Buffered()[:0]
		for !b.Done() {
			if !b.Keeps() {
				t.Fatalf("pieces of %d: no room after %d octets", size, len(kept))
			}
			n, err := b.Keep()
			if err != nil {
				t.Fatal(err)
			}
			kept = kept[:len(kept)+n]
		}
		if string(kept) != body || string(heldHead) != head || b.Payload() != int64(len(body)) || b.Wire() != b.Payload() {
			t.Errorf("pieces of %d: got %d octets", size, len(kept))
		}
		if b.Keeps() {
			t.Errorf("pieces of %d: keeps more than there is", size)
		}
		rd.Unhold()
		rest, err := io.ReadAll(io.MultiReader(bytes.NewReader(rd.Buffered()), readUnbuffered{&rd}))
		if err != nil || string(rest) != next {
			t.Errorf("pieces of %d: left %q, %v", size, rest, err)
		}
		rd.Reset(nil)
	}
}

// readUnbuffered reads what the Reader has not buffered yet.
type readUnbuffered struct{ rd *Reader }

func (r readUnbuffered) Read(p []byte) (int, error) {
	r.rd.Discard(len(r.rd.Buffered()))
	return r.rd.Read(p)
}

// TestKeepOnlyWhatFits: what is buffered is kept, but for the rest there must
// be room.
func TestKeepOnlyWhatFits(t *testing.T) {
	t.Parallel()
	var rd Reader
	rd.Reset(&pieces{octets: make([]byte, 8<<10), err: io.EOF})
	defer rd.Reset(nil)
	var b BodyReader
	b.Reset(&rd, BodyLength, 10, &Limits{})
	if b.Keeps() {
		t.Error("keeps without a buffer")
	}
	if _, err := rd.Fill(); err != nil {
		t.Fatal(err)
	}
	rd.Hold(96)
	b.Reset(&rd, BodyLength, 4001, &Limits{})
	if n, err := b.Keep(); n != 4000 || err != nil || b.Keeps() {
		t.Errorf("kept %d, %v, and room for more: %v", n, err, b.Keeps())
	}
	for _, kind := range []BodyKind{BodyNone, BodyChunked, BodyClose} {
		if b.Reset(&rd, kind, 1, &Limits{}); b.Keeps() {
			t.Errorf("keeps kind %d", kind)
		}
	}
}

// TestKeepTellsHowABodyFails as Read does.
func TestKeepTellsHowABodyFails(t *testing.T) {
	t.Parallel()
	for on, want := range map[error]error{io.EOF: io.ErrUnexpectedEOF, os.ErrDeadlineExceeded: os.ErrDeadlineExceeded} {
		var rd Reader
		rd.Reset(&pieces{octets: []byte("head and some"), err: on})
		if _, err := rd.Fill(); err != nil {
			t.Fatal(err)
		}
		rd.Hold(4)
		var b BodyReader
		b.Reset(&rd, BodyLength, 100, &Limits{})
		if n, err := b.Keep(); n != 9 || err != nil {
			t.Fatal(n, err)
		}
		if n, err := b.Keep(); n != 0 || !errors.Is(err, want) || b.Done() {
			t.Errorf("%d, %v, want %v", n, err, want)
		}
		rd.Reset(nil)
	}
}

// TestMemoryGrows checks that what was there stays, in sizes that are pooled and
// beyond.
func TestMemoryGrows(t *testing.T) {
	t.Parallel()
	var m Memory
	defer m.Free()
	b, want := []byte("abc"), []byte("abc")
	if got := m.Grow(b, 0); &got[0] != &b[0] {
		t.Error("moved without need")
	}
	for _, n := range []int{1, 4 << 10, 20 << 10, 1 << 20, 2 << 20} {
		b = m.Grow(b, n)
		if cap(b)-len(b) < n {
			t.Fatalf("room for %d, want %d", cap(b)-len(b), n)
		}
		more := bytes.Repeat([]byte{byte(n >> 10)}, n)
		b, want = append(b, more...), append(want, more...)
		if !bytes.Equal(b, want) {
			t.Fatalf("changed when it grew by %d", n)
		}
	}
	m.Free()
	m.Free()
}

// TestMemoryAllocs: memory that was given back is taken again.
func TestMemoryAllocs(t *testing.T) {
	var m Memory
	if n := testing.AllocsPerRun(1000, func() {
		_ = m.Grow(nil, 16<<10)
		m.Free()
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
