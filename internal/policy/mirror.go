package policy

import (
	"daemun/internal/ir"
	"daemun/internal/variable"
)

// Mirror says where copies of requests go.
type Mirror struct {
	IR *ir.Mirror
	// Target is the text of IR.Target.
	Target *variable.Text
}

func newMirror(m *ir.Mirror) *Mirror {
	if m == nil {
		return nil
	}
	return &Mirror{IR: m, Target: textOf(m.Target)}
}
