package metrics

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestTotalsCountByClassAndDuration(t *testing.T) {
	t.Parallel()
	r := New(Config{TimeBuckets: []float64{0.01, 0.1}})
	idle, busy := r.Route(RouteKey{Path: "/idle"}), r.Route(RouteKey{Path: "/busy"})
	for _, o := range []Observation{
		{Status: 200, Method: []byte("GET"), Duration: time.Millisecond},
		{Status: 204, Method: []byte("PUT"), Duration: 50 * time.Millisecond},
		{Status: 503, Method: []byte("GET"), Duration: time.Second},
		{Status: 999, Method: []byte("GET"), Duration: time.Second},
	} {
		busy.Observe(&o)
	}
	var seen int
	r.Each(func(route *Route, got *Totals) {
		seen++
		if route == idle {
			t.Error("a route that has counted nothing was read")
		}
		want := &Totals{ByClass: [Classes]uint64{1, 0, 2, 0, 0, 1}, Durations: []uint64{1, 1, 2}}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
		if got.Requests() != 4 {
			t.Errorf("%d requests", got.Requests())
		}
	})
	if got := busy.Classes(); got != [Classes]uint64{1, 0, 2, 0, 0, 1} || idle.Classes() != (*Route)(nil).Classes() {
		t.Errorf("classes %v", got)
	}
	if seen != 1 {
		t.Errorf("%d routes", seen)
	}
	if d := cmp.Diff([]float64{0.01, 0.1}, r.DurationBounds()); d != "" {
		t.Error(d)
	}
}
