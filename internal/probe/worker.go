package probe

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// maxRetries is how often an attempt that could not be made is made again
// before it is given up as Unknown.
const maxRetries = 3

// Worker runs one probe of one container until its context ends.
type Worker struct {
	Probe  *corev1.Probe
	Target Target
	// Started is when the container started (initialDelaySeconds counts from
	// there).
	Started time.Time
	// Verdict is called when the state after thresholds changes, and for the
	// first verdict: true is success. It is called from Run's goroutine.
	Verdict func(ok bool, last Result)
	// Event, when set, hears of each attempt that is not a plain success:
	// failures, successes with a warning, attempts that could not be made.
	// It is called from Run's goroutine.
	Event func(Result)
}

// Run probes: first after the initial delay, then every period; a connection
// that was refused is tried sooner, see firstRetry. It returns when ctx ends. An attempt cut short by the end of ctx gives no verdict.
func (w *Worker) Run(ctx context.Context) {
	delay := time.Until(w.Started.Add(time.Duration(w.Probe.InitialDelaySeconds) * time.Second))
	if delay > 0 && !sleep(ctx, delay) {
		return
	}
	tick := time.NewTicker(seconds(w.Probe.PeriodSeconds, 10))
	defer tick.Stop()
	state := tally{success: max(w.Probe.SuccessThreshold, 1), failure: w.Probe.FailureThreshold}
	if state.failure < 1 {
		state.failure = 3
	}
	retry := firstRetry
	for counts := true; ; {
		result := w.attempt(ctx)
		if ctx.Err() != nil {
			return
		}
		if counts || result.Outcome == Success {
			w.take(&state, result)
		}
		var early <-chan time.Time
		if result.refused && state.verdict != Success {
			early = time.After(retry)
			retry *= 2
		}
		select {
		case <-tick.C:
			counts = true
		case <-early:
			counts = false
		case <-ctx.Done():
			return
		}
	}
}

// firstRetry is when a refused connection is tried again before the first
// success; the time doubles, up to the period. A program that is just starting
// refuses the first probe, and its Pod should not lose a whole period for
// that. Nothing tells the program of such a try, and only success counts.
const firstRetry = 10 * time.Millisecond

func (w *Worker) take(state *tally, result Result) {
	if w.Event != nil && (result.Outcome != Success || result.Warning) {
		w.Event(result)
	}
	if state.count(result.Outcome) {
		w.Verdict(state.verdict == Success, result)
	}
}

func (w *Worker) attempt(ctx context.Context) (r Result) {
	for range maxRetries {
		if r = Attempt(ctx, w.Probe, w.Target); r.Outcome != Unknown || ctx.Err() != nil {
			return r
		}
	}
	return r
}

// tally counts equal outcomes in a row (services §8.3).
type tally struct {
	success, failure int32 // thresholds

	verdict Outcome // Unknown before the first
	last    Outcome
	row     int32
}

// count takes one outcome and reports whether the verdict is new.
func (t *tally) count(o Outcome) (changed bool) {
	if o == Unknown {
		return false
	}
	if o != t.last {
		t.last, t.row = o, 0
	}
	t.row++
	threshold := t.success
	if o == Failure {
		threshold = t.failure
	}
	if t.row < threshold || t.verdict == o {
		return false
	}
	t.verdict = o
	return true
}

// sleep waits for d; it reports false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
