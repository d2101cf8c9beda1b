package dns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	// maxSockets bounds the UDP sockets of one address.
	maxSockets = 8
	// portTries is how often another port is tried if UDP has not what TCP has.
	portTries = 64
	// receiveBuffer is what the kernel may hold for one socket, if it lets us.
	receiveBuffer = 1 << 20
)

// Listen opens UDP and TCP sockets on an address; port 0 is any port that both
// can have. It may be called several times, also while Run runs. Queries wait
// in the kernel until then. The error is one sentence for the user.
func (s *Server) Listen(ctx context.Context, at netip.AddrPort) (netip.AddrPort, error) {
	at = netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
	var sockets []*udpSocket
	var ln *net.TCPListener
	bound := at
	for try := 0; ; try++ {
		var err error
		if ln, err = listenTCP(ctx, at); err != nil {
			return netip.AddrPort{}, s.explain(at, err)
		}
		bound = netip.AddrPortFrom(at.Addr(), uint16(ln.Addr().(*net.TCPAddr).Port))
		if sockets, err = listenUDP(ctx, bound); err == nil {
			break
		}
		ln.Close()
		if at.Port() != 0 || try == portTries || !errors.Is(err, syscall.EADDRINUSE) {
			return netip.AddrPort{}, s.explain(bound, err)
		}
	}
	s.add(sockets, &tcpListener{ln: ln, local: bound})
	return bound, nil
}

func (s *Server) add(sockets []*udpSocket, l *tcpListener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		for _, u := range sockets {
			u.conn.Close()
		}
		l.ln.Close()
		return
	}
	for _, u := range sockets {
		u.counters = s.newCounters(true)
	}
	l.counters = s.newCounters(false)
	s.udp = append(s.udp, sockets...)
	s.tcp = append(s.tcp, l)
	s.remember(l.local)
	if s.running {
		for _, u := range sockets {
			s.startUDP(u)
		}
		s.startTCP(l)
	}
}

// remember adds to the addresses that are this server.
func (s *Server) remember(local netip.AddrPort) {
	own := append([]netip.AddrPort(nil), *s.own.Load()...)
	own = append(own, local)
	if local.Addr().IsUnspecified() {
		addrs, _ := net.InterfaceAddrs() // loopback is known without
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil {
				own = append(own, netip.AddrPortFrom(p.Addr().Unmap(), local.Port()))
			}
		}
	}
	s.own.Store(&own)
}

// isOwn tells whether an address leads to this server.
func (s *Server) isOwn(a netip.AddrPort) bool {
	addr := a.Addr().Unmap()
	for _, own := range *s.own.Load() {
		if own.Port() != a.Port() {
			continue
		}
		if own.Addr().Unmap() == addr || own.Addr().IsUnspecified() && (addr.IsLoopback() || addr.IsUnspecified()) {
			return true
		}
	}
	return false
}

func network(kind string, a netip.Addr) string {
	switch {
	case a.Is4():
		return kind + "4"
	case a.IsUnspecified():
		return kind // both families
	}
	return kind + "6"
}

func listenTCP(ctx context.Context, at netip.AddrPort) (*net.TCPListener, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, network("tcp", at.Addr()), at.String())
	if err != nil {
		return nil, err
	}
	return ln.(*net.TCPListener), nil
}

// listenUDP opens one socket per core; the kernel spreads clients over them.
// The first is bound as usual, so that an address somebody else has is found
// out; only then the others join it. A program of the same user could join as
// well; the TCP socket, which nobody can share, keeps another Daemun out.
func listenUDP(ctx context.Context, at netip.AddrPort) (sockets []*udpSocket, err error) {
	defer func() {
		if err != nil {
			for _, u := range sockets {
				u.conn.Close()
			}
		}
	}()
	n := min(runtime.GOMAXPROCS(0), maxSockets)
	for i := range n {
		u, err := openUDP(ctx, at, i > 0)
		if err != nil {
			return sockets, err
		}
		sockets = append(sockets, u)
		if i == 0 && n > 1 {
			if err := u.setReusePort(); err != nil {
				return sockets, err
			}
		}
	}
	return sockets, nil
}

func openUDP(ctx context.Context, at netip.AddrPort, join bool) (*udpSocket, error) {
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		controlErr := c.Control(func(fd uintptr) { err = prepareUDP(int(fd), at.Addr(), join) })
		return errors.Join(controlErr, err)
	}}
	conn, err := lc.ListenPacket(ctx, network("udp", at.Addr()), at.String())
	if err != nil {
		return nil, err
	}
	u := &udpSocket{conn: conn.(*net.UDPConn)}
	if u.raw, err = u.conn.SyscallConn(); err != nil {
		conn.Close()
		return nil, err
	}
	return u, nil
}

// prepareUDP sets options before the bind. A socket on all addresses is told
// which one each query came to.
func prepareUDP(fd int, addr netip.Addr, join bool) error {
	// The kernel may give less than that; it is no error.
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer)
	if join {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	if !addr.IsUnspecified() {
		return nil
	}
	// A socket of both families tells IPv4 addresses in their mapped form, and
	// takes them back in it.
	level, option := unix.IPPROTO_IP, unix.IP_PKTINFO
	if addr.Is6() {
		level, option = unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO
	}
	return os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, level, option, 1))
}

func (u *udpSocket) setReusePort() error {
	var err error
	controlErr := u.raw.Control(func(fd uintptr) {
		err = os.NewSyscallError("setsockopt", unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1))
	})
	return errors.Join(controlErr, err)
}

// explain turns an error of the kernel into what the user can do about it.
func (s *Server) explain(at netip.AddrPort, err error) error {
	other := "; choose another port"
	if s.config.Flag != "" {
		other = "; choose another with " + s.config.Flag
	}
	var sentence string
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		sentence = "address already in use by another program, perhaps the system's own resolver" + other
	case errors.Is(err, syscall.EACCES), errors.Is(err, os.ErrPermission):
		sentence = fmt.Sprintf("permission denied: port %d needs the capability CAP_NET_BIND_SERVICE"+
			" or a lower sysctl net.ipv4.ip_unprivileged_port_start%s", at.Port(), other)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		sentence = "no network interface of this machine has that address; use one it has, 127.0.0.1, or 0.0.0.0 for all"
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		sentence = "too many open files; raise the limit of open files (ulimit -n)"
	default:
		var op *net.OpError
		if errors.As(err, &op) {
			err = op.Err
		}
		return fmt.Errorf("DNS on %s: %w", at, err)
	}
	return &listenError{at, sentence, err}
}

type listenError struct {
	at       netip.AddrPort
	sentence string
	cause    error
}

func (e *listenError) Error() string { return "DNS on " + e.at.String() + ": " + e.sentence }
func (e *listenError) Unwrap() error { return e.cause }
