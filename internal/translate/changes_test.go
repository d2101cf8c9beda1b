package translate

import (
	"fmt"
	"testing"

	"daemun/internal/store"
)

// TestOneChangeDoesNotLookAtTheRest: what one changed Ingress allocates, apart
// from the lists, does not depend on how many there are.
func TestOneChangeDoesNotLookAtTheRest(t *testing.T) {
	allocations := func(n int) float64 {
		s, tr := bigStore(n), New(DefaultOptions())
		tr.Translate(s.View())
		return testing.AllocsPerRun(20, func() {
			s.Update(func(tx *store.Tx) { tx.Put(bigIngress(n/2, fmt.Sprint("svc", n/4))) })
			tr.Translate(s.View())
		})
	}
	// The copy of the store's map is in more pieces when it is large.
	if few, many := allocations(100), allocations(2000); many > few+20 {
		t.Errorf("%v allocations among 100 Ingresses, %v among 2000", few, many)
	}
}
