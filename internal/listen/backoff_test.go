package listen

import (
	"testing"
	"time"
)

// TestBackoff: failed accepts are repeated ever more slowly, but at least once
// in a second, and never all at the same moment.
func TestBackoff(t *testing.T) {
	t.Parallel()
	b := firstBackoff
	delay := time.Duration(firstBackoff)
	for range 12 {
		if d := b.next(); d < delay/2 || d >= delay {
			t.Errorf("waits %v of %v", d, delay)
		}
		delay = min(2*delay, time.Second)
	}
	if b != lastBackoff {
		t.Errorf("ends at %v", time.Duration(b))
	}
	first, differs := time.Duration(0), false
	for i := range 100 {
		b = lastBackoff
		if d := b.next(); i == 0 {
			first = d
		} else if d != first {
			differs = true
		}
	}
	if !differs {
		t.Error("all wait equally long")
	}
}
