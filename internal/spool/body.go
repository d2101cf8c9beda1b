package spool

import "io"

// Body is octets that are written once and read any number of times.
type Body struct {
	pool   *Pool
	memory int // pieces that may be in memory
	pieces []*[pieceSize]byte
	file   file
	// scratch is what the next octets of the file are collected in.
	scratch *[pieceSize]byte
	// inMemory and inFile are octets; all but the last piece are full.
	inMemory, inFile int64
}

// Body returns an empty body that holds memory octets in memory, at least one
// piece. It must be closed.
func (p *Pool) Body(memory int64) *Body {
	return &Body{pool: p, memory: int(max(1, memory/pieceSize)), file: file{pool: p}}
}

// Len is the number of octets.
func (b *Body) Len() int64 { return b.inMemory + b.inFile }

// Next is where the next octets may be put; Add must follow.
func (b *Body) Next() []byte {
	if b.scratch != nil {
		return b.scratch[:]
	}
	at := int(b.inMemory % pieceSize)
	if at > 0 {
		return b.pieces[len(b.pieces)-1][at:]
	}
	if int(b.inMemory/pieceSize) < len(b.pieces) { // taken for octets that did not come
		return b.pieces[len(b.pieces)-1][:]
	}
	if len(b.pieces) < b.memory {
		if piece := b.pool.takePiece(); piece != nil {
			b.pieces = append(b.pieces, piece)
			return piece[:]
		}
	}
	b.scratch = b.pool.pieces.Get().(*[pieceSize]byte) // one for each body that is being read
	return b.scratch[:]
}

// Add takes the first n octets of Next. After an error the body is good for
// Close only.
func (b *Body) Add(n int) error {
	if n == 0 {
		return nil
	}
	if b.scratch == nil {
		b.inMemory += int64(n)
		return nil
	}
	if err := b.file.writeAt(b.scratch[:n], b.inFile); err != nil {
		return err
	}
	b.inFile += int64(n)
	return nil
}

// Sealed says that nothing will be added, so that only what is kept needs
// memory.
func (b *Body) Sealed() {
	if b.scratch != nil {
		b.pool.pieces.Put(b.scratch)
		b.scratch = nil
	}
}

// ReadAt reads octets from an offset on, at least one if there is any; at the
// end it returns io.EOF.
func (b *Body) ReadAt(p []byte, at int64) (int, error) {
	switch {
	case at >= b.Len():
		return 0, io.EOF
	case at < b.inMemory:
		piece := b.pieces[at/pieceSize]
		return copy(p, piece[at%pieceSize:min(pieceSize, b.inMemory-at/pieceSize*pieceSize)]), nil
	}
	return b.file.readAt(p[:min(int64(len(p)), b.Len()-at)], at-b.inMemory)
}

// Close lets go of everything. It may be called more than once.
func (b *Body) Close() {
	b.Sealed()
	for _, piece := range b.pieces {
		b.pool.putPiece(piece)
	}
	b.pieces, b.inMemory, b.inFile = nil, 0, 0
	b.file.close()
}
