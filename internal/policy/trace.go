package policy

import (
	"daemun/internal/ir"
	"daemun/internal/variable"
)

// Trace puts the requests of a route into traces.
type Trace struct {
	// Name names their spans; nil is the usual name.
	Name *variable.Text
	// Trust continues the trace of the client.
	Trust bool
}

func newTrace(t *ir.Trace) *Trace {
	if t == nil {
		return nil
	}
	trace := &Trace{Trust: t.Trust}
	if text, err := variable.Parse(t.Name); err == nil && t.Name != "" { // checked before
		trace.Name = text
	}
	return trace
}
