package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"
)

// Process is a started container. It is safe for concurrent use.
type Process struct {
	id         string
	pid        int
	leftOut    []string
	started    time.Time
	forceAfter time.Duration // how long Kill waits for the shim
	shim       *shimProcess
	out        *output
	copies     sync.WaitGroup // the two stream readers
	done       chan struct{}  // closed by the Runtime
	exit       Exit           // written before done is closed

	writing sync.Mutex // orders frames to the shim

	mu     sync.Mutex // guards what follows
	gone   bool       // the shim answers no more
	killed bool
	force  *time.Timer // set by Kill
	nextID uint64
	execs  map[uint64]chan execReply // each of capacity one
}

// newProcess takes over the shim and the output.
func newProcess(id string, s *shimProcess, out *output, r startedReply) *Process {
	p := &Process{
		id: id, pid: r.pid, leftOut: r.leftOut, started: time.Now(), shim: s, out: out,
		done: make(chan struct{}), execs: map[uint64]chan execReply{},
	}
	p.copies.Go(func() { out.copyLines(s.stdout, "stdout") })
	p.copies.Go(func() { out.copyLines(s.stderr, "stderr") })
	return p
}

// PID is the process id of the program as the machine sees it (the program
// itself may see another).
func (p *Process) PID() int { return p.pid }

// LeftOut says, one sentence each, why optional parts of the program's view
// are not there.
func (p *Process) LeftOut() []string { return p.leftOut }

// Done is closed when the program and everything it started has ended and all
// its output is written.
func (p *Process) Done() <-chan struct{} { return p.done }

// Exit is valid after Done.
func (p *Process) Exit() Exit {
	<-p.done
	return p.exit
}

// Signal sends a signal to the program (not to its descendants). Signalling an
// ended process is no error.
func (p *Process) Signal(s os.Signal) error {
	sig, ok := s.(syscall.Signal)
	if !ok {
		return fmt.Errorf("container %s: signal %v is not a signal of this system", p.id, s)
	}
	return p.tell(kindSignal, number(uint64(sig)))
}

// forceAfter is how long a shim has to end its tree before it is ended itself.
const forceAfter = 3 * time.Second

// Kill ends the whole process tree at once. It does not wait; see Done.
func (p *Process) Kill() {
	p.mu.Lock()
	first := !p.killed && !p.gone
	if first {
		p.killed = true
		p.force = time.AfterFunc(p.forceAfter, p.forceEnd)
	}
	p.mu.Unlock()
	if first {
		_ = p.tell(kindKill, nil) // a deaf shim is ended by the timer
	}
}

// forceEnd ends a shim that does not react, and its tree.
func (p *Process) forceEnd() {
	if !p.shim.isolation.pid {
		killDescendants(p.shim.process.Pid)
	}
	_ = p.shim.process.Kill() // ended meanwhile: fine
}

// Exec runs a command beside the program, with its environment and its view of
// the file system, and returns its exit code and at most limit octets of its
// combined output (never more than 1 MiB). err is set when the command could
// not be run or ctx ended; the command and its descendants are then killed. A
// command that leaves something running in the background is done when it has
// itself ended.
func (p *Process) Exec(ctx context.Context, argv []string, limit int) (code int, output []byte, err error) {
	if len(argv) == 0 || argv[0] == "" {
		return -1, nil, fmt.Errorf("container %s: exec: no command", p.id)
	}
	reply := make(chan execReply, 1)
	p.mu.Lock()
	if p.gone {
		p.mu.Unlock()
		return -1, nil, p.execEnded()
	}
	p.nextID++
	id := p.nextID
	p.execs[id] = reply
	p.mu.Unlock()
	defer p.forget(id)
	if err := p.tell(kindExec, execRequest{id: id, argv: argv, limit: max(0, min(limit, maxExecOutput))}.encode()); err != nil {
		return -1, nil, err
	}
	select {
	case <-ctx.Done():
		_ = p.tell(kindCancel, number(id)) // no shim, no command
		return -1, nil, fmt.Errorf("container %s: exec %q: %w", p.id, argv[0], ctx.Err())
	case r, ok := <-reply:
		if !ok {
			return -1, nil, p.execEnded()
		}
		if r.text != "" {
			return -1, nil, fmt.Errorf("container %s: %s", p.id, r.text)
		}
		code, _ := exitCode(syscall.WaitStatus(r.status))
		return code, r.output, nil
	}
}

// ErrEnded is wrapped by the error of an Exec whose container has ended.
var ErrEnded = errors.New("the container has ended")

func (p *Process) execEnded() error { return fmt.Errorf("container %s: exec: %w", p.id, ErrEnded) }

func (p *Process) forget(id uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.execs, id)
}

// tellTimeout bounds a write to a shim that does not read.
const tellTimeout = 5 * time.Second

// tell sends a frame to the shim. Telling a shim that has ended is no error.
func (p *Process) tell(k kind, body []byte) error {
	p.writing.Lock()
	defer p.writing.Unlock()
	if err := p.shim.conn.SetWriteDeadline(time.Now().Add(tellTimeout)); err != nil {
		return nil // closed
	}
	err := writeFrame(p.shim.conn, k, body)
	if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
		return nil // a broken connection: the container has ended
	}
	return fmt.Errorf("container %s: the shim does not react: %w", p.id, err)
}

// drainTimeout bounds the wait for output that something outside the
// container's tree keeps open.
const drainTimeout = 2 * time.Second

// serve reads what the shim reports until the shim has ended, then collects
// what is left.
func (p *Process) serve() {
	ended := p.receive()
	p.mu.Lock()
	p.gone = true
	for _, reply := range p.execs {
		close(reply)
	}
	clear(p.execs)
	p.mu.Unlock()
	if ended.Err != nil && !p.shim.isolation.pid {
		killSession(p.pid)
	}
	// The socket closed, so the shim is on its way out; in a PID namespace Wait
	// returns after the last process of the tree is gone.
	state, err := p.shim.process.Wait()
	p.mu.Lock()
	if p.force != nil {
		p.force.Stop()
	}
	killed := p.killed
	p.mu.Unlock()
	switch {
	case ended.Err == nil:
	case killed:
		ended = exitFrom(syscall.WaitStatus(syscall.SIGKILL))
	case err != nil:
		ended.Err = fmt.Errorf("container %s: wait for the shim: %w", p.id, err)
	default:
		ended.Err = fmt.Errorf("container %s: the shim ended unexpectedly: %v", p.id, state)
	}
	ended.LogErr = p.drain()
	ended.Started = p.started
	p.exit = ended
}

// receive reads frames to the end of the connection and returns what is known
// of the program's end. Err is set if the shim did not report it.
func (p *Process) receive() Exit {
	ended := Exit{Code: 128, Err: errors.New("no report")}
	for {
		k, body, err := readFrame(p.shim.conn)
		if err != nil {
			break
		}
		switch k {
		case kindEnded:
			if status, err := numberFrom(body); err == nil {
				ended = exitFrom(syscall.WaitStatus(status))
			}
		case kindExecDone:
			if r, err := execReplyFrom(body); err == nil {
				p.deliver(r)
			}
		}
	}
	if ended.Finished.IsZero() {
		ended.Finished = time.Now()
	}
	return ended
}

func (p *Process) deliver(r execReply) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if reply, ok := p.execs[r.id]; ok {
		reply <- r // capacity one, one reply per id
		delete(p.execs, r.id)
	}
}

// drain reads the remaining output, closes everything and returns the first
// log failure.
func (p *Process) drain() error {
	deadline := time.Now().Add(drainTimeout)
	_ = p.shim.stdout.SetReadDeadline(deadline) // pipes support it
	_ = p.shim.stderr.SetReadDeadline(deadline)
	p.copies.Wait()
	p.writing.Lock()
	_ = p.shim.close() // read ends: nothing can be lost
	p.writing.Unlock()
	return p.out.close()
}

// exitFrom says how a program ended, at this moment.
func exitFrom(status syscall.WaitStatus) Exit {
	e := Exit{Finished: time.Now()}
	e.Code, e.Signal = exitCode(status)
	return e
}

// exitCode is the code a shell reports.
func exitCode(status syscall.WaitStatus) (int, os.Signal) {
	if status.Signaled() {
		return 128 + int(status.Signal()), status.Signal()
	}
	return status.ExitStatus(), nil
}
