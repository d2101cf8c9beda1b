package accesslog

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"
)

// Destination is a Writer of a Log that can be another one from one Write to
// the next. Use and Reopen may be called from any goroutine, Write from one.
type Destination struct {
	next    atomic.Pointer[target]
	current *target
	reopen  atomic.Bool
}

type target struct{ io.Writer }

// NewDestination writes to w.
func NewDestination(w io.Writer) *Destination {
	d := &Destination{}
	d.Use(w)
	return d
}

// Use sends what is written from now on to w. The former one is closed if it
// is a File or a Syslog.
func (d *Destination) Use(w io.Writer) { d.next.Store(&target{w}) }

// Reopen has a File opened anew by its name, as after a rotation.
func (d *Destination) Reopen() { d.reopen.Store(true) }

// Write implements io.Writer.
func (d *Destination) Write(p []byte) (int, error) {
	if next := d.next.Load(); next != d.current {
		if d.current != nil {
			closeOwn(d.current.Writer)
		}
		d.current = next
	}
	if d.reopen.Swap(false) {
		if f, ok := d.current.Writer.(*File); ok {
			f.Close()
		}
	}
	return d.current.Write(p)
}

func closeOwn(w io.Writer) {
	switch w := w.(type) {
	case *File:
		w.Close()
	case *Syslog:
		w.Close()
	}
}

// again is how often a file is looked at, and how long a destination that
// failed is left alone.
const again = time.Second

// File appends to a file below a folder, which symbolic links cannot lead out
// of. It is opened with the first Write, and again after it was moved away. It
// is for one goroutine.
type File struct {
	folder, name string

	file   *os.File
	looked time.Time
	err    error // of the last attempt to open it
	now    func() time.Time
}

// NewFile is the file name below folder.
func NewFile(folder, name string) *File { return &File{folder: folder, name: name, now: time.Now} }

// Write implements io.Writer.
func (f *File) Write(p []byte) (int, error) {
	if now := f.now(); now.Sub(f.looked) >= again {
		f.looked, f.err = now, nil
		if f.file != nil && f.moved() {
			f.Close()
		}
	}
	if f.file == nil {
		if f.err != nil {
			return 0, f.err
		}
		if f.err = f.open(); f.err != nil {
			return 0, f.err
		}
	}
	return f.file.Write(p)
}

// moved reports that the name is another file's by now, or nobody's.
func (f *File) moved() bool {
	have, err := f.file.Stat()
	named, err2 := os.Lstat(filepath.Join(f.folder, f.name))
	return err != nil || err2 != nil || !os.SameFile(have, named)
}

func (f *File) open() error {
	root, err := os.OpenRoot(f.folder)
	if err != nil {
		return err
	}
	defer root.Close()
	f.file, err = root.OpenFile(f.name, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o640)
	return err
}

// Close closes the file; the next Write opens it again.
func (f *File) Close() {
	if f.file != nil {
		_ = f.file.Close()
		f.file = nil
	}
	f.err = nil
}

// Syslog sends each line as a datagram of its own in the form of RFC 3164, as
// nginx does: facility local7, severity info. It is for one goroutine.
type Syslog struct {
	dial func() (net.Conn, error)
	host string // of this machine

	conn    net.Conn
	tried   time.Time
	err     error
	message []byte
	now     func() time.Time
}

// priority is local7 (23) and info (6).
const priority = 23<<3 | 6

// NewSyslog sends to a server, "host:port".
func NewSyslog(server string) *Syslog {
	host, _ := os.Hostname()
	d := net.Dialer{Timeout: 2 * time.Second}
	return &Syslog{dial: func() (net.Conn, error) { return d.Dial("udp", server) }, host: host, now: time.Now}
}

// Write implements io.Writer.
func (s *Syslog) Write(p []byte) (int, error) {
	now := s.now()
	if s.conn == nil {
		if s.err != nil && now.Sub(s.tried) < again {
			return 0, s.err
		}
		s.tried = now
		if s.conn, s.err = s.dial(); s.err != nil {
			return 0, fmt.Errorf("syslog: %w", s.err)
		}
	}
	head := s.appendHead(s.message[:0], now)
	for rest := p; len(rest) > 0; {
		var line []byte
		if line, rest = cutLine(rest); len(line) == 0 {
			continue
		}
		s.message = append(head, line...)
		head = s.message[:len(head)]
		if _, err := s.conn.Write(s.message); err != nil {
			s.Close() // the name may lead elsewhere by now
			return 0, err
		}
	}
	return len(p), nil
}

func (s *Syslog) appendHead(b []byte, now time.Time) []byte {
	b = fmt.Appendf(b, "<%d>", priority)
	b = now.AppendFormat(b, time.Stamp)
	return fmt.Appendf(b, " %s nginx: ", s.host)
}

func cutLine(p []byte) (line, rest []byte) {
	for i, c := range p {
		if c == '\n' {
			return p[:i], p[i+1:]
		}
	}
	return p, nil
}

// Close closes the socket; the next Write opens another.
func (s *Syslog) Close() {
	if s.conn != nil {
		_ = s.conn.Close()
		s.conn = nil
	}
}
