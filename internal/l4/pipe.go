package l4

import (
	"golang.org/x/sys/unix"
)

// spliceAfter is after how many full pieces in a row the kernel does the
// copying. A pipe costs two descriptors and two system calls per piece, so it
// is for streams only.
const spliceAfter = 4

// pipe carries octets from one socket to another without a copy into this
// process.
type pipe struct {
	r, w int
	size int // it holds
	held int
}

// pipeSize is asked for; the kernel may give less to users without privileges
// that have many.
const pipeSize = 512 << 10

func (l *loop) takePipe() *pipe {
	if n := len(l.pipes); n > 0 {
		p := l.pipes[n-1]
		l.pipes = l.pipes[:n-1]
		return p
	}
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_NONBLOCK|unix.O_CLOEXEC); err != nil {
		return nil
	}
	p := &pipe{r: fds[0], w: fds[1], size: 64 << 10}
	if n, err := unix.FcntlInt(uintptr(p.w), unix.F_SETPIPE_SZ, pipeSize); err == nil {
		p.size = n
	}
	return p
}

// givePipe takes an empty pipe back.
func (l *loop) givePipe(p *pipe) {
	if len(l.pipes) < spareBuffers {
		l.pipes = append(l.pipes, p)
		return
	}
	p.discard()
}

func (p *pipe) discard() {
	closeSocket(p.r)
	closeSocket(p.w)
}

// splice is copy through the kernel.
func (c *conn) splice(l *loop, from, to *side) bool {
	p := l.takePipe()
	if p == nil {
		from.streak = 0 // short of descriptors: go on through memory
		return c.copy(l, from, to)
	}
	n, e := spliceTo(from.reg.fd, p.w, p.size)
	if !c.read(from, n, e) {
		l.givePipe(p)
		return false
	}
	if n < pieceSize/4 {
		from.streak = 0 // no longer a stream
	}
	c.count(to, n)
	p.held, to.pipe = n, p
	return c.flush(l, to)
}

func (c *conn) flushPipe(l *loop, to *side) bool {
	p := to.pipe
	for p.held > 0 {
		n, e := spliceTo(p.r, to.reg.fd, p.held)
		if e == unix.EAGAIN {
			to.writable = false
			return false
		}
		if e != 0 || n == 0 {
			c.reset(c.index(to))
			return false
		}
		p.held -= n
	}
	to.pipe = nil
	l.givePipe(p)
	return true
}
