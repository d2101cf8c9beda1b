package spool

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

func fill(t *testing.T, b *Body, octets []byte) {
	t.Helper()
	for len(octets) > 0 {
		n := copy(b.Next(), octets[:min(len(octets), 1+rand.IntN(50000))])
		if err := b.Add(n); err != nil {
			t.Fatal(err)
		}
		octets = octets[n:]
	}
}

func noise(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return b
}

func all(t *testing.T, b *Body) []byte {
	t.Helper()
	var got []byte
	piece := make([]byte, 10000)
	for {
		n, err := b.ReadAt(piece, int64(len(got)))
		got = append(got, piece[:n]...)
		if err == io.EOF {
			return got
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestBodyIsReadAsOftenAsWanted, whatever part of it is in the file.
func TestBodyIsReadAsOftenAsWanted(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, pieceSize - 1, pieceSize, pieceSize + 1, 2 * pieceSize, 2*pieceSize + 1, 20*pieceSize + 77} {
		p := New(Config{Dir: t.TempDir()})
		b := p.Body(2 * pieceSize)
		want := noise(size)
		fill(t, b, want)
		b.Next() // asked for, and nothing came
		b.Sealed()
		for range 2 {
			if !bytes.Equal(all(t, b), want) {
				t.Errorf("%d octets: others came back", size)
			}
		}
		if files := p.Stats().Files; (files > 0) != (size > 2*pieceSize) {
			t.Errorf("%d octets: %d files", size, files)
		}
		b.Close()
		b.Close()
		if s := p.Stats(); s.Memory != 0 || s.Disk != 0 {
			t.Errorf("%d octets: %+v after Close", size, s)
		}
	}
}

func TestFilesHaveNoName(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := New(Config{Dir: dir})
	b := p.Body(0)
	defer b.Close()
	fill(t, b, noise(3*pieceSize))
	if names, err := os.ReadDir(dir); err != nil || len(names) > 0 || p.Stats().Disk == 0 {
		t.Errorf("%v, %v, %+v", names, err, p.Stats())
	}
}

// TestMemoryOfAllIsBounded: a body beyond it goes to its file at once.
func TestMemoryOfAllIsBounded(t *testing.T) {
	t.Parallel()
	p := New(Config{Dir: t.TempDir(), Memory: 3 * pieceSize})
	a, b := p.Body(10*pieceSize), p.Body(10*pieceSize)
	defer a.Close()
	defer b.Close()
	want := noise(5 * pieceSize)
	fill(t, a, want)
	fill(t, b, want)
	if s := p.Stats(); s.Memory != 3*pieceSize || s.Disk != 7*pieceSize {
		t.Errorf("%+v", s)
	}
	if !bytes.Equal(all(t, b), want) {
		t.Error("other octets")
	}
}

func TestNoRoomIsAnError(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]Config{
		"bound":     {Dir: t.TempDir(), Disk: pieceSize},
		"no folder": {Dir: filepath.Join(t.TempDir(), "missing")},
	} {
		told := 0
		config.Failed = func(error) { told++ }
		p := New(config)
		b := p.Body(pieceSize)
		var err error
		for range 4 {
			if err = b.Add(len(b.Next())); err != nil {
				break
			}
		}
		if !errors.Is(err, ErrFull) || told != 1 || p.Stats().Failures != 1 {
			t.Errorf("%s: %v, told %d times", name, err, told)
		}
		b.Close()
		if s := p.Stats(); s.Memory != 0 || s.Disk != 0 {
			t.Errorf("%s: %+v after Close", name, s)
		}
	}
}

func TestProbe(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "later")
	p := New(Config{Dir: dir})
	if p.Probe() == nil || p.Usable() {
		t.Error("usable without a folder")
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := p.Probe(); err != nil || !p.Usable() {
		t.Error(err)
	}
}

// TestQueueKeepsTheOrder of octets between a writer and a reader.
func TestQueueKeepsTheOrder(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]Config{"file": {Dir: t.TempDir()}, "no file": {Dir: filepath.Join(t.TempDir(), "missing"), Memory: 1}} {
		p := New(config)
		q := p.Queue(2*pieceSize, 5*pieceSize)
		want := noise(40*pieceSize + 5)
		go func() {
			for rest := want; len(rest) > 0; {
				n, err := q.Write(rest[:min(len(rest), 1+rand.IntN(3*pieceSize))])
				if err != nil {
					t.Error(err)
					break
				}
				rest = rest[n:]
			}
			q.End(nil)
		}()
		got, err := io.ReadAll(q)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d octets, %v", name, len(got), err)
		}
		q.Close()
		if s := p.Stats(); s.Memory != 0 || s.Disk != 0 {
			t.Errorf("%s: %+v after Close", name, s)
		}
	}
}

// TestQueueHoldsWithoutAReader: the writer goes on up to both bounds.
func TestQueueHoldsWithoutAReader(t *testing.T) {
	t.Parallel()
	q := New(Config{Dir: t.TempDir()}).Queue(2*pieceSize, 5*pieceSize)
	want := noise(7 * pieceSize)
	if n, err := q.Write(want); n != len(want) || err != nil {
		t.Fatal(n, err)
	}
	failed := make(chan error)
	go func() {
		_, err := q.Write([]byte{1})
		failed <- err
	}()
	q.Close()
	if err := <-failed; err != io.ErrClosedPipe {
		t.Errorf("the writer got %v", err)
	}
	q.End(nil)
}

func TestQueuePassesTheErrorOn(t *testing.T) {
	t.Parallel()
	q := New(Config{Dir: t.TempDir()}).Queue(0, 0)
	broken := errors.New("broken")
	_, _ = q.Write([]byte("abc"))
	q.End(broken)
	got, err := io.ReadAll(q)
	if string(got) != "abc" || err != broken {
		t.Errorf("%q, %v", got, err)
	}
	q.Close()
}

// H6.19: while memory is short, bodies and queues go to files.
func TestH6_19_Spare(t *testing.T) {
	t.Parallel()
	p := New(Config{Dir: t.TempDir()})
	p.Spare(true)
	b := p.Body(1 << 20)
	defer b.Close()
	for range 3 {
		if err := b.Add(copy(b.Next(), "spared")); err != nil {
			t.Fatal(err)
		}
	}
	q := p.Queue(1<<20, 1<<20)
	defer q.Close()
	if _, err := q.Write([]byte("spared")); err != nil {
		t.Fatal(err)
	}
	if s := p.Stats(); s.Memory != 0 || s.Disk != 24 {
		t.Errorf("%+v", s)
	}
	p.Spare(false)
	other := p.Body(1 << 20)
	defer other.Close()
	if err := other.Add(copy(other.Next(), "kept")); err != nil {
		t.Fatal(err)
	}
	if s := p.Stats(); s.Memory != pieceSize || s.Disk != 24 {
		t.Errorf("afterwards %+v", s)
	}
}
