package passthrough

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// leastIdle is longer than most protocols are silent that ask whether the
	// other one is still there.
	leastIdle = time.Minute
	// shedLooks bounds the connections that are looked at for a new one: each
	// costs a system call.
	shedLooks = 256
)

// carries makes a connection one that can be shed; false means that it has been
// cut.
func (s *Server) carries(client *net.TCPConn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.over {
		s.clients[client] = struct{}{}
	}
	return !s.over
}

// ShedIdle cuts the connection whose client has been silent for longest, of some
// chosen at random where there are many, and reports whether there was one that
// had been so for a minute (H6.13). Nothing is known of what is in them; so this
// is the last that a full listener does.
func (s *Server) ShedIdle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	var longest *net.TCPConn
	since, looks := s.leastIdle, 0
	for c := range s.clients { // in random order
		if idle, ok := silence(c); ok && idle >= since {
			longest, since = c, idle
		}
		if looks++; looks == shedLooks {
			break
		}
	}
	if longest == nil {
		return false
	}
	delete(s.clients, longest) // it may take a moment to unwind
	s.shed.Add(1)              // first: whoever sees the end finds it counted
	_ = longest.SetLinger(0)   // a reset: half an answer must not look whole
	longest.Close()
	return true
}

// silence is since when no data have come from or gone to a peer. The kernel
// knows, so that passing data on costs nothing more.
func silence(c *net.TCPConn) (idle time.Duration, ok bool) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, false
	}
	var info *unix.TCPInfo
	if controlErr := raw.Control(func(fd uintptr) {
		info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	}); controlErr != nil || err != nil {
		return 0, false
	}
	return time.Duration(min(info.Last_data_recv, info.Last_data_sent)) * time.Millisecond, true
}
