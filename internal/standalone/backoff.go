package standalone

import "time"

const (
	firstBackOff = 10 * time.Second
	maxBackOff   = 5 * time.Minute
	// resetBackOff is how long a container must have run for its past to be
	// forgotten.
	resetBackOff = 10 * time.Minute
)

// backOff is the kubelet's: the first restart at once, then 10 s doubling up
// to 5 min. The zero value is ready for use.
type backOff struct{ next time.Duration }

// after returns how long to wait after a run of the given length.
func (b *backOff) after(ran time.Duration) time.Duration {
	if ran >= resetBackOff {
		b.next = 0
	}
	wait := b.next
	switch {
	case b.next == 0:
		b.next = firstBackOff
	default:
		b.next = min(2*b.next, maxBackOff)
	}
	return wait
}
