package accesslog

import (
	"net/netip"
	"strconv"
	"time"

	"daemun/internal/variable"
)

// Session is one connection to a TCP service, or the datagrams of one client
// to a UDP service.
type Session struct {
	End           time.Time
	Duration      time.Duration
	Client        netip.AddrPort
	Server        netip.AddrPort
	Protocol      string // "TCP" or "UDP"
	Status        int    // 200, or 502 when no endpoint could be had
	BytesSent     int64  // to the client
	BytesReceived int64
	UpstreamName  string // "tcp-namespace-service-port"
	Endpoint      netip.AddrPort
}

// LogSession formats and queues one session, as Log does.
func (l *Log) LogSession(s *Session) {
	if !l.Sessions() {
		return
	}
	e := Entry{
		Time: s.End, Remote: s.Client.Addr(), Status: s.Status, RequestTime: s.Duration,
		UpstreamName: s.UpstreamName, Source: s,
	}
	if s.Endpoint.IsValid() {
		e.Attempts = []Attempt{{
			Addr: s.Endpoint.String(), ResponseTime: s.Duration, ResponseLength: s.BytesSent,
			BytesSent: s.BytesReceived, BytesReceived: s.BytesSent, Status: s.Status,
		}}
	}
	l.log(&l.settings.Load().streams, &e)
}

// AppendVariable implements variable.Source.
func (s *Session) AppendVariable(b []byte, id variable.ID, _ string) []byte {
	switch id {
	case variable.Protocol:
		return append(b, s.Protocol...)
	case variable.BytesSent:
		return strconv.AppendInt(b, s.BytesSent, 10)
	case variable.BytesReceived:
		return strconv.AppendInt(b, s.BytesReceived, 10)
	case variable.RemotePort:
		return strconv.AppendUint(b, uint64(s.Client.Port()), 10)
	case variable.ServerAddr:
		return s.Server.Addr().Unmap().AppendTo(b)
	case variable.ServerPort:
		return strconv.AppendUint(b, uint64(s.Server.Port()), 10)
	}
	return b
}
