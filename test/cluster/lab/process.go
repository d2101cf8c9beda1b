package lab

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// process is one program that runs in the background and writes to a log file.
type process struct {
	name, log string
	cmd       *exec.Cmd
	exited    chan struct{}
	err       error // valid once exited is closed
}

// start starts a program; what it prints goes to dir/NAME.log, appended.
func start(dir, name string, env []string, argv ...string) (*process, error) {
	return startIn(dir, name, env, nil, argv...)
}

// startIn is start with new namespaces.
func startIn(dir, name string, env []string, attr *syscall.SysProcAttr, argv ...string) (*process, error) {
	p := &process{name: name, log: filepath.Join(dir, name+".log"), exited: make(chan struct{})}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close() // the program has its own
	p.cmd = exec.Command(argv[0], argv[1:]...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.SysProcAttr = attr
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() { // ends with the program
		p.err = p.cmd.Wait()
		close(p.exited)
	}()
	return p, nil
}

// signal sends a signal, if the program still runs.
func (p *process) signal(s syscall.Signal) {
	select {
	case <-p.exited:
	default:
		p.cmd.Process.Signal(s)
	}
}

// kill ends the program at once and waits until it is gone.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.exited
}

// gone reports how the program ended, or nil while it runs.
func (p *process) gone() error {
	select {
	case <-p.exited:
		return fmt.Errorf("%s has ended (%v); last lines:\n%s", p.name, p.cmd.ProcessState, p.tail(15))
	default:
		return nil
	}
}

// tail is the end of the log.
func (p *process) tail(lines int) []byte {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return []byte(err.Error())
	}
	all := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	return bytes.Join(all[max(0, len(all)-lines):], []byte("\n"))
}
