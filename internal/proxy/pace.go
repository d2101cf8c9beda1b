package proxy

import (
	"io"
	"time"

	"daemun/internal/http1"
	"daemun/internal/upstream"
)

// relayPaced is relayBody for a route with a bandwidth (limit-rate): it reads
// only what may be sent, so that the backend feels the pace too.
func (x *exchange) relayPaced(up *upstream.Conn, f framing) (toClient, fromUpstream error) {
	p := x.c.server.pieces.Get().(*piece)
	defer x.c.server.pieces.Put(p)
	begin, sent := time.Now(), int64(0)
	for {
		if err := x.flush(); err != nil {
			return err, nil
		}
		n, err := x.allowance(begin, sent)
		if err != nil {
			return err, nil
		}
		data := p.b[http1.ChunkHeaderMax : http1.ChunkHeaderMax+min(n, pieceSize)]
		got, err := x.readResponse(up, data)
		if err != nil && err != io.EOF {
			return x.flush(), err
		}
		sent += int64(got)
		if err := x.give(p.b[:], got, f); err != nil {
			return err, nil
		}
		if x.responseDone() {
			if f == frameChunked {
				x.out = http1.AppendLastChunk(x.out, x.responseTrailers(up))
			}
			return x.flush(), nil
		}
	}
}

// allowance waits until octets may be sent and returns how many. It ends early
// when the client is gone.
func (x *exchange) allowance(begin time.Time, sent int64) (int64, error) {
	for {
		n, wait := x.policies.Bandwidth.Allow(sent, time.Since(begin))
		if n > 0 {
			return n, nil
		}
		timer := time.NewTimer(wait)
		<-timer.C
		if x.c.gone() {
			return 0, errClientGone
		}
	}
}
