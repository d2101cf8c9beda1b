package upstream

import (
	"testing"

	"daemun/internal/ir"
)

func TestH6_16_RequestsInFlight(t *testing.T) {
	t.Parallel()
	r := NewRegistry(Config{})
	defer r.Close()
	bound := func(most int) {
		var balance *ir.Balance
		if most > 0 {
			balance = &ir.Balance{MaxRequests: most}
		}
		r.Configure(&ir.Backend{ID: "default/web/80", Balance: balance})
	}
	b := r.Backend("default/web/80")
	free, ok := b.Enter()
	if !ok {
		t.Error("refused without a bound")
	}
	bound(2)
	first, ok1 := b.Enter()
	_, ok2 := b.Enter()
	_, ok3 := b.Enter()
	if !ok1 || !ok2 || ok3 {
		t.Errorf("of two places: %v %v %v", ok1, ok2, ok3)
	}
	free.Leave() // was not counted
	if _, ok := b.Enter(); ok {
		t.Error("a place that was not taken was given back")
	}
	first.Leave()
	if _, ok := b.Enter(); !ok {
		t.Error("the place did not come back")
	}
	if b.Balance() != nil {
		t.Error("a bound alone is no way to share requests")
	}
	bound(0)
	if p, ok := b.Enter(); !ok || p != (Place{}) {
		t.Error("counted without a bound")
	}
}
