package history

import (
	"context"
	"math"
	"testing"
	"time"

	"go.uber.org/goleak"

	"daemun/internal/metrics"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// kit is a history with a clock that the test moves.
type kit struct {
	*History
	routes *metrics.Registry
	now    time.Time
	open   int64
}

func newKit() *kit {
	k := &kit{routes: metrics.New(metrics.Config{TimeBuckets: []float64{0.01, 0.1, 1}}), now: time.Unix(1_000_000, 0)}
	k.History = New(Config{Routes: k.routes, Connections: func() int64 { return k.open }, Now: func() time.Time { return k.now }})
	return k
}

func (k *kit) step(n int) {
	for range n {
		k.now = k.now.Add(Step)
		k.Record()
	}
}

func observe(r *metrics.Route, n, status int, took time.Duration) {
	for range n {
		r.Observe(&metrics.Observation{Status: status, Method: []byte("GET"), Duration: took})
	}
}

func near(a, b float64) bool { return math.Abs(a-b) < 1e-9 }

func TestRatesOfAStep(t *testing.T) {
	t.Parallel()
	k := newKit()
	r := k.routes.Route(metrics.RouteKey{Path: "/"})
	observe(r, 1000, 200, time.Millisecond) // before anybody looked
	k.Record()
	observe(r, 6, 200, 5*time.Millisecond)
	observe(r, 2, 503, 50*time.Millisecond)
	k.open = 7
	k.step(1)
	points := k.Points(steps)
	if len(points) != 1 {
		t.Fatalf("%d points", len(points))
	}
	p := points[0]
	if !near(p.Requests(), 4) || !near(p.Failed(), 1) || p.Connections != 7 || !near(p.P50, 0.01*4/6) || p.P99 <= 0.01 || p.P99 > 0.1 {
		t.Errorf("%+v", p)
	}
	if now := k.Route(r); !near(now.Requests(), 4) || !near(now.Failed(), 1) {
		t.Errorf("route: %+v", now)
	}
}

// TestRatesOfARouteFade: what happened long ago is no rate of now, and costs no
// memory any more.
func TestRatesOfARouteFade(t *testing.T) {
	t.Parallel()
	k := newKit()
	r := k.routes.Route(metrics.RouteKey{Path: "/"})
	k.Record()
	observe(r, 100, 200, time.Millisecond)
	k.step(1)
	if k.Route(r).Requests() == 0 {
		t.Error("nothing right after the requests")
	}
	k.step(2 * window)
	if now := k.Route(r); now.Requests() != 0 || now.P99 != -1 {
		t.Errorf("later: %+v", now)
	}
	if at := k.History.routes[r]; at.bases[0] != nil || at.bases[1] != nil {
		t.Error("a quiet route keeps its bases")
	}
}

// TestRouteThatGoes: its counters vanish, and the sums do not go backwards.
func TestRouteThatGoes(t *testing.T) {
	t.Parallel()
	k := newKit()
	r := k.routes.Route(metrics.RouteKey{Path: "/"})
	k.Record()
	observe(r, 10, 200, time.Millisecond)
	k.step(1)
	k.routes.Forget(metrics.RouteKey{Path: "/"})
	k.step(1)
	points := k.Points(steps)
	if last := points[len(points)-1]; last.Requests() != 0 {
		t.Errorf("%+v", last)
	}
	if len(k.History.routes) != 0 {
		t.Error("the route is remembered")
	}
}

func TestRingIsBounded(t *testing.T) {
	t.Parallel()
	k := newKit()
	k.Record()
	k.step(steps + 100)
	if n := len(k.Points(steps)); n != steps {
		t.Errorf("%d points", n)
	}
	if n := len(k.Points(150)); n > 151 {
		t.Errorf("%d points of 150", n)
	}
	if got := k.now.Sub(k.Since()); got != steps*Step {
		t.Errorf("since %v", got)
	}
}

// TestPointsStay: a drawing of the past does not flicker with each step.
func TestPointsStay(t *testing.T) {
	t.Parallel()
	k := newKit()
	k.Record()
	k.step(steps)
	at := map[time.Time]bool{}
	for _, p := range k.Points(150) {
		at[p.At] = true
	}
	k.step(1)
	points := k.Points(150)
	for _, p := range points[1 : len(points)-2] {
		if !at[p.At] {
			t.Errorf("a point of the past has moved to %v", p.At)
		}
	}
}

func TestQuantile(t *testing.T) {
	t.Parallel()
	h := newKit()
	for _, c := range []struct {
		name      string
		durations []uint32
		q, want   float64
	}{
		{"nothing", []uint32{0, 0, 0, 0}, 0.99, -1},
		{"inside of a bucket", []uint32{0, 10, 0, 0}, 0.5, 0.055},
		{"above all bounds", []uint32{1, 0, 0, 9}, 0.99, 1},
		{"the first", []uint32{100, 0, 0, 0}, 0.99, 0.0099},
	} {
		if got := h.quantile(c.durations, c.q); !near(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestRunEnds(t *testing.T) {
	t.Parallel()
	k := newKit()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := k.Run(ctx); err != nil {
		t.Error(err)
	}
}

// BenchmarkRecord is the price of one look at ten thousand busy routes.
func BenchmarkRecord(b *testing.B) {
	k := newKit()
	var routes []*metrics.Route
	for i := range 10_000 {
		r := k.routes.Route(metrics.RouteKey{Path: string(rune(i + 256))})
		observe(r, 1, 200, time.Millisecond)
		routes = append(routes, r)
	}
	k.Record()
	for b.Loop() {
		b.StopTimer()
		for _, r := range routes {
			observe(r, 1, 200, time.Millisecond)
		}
		b.StartTimer()
		k.step(1)
	}
}
