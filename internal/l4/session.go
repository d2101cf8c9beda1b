package l4

import (
	"net/netip"
	"sync/atomic"
	"time"

	"daemun/internal/ir"
)

// Session is one connection, or the datagrams of one client to a frontend,
// that has ended.
type Session struct {
	Transport            ir.Transport
	Namespace, Name      string // of the Service
	Client, Server       netip.AddrPort
	Endpoint             netip.AddrPort // zero when none could be had
	Begin, End           time.Time
	ToClient, ToEndpoint int64 // octets
	// Failed says that there was no endpoint, or that it could not be
	// connected to.
	Failed bool
}

// session is what is noted of a running one where somebody wants to know of
// its end; nil where nobody does. It costs nothing then. The counts are those
// of one goroutine at a time.
type session struct {
	Session
	ended atomic.Bool
}

// begin notes the begin of a session with a client.
func (f *frontend) beginSession(l *loop, client netip.AddrPort, to netip.AddrPort) *session {
	if l.server.config.Ended == nil {
		return nil
	}
	s := &session{Session: Session{Transport: f.key.transport, Client: client, Server: f.key.at, Endpoint: to, Begin: l.server.config.now()}}
	if f.plan != nil {
		s.Namespace, s.Name = f.plan.rules.service.Namespace, f.plan.rules.service.Name
	}
	return s
}

// leadsTo notes another endpoint than the first.
func (s *session) leadsTo(to netip.AddrPort) {
	if s != nil {
		s.Endpoint = to
	}
}

// count adds octets that were passed on.
func (s *session) count(toClient bool, n int) {
	switch {
	case s == nil:
	case toClient:
		s.ToClient += int64(n)
	default:
		s.ToEndpoint += int64(n)
	}
}

// end tells of the end, once.
func (s *session) end(server *Server, failed bool) {
	if s == nil || s.ended.Swap(true) {
		return
	}
	s.End, s.Failed = server.config.now(), failed
	server.config.Ended(&s.Session)
}
