package spool

import (
	"io"
	"sync"
)

// Queue is octets between one writer and one slower reader: first in memory,
// then in a file, then the writer waits.
type Queue struct {
	pool   *Pool
	memory int   // pieces
	disk   int64 // octets

	mu sync.Mutex // guards the following
	// changed is signalled when there is more to read, more room, or an end.
	changed sync.Cond
	pieces  []*[pieceSize]byte // full but for the last one
	first   int                // octets of the first piece that were read
	last    int                // octets of the last piece
	// What is in the file comes behind the pieces: octets [from, to).
	file     file
	from, to int64
	noFile   bool  // it failed: memory only
	err      error // how the writer ended, io.EOF for a proper end
	closed   bool  // the reader takes no more
}

// Queue returns an empty queue that holds memory octets in memory, at least one
// piece, and disk octets in a file. The writer must call End, the reader Close.
func (p *Pool) Queue(memory, disk int64) *Queue {
	q := &Queue{pool: p, memory: int(max(1, memory/pieceSize)), disk: disk, file: file{pool: p}}
	q.changed.L = &q.mu
	return q
}

// Write adds octets, and waits while there is no room. It returns
// io.ErrClosedPipe when the reader has gone.
func (q *Queue) Write(b []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	written := 0
	for len(b) > 0 {
		if q.closed {
			return written, io.ErrClosedPipe
		}
		n := q.put(b)
		if n == 0 {
			q.changed.Wait()
			continue
		}
		b, written = b[n:], written+n
		q.changed.Broadcast()
	}
	return written, nil
}

// put takes what there is room for. The lock is held.
func (q *Queue) put(b []byte) int {
	if q.from == q.to { // the file is empty: memory comes first again
		q.from, q.to = 0, 0
		if n := q.putMemory(b); n > 0 {
			return n
		}
	}
	room := min(int64(len(b)), q.disk-q.to)
	if q.noFile || room <= 0 {
		return 0
	}
	if err := q.file.writeAt(b[:room], q.to); err != nil {
		q.noFile = true // what is in it can still be read
		return q.put(b)
	}
	q.to += room
	return int(room)
}

func (q *Queue) putMemory(b []byte) int {
	if len(q.pieces) == 0 || q.last == pieceSize {
		if len(q.pieces) >= q.memory {
			return 0
		}
		piece := q.pool.takePiece()
		if piece == nil && len(q.pieces) == 0 && (q.noFile || q.disk <= 0) {
			// The bound is reached and there is no file: without one piece
			// nothing would ever move.
			q.pool.memory.Add(pieceSize)
			piece = q.pool.pieces.Get().(*[pieceSize]byte)
		}
		if piece == nil {
			return 0
		}
		q.pieces, q.last = append(q.pieces, piece), 0
	}
	n := copy(q.pieces[len(q.pieces)-1][q.last:], b)
	q.last += n
	return n
}

// End says that nothing will be written any more. The reader gets err, io.EOF
// for nil, behind what was written.
func (q *Queue) End(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err = err; err == nil {
		q.err = io.EOF
	}
	q.changed.Broadcast()
}

// Ready reports that a Read would not wait.
func (q *Queue) Ready() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.ready()
}

func (q *Queue) ready() bool { return len(q.pieces) > 0 || q.from < q.to || q.err != nil }

// Read waits for octets.
func (q *Queue) Read(p []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for !q.ready() {
		q.changed.Wait()
	}
	switch {
	case len(q.pieces) > 0:
		defer q.changed.Broadcast()
		return q.takeMemory(p), nil
	case q.from < q.to:
		defer q.changed.Broadcast()
		n, err := q.file.readAt(p[:min(int64(len(p)), q.to-q.from)], q.from)
		q.from += int64(n)
		return n, err
	}
	return 0, q.err
}

func (q *Queue) takeMemory(p []byte) int {
	end := pieceSize
	if len(q.pieces) == 1 {
		end = q.last
	}
	n := copy(p, q.pieces[0][q.first:end])
	if q.first += n; q.first == end {
		q.pool.putPiece(q.pieces[0])
		q.pieces, q.first = q.pieces[1:], 0
	}
	return n
}

// Close ends the reading; a writer that waits gets an error. It is called when
// the writer has ended or will notice.
func (q *Queue) Close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	q.closed = true
	for _, piece := range q.pieces {
		q.pool.putPiece(piece)
	}
	q.pieces = nil
	q.from, q.to = 0, 0
	q.file.close()
	q.changed.Broadcast()
}
