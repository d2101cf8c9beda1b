package trace

import (
	"encoding/binary"
	"math"

	"daemun/internal/ir"
)

// Sampler decides which traces are recorded. It is immutable; the zero value
// records what clients record.
type Sampler struct {
	// below bounds the numbers of new traces that are recorded.
	below uint64
	// alone: what clients have decided does not count.
	alone bool
}

// all is above every number of a trace.
const all = 1 << 63

// NewSampler returns what the settings ask for; nil are those without a
// collector, under which Daemun records nothing of its own accord.
func NewSampler(t *ir.Tracing) Sampler {
	if t == nil {
		return Sampler{}
	}
	s := Sampler{alone: !t.ParentBased}
	switch t.Sampler {
	case ir.SampleAll:
		s.below = all
	case ir.SampleRatio:
		s.below = ratio(t.Ratio)
	}
	return s
}

func ratio(share float64) uint64 {
	switch {
	case !(share > 0): // nor a number
		return 0
	case share >= 1:
		return all
	}
	return uint64(math.Ldexp(share, 63))
}

// samples decides as other programs do by the same ratio: by the last 63 bits
// of the trace.
func (s *Sampler) samples(parent decision, id TraceID) bool {
	if parent == debugging {
		return true
	}
	if parent != undecided && !s.alone {
		return parent == recording
	}
	return binary.BigEndian.Uint64(id[8:])>>1 < s.below
}
