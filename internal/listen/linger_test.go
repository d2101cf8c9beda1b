package listen

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"
)

// sender is a client that has sent more than was read of it.
type sender struct {
	net.Conn
	unread int
	got    bytes.Buffer
	closed bool // for writing
	early  bool // it was read from before
}

func (s *sender) SetDeadline(time.Time) error { return nil }
func (s *sender) Write(p []byte) (int, error) { return s.got.Write(p) }
func (s *sender) CloseWrite() error           { s.closed = true; return nil }
func (s *sender) Read(p []byte) (n int, err error) {
	s.early = s.early || !s.closed
	if s.unread == 0 {
		return 0, io.EOF
	}
	n = min(len(p), s.unread)
	s.unread -= n
	return n, nil
}

// TestPlainHTTPIsReadToItsEnd, after the answer and within a bound: closing with
// octets unread would reset the connection and could take the answer away.
func TestPlainHTTPIsReadToItsEnd(t *testing.T) {
	t.Parallel()
	for sent, left := range map[int]int{0: 0, 20000: 0, lingerBytes: 0, lingerBytes + 100: 100} {
		s := &sender{unread: sent}
		answerPlainHTTP(s)
		if s.got.String() != plainHTTPAnswer || !s.closed || s.early || s.unread != left {
			t.Errorf("of %d octets %d are unread, want %d; answered %v, closed %v, before that read %v", sent, s.unread, left, s.got.Len() > 0, s.closed, s.early)
		}
	}
}
