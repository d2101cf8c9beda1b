//go:build unix

package http1

import (
	"io"
	"net"
	"os"
	"syscall"
)

// waiter reads from a plain socket only when it is readable, which is the only
// moment when a buffer is needed.
type waiter struct {
	socket syscall.RawConn
	bound  bool
	read   func(fd uintptr) bool // made once, to not allocate with each Wait

	size int // of the buffer to take

	// What read found.
	buf *buffer
	n   int
	err error
}

// bind finds the socket of conn, once. It reports false if conn is not exactly
// a socket: a wrapper may embed one and have octets of its own to deliver.
func (w *waiter) bind(conn net.Conn) bool {
	if w.bound {
		return w.socket != nil
	}
	w.bound = true
	var c syscall.Conn
	switch conn := conn.(type) {
	case *net.TCPConn:
		c = conn
	case *net.UnixConn:
		c = conn
	default:
		return false
	}
	socket, err := c.SyscallConn()
	if err != nil {
		return false
	}
	w.socket, w.read = socket, w.readable
	return true
}

// waitReadable waits and reads once into a buffer it then takes.
func (r *Reader) waitReadable() error {
	w := &r.wait
	w.size, w.n, w.err = sizeFor(r.First), 0, nil
	err := w.socket.Read(w.read)
	if err == nil {
		err = w.err
	}
	buf := w.buf
	w.buf = nil
	if err == nil && w.n == 0 {
		err = io.EOF
	}
	if err != nil {
		buf.put()
		return err
	}
	r.buf, r.r, r.w = buf, 0, w.n
	return nil
}

// readable tries to read; false asks to be called again when there is
// something to read.
func (w *waiter) readable(fd uintptr) bool {
	buf := takeBuffer(w.size)
	n, err := syscall.Read(int(fd), buf.b)
	for err == syscall.EINTR {
		n, err = syscall.Read(int(fd), buf.b)
	}
	switch err {
	case nil:
		w.buf, w.n = buf, n
		return true
	case syscall.EAGAIN:
		buf.put()
		return false
	}
	buf.put()
	w.err = os.NewSyscallError("read", err)
	return true
}
