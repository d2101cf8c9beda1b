package l4

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"daemun/internal/ir"
)

// This file is how the sockets of frontends pass from one process to the next:
// both have them for a while, and the one that Run has been called in accepts.

// Socket is an open socket of a frontend. The descriptor belongs to whoever
// holds the value.
type Socket struct {
	Transport ir.Transport
	At        netip.AddrPort
	FD        int
}

// Sockets returns duplicates of the sockets of open frontends, at most so many.
// From then on Shutdown leaves the sockets open for whoever has them.
func (s *Server) Sockets(most int) (list []Socket) {
	s.given.Store(true)
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, f := range s.frontends {
		if len(list) == most {
			break
		}
		f.loop.mu.Lock()
		if f.isOpen() {
			// What cannot be duplicated is opened anew.
			if fd, err := unix.FcntlInt(uintptr(f.reg.fd), unix.F_DUPFD_CLOEXEC, 0); err == nil {
				list = append(list, Socket{k.transport, k.at, fd})
			}
		}
		f.loop.mu.Unlock()
	}
	return list
}

// inheritance are sockets of another process.
type inheritance struct {
	// waiting are those that no frontend has taken yet.
	waiting map[key]int
	// taken are frontends with a socket that the other process could close: it
	// served until Run was called, and a moment longer.
	taken map[*frontend]bool
}

// inherit keeps what the first Update may take.
func (i *inheritance) inherit(sockets []Socket) {
	i.waiting, i.taken = map[key]int{}, map[*frontend]bool{}
	for _, s := range sockets {
		k := key{s.Transport, s.At}
		if _, twice := i.waiting[k]; twice || !fits(s.FD, k) {
			closeSocket(s.FD)
			continue
		}
		i.waiting[k] = s.FD
	}
}

// fits reports whether a socket is what a frontend would open. It comes from
// outside.
func fits(fd int, k key) bool {
	want := unix.SOCK_STREAM
	if k.transport == ir.UDP {
		want = unix.SOCK_DGRAM
	}
	if kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE); err != nil || kind != want {
		return false
	}
	name, err := unix.Getsockname(fd)
	if err != nil || boundTo(name) != k.at {
		return false
	}
	return (k.transport == ir.UDP || listens(fd)) && unix.SetNonblock(fd, true) == nil
}

func boundTo(name unix.Sockaddr) netip.AddrPort {
	switch a := name.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr), uint16(a.Port))
	}
	return netip.AddrPort{}
}

func listens(fd int) bool {
	accepts, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	return err == nil && accepts == 1
}

// take returns the socket for a frontend, or -1.
func (i *inheritance) take(f *frontend) int {
	fd, ok := i.waiting[f.key]
	if !ok {
		return -1
	}
	delete(i.waiting, f.key)
	i.taken[f] = true
	return fd
}

// discard closes what nobody has taken.
func (i *inheritance) discard() {
	for _, fd := range i.waiting {
		closeSocket(fd)
	}
	clear(i.waiting)
}

// verify opens frontends again whose socket the other process has closed
// meanwhile: it closes those of Services without endpoints.
func (s *Server) verify() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for f := range s.inherited.taken {
		if s.frontends[f.key] != f || !f.listening || f.key.transport == ir.UDP {
			delete(s.inherited.taken, f)
			continue
		}
		f.loop.mu.Lock()
		dead := f.isOpen() && !listens(f.reg.fd)
		if dead {
			f.close()
		}
		f.loop.mu.Unlock()
		if dead {
			open, err := f.apply(f.plan)
			s.settle(f, open, err)
		}
	}
}
