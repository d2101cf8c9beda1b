package policy

import (
	"crypto/sha256"
	"testing"
	"time"
)

// TestKept: a value is found for its time and while it is young enough; there
// are never more than max.
func TestKept(t *testing.T) {
	t.Parallel()
	k := kept[int]{max: 4}
	now := time.Unix(1000, 0)
	key := func(i byte) [sha256.Size]byte { return [sha256.Size]byte{i} }
	for i := range byte(5) {
		n := int(i)
		k.put(key(i), &n, now.Add(time.Minute))
		if len(k.young)+len(k.old) > k.max {
			t.Fatalf("%d values after %d", len(k.young)+len(k.old), i+1)
		}
	}
	for i, want := range []bool{false, false, true, true, true} {
		if got := k.get(key(byte(i)), now); (got != nil) != want || got != nil && *got != i {
			t.Errorf("value %d: %v, want it %v", i, got, want)
		}
	}
	if k.get(key(4), now.Add(time.Minute)) != nil {
		t.Error("kept for too long")
	}
}
