package proxy

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// peer asks the kernel about the client's side of a socket without reading.
type peer struct {
	raw    syscall.RawConn
	events int16
}

func (p *peer) bind(tcp *net.TCPConn) {
	if tcp == nil {
		return
	}
	if raw, err := tcp.SyscallConn(); err == nil {
		p.raw = raw
	}
}

// gone reports that the client closed its side, even if octets that it sent
// before are still unread.
func (p *peer) gone() bool {
	return p.poll(unix.POLLRDHUP)&(unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR) != 0
}

// hasData reports that octets wait to be read.
func (p *peer) hasData() bool { return p.poll(unix.POLLIN|unix.POLLRDHUP) == unix.POLLIN }

func (p *peer) poll(want int16) int16 {
	if p.raw == nil {
		return 0
	}
	p.events = 0
	err := p.raw.Control(func(fd uintptr) {
		set := []unix.PollFd{{Fd: int32(fd), Events: want}}
		if _, err := unix.Poll(set, 0); err == nil {
			p.events = set[0].Revents
		}
	})
	if err != nil {
		return unix.POLLHUP // closed on our side
	}
	return p.events
}
