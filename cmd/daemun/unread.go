package main

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// unread reports that nobody reads what is written to w any more: it is a pipe
// whose other end was closed, as head closes it, or a terminal that is gone. Who
// writes rarely would otherwise learn it with the next line only.
func unread(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	raw, err := f.SyscallConn()
	if err != nil {
		return false
	}
	fds := []unix.PollFd{{}}
	if err := raw.Control(func(fd uintptr) {
		fds[0].Fd = int32(fd)
		_, _ = unix.Poll(fds, 0) // of an error fds say nothing: not unread
	}); err != nil {
		return false
	}
	return fds[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0
}
