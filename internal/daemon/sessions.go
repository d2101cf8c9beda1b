package daemon

import (
	"fmt"
	"strings"

	"daemun/internal/accesslog"
	"daemun/internal/l4"
	"daemun/internal/metrics"
)

// logSession writes the line of a session with a published port.
func (l *logs) logSession(s *l4.Session) {
	if !l.sessions.Sessions() {
		return
	}
	status := 200
	if s.Failed {
		status = 502
	}
	protocol := string(s.Transport)
	name := fmt.Sprintf("%s-%s-%s-%d", strings.ToLower(protocol), s.Namespace, s.Name, s.Server.Port())
	l.sessions.LogSession(&accesslog.Session{
		End: s.End, Duration: s.End.Sub(s.Begin), Client: s.Client, Server: s.Server, Protocol: protocol, Status: status,
		BytesSent: s.ToClient, BytesReceived: s.ToEndpoint, UpstreamName: name, Endpoint: s.Endpoint,
	})
}

// publishedStats tells the metrics of published ports; nil where there are
// none to be.
func (d *controller) publishedStats() func() metrics.Layer4 {
	if d.Published == (PublishedConfig{}) {
		return nil
	}
	return func() metrics.Layer4 {
		if d.published == nil { // not open yet
			return metrics.Layer4{}
		}
		return layer4Metrics(d.published.l4.Stats())
	}
}
