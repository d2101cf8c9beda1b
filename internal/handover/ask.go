package handover

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Inheritance is what a running Daemun hands over. A nil one is empty. It is
// used by one goroutine.
type Inheritance struct {
	conn *net.UnixConn
	// PID is the process that hands over.
	PID     int
	sockets []inherited
	ports   []Port
}

type inherited struct {
	listener
	socket *net.TCPListener
}

// Ask asks the Daemun that listens on path for its sockets. It returns nil when
// nobody does. The caller ends with Complete or Close.
func Ask(ctx context.Context, path string) (*Inheritance, error) {
	if err := checkPath(path); err != nil {
		return nil, err
	}
	dialer := net.Dialer{Timeout: patience}
	c, err := dialer.DialContext(ctx, "unixpacket", path)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED): // a file that a dead one left
		return nil, nil //nolint:nilnil // a nil Inheritance is an empty one
	case errors.Is(err, syscall.EPROTOTYPE):
		return nil, fmt.Errorf("%s: the socket is another program's", path)
	case err != nil:
		return nil, err
	}
	in := &Inheritance{conn: c.(*net.UnixConn)}
	if err := in.receive(); err != nil {
		in.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return in, nil
}

// checkPath refuses what must not be replaced by a socket.
func checkPath(path string) error {
	const longest = 100 // the kernel's 107, less a suffix
	if len(path) > longest {
		return fmt.Errorf("%s: a path of at most %d octets is wanted", path, longest)
	}
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s: there is something that is no socket", path)
	}
	return nil
}

func (in *Inheritance) receive() (err error) {
	if in.PID, err = trusted(in.conn); err != nil {
		return err
	}
	// A refusal may be there before, and is the better answer.
	sendErr := send(in.conn, message{Kind: kindTake})
	if err := in.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	m, fds, err := receiveFDs(in.conn, kindListeners)
	if err != nil {
		var refused *RefusedError
		switch {
		case errors.As(err, &refused):
		case ended(err):
			err = errors.New("the running Daemun answers nothing; its log says why")
		case sendErr != nil:
			err = sendErr
		}
		return err
	}
	for i, l := range m.Listeners {
		if name, ok := strings.CutPrefix(l.Name, portPrefix); ok {
			in.ports = append(in.ports, Port{name, fds[i]})
			continue
		}
		// Whatever is wrong with one, the port can still be opened anew.
		if socket := listenerOf(fds[i]); socket != nil {
			in.sockets = append(in.sockets, inherited{l, socket})
		}
	}
	return nil
}

// listenerOf takes fd over; nil if it is not a listening TCP socket.
func listenerOf(fd int) *net.TCPListener {
	f := os.NewFile(uintptr(fd), "listener")
	defer f.Close()
	if accepts, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err != nil || accepts == 0 {
		return nil
	}
	l, err := net.FileListener(f) // works on a duplicate
	if err != nil {
		return nil
	}
	tcp, ok := l.(*net.TCPListener)
	if !ok {
		l.Close()
		return nil
	}
	return tcp
}

// Take returns the socket of that name if it is bound to address, and nil
// otherwise. It is the caller's then.
func (in *Inheritance) Take(name, address string) *net.TCPListener {
	if in == nil {
		return nil
	}
	for i := range in.sockets {
		s := &in.sockets[i]
		if s.Name == name && s.socket != nil && bound(s.socket, address) {
			socket := s.socket
			s.socket = nil
			return socket
		}
	}
	return nil
}

// Ports returns the sockets that are handed over as they are. They are the
// caller's then.
func (in *Inheritance) Ports() []Port {
	if in == nil {
		return nil
	}
	ports := in.ports
	in.ports = nil
	return ports
}

// bound reports whether listening on address would lead to such a socket: port
// 0 is any. All addresses are those of both families, as the net package has it,
// however they are written.
func bound(l *net.TCPListener, address string) bool {
	have := l.Addr().(*net.TCPAddr)
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	port, err := strconv.Atoi(service)
	if err != nil || port != 0 && port != have.Port {
		return false
	}
	want := &net.IPAddr{}
	if host != "" {
		if want, err = net.ResolveIPAddr("ip", host); err != nil {
			return false
		}
	}
	all := len(want.IP) == 0 || want.IP.IsUnspecified()
	return all && have.IP.IsUnspecified() || want.IP.Equal(have.IP) && want.Zone == have.Zone
}

// Complete tells the running Daemun that this one is ready. When it returns nil
// that one accepts no more connections, or has died. The error means that it
// goes on, and that the caller has to end.
func (in *Inheritance) Complete() error {
	if in == nil {
		return nil
	}
	defer in.Close()
	// If that fails the other end is closed, and what it said is still there.
	_ = send(in.conn, message{Kind: kindReady})
	if err := in.conn.SetReadDeadline(time.Now().Add(2 * patience)); err != nil {
		return err
	}
	err := receive(in.conn, kindLeaving)
	if ended(err) {
		return nil
	}
	return err
}

// ended reports that the other end is gone.
func ended(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) }

// Close gives back what was not taken; before Complete it lets the running
// Daemun go on.
func (in *Inheritance) Close() {
	if in == nil {
		return
	}
	in.conn.Close()
	for i := range in.sockets {
		if s := &in.sockets[i]; s.socket != nil {
			s.socket.Close()
			s.socket = nil
		}
	}
	for _, p := range in.Ports() {
		closeAll([]int{p.FD})
	}
}
