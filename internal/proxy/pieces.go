package proxy

import "daemun/internal/http1"

// pieceSize is the size of the buffers that bodies are copied through.
const pieceSize = 32 << 10

// piece is a pooled buffer with room for the framing of one chunk.
type piece struct {
	b [http1.ChunkHeaderMax + pieceSize + 2]byte
}

// longSize is that of buffers for bodies that come faster than pieces take them:
// half as many system calls, and over TLS as many records as leave together.
const longSize = 64 << 10

type longPiece struct {
	b [http1.ChunkHeaderMax + longSize + 2]byte
}

// pieces is what one body is copied through: a piece, and a long one from when
// a read has filled the first.
type pieces struct {
	server *Server
	short  *piece
	long   *longPiece
	full   bool // the last read had no room for more
}

// take returns pieces that free must follow.
func (s *Server) take() pieces { return pieces{server: s, short: s.pieces.Get().(*piece)} }

func (p *pieces) free() {
	if p.short != nil {
		p.server.pieces.Put(p.short)
	}
	if p.long != nil {
		p.server.longs.Put(p.long)
	}
}

// next is the buffer to read to, with room for framing on both sides of what
// content returns. What it had before is gone.
func (p *pieces) next() []byte {
	if p.full && p.long == nil {
		p.long = p.server.longs.Get().(*longPiece)
		p.server.pieces.Put(p.short)
		p.short = nil
	}
	if p.long != nil {
		return p.long.b[:]
	}
	return p.short.b[:]
}

// content is where in a buffer the octets go.
func content(b []byte) []byte { return b[http1.ChunkHeaderMax : len(b)-2] }

// read notes how much came.
func (p *pieces) read(n int) { p.full = n == pieceSize }
