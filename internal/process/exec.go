package process

import (
	"bytes"
	"io"
	"os"
	"syscall"
	"time"
)

// execRun is a command that runs beside the program, in the shim.
type execRun struct {
	id     uint64
	reader *os.File // read end of its output
	limit  int

	reaped, collected bool // answered when both hold
	status            syscall.WaitStatus
	output            bytes.Buffer // the collector's until collected
}

// exec starts a command; the answer follows when it has ended.
func (s *shim) exec(req execRequest) {
	r, w, err := os.Pipe()
	if err != nil {
		s.reply(execReply{id: req.id, text: "exec: " + err.Error()})
		return
	}
	pid, pidfd, failure := s.fork(req.argv, []uintptr{0, w.Fd(), w.Fd()})
	_ = w.Close()
	if failure != nil {
		_ = r.Close()
		s.reply(execReply{id: req.id, text: failure.text})
		return
	}
	if pidfd >= 0 {
		_ = syscall.Close(pidfd)
	}
	x := &execRun{id: req.id, reader: r, limit: req.limit}
	s.execs[pid] = x
	go x.collect(s.finished)
}

// collect keeps the first limit octets and throws away the rest, so that the
// command never waits for a reader.
func (x *execRun) collect(finished chan<- *execRun) {
	_, _ = io.CopyN(&x.output, x.reader, int64(x.limit))
	_, _ = io.Copy(io.Discard, x.reader)
	finished <- x
}

// lingerTime is how long the output of an ended command may be kept open by
// what it left in the background.
const lingerTime = 100 * time.Millisecond

// execEnded takes the status of a reaped command. Other children (orphans that
// the shim inherited) need nothing.
func (s *shim) execEnded(pid int, status syscall.WaitStatus) {
	x, ok := s.execs[pid]
	if !ok {
		return
	}
	delete(s.execs, pid)
	x.reaped, x.status = true, status
	if x.collected {
		s.answer(x)
		return
	}
	_ = x.reader.SetReadDeadline(time.Now().Add(lingerTime))
}

// execCollected takes note that a command's output is complete, which may be
// before its end.
func (s *shim) execCollected(x *execRun) {
	x.collected = true
	if x.reaped {
		s.answer(x)
	}
}

func (s *shim) answer(x *execRun) {
	_ = x.reader.Close()
	s.reply(execReply{id: x.id, status: uint32(x.status), output: x.output.Bytes()})
}

// cancel kills a command and its descendants. The answer, which nobody awaits
// any more, follows as usual.
func (s *shim) cancel(id uint64) {
	for pid, x := range s.execs {
		if x.id == id {
			killDescendants(pid)
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// reply sends an answer; without Daemun there is nobody to send it to.
func (s *shim) reply(r execReply) { _ = s.tell(kindExecDone, r.encode()) }
