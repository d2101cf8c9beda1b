// Package process runs containers as local processes: one shim per container
// that prepares the file system view, starts the program, keeps its output and
// takes the whole process tree down when Daemun is gone.
//
// It turns a Spec into a running Process. It knows nothing of Pods, probes or
// restart policies.
package process

import (
	"context"
	"os"
	"time"
)

// Spec is one container. Everything is resolved: no variables to expand, no
// references to look up.
type Spec struct {
	// ID is unique among running containers ("ns/pod/container"), for errors.
	ID string
	// Argv[0] is looked up in PATH of Env unless it contains a slash.
	Argv []string
	// Env is the complete environment ("NAME=value").
	Env        []string
	WorkingDir string // empty: Daemun's own
	// Mounts are made in a private mount namespace where the machine permits;
	// see Runtime.Mounts.
	Mounts []Mount
	// Log receives stdout and stderr, each line as the kubelet's log format
	// "RFC3339Nano stdout|stderr F text". The file is created or appended to.
	Log string
	// Output, when set, additionally receives each line as it comes. It must
	// not block.
	Output func(stream string, line []byte)
}

// Mount shows Source (a file or directory on the machine) at Target.
type Mount struct {
	Source, Target string
	ReadOnly       bool
}

// Runtime starts processes.
type Runtime struct{}

// Mounts reports whether private mount namespaces work on this machine, and
// otherwise why not, for a notice.
func (r *Runtime) Mounts() (ok bool, reason string) { panic("unimplemented") }

// Start starts a container. The error names what is wrong with the Spec
// (program not found, not executable, mount target impossible).
func (r *Runtime) Start(spec Spec) (*Process, error) { panic("unimplemented") }

// Process is a started container. It is safe for concurrent use.
type Process struct{}

// Exit says how a process ended.
type Exit struct {
	Code     int // 128+signal when killed by a signal
	Signal   os.Signal
	Started  time.Time
	Finished time.Time
	Err      error // the shim itself failed
}

// PID is the process id of the program as the machine sees it.
func (p *Process) PID() int { panic("unimplemented") }

// Done is closed when the program and everything it started has ended and all
// its output is written.
func (p *Process) Done() <-chan struct{} { panic("unimplemented") }

// Exit is valid after Done.
func (p *Process) Exit() Exit { panic("unimplemented") }

// Signal sends a signal to the program. Signalling an ended process is no
// error.
func (p *Process) Signal(s os.Signal) error { panic("unimplemented") }

// Kill ends the whole process tree at once.
func (p *Process) Kill() { panic("unimplemented") }

// Exec runs a command beside the program, with its environment and its view of
// the file system, and returns its exit code and at most limit octets of its
// combined output. err is set when the command could not be run or ctx ended
// (the command is then killed).
func (p *Process) Exec(ctx context.Context, argv []string, limit int) (code int, output []byte, err error) {
	panic("unimplemented")
}

// ShimMain is the body of the shim process. cmd/daemun and test mains call it
// first thing: it returns false at once unless this process was started as a
// shim, otherwise it does not return.
func ShimMain() bool { panic("unimplemented") }
