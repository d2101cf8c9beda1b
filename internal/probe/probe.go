// Package probe decides whether containers are started, ready and alive: it
// runs the probes of a Pod and keeps their state (docs of Kubernetes probes;
// rules of services §8).
//
// It turns a corev1.Probe and a Target into a sequence of verdicts. It knows
// nothing of how containers are run or what a verdict causes.
package probe

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Target is the container a probe looks at.
type Target struct {
	PodIP string
	// Ports resolves named ports: name → number.
	Ports map[string]int32
	// Exec runs a command in the container.
	Exec func(ctx context.Context, argv []string, limit int) (code int, output []byte, err error)
}

// Outcome of one attempt.
type Outcome int

// The outcomes. Unknown is an error of the probing itself: it counts neither
// as success nor as failure.
const (
	Unknown Outcome = iota
	Success
	Failure
)

// Result is one attempt.
type Result struct {
	Outcome Outcome
	// Message is for people ("HTTP probe failed with statuscode: 500").
	Message string
}

// Attempt runs the probe's handler once, within its timeout.
func Attempt(ctx context.Context, p *corev1.Probe, t Target) Result { panic("unimplemented") }

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
}

// Run probes: first after the initial delay, then every period.
func (w *Worker) Run(ctx context.Context) { panic("unimplemented") }
