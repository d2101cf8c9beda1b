package proxy

import (
	"context"
	"errors"
	"io"
	"time"

	"daemun/internal/http1"
	"daemun/internal/upstream"
)

// subrequest is a small request of our own to a backend, beside the one of the
// client: to a service that decides about it, for its copy.
type subrequest struct {
	server   *Server
	backend  *upstream.Backend
	tls      bool
	octets   []byte // head and body
	method   string
	connect  time.Duration
	patience time.Duration // for the whole response head
	// using is told which connection is in use, so that it can be cut; nil for
	// none any more.
	using func(*upstream.Conn)
	// wanted is how long a body may be that is read into got; 0 drops it.
	wanted int
	got    []byte

	resp  http1.Response
	body  http1.BodyReader
	asked string // the endpoint that was tried last
}

var errNoEndpoint = errors.New("no endpoint")

// run sends the request and hands the response head to read, which must copy
// what it keeps. A pooled connection that turns out to be closed is replaced
// once, and another endpoint is tried when one cannot be connected to.
func (s *subrequest) run(read func(*http1.Response)) error {
	var room [3]*upstream.Endpoint
	tried := room[:0]
	err := errNoEndpoint
	for range 3 {
		ep := s.backend.Pick(tried)
		if ep == nil {
			return err
		}
		tried = append(tried, ep)
		ep.Begin()
		s.asked = ep.Address()
		var connected bool
		connected, err = s.attempt(ep, read)
		ep.End(err != nil)
		if err == nil || connected {
			return err
		}
	}
	return err
}

// attempt reports whether the endpoint could be connected to.
func (s *subrequest) attempt(ep *upstream.Endpoint, read func(*http1.Response)) (connected bool, err error) {
	t := upstream.Plain
	if s.tls {
		t = upstream.TLS
	}
	for up := ep.Idle(t); up != nil; up = nil {
		if err := s.converse(up, read); err == nil || !isClosed(err) {
			return true, err
		}
	}
	up, err := ep.Dial(context.Background(), t, s.connect)
	if err != nil {
		return false, err
	}
	return true, s.converse(up, read)
}

// converse uses a connection for one request and gives it back or closes it.
func (s *subrequest) converse(up *upstream.Conn, read func(*http1.Response)) error {
	s.using(up)
	defer s.using(nil)
	now := time.Now()
	limit := now.Add(s.patience)
	up.ArmWrite(now, s.patience)
	if _, err := up.Write(s.octets); err != nil {
		up.Discard()
		return err
	}
	if err := s.await(up, limit); err != nil {
		up.Discard()
		return err
	}
	read(&s.resp)
	if s.wanted > 0 {
		if err := s.collect(up, limit); err != nil {
			up.Discard()
			return err
		}
	}
	if s.resp.KeepAlive && s.drain(up, limit) {
		s.using(nil) // it is others' from now on
		up.Release()
	} else {
		up.Discard()
	}
	return nil
}

// await reads the final response head.
func (s *subrequest) await(up *upstream.Conn, limit time.Time) error {
	s.resp.Reset()
	for interim := 0; interim <= maxInterim; {
		n, err := s.resp.Parse(up.Reader.Buffered(), &s.server.backend, s.method == "HEAD")
		switch {
		case err == http1.ErrIncomplete:
			if err := fillUntil(up, limit); err != nil {
				return err
			}
		case err != nil:
			return err
		case s.resp.Status == 101:
			return errInterim
		case s.resp.Status >= 200:
			up.Reader.Hold(n)
			s.body.Reset(&up.Reader, s.resp.Body, s.resp.ContentLength, &s.server.backend)
			return nil
		default:
			up.Reader.Discard(n)
			interim++
		}
	}
	return errInterim
}

func fillUntil(up *upstream.Conn, limit time.Time) error {
	for {
		up.ArmRead(time.Now(), limit)
		var err error
		if len(up.Reader.Buffered()) == 0 {
			letOthersRun()
			err = up.Reader.Wait() // holds no buffer meanwhile
		} else {
			_, err = up.Reader.Fill()
		}
		switch {
		case err == nil:
			return nil
		case err == io.EOF:
			return io.ErrUnexpectedEOF
		case !isTimeout(err):
			return err
		case !time.Now().Before(limit):
			return errTooLong
		}
	}
}

// collect reads the body.
func (s *subrequest) collect(up *upstream.Conn, limit time.Time) error {
	s.got = s.got[:0]
	var scratch [4096]byte
	for !s.body.Done() {
		up.ArmRead(time.Now(), limit)
		n, err := s.body.Read(scratch[:])
		if s.got = append(s.got, scratch[:n]...); len(s.got) > s.wanted {
			return errBodyTooLarge
		}
		switch {
		case err == nil, err == io.EOF:
		case !isTimeout(err):
			return err
		case !time.Now().Before(limit):
			return errTooLong
		}
	}
	return nil
}

// drainMax is how much of a body that nobody wants is read to keep the
// connection.
const drainMax = 64 << 10

// drain reads the body to its end, if that is near.
func (s *subrequest) drain(up *upstream.Conn, limit time.Time) bool {
	if left := s.body.Remaining(); left > 0 && left <= int64(len(up.Reader.Buffered())) {
		up.Reader.Discard(int(left)) // it is here
		s.body.Advance(left)
		return true
	}
	var scratch [2048]byte
	for !s.body.Done() {
		if s.body.Payload() > drainMax || !time.Now().Before(limit) {
			return false
		}
		up.ArmRead(time.Now(), limit)
		if _, err := s.body.Read(scratch[:]); err != nil && err != io.EOF && !isTimeout(err) {
			return false
		}
	}
	return true
}
