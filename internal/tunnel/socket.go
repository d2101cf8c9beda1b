package tunnel

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// All descriptors here are non-blocking, so every call returns at once. The raw
// form of the system calls leaves out what the scheduler does around calls
// that may wait, which is a good part of the time of the short ones.

// readFrom and writeTo repeat interrupted calls. b is not empty.
func readFrom(fd int, b []byte) (int, unix.Errno) {
	for {
		n, _, e := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
		if e != unix.EINTR {
			return int(n), e
		}
	}
}

func writeTo(fd int, b []byte) (int, unix.Errno) {
	for {
		// MSG_NOSIGNAL: the runtime ignores SIGPIPE of sockets, but it costs a
		// signal.
		n, _, e := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), unix.MSG_NOSIGNAL, 0, 0)
		if e != unix.EINTR {
			return int(n), e
		}
	}
}

func shutdownWrite(fd int) {
	unix.RawSyscall(unix.SYS_SHUTDOWN, uintptr(fd), unix.SHUT_WR, 0) // fails only if the peer has gone
}

func closeSocket(fd int) {
	unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0) // a descriptor is released whatever it returns
}

// epollPoll returns how many events there are; none when it was interrupted,
// for it is asked again before anybody waits.
func epollPoll(epoll int, events []unix.EpollEvent) int {
	n, _, e := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epoll), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), 0, 0, 0)
	if e != 0 {
		return 0
	}
	return int(n)
}

func epollAdd(epoll, fd int, event *unix.EpollEvent) unix.Errno {
	_, _, e := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(epoll), unix.EPOLL_CTL_ADD, uintptr(fd), uintptr(unsafe.Pointer(event)), 0, 0)
	return e
}
