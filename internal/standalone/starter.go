package standalone

import (
	"context"
	"os"

	"daemun/internal/process"
)

// starter starts containers. It is process.Runtime, or a fake that keeps its
// rules.
type starter interface {
	Start(process.Spec) (container, error)
	Mounts() (ok bool, reason string)
}

// container is a started one, as process.Process.
type container interface {
	Done() <-chan struct{}
	Exit() process.Exit
	Signal(os.Signal) error
	Kill()
	LeftOut() []string
	Exec(ctx context.Context, argv []string, limit int) (code int, output []byte, err error)
}

// processes adapts a process.Runtime.
type processes struct{ rt *process.Runtime }

func (p processes) Start(spec process.Spec) (container, error) {
	started, err := p.rt.Start(spec)
	if err != nil {
		return nil, err // never a typed nil
	}
	return started, nil
}

func (p processes) Mounts() (bool, string) { return p.rt.Mounts() }
