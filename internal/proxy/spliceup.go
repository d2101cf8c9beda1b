package proxy

import (
	"io"
	"time"

	"daemun/internal/http1"
	"daemun/internal/upstream"
)

// splicesBody reports that the kernel can copy what follows of the request body:
// it is long, of known length, and goes from socket to socket as it is.
func (x *exchange) splicesBody(up *upstream.Conn) bool {
	return x.req.Body == http1.BodyLength && x.held.body == nil && x.body.Remaining() >= spliceMin && !x.c.arrived() && x.c.plain() != nil && up.TCP() != nil
}

// spliceBody does so, but for the end: that all was read must be known before
// the upstream has all and may answer.
func (x *exchange) spliceBody(up *upstream.Conn) error {
	c := x.c
	from := io.LimitedReader{R: c.plain()}
	idle, timeout := x.table.Settings.BodyTimeout.D(), x.match.Route.IR.SendTimeout.D()
	for x.body.Remaining() > pieceSize {
		began := time.Now()
		limit := began.Add(idle)
		c.armRead(limit)
		up.ArmWrite(began, timeout)
		if x.stop.Load() { // stopBody came before our deadlines and was undone by them
			return errStopped
		}
		from.N = min(x.body.Remaining()-pieceSize, spliceStep)
		n, err := up.TCP().ReadFrom(&from)
		x.body.Advance(n)
		switch now := time.Now(); {
		case err == nil && n == 0:
			return io.ErrUnexpectedEOF
		case err == nil:
		case x.stop.Load():
			return errStopped
		case isTimeout(err) && !up.WriteTimedOut(now):
			// Octets came, or the drain moved the deadline, or it is the end.
			if x.trickles(now.Sub(began)) || n == 0 && !now.Before(limit) {
				return errBodyTime
			}
			c.readBy = time.Time{}
		case !isTimeout(err) && x.watch()():
			return err
		default: // what was on its way is lost
			x.sendOver.Store(true)
			return errUpstream
		}
	}
	return nil
}
