package l4

import (
	"net/netip"
	"testing"

	"daemun/internal/ir"
)

// TestSessionsAreTold: what ended is told once, with its octets; so is a client
// whose endpoint does not answer.
func TestSessionsAreTold(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	ended := make(chan *Session, 10)
	good, nobody := l.endpoint(port(l.podA(0))), port(l.podA(1))
	service := l.service(ir.TCP, l.ready(good))
	server := l.start(Config{Ended: func(s *Session) { ended <- s }}, l.network(service))
	c := l.dial(l.outside(), port(l.cluster()))
	if _, _, err := c.hello(); err != nil {
		t.Fatal(err)
	}
	c.Close()
	s := <-ended
	if s.Failed || s.Endpoint != good || s.Client.Addr() != l.outside() || s.Server != port(l.cluster()) || s.ToClient == 0 || s.Name != service.Name || s.End.Before(s.Begin) {
		t.Errorf("%+v", s)
	}
	server.Update(l.network(l.service(ir.TCP, l.ready(nobody))))
	if c, err := dial(l.outside(), port(l.cluster()), patience); err == nil {
		_, _, _ = c.hello()
		c.Close()
	}
	if s := <-ended; !s.Failed || s.Endpoint != (netip.AddrPort{}) && s.Endpoint != nobody {
		t.Errorf("%+v", s)
	}
	select {
	case s := <-ended:
		t.Errorf("told twice: %+v", s)
	default:
	}
}
