// Package process runs containers as local processes: one shim per container
// that prepares the file system view, starts the program, keeps its output and
// takes the whole process tree down when Daemun is gone.
//
//	rt := process.NewRuntime(process.Config{})
//	defer rt.Close()
//	p, err := rt.Start(process.Spec{ID: "ns/pod/app", Argv: []string{"sleep", "1"}, Env: env, Log: path})
//	…
//	<-p.Done()
//
// It turns a Spec into a running Process. It knows nothing of Pods, probes or
// restart policies: grace periods and hooks are the caller's, made of Signal,
// Exec and Kill.
//
// The shim is this same binary, started again; main calls ShimMain first. Where
// the machine permits, the shim is the first process of its own PID namespace
// and has private mount and host name namespaces, inside a user namespace unless Daemun is
// root. Then the kernel itself ends the whole tree with the shim. Elsewhere the
// shim is the reaper of orphaned descendants and ends them one by one. Either
// way it watches a socket to Daemun; when Daemun dies, however abruptly, the
// socket closes and the shim ends everything it started.
//
// The package is for Linux.
//
// Goroutines: a Runtime owns one locked thread that starts shims, and three
// goroutines per running Process; all end with the Process or with Close.
package process

import (
	"fmt"
	"os"
	"time"
)

// Spec is one container. Everything is resolved: no variables to expand, no
// references to look up.
type Spec struct {
	// ID is unique among running containers ("ns/pod/container"), for errors.
	ID string
	// Argv[0] is looked up in PATH of Env unless it contains a slash. Without a
	// PATH in Env the usual system folders are searched.
	Argv []string
	// Env is the complete environment ("NAME=value"): the program sees exactly
	// this, in this order.
	Env []string
	// WorkingDir must be absolute; empty: Daemun's own. One that does not exist
	// is made, private and empty, where mounts work (as container runtimes do),
	// and is an error elsewhere.
	WorkingDir string
	// Mounts are made in a private mount namespace where the machine permits;
	// see Runtime.Mounts. Elsewhere they are not made at all.
	Mounts []Mount
	// Optional are like Mounts, but one that cannot be made is left out instead
	// of keeping the container from starting; see Process.LeftOut.
	Optional []Mount
	// Hostname is what the program takes for the machine's name, where mounts
	// work and host names can be private. Empty, and elsewhere: the machine's.
	Hostname string
	// Log receives stdout and stderr, each line as the kubelet's log format
	// "RFC3339Nano stdout|stderr F text". The file and its folder are created
	// when missing, the file is appended to. A line longer than 16 KiB is cut
	// into pieces with the tag P, the last with F. At 10 MiB the file is moved
	// to Log+".1", replacing an older one. Empty: no file.
	Log string
	// Output, when set, additionally receives each line (each piece of a long
	// one) as it comes, without its newline. It must not block and must not keep
	// line; calls never overlap.
	Output func(stream string, line []byte)
}

// Mount shows Source (a file or directory on the machine) at Target.
//
// A missing Target is created in the container's view only: the parent
// directory is covered by a private one that shows the same entries. Writes
// below those entries go through; new entries of the covered directory itself
// stay private, and what the machine adds to it later does not show. Inside
// another writable mount the target is created in that mount's source, as
// container runtimes do.
type Mount struct {
	Source, Target string
	ReadOnly       bool
}

// Exit says how a process ended.
type Exit struct {
	Code     int       // 128+signal when killed by a signal; 128 with Err
	Signal   os.Signal // nil unless a signal ended the program
	Started  time.Time
	Finished time.Time
	Err      error // the shim itself failed
	LogErr   error // the first failure to write Spec.Log; output was lost then
}

// StartError says why a container could not start. Its text names what is
// wrong with the Spec.
type StartError struct {
	ID string
	// Code is the exit code a shell or container engine gives this failure: 127
	// for a program that was not found, 126 for one that cannot be executed, 128
	// for an environment that could not be prepared.
	Code int
	Text string
}

func (e *StartError) Error() string { return fmt.Sprintf("container %s: %s", e.ID, e.Text) }
