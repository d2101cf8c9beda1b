// Package overload turns how much memory is in use into how much load is shed
// (H6.19).
//
//	w := overload.New(overload.Config{Act: func(s overload.Step) { … }})
//	err := w.Run(ctx)
//
// It knows nothing of what is shed, nor of who asks for it. Its one goroutine is
// the caller's of Run.
package overload

import (
	"context"
	"log/slog"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
	"time"
)

// Step is what is done without; each includes those before it.
type Step int32

// The steps, by the part of the limit that is in use.
const (
	None Step = iota
	// Spare, from 80 % on: idle connections are closed, bodies go to files.
	Spare
	// Refuse, from 90 % on: requests are answered 503.
	Refuse
	// Close, from 95 % on: new connections are closed at once.
	Close
)

// A step ends only when use is by leaveBelow per cent lower than where it
// began, so that it does not come and go.
var beginsAt = [...]int64{Spare: 80, Refuse: 90, Close: 95}

const leaveBelow = 10

const (
	// usualEvery is the time between two looks.
	usualEvery = 500 * time.Millisecond
	// collectEvery is how often garbage is collected while load is shed: what
	// is live is known after a collection only, and an idle program has none.
	collectEvery = 5 * time.Second
)

// Config is what a Watch can be told; the zero value is good for the program.
type Config struct {
	// Limit is the limit of memory in bytes; nil finds that of the process, and
	// sets one of 90 % of the container's where GOMEMLIMIT does not.
	Limit func() int64
	// Used is what is in use; nil asks the runtime.
	Used func() int64
	// Act is called on the goroutine of Run: when the step changes, and at each
	// look while there is one.
	Act func(Step)
	// Every is the time between two looks; 0 is half a second.
	Every time.Duration
	// Logger hears of the begin and the end of shedding; nil is silence.
	Logger *slog.Logger
}

// Watch looks at the memory. It is safe for concurrent use.
type Watch struct {
	config      Config
	limit, used atomic.Int64
	step        atomic.Int32
	changes     atomic.Uint64
	collected   time.Time
}

// New returns a Watch; Run does the work.
func New(c Config) *Watch {
	if c.Limit == nil {
		c.Limit = limitOfProcess
	}
	if c.Used == nil {
		c.Used = live
	}
	if c.Every == 0 {
		c.Every = usualEvery
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return &Watch{config: c}
}

// Stats is the state of a Watch.
type Stats struct {
	// Limit and Used are in bytes; without a limit both are 0.
	Limit, Used int64
	Step        Step
	// Changes counts changes of the step.
	Changes uint64
}

// Stats says how things are.
func (w *Watch) Stats() Stats {
	return Stats{Limit: w.limit.Load(), Used: w.used.Load(), Step: w.Step(), Changes: w.changes.Load()}
}

// Step is the present one.
func (w *Watch) Step() Step { return Step(w.step.Load()) }

// Run looks at the memory until ctx ends. Without a limit it only waits.
func (w *Watch) Run(ctx context.Context) error {
	w.limit.Store(w.config.Limit())
	if w.limit.Load() <= 0 {
		<-ctx.Done()
		return nil
	}
	tick := time.NewTicker(w.config.Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			w.look()
		}
	}
}

func (w *Watch) look() {
	limit, used := w.limit.Load(), w.config.Used()
	w.used.Store(used)
	before := w.Step()
	now := next(before, used, limit)
	if now != before {
		w.step.Store(int32(now))
		w.changes.Add(1)
		switch {
		case before == None:
			w.config.Logger.Warn("memory runs short: load is shed in steps until there is enough", "used", used, "limit", limit)
		case now == None:
			w.config.Logger.Info("there is enough memory again", "used", used, "limit", limit)
		}
	}
	if now != before || now != None {
		w.config.Act(now)
	}
	if now != None && time.Since(w.collected) >= collectEvery {
		runtime.GC()
		w.collected = time.Now()
	}
}

// next is the step behind another one.
func next(s Step, used, limit int64) Step {
	part := used * 100 / max(limit, 1) // in per cent
	for s < Close && part >= beginsAt[s+1] {
		s++
	}
	for s > None && part < beginsAt[s]-leaveBelow {
		s--
	}
	return s
}

// live is what the last collection has found to be in use, and stacks. What is
// mapped would tell nothing: garbage may fill it up to the limit.
func live() int64 {
	samples := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}}
	metrics.Read(samples)
	sum := int64(0)
	for _, s := range samples {
		if s.Value.Kind() == metrics.KindUint64 {
			sum += int64(s.Value.Uint64())
		}
	}
	return sum
}

// ofContainer is the part of a container's limit, in per cent, that the runtime
// may use: the rest is for what it does not count.
const ofContainer = 90

// limitOfProcess is that of GOMEMLIMIT, or of the container; 0 is none.
func limitOfProcess() int64 {
	if os.Getenv("GOMEMLIMIT") == "" {
		if most := containerLimit("/proc/self/cgroup", "/sys/fs/cgroup"); most > 0 {
			debug.SetMemoryLimit(most / 100 * ofContainer)
		}
	}
	limit := debug.SetMemoryLimit(-1)
	if limit == math.MaxInt64 {
		return 0
	}
	return limit
}
