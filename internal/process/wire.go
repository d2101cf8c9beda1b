package process

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Daemun and a shim talk in frames: length (4 octets, big endian), kind (one
// octet), body. Not JSON, because arguments, variables and output are octets,
// not text.

// kind says what a frame's body holds.
type kind byte

const (
	kindStart  kind = iota + 1 // Daemun → shim: startRequest, always first
	kindSignal                 // Daemun → shim: signal number
	kindKill                   // Daemun → shim: end everything
	kindExec                   // Daemun → shim: execRequest
	kindCancel                 // Daemun → shim: id of an exec to kill

	kindStarted  // shim → Daemun: startedReply
	kindFailed   // shim → Daemun: startFailure; the shim ends
	kindEnded    // shim → Daemun: wait status of the program
	kindExecDone // shim → Daemun: execReply
)

// maxFrame bounds a body: the kernel takes a few MiB of arguments and
// environment at most, and exec output is limited to maxExecOutput.
const maxFrame = 16 << 20

// maxExecOutput bounds what one exec may return.
const maxExecOutput = 1 << 20

// isolation says which namespaces a shim is started in.
type isolation struct {
	user, mount, pid, uts bool
}

// startRequest is the body of kindStart.
type startRequest struct {
	isolation isolation
	probe     bool // prepare everything, start nothing
	argv, env []string
	dir       string
	mounts    []Mount
	optional  []Mount
	hostname  string
}

// startedReply is the body of kindStarted.
type startedReply struct {
	pid     int      // the program's, on the machine
	leftOut []string // why optional parts of the view are not there
}

// startFailure is the body of kindFailed.
type startFailure struct {
	code int
	text string
}

// execRequest is the body of kindExec.
type execRequest struct {
	id    uint64
	argv  []string
	limit int
}

// execReply is the body of kindExecDone. text is set when the command could
// not be started.
type execReply struct {
	id     uint64
	status uint32
	output []byte
	text   string
}

func writeFrame(w io.Writer, k kind, body []byte) error {
	buf := make([]byte, 5, 5+len(body))
	binary.BigEndian.PutUint32(buf, uint32(len(body)))
	buf[4] = byte(k)
	_, err := w.Write(append(buf, body...))
	return err
}

func readFrame(r io.Reader) (kind, []byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[:4])
	if n > maxFrame {
		return 0, nil, fmt.Errorf("frame of %d octets", n)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		return 0, nil, err
	}
	return kind(head[4]), body, nil
}

// encoder appends values; decoder takes them off in the same order.
type encoder []byte

func (e *encoder) num(n uint64) { *e = binary.AppendUvarint(*e, n) }

func (e *encoder) flag(b bool) {
	if b {
		e.num(1)
		return
	}
	e.num(0)
}

func (e *encoder) str(s string) {
	e.num(uint64(len(s)))
	*e = append(*e, s...)
}

func (e *encoder) list(l []string) {
	e.num(uint64(len(l)))
	for _, s := range l {
		e.str(s)
	}
}

func (e *encoder) mounts(l []Mount) {
	e.num(uint64(len(l)))
	for _, m := range l {
		e.str(m.Source)
		e.str(m.Target)
		e.flag(m.ReadOnly)
	}
}

var errShortFrame = errors.New("frame is too short")

// decoder keeps the first error; values after it are zero.
type decoder struct {
	rest []byte
	err  error
}

func (d *decoder) num() uint64 {
	n, size := binary.Uvarint(d.rest)
	if size <= 0 || d.err != nil {
		d.err = errShortFrame
		return 0
	}
	d.rest = d.rest[size:]
	return n
}

func (d *decoder) flag() bool { return d.num() != 0 }

func (d *decoder) str() string {
	n := d.num()
	if d.err != nil || n > uint64(len(d.rest)) {
		d.err = errShortFrame
		return ""
	}
	s := string(d.rest[:n])
	d.rest = d.rest[n:]
	return s
}

func (d *decoder) list() []string {
	n := d.num()
	var l []string
	for i := uint64(0); i < n && d.err == nil; i++ {
		l = append(l, d.str())
	}
	if d.err != nil {
		return nil
	}
	return l
}

func (d *decoder) mounts() []Mount {
	n := d.num()
	var l []Mount
	for i := uint64(0); i < n && d.err == nil; i++ {
		l = append(l, Mount{Source: d.str(), Target: d.str(), ReadOnly: d.flag()})
	}
	return l
}

func (s startRequest) encode() []byte {
	var e encoder
	e.flag(s.isolation.user)
	e.flag(s.isolation.mount)
	e.flag(s.isolation.pid)
	e.flag(s.isolation.uts)
	e.flag(s.probe)
	e.list(s.argv)
	e.list(s.env)
	e.str(s.dir)
	e.mounts(s.mounts)
	e.mounts(s.optional)
	e.str(s.hostname)
	return e
}

func startRequestFrom(body []byte) (startRequest, error) {
	d := decoder{rest: body}
	var s startRequest
	s.isolation = isolation{user: d.flag(), mount: d.flag(), pid: d.flag(), uts: d.flag()}
	s.probe = d.flag()
	s.argv, s.env, s.dir = d.list(), d.list(), d.str()
	s.mounts, s.optional = d.mounts(), d.mounts()
	s.hostname = d.str()
	return s, d.err
}

func (s startedReply) encode() []byte {
	var e encoder
	e.num(uint64(s.pid))
	e.list(s.leftOut)
	return e
}

func startedReplyFrom(body []byte) (startedReply, error) {
	d := decoder{rest: body}
	s := startedReply{pid: int(d.num()), leftOut: d.list()}
	return s, d.err
}

func (f startFailure) encode() []byte {
	var e encoder
	e.num(uint64(f.code))
	e.str(f.text)
	return e
}

func startFailureFrom(body []byte) (startFailure, error) {
	d := decoder{rest: body}
	f := startFailure{code: int(d.num()), text: d.str()}
	return f, d.err
}

func (x execRequest) encode() []byte {
	var e encoder
	e.num(x.id)
	e.list(x.argv)
	e.num(uint64(x.limit))
	return e
}

func execRequestFrom(body []byte) (execRequest, error) {
	d := decoder{rest: body}
	x := execRequest{id: d.num(), argv: d.list(), limit: int(d.num())}
	return x, d.err
}

func (x execReply) encode() []byte {
	var e encoder
	e.num(x.id)
	e.num(uint64(x.status))
	e.str(string(x.output))
	e.str(x.text)
	return e
}

func execReplyFrom(body []byte) (execReply, error) {
	d := decoder{rest: body}
	x := execReply{id: d.num(), status: uint32(d.num()), output: []byte(d.str()), text: d.str()}
	return x, d.err
}

// number is the body of a frame that holds one number.
func number(n uint64) []byte {
	var e encoder
	e.num(n)
	return e
}

func numberFrom(body []byte) (uint64, error) {
	d := decoder{rest: body}
	n := d.num()
	return n, d.err
}
