package daemon

import (
	"slices"
	"testing"
)

func TestHeadroomIsTheSameForAllSizes(t *testing.T) {
	t.Parallel()
	for live, want := range map[uint64]int{
		0: mostPercent, 1 << 20: mostPercent, garbage / 2: 200, garbage: 100, 3 * garbage: 33, 4 << 30: leastPercent,
	} {
		if got := percentFor(live); got != want {
			t.Errorf("%d live octets: %d %%, want %d", live, got, want)
		}
	}
}

// TestCollectorIsRarelyTold: setting it stops the world.
func TestCollectorIsRarelyTold(t *testing.T) {
	t.Parallel()
	var told []int
	c := &collector{set: func(percent int) int { told = append(told, percent); return 0 }}
	for _, percent := range []int{50, 52, 47, 100, 98, 20, 20} {
		c.choose(percent)
	}
	if want := []int{50, 100, 20}; !slices.Equal(told, want) {
		t.Errorf("told %v, want %v", told, want)
	}
	(&collector{}).follow() // GOGC is set: nothing to call
}
