package handover

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Socket is one listener to be handed over.
type Socket struct {
	// Name says what it is for, in the words of both versions.
	Name    string
	Address net.Addr
	Conn    syscall.Conn
}

// Port is a socket that is handed over as it is, of whatever kind. The
// descriptor belongs to whoever holds the value.
type Port struct {
	// Name says what it is, in the words of both versions.
	Name string
	FD   int
}

// DoorConfig is what a Door works with.
type DoorConfig struct {
	// Path is where the next Daemun will ask.
	Path string
	// Sockets are those that are open.
	Sockets []Socket
	// Ports returns duplicates of the sockets that come and go, at most so
	// many, when somebody asks; the Door closes them. nil is none.
	Ports func(most int) []Port
	// Logger tells what happens; nil says nothing.
	Logger *slog.Logger
}

// Door is where the next Daemun asks for the sockets of this one.
type Door struct {
	DoorConfig
	listener *net.UnixListener
	// hidden is the name that the socket has before Open.
	hidden string
	file   os.FileInfo // of the socket

	left    chan struct{}
	closing chan struct{}

	mu       sync.Mutex // guards the following, and that left and closing are closed once
	visitors map[*net.UnixConn]bool
	taker    *net.UnixConn // who is being handed over to
}

// maxVisitors bounds the connections to a Door.
const maxVisitors = 4

// NewDoor makes the socket under another name: what can fail has failed before
// the running Daemun is told to go. It is to be closed.
func NewDoor(c DoorConfig) (*Door, error) {
	if err := checkPath(c.Path); err != nil {
		return nil, err
	}
	if len(c.Sockets) > maxListeners {
		return nil, fmt.Errorf("%d listeners to hand over, at most %d are possible", len(c.Sockets), maxListeners)
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	d := &Door{
		DoorConfig: c, hidden: c.Path + "." + rand.Text()[:6],
		left: make(chan struct{}), closing: make(chan struct{}), visitors: map[*net.UnixConn]bool{},
	}
	var err error
	if d.listener, err = net.ListenUnix("unixpacket", &net.UnixAddr{Name: d.hidden, Net: "unixpacket"}); err != nil {
		return nil, err
	}
	d.listener.SetUnlinkOnClose(false) // by then the name may be another one's
	if err = os.Chmod(d.hidden, 0o600); err == nil {
		d.file, err = os.Lstat(d.hidden)
	}
	if err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

// Open gives the socket its name, in the place of one that is there.
func (d *Door) Open() error { return os.Rename(d.hidden, d.Path) }

// Close ends a hand-over that is not complete and removes the socket, unless
// the next Daemun has its own there. It reports whether one has taken over.
func (d *Door) Close() (replaced bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if isClosed(d.closing) {
		return isClosed(d.left)
	}
	close(d.closing)
	replaced = isClosed(d.left)
	for _, name := range []string{d.hidden, d.Path} {
		if now, err := os.Lstat(name); err == nil && !replaced && d.file != nil && os.SameFile(now, d.file) {
			os.Remove(name)
		}
	}
	d.listener.Close()
	for c := range d.visitors {
		c.Close()
	}
	return replaced
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// Left is closed when another Daemun has taken over: its listeners are open and
// it is ready. It accepts as soon as this one has been told.
func (d *Door) Left() <-chan struct{} { return d.left }

// Serve answers until Close. What goes wrong here never ends a server.
func (d *Door) Serve() {
	var visits sync.WaitGroup
	defer visits.Wait()
	for {
		c, err := d.listener.AcceptUnix()
		switch {
		case err == nil && d.enter(c):
			visits.Go(func() {
				defer d.leave(c)
				d.visit(c)
			})
		case err == nil:
			c.Close()
		case isClosed(d.closing):
			return
		default:
			d.Logger.Warn("hand-over: accept failed, trying again", "path", d.Path, "err", err)
			d.pause(time.Second)
		}
	}
}

func (d *Door) pause(t time.Duration) {
	timer := time.NewTimer(t)
	defer timer.Stop()
	select {
	case <-d.closing:
	case <-timer.C:
	}
}

// enter reports whether there is room for one more.
func (d *Door) enter(c *net.UnixConn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.visitors) == maxVisitors || isClosed(d.closing) {
		return false
	}
	d.visitors[c] = true
	return true
}

func (d *Door) leave(c *net.UnixConn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.visitors, c)
	if d.taker == c && !isClosed(d.left) {
		d.taker = nil
	}
	c.Close()
}

// visit serves one connection to its end.
func (d *Door) visit(c *net.UnixConn) {
	pid, err := trusted(c)
	if err != nil {
		d.Logger.Warn("hand-over refused", "path", d.Path, "err", err)
		return
	}
	if err := d.handOver(c, pid); err != nil && !isClosed(d.closing) {
		d.Logger.Warn("no hand-over; this Daemun goes on", "process", pid, "err", err)
		// It may have gone; then there is nobody to be told.
		_ = send(c, message{Kind: kindRefused, Reason: err.Error()})
	}
}

// handOver is the protocol. The error means that nothing has changed.
func (d *Door) handOver(c *net.UnixConn, pid int) error {
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if err := receive(c, kindTake); err != nil {
		return err
	}
	if err := d.choose(c); err != nil {
		return err
	}
	if err := d.sendSockets(c); err != nil {
		return err
	}
	d.Logger.Info("handing over; serving until the other process is ready", "process", pid)
	// It reads everything from the API server first, which takes as long as it
	// takes. If it dies, the connection ends.
	if err := c.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	if err := receive(c, kindReady); errors.Is(err, io.EOF) {
		return errors.New("the other process ended before it was ready")
	} else if err != nil {
		return err
	}
	return d.goes(c)
}

// choose makes c the only one that is handed over to.
func (d *Door) choose(c *net.UnixConn) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.taker != nil {
		return errors.New("another process is taking over")
	}
	d.taker = c
	return nil
}

// goes is the moment that decides: either it was said and is true, or Close
// came first.
func (d *Door) goes(c *net.UnixConn) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if isClosed(d.closing) {
		return net.ErrClosed
	}
	if err := send(c, message{Kind: kindLeaving}); err != nil {
		return err
	}
	close(d.left)
	return nil
}

// sendSockets sends duplicates: the sockets themselves may be closed meanwhile.
func (d *Door) sendSockets(c *net.UnixConn) error {
	var fds []int
	defer func() { closeAll(fds) }()
	m := message{Kind: kindListeners}
	for _, s := range d.Sockets {
		fd, err := duplicate(s.Conn)
		if err != nil {
			return err
		}
		fds = append(fds, fd)
		m.Listeners = append(m.Listeners, listener{s.Name, s.Address.String()})
	}
	if d.Ports != nil {
		for _, p := range d.Ports(maxListeners - len(fds)) {
			fds = append(fds, p.FD)
			m.Listeners = append(m.Listeners, listener{Name: portPrefix + p.Name})
		}
	}
	return send(c, m, fds...)
}

// duplicate leaves the mode of the socket alone, which both ends share; File of
// the net package does not promise that.
func duplicate(s syscall.Conn) (fd int, err error) {
	raw, err := s.SyscallConn()
	if err != nil {
		return 0, err
	}
	controlErr := raw.Control(func(own uintptr) {
		fd, err = unix.FcntlInt(own, unix.F_DUPFD_CLOEXEC, 0)
	})
	return fd, errors.Join(controlErr, err)
}
