// Package spool keeps bodies of messages that are longer than memory should
// hold: their beginning in memory, the rest in a temporary file.
//
//	p := spool.New(spool.Config{})
//	b := p.Body(64 << 10)
//	for … {
//		n, err := client.Read(b.Next())
//		b.Add(n) // ErrFull: no memory, disk full
//	}
//	b.ReadAt(piece, 0) // as often as needed
//	b.Close()
//
// It turns octets into the same octets later. It knows nothing of messages. All
// memory and, if wanted, all files together are bounded. A file has no name: it
// is unlinked as soon as it is made, so that nothing stays behind whatever ends
// the process. A Pool is safe for concurrent use; a Body belongs to one
// goroutine at a time, a Queue to one writer and one reader. The package owns
// no goroutine.
package spool

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
)

// ErrFull is in the chain of the error when a body finds no room: the disk is
// full, the folder cannot be written to, or the bound for files is reached.
var ErrFull = errors.New("no room for a body")

// pieceSize is the unit of memory.
const pieceSize = 32 << 10

// Config is what a Pool can be told.
type Config struct {
	// Dir is where files are made; empty is $TMPDIR, or /tmp.
	Dir string
	// Memory bounds the octets of all bodies that are in memory; what comes
	// beyond goes to files earlier. 0 is 64 MiB.
	Memory int64
	// Disk bounds the octets of all files; 0 leaves that to the disk.
	Disk int64
	// Failed is told when a file cannot be written; nil is nobody. It must not
	// block.
	Failed func(error)
}

// Pool is where all bodies of one Daemun are kept.
type Pool struct {
	config Config
	pieces sync.Pool // of *[pieceSize]byte

	memory, disk    atomic.Int64
	files, failures atomic.Uint64
	// spare: memory is short, and bodies go to files.
	spare atomic.Bool
	// unusable: no file could be made when that was tried.
	unusable atomic.Bool
}

// New returns an empty pool.
func New(c Config) *Pool {
	if c.Memory == 0 {
		c.Memory = 64 << 20
	}
	if c.Dir == "" {
		c.Dir = os.TempDir()
	}
	p := &Pool{config: c}
	p.pieces.New = func() any { return new([pieceSize]byte) }
	return p
}

// Probe tries to make a file. After an error Usable reports false until a file
// can be made.
func (p *Pool) Probe() error {
	f, err := p.create()
	p.unusable.Store(err != nil)
	if err != nil {
		return err
	}
	return f.Close()
}

// Usable reports whether files can be made, as far as is known.
func (p *Pool) Usable() bool { return !p.unusable.Load() }

// Stats is the state of a Pool.
type Stats struct {
	Memory, Disk    int64  // octets that are kept now
	Files, Failures uint64 // since start
}

// Stats counts.
func (p *Pool) Stats() Stats {
	return Stats{Memory: p.memory.Load(), Disk: p.disk.Load(), Files: p.files.Load(), Failures: p.failures.Load()}
}

// Spare says that memory is short, or no longer: what is added to bodies and
// queues then goes to files as far as there are some.
func (p *Pool) Spare(on bool) { p.spare.Store(on) }

// create makes a file without a name.
func (p *Pool) create() (*os.File, error) {
	f, err := os.CreateTemp(p.config.Dir, "daemun-*")
	if err != nil {
		return nil, fmt.Errorf("make a temporary file: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, fmt.Errorf("unlink a temporary file: %w", err)
	}
	p.files.Add(1)
	return f, nil
}

// takePiece returns a piece of memory, nil when the bound is reached.
func (p *Pool) takePiece() *[pieceSize]byte {
	if p.spare.Load() {
		return nil
	}
	if p.memory.Add(pieceSize) > p.config.Memory {
		p.memory.Add(-pieceSize)
		return nil
	}
	return p.pieces.Get().(*[pieceSize]byte)
}

func (p *Pool) putPiece(b *[pieceSize]byte) {
	p.memory.Add(-pieceSize)
	p.pieces.Put(b)
}

// takeDisk counts n octets of a file and reports whether they may be written.
func (p *Pool) takeDisk(n int) bool {
	if p.disk.Add(int64(n)) > p.config.Disk && p.config.Disk > 0 {
		p.disk.Add(-int64(n))
		return false
	}
	return true
}

func (p *Pool) failed(err error) error {
	p.failures.Add(1)
	err = fmt.Errorf("%w: %w", ErrFull, err)
	if p.config.Failed != nil {
		p.config.Failed(err)
	}
	return err
}

var errBound = errors.New("the bound for temporary files is reached")

// file is a temporary file that is counted.
type file struct {
	pool *Pool
	f    *os.File
	size int64 // counted octets
}

// writeAt makes the file when need be.
func (f *file) writeAt(b []byte, at int64) error {
	if f.f == nil {
		made, err := f.pool.create()
		if err != nil {
			return f.pool.failed(err)
		}
		f.f = made
	}
	if grows := int(at + int64(len(b)) - f.size); grows > 0 {
		if !f.pool.takeDisk(grows) {
			return f.pool.failed(errBound)
		}
		f.size += int64(grows)
	}
	if _, err := f.f.WriteAt(b, at); err != nil {
		return f.pool.failed(fmt.Errorf("write a temporary file: %w", err))
	}
	return nil
}

func (f *file) readAt(b []byte, at int64) (int, error) {
	n, err := f.f.ReadAt(b, at)
	if n > 0 {
		return n, nil
	}
	if err == io.EOF { // somebody cut the file
		err = io.ErrUnexpectedEOF
	}
	return 0, fmt.Errorf("read a temporary file: %w", err)
}

func (f *file) close() {
	if f.f != nil {
		f.f.Close()
	}
	f.pool.disk.Add(-f.size)
	f.f, f.size = nil, 0
}
