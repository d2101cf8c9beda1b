package l4

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"daemun/internal/ir"
)

// headers is a Service whose port takes and gives PROXY headers, at an address
// that endpoints are asked of by clients from everywhere.
func (l *lab) headers(takes, gives bool, endpoints ...ir.ServiceEndpoint) *ir.Service {
	s := l.service(ir.TCP, endpoints...)
	s.Ports[0].TakesHeader, s.Ports[0].GivesHeader = takes, gives
	s.HeaderTimeout = ir.Duration(time.Hour)
	return s
}

// repeater is an endpoint that gives back all it gets, and says nothing before.
func (l *lab) repeater() netip.AddrPort {
	return l.serve(port(l.podA(0)), func(c *net.TCPConn) {
		defer c.Close()
		if _, err := io.Copy(c, c); err == nil {
			_ = c.CloseWrite()
		}
	})
}

// said is what comes back of what a client says.
func (l *lab) said(from netip.Addr, to netip.AddrPort, pieces ...string) (string, netip.AddrPort) {
	l.Helper()
	c := l.dial(from, to)
	for _, p := range pieces {
		if _, err := c.Write([]byte(p)); err != nil {
			return failure(err), netip.AddrPort{}
		}
	}
	_ = c.CloseWrite()
	b, err := io.ReadAll(c)
	if err != nil {
		return failure(err), netip.AddrPort{}
	}
	return string(b), c.LocalAddr().(*net.TCPAddr).AddrPort()
}

const (
	headerV1 = "PROXY TCP4 192.0.2.7 198.51.100.1 51234 443\r\n"
	headerV2 = "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x07\xc6\x33\x64\x01\xc8\x22\x01\xbb"
)

// TestHeaders: what an endpoint gets of each header, and from whom.
func TestHeaders(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	e := l.ready(l.repeater())
	for _, tt := range []struct {
		name         string
		takes, gives bool
		trusted      string
		say          []string
		want         string // SELF is the client's own address and port
	}{
		{"takes version 1", true, false, "127.0.0.0/8", []string{headerV1, "hello"}, "hello"},
		{"takes version 2", true, false, "", []string{headerV2 + "hello"}, "hello"},
		{"octet by octet", true, false, "", strings.Split(headerV1+"hello", ""), "hello"},
		{"header and end", true, false, "", []string{headerV1}, ""},
		{"gives", false, true, "", []string{"hello"}, "PROXY TCP4 SELF\r\nhello"},
		{"gives a header that comes from the client as it is", false, true, "", []string{headerV1}, "PROXY TCP4 SELF\r\n" + headerV1},
		{"takes and gives", true, true, "127.0.0.0/8", []string{headerV1 + "hello"}, headerV1 + "hello"},
		{"of version 2 becomes version 1", true, true, "", []string{headerV2 + "hello"}, headerV1 + "hello"},
		{"not trusted: stays who it is", true, true, "10.0.0.0/8", []string{headerV1 + "hello"}, "PROXY TCP4 SELF\r\nhello"},
		{"of the proxy's own", true, true, "", []string{"PROXY UNKNOWN\r\nhello"}, "PROXY TCP4 SELF\r\nhello"},
	} {
		s := l.headers(tt.takes, tt.gives, e)
		if tt.trusted != "" {
			s.HeaderTrusted = []netip.Prefix{netip.MustParsePrefix(tt.trusted)}
		}
		server := l.start(Config{}, l.network(s))
		to := port(l.cluster())
		got, self := l.said(l.outside(), to, tt.say...)
		want := strings.ReplaceAll(tt.want, "SELF", fmt.Sprintf("%s %s %d %d", self.Addr(), to.Addr(), self.Port(), to.Port()))
		if got != want {
			t.Errorf("%s: %q, want %q", tt.name, got, want)
		}
		server.Update(l.network())
	}
}

// TestLongOpening: what came along with a header goes before all that follows.
func TestLongOpening(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.start(Config{}, l.network(l.headers(true, false, l.ready(l.repeater()))))
	body := strings.Repeat("0123456789abcdef", 1<<16)
	c := l.dial(l.outside(), port(l.cluster()))
	go func() {
		_, _ = io.WriteString(c, headerV1+body)
		_ = c.CloseWrite()
	}()
	if b, err := io.ReadAll(c); err != nil || string(b) != body {
		t.Errorf("%d octets of %d came back, %v", len(b), len(body), err)
	}
}

// TestNoHeader: who begins with anything else, or with nothing, is reset, and
// no endpoint hears of it.
func TestNoHeader(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	now := newClock()
	dialled := make(chan struct{}, 1)
	at := l.serve(port(l.podA(0)), func(c *net.TCPConn) { dialled <- struct{}{}; c.Close() })
	ended := make(chan Session, 8)
	s := l.headers(true, true, l.ready(at))
	server := l.start(Config{now: now.now, Ended: func(s *Session) { ended <- *s }}, l.network(s))
	for _, say := range []string{"GET / HTTP/1.1\r\n\r\n", "PROXY TCP4 nobody", "PROXY " + strings.Repeat("x", 200)} {
		if got, _ := l.said(l.outside(), port(l.cluster()), say); got != "reset" {
			t.Errorf("%q: %q", say, got)
		}
		if e := <-ended; !e.Failed || e.Endpoint.IsValid() {
			t.Errorf("%q: %+v", say, e)
		}
	}
	l.until("all have ended", func() bool { return server.Stats().OpenConnections == 0 })
	silent := l.dial(l.outside(), port(l.cluster()))
	l.until("it is waited for", func() bool { return server.Stats().OpenConnections == 1 })
	now.add(2 * time.Hour)
	if _, err := silent.Read(make([]byte, 1)); failure(err) != "reset" {
		t.Errorf("silent: %v", err)
	}
	l.until("all have ended", func() bool { return server.Stats().OpenConnections == 0 })
	if got := server.Stats().Refused.Header; got != 4 {
		t.Errorf("%d refused, want 4", got)
	}
	select {
	case <-dialled:
		t.Error("the endpoint was dialled")
	default:
	}
}

// TestShutdownWithGreetings: connections whose header has not come are cut with
// the others.
func TestShutdownWithGreetings(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	server := l.start(Config{}, l.network(l.headers(true, false, l.ready(l.repeater()))))
	c := l.dial(l.outside(), port(l.cluster()))
	l.until("it is waited for", func() bool { return server.Stats().OpenConnections == 1 })
	ctx, cancel := newDeadline()
	cancel()
	_ = server.Shutdown(ctx)
	if _, err := c.Read(make([]byte, 1)); failure(err) != "reset" {
		t.Errorf("%v", err)
	}
	if n := server.Stats().OpenConnections; n != 0 {
		t.Errorf("%d are open", n)
	}
}
