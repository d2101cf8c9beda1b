package policy

import (
	"testing"
	"time"

	"daemun/internal/ir"
	"daemun/internal/variable"
)

// asked is a request with arguments.
type asked map[string]string

func (a asked) AppendVariable(dst []byte, _ variable.ID, arg string) []byte {
	return append(dst, a[arg]...)
}

func zoned(name string, rate, burst, atOnce int64) ir.RequestLimit {
	return ir.RequestLimit{Zone: ir.Zone{Name: name, Key: "$arg_" + name, Rate: rate}, Burst: burst, AtOnce: atOnce}
}

// TestRateOfZones pins what nginx does with a burst: what is beyond it is
// refused, what is ahead waits, but for what may pass at once.
func TestRateOfZones(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	for _, tt := range []struct {
		name  string
		limit ir.RequestLimit
		waits []time.Duration // of requests at one time
		later []time.Duration // one second later
	}{
		{"no burst", zoned("a", 1000, 0, 0), []time.Duration{0}, []time.Duration{0}},
		{"at once", zoned("a", 1000, 2, 2), []time.Duration{0, 0, 0}, []time.Duration{0}},
		{"waiting", zoned("a", 4000, 3, 0), []time.Duration{0, 250 * ms, 500 * ms, 750 * ms}, []time.Duration{0, 250 * ms, 500 * ms, 750 * ms}},
		{"some at once", zoned("a", 2000, 3, 1), []time.Duration{0, 0, 500 * ms, 1000 * ms}, []time.Duration{500 * ms, 1000 * ms}},
		{"slow", zoned("a", 16, 1, 0), []time.Duration{0, 62500 * ms}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			z := newZones(&ir.ZoneLimits{Requests: []ir.RequestLimit{tt.limit}}, NewState(Config{}))
			var c Counted
			ask := func(key string, now time.Time, waits []time.Duration) {
				for i, want := range waits {
					if got, ok := z.Ask(&c, asked{"a": key}, now); !ok || got != want {
						t.Errorf("%s, request %d: %v %v, want %v", key, i, got, ok, want)
					}
				}
				if _, ok := z.Ask(&c, asked{"a": key}, now); ok {
					t.Errorf("%s: request %d passes", key, len(waits))
				}
			}
			ask("x", noon, tt.waits)
			ask("y", noon, tt.waits)
			ask("x", noon.Add(time.Second), tt.later)
			for range 10 {
				if wait, ok := z.Ask(&c, asked{}, noon); !ok || wait != 0 {
					t.Fatal("a request without a text is counted")
				}
			}
		})
	}
}

// TestAllZonesOrNone pins that a request which one zone refuses is counted in no
// other one.
func TestAllZonesOrNone(t *testing.T) {
	t.Parallel()
	s := NewState(Config{})
	both := newZones(&ir.ZoneLimits{Requests: []ir.RequestLimit{zoned("a", 1, 2, 2), zoned("b", 1, 0, 0)}}, s)
	other := newZones(&ir.ZoneLimits{Requests: []ir.RequestLimit{zoned("a", 1, 2, 2)}}, s)
	var c Counted
	passed := 0
	for range 20 {
		if _, ok := both.Ask(&c, asked{"a": "x", "b": "x"}, noon); ok {
			passed++
		}
	}
	rest := 0
	for range 20 {
		if _, ok := other.Ask(&c, asked{"a": "x"}, noon); ok {
			rest++
		}
	}
	if passed != 1 || rest != 2 {
		t.Errorf("%d pass both and %d the rest of the shared zone, want 1 and 2", passed, rest)
	}
}

// TestTakeBackAmongOthers pins that a request which is taken back leaves those
// that came meanwhile.
func TestTakeBackAmongOthers(t *testing.T) {
	t.Parallel()
	z := newZones(&ir.ZoneLimits{Requests: []ir.RequestLimit{zoned("a", 1, 3, 3)}}, NewState(Config{}))
	var mine, others Counted
	for _, c := range []*Counted{&mine, &others, &others} {
		if _, ok := z.Ask(c, asked{"a": "x"}, noon); !ok {
			t.Fatal("refused")
		}
	}
	mine.takeBack()
	passed := 0
	for range 9 {
		if _, ok := z.Ask(&others, asked{"a": "x"}, noon); ok {
			passed++
		}
	}
	if passed != 2 {
		t.Errorf("%d more pass, want 2", passed)
	}
}

// TestRunningZones pins that a request is counted in all zones until it ends, or
// in none.
func TestRunningZones(t *testing.T) {
	t.Parallel()
	limit := func(name string, most int) ir.RunningLimit {
		return ir.RunningLimit{Zone: ir.Zone{Name: name, Key: "$arg_" + name}, Most: most}
	}
	z := newZones(&ir.ZoneLimits{Running: []ir.RunningLimit{limit("a", 2), limit("b", 1)}}, NewState(Config{}))
	var first, second, third Counted
	x := asked{"a": "x", "b": "x"}
	if !z.Run(&first, x) || z.Run(&second, x) {
		t.Fatal("b does not let exactly one run")
	}
	if !z.Run(&second, asked{"a": "x"}) {
		t.Error("the refused request is still counted in a")
	}
	if z.Run(&third, asked{"a": "x"}) || !z.Run(&third, asked{}) {
		t.Error("a does not let exactly two run, or counts what has no text")
	}
	first.Leave()
	first.Leave()
	if !z.Run(&third, x) || z.Run(&first, x) {
		t.Error("the place is not free once")
	}
}

func TestZonesAllocs(t *testing.T) {
	z := newZones(&ir.ZoneLimits{
		Requests: []ir.RequestLimit{zoned("a", 1e9, 5, 5), zoned("b", 1e9, 5, 5)}, Running: []ir.RunningLimit{{Zone: ir.Zone{Name: "c", Key: "$arg_a"}, Most: 9}},
	}, NewState(Config{}))
	var c Counted
	var from variable.Source = asked{"a": "x", "b": "y"}
	now := noon
	if n := testing.AllocsPerRun(100, func() {
		now = now.Add(time.Second)
		_, ok := z.Ask(&c, from, now)
		if !ok || !z.Run(&c, from) {
			t.Fatal("refused")
		}
		c.Leave()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
