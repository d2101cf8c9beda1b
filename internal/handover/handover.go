// Package handover gives the listening sockets of a running Daemun to the one
// that replaces it on the same host, so that a client never finds a port
// closed.
//
// The new one:
//
//	in, err := handover.Ask(ctx, path) // nil when nobody answers
//	socket := in.Take("http", ":80")   // nil when there is none to take over
//	…                                  // everything is read, the table is live
//	err = in.Complete(ctx)             // the old one has stopped accepting
//
// The old one, which was the new one once:
//
//	door, err := handover.NewDoor(config)
//	err = door.Open()
//	go door.Serve()
//	<-door.Left()                      // finish what is in flight, and end
//
// It turns descriptors into messages on a Unix socket and back. It knows nothing
// of what is served on them, nor how a program ends. The messages are in
// docs/decisions/0009-listeners-are-handed-over.md; both ends of an upgrade may
// be of different versions of Daemun, so what is there never changes its
// meaning.
//
// Goroutines: those of Door.Serve, which waits for them.
package handover

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// version is that of the protocol. It changes only if an older Daemun could
// not go on; a field that an older one may ignore needs no new version.
const version = 1

const (
	// maxMessage bounds a message, maxListeners the descriptors of one.
	maxMessage   = 16 << 10
	maxListeners = 200
	// patience is how long the other end may take to say what it can say at
	// once. Only "ready" may take longer.
	patience = 5 * time.Second
)

// portPrefix begins the names of ports.
const portPrefix = "port/"

// The kinds of messages, in the order in which they are sent.
const (
	kindTake      = "take"      // new → old: who is there?
	kindListeners = "listeners" // old → new: with one descriptor for each
	kindReady     = "ready"     // new → old: stop accepting
	kindLeaving   = "leaving"   // old → new: it is all yours
	kindRefused   = "refused"   // old → new, at any time: the old one goes on
)

// message is one packet, as JSON. Fields that are not known are ignored.
type message struct {
	Version   int        `json:"version"`
	Kind      string     `json:"kind"`
	Listeners []listener `json:"listeners,omitempty"`
	Reason    string     `json:"reason,omitempty"`
}

// listener is one socket that is handed over.
type listener struct {
	Name    string `json:"name"`
	Address string `json:"address"`
}

func (m message) encode() ([]byte, error) {
	m.Version = version
	b, err := json.Marshal(m)
	if err == nil && len(b) > maxMessage {
		err = fmt.Errorf("message of %d octets, at most %d are allowed", len(b), maxMessage)
	}
	return b, err
}

// decode reads a message of the wanted kind. The error is for the other end's
// operator, too.
func decode(b []byte, kind string) (m message, err error) {
	if len(b) > maxMessage {
		return m, fmt.Errorf("message of more than %d octets", maxMessage)
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return m, errors.New("not a message of a hand-over")
	}
	switch {
	case m.Kind == kindRefused: // whatever the version: the reason is for people
		return m, &RefusedError{m.Reason}
	case m.Version != version:
		return m, fmt.Errorf("version %d of the hand-over is spoken, this is version %d", m.Version, version)
	case m.Kind != kind:
		return m, fmt.Errorf("message %q, want %q", m.Kind, kind)
	}
	return m, nil
}

// RefusedError is what the running Daemun says when it does not give way; it
// goes on as before.
type RefusedError struct{ Reason string }

func (e *RefusedError) Error() string { return "the running Daemun refuses: " + e.Reason }

// send writes one message; fds stay the caller's.
func send(c *net.UnixConn, m message, fds ...int) error {
	b, err := m.encode()
	if err != nil {
		return err
	}
	var oob []byte
	if len(fds) > 0 {
		oob = unix.UnixRights(fds...)
	}
	if err := c.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	_, _, err = c.WriteMsgUnix(b, oob, nil)
	return err
}

// receive reads one message without descriptors: those that come all the same
// the kernel closes.
func receive(c *net.UnixConn, kind string) error {
	b := make([]byte, maxMessage+1)
	n, err := c.Read(b)
	if err == nil {
		_, err = decode(b[:n], kind)
	}
	return err
}

// receiveFDs reads one message with descriptors, which are the caller's.
func receiveFDs(c *net.UnixConn, kind string) (m message, fds []int, err error) {
	b, oob := make([]byte, maxMessage+1), make([]byte, unix.CmsgSpace(4*maxListeners))
	n, oobn, flags, _, err := c.ReadMsgUnix(b, oob)
	if err != nil {
		return m, nil, err
	}
	fds = descriptors(oob[:oobn])
	m, err = decode(b[:n], kind)
	switch {
	case err != nil:
	case flags&unix.MSG_CTRUNC != 0:
		err = errors.New("not all descriptors were received; raise the limit of open files (ulimit -n)")
	case len(fds) != len(m.Listeners):
		err = fmt.Errorf("%d descriptors for %d listeners", len(fds), len(m.Listeners))
	}
	if err != nil {
		closeAll(fds)
		return m, nil, err
	}
	return m, fds, nil
}

func descriptors(oob []byte) (fds []int) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil
	}
	for i := range messages {
		if list, err := unix.ParseUnixRights(&messages[i]); err == nil {
			fds = append(fds, list...)
		}
	}
	return fds
}

func closeAll(fds []int) {
	for _, fd := range fds {
		unix.Close(fd)
	}
}

// trusted finds who is at the other end. Sockets that lead to all traffic go to
// root and the same user only, and come from them only; the mode of the file
// says the same, but may be changed.
func trusted(c *net.UnixConn) (pid int, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	var who *unix.Ucred
	controlErr := raw.Control(func(fd uintptr) {
		who, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err := errors.Join(controlErr, err); err != nil {
		return 0, err
	}
	if !mayHandOver(int(who.Uid), syscall.Geteuid()) {
		return int(who.Pid), fmt.Errorf("process %d is of user %d; only root and user %d may hand over", who.Pid, who.Uid, syscall.Geteuid())
	}
	return int(who.Pid), nil
}

func mayHandOver(peer, self int) bool { return peer == 0 || peer == self }
