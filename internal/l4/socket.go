package l4

import (
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// All sockets here are non-blocking, so every call returns at once. The raw
// form of the system calls leaves out what the scheduler does around calls
// that may wait, which is a fifth of the time of the short ones.

// sockaddr holds an address of either family as the kernel writes it.
type sockaddr = unix.RawSockaddrInet6

// encode writes a to s and returns its length.
func encode(s *sockaddr, a netip.AddrPort) uint32 {
	port := (*[2]byte)(unsafe.Pointer(&s.Port)) // at the same place in both families
	port[0], port[1] = byte(a.Port()>>8), byte(a.Port())
	if a.Addr().Is4() {
		s.Family = unix.AF_INET
		(*unix.RawSockaddrInet4)(unsafe.Pointer(s)).Addr = a.Addr().As4()
		return unix.SizeofSockaddrInet4
	}
	s.Family = unix.AF_INET6
	s.Flowinfo, s.Scope_id, s.Addr = 0, 0, a.Addr().As16()
	return unix.SizeofSockaddrInet6
}

// decode reads what the kernel wrote.
func decode(s *sockaddr) netip.AddrPort {
	p := (*[2]byte)(unsafe.Pointer(&s.Port))
	port := uint16(p[0])<<8 | uint16(p[1])
	switch s.Family {
	case unix.AF_INET:
		return netip.AddrPortFrom(netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(s)).Addr), port)
	case unix.AF_INET6:
		return netip.AddrPortFrom(netip.AddrFrom16(s.Addr), port)
	}
	return netip.AddrPort{}
}

func newSocket(is4 bool, kind int) (int, unix.Errno) {
	family := unix.AF_INET6
	if is4 {
		family = unix.AF_INET
	}
	fd, _, e := unix.RawSyscall(unix.SYS_SOCKET, uintptr(family), uintptr(kind|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC), 0)
	return int(fd), e
}

func setInt(fd, level, option int, value int32) unix.Errno {
	_, _, e := unix.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), uintptr(level), uintptr(option), uintptr(unsafe.Pointer(&value)), 4, 0)
	return e
}

func bindTo(fd int, a netip.AddrPort) unix.Errno {
	var s sockaddr
	n := encode(&s, a)
	_, _, e := unix.RawSyscall(unix.SYS_BIND, uintptr(fd), uintptr(unsafe.Pointer(&s)), uintptr(n))
	return e
}

func connectTo(fd int, a netip.AddrPort) unix.Errno {
	var s sockaddr
	n := encode(&s, a)
	_, _, e := unix.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&s)), uintptr(n))
	return e
}

func acceptFrom(fd int) (int, netip.AddrPort, unix.Errno) {
	var s sockaddr
	size := uint32(unsafe.Sizeof(s))
	n, _, e := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(fd), uintptr(unsafe.Pointer(&s)), uintptr(unsafe.Pointer(&size)), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
	if e != 0 {
		return -1, netip.AddrPort{}, e
	}
	return int(n), decode(&s), 0
}

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
		// MSG_NOSIGNAL: the Go runtime ignores SIGPIPE of sockets, but it costs
		// a signal.
		n, _, e := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), unix.MSG_NOSIGNAL, 0, 0)
		if e != unix.EINTR {
			return int(n), e
		}
	}
}

func spliceTo(from, to, n int) (int, unix.Errno) {
	for {
		m, _, e := unix.RawSyscall6(unix.SYS_SPLICE, uintptr(from), 0, uintptr(to), 0, uintptr(n), unix.SPLICE_F_MOVE|unix.SPLICE_F_NONBLOCK)
		if e != unix.EINTR {
			return int(m), e
		}
	}
}

func shutdownWrite(fd int) {
	unix.RawSyscall(unix.SYS_SHUTDOWN, uintptr(fd), unix.SHUT_WR, 0) // fails only if the peer has gone
}

func closeSocket(fd int) {
	unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0) // a descriptor is released whatever it returns
}

// resetSocket closes a connection so that its peer sees a reset.
func resetSocket(fd int) {
	abort := unix.Linger{Onoff: 1}
	unix.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_LINGER, uintptr(unsafe.Pointer(&abort)), unsafe.Sizeof(abort), 0)
	closeSocket(fd)
}

// takeError returns and clears what went wrong on a socket meanwhile.
func takeError(fd int) unix.Errno {
	var value int32
	size := uint32(4)
	_, _, e := unix.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_ERROR, uintptr(unsafe.Pointer(&value)), uintptr(unsafe.Pointer(&size)), 0)
	if e != 0 {
		return e
	}
	return unix.Errno(value)
}

// connectedToItself says whether a socket is its own peer: TCP allows that when
// nobody listens and the kernel happens to choose the port that is dialled.
func connectedToItself(fd int) bool {
	here, err := unix.Getsockname(fd)
	if err != nil {
		return false
	}
	there, err := unix.Getpeername(fd)
	if err != nil {
		return false
	}
	switch h := here.(type) {
	case *unix.SockaddrInet4:
		t, ok := there.(*unix.SockaddrInet4)
		return ok && t.Port == h.Port && t.Addr == h.Addr
	case *unix.SockaddrInet6:
		t, ok := there.(*unix.SockaddrInet6)
		return ok && t.Port == h.Port && t.Addr == h.Addr
	}
	return false
}

// message is struct mmsghdr.
type message struct {
	header unix.Msghdr
	length uint32
}

func receiveMessages(fd int, m []message) (int, unix.Errno) {
	for {
		n, _, e := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&m[0])), uintptr(len(m)), unix.MSG_DONTWAIT, 0, 0)
		if e != unix.EINTR {
			return int(n), e
		}
	}
}

func sendMessages(fd int, m []message) (int, unix.Errno) {
	for {
		n, _, e := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&m[0])), uintptr(len(m)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
		if e != unix.EINTR {
			return int(n), e
		}
	}
}

func epollPoll(fd int, events []unix.EpollEvent) int {
	n, _, e := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(fd), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), 0, 0, 0)
	if e != 0 {
		return 0 // interrupted: asked again before anybody waits
	}
	return int(n)
}

func epollAdd(epoll, fd int, event *unix.EpollEvent) unix.Errno {
	_, _, e := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(epoll), unix.EPOLL_CTL_ADD, uintptr(fd), uintptr(unsafe.Pointer(event)), 0, 0)
	return e
}

// attachFilter puts a program in the place of the one before; none takes it
// away.
func attachFilter(fd int, program []unix.SockFilter) error {
	if len(program) == 0 {
		err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0)
		if err == unix.ENOENT {
			return nil
		}
		return err
	}
	p := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &p)
}

// sourceSocket makes a socket that will connect from an address, with a port
// of the kernel's choice. Choosing it as late as the connect lets connections
// to different endpoints share a port, so that their number is not bounded by
// the range of local ports. It tries the addresses in turn: one that is not of
// this machine, or of another family than the endpoint, cannot be had. With
// none left the kernel chooses.
func sourceSocket(kind int, to netip.Addr, sources ...netip.Addr) (int, unix.Errno) {
	fd, e := newSocket(to.Is4(), kind)
	if e != 0 {
		return -1, e
	}
	late := false
	for _, source := range sources {
		// The kernel refuses to route from loopback to elsewhere.
		if !source.IsValid() || source.Is4() != to.Is4() || source.IsLoopback() && !to.IsLoopback() {
			continue
		}
		if source == usualSource(to) {
			break // it is what the kernel chooses anyway
		}
		if !late && kind == unix.SOCK_STREAM {
			setInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1) // also for IPv6
			late = true
		}
		if bindTo(fd, netip.AddrPortFrom(source, 0)) == 0 {
			break
		}
	}
	return fd, 0
}

// usualSource is the source of connections to loopback addresses.
func usualSource(to netip.Addr) netip.Addr {
	switch {
	case !to.IsLoopback():
		return netip.Addr{}
	case to.Is4():
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return netip.IPv6Loopback()
}
