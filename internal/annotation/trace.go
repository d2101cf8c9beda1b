package annotation

import (
	"regexp"

	"daemun/internal/ir"
)

// spanChars are those of names of spans that an Ingress may choose.
var spanChars = regexp.MustCompile(`^[A-Za-z0-9_-]*$`)

// Tracing is what annotations and settings say about traces.
type Tracing struct {
	On bool
	ir.Trace
}

// Policy returns what becomes of it, nil when it is off.
func (t *Tracing) Policy() *ir.Trace {
	if !t.On {
		return nil
	}
	return new(t.Trace)
}
