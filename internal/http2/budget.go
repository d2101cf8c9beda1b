package http2

import "time"

// budget counts what costs us more than it costs the peer. It belongs to the
// reading goroutine, but for what the connection's lock guards.
type budget struct {
	limits *Limits
	now    func() time.Time

	streams     int // opened so far
	resetsInAll int
	resets      int // in the running period
	resetsFrom  time.Time

	controls     int
	controlsFrom time.Time
	earned       int // control frames that DATA frames of this period pay for
}

// reset counts a stream that the peer reset, or made us reset (H5.6, H5.12).
func (b *budget) reset() error {
	now := b.now()
	if now.Sub(b.resetsFrom) > b.limits.ResetPeriod {
		b.resetsFrom, b.resets = now, 0
	}
	b.resets++
	b.resetsInAll++
	if b.resets > b.limits.Resets || b.streams >= b.limits.ResetsAfter && 2*b.resetsInAll > b.streams {
		return &connError{calm, "too many resets"}
	}
	return nil
}

// control counts a frame that carries nothing (H5.7). Peers that measure the
// round trip answer DATA with PING: each DATA frame with content pays for one.
func (b *budget) control(dataFrames int) error {
	now := b.now()
	if now.Sub(b.controlsFrom) > b.limits.ControlTime {
		b.controlsFrom, b.controls, b.earned = now, 0, dataFrames
	}
	b.controls++
	if b.controls > b.limits.Controls+dataFrames-b.earned {
		return &connError{calm, "too many control frames"}
	}
	return nil
}
