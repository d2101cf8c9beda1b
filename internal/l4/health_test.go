package l4

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"daemun/internal/ir"
)

// checkAt makes a request and returns status, headers and body.
func checkAt(t *testing.T, method string, at netip.AddrPort) (*http.Response, string) {
	t.Helper()
	tr := &http.Transport{DisableKeepAlives: true}
	req, _ := http.NewRequestWithContext(t.Context(), method, "http://"+at.String()+"/any/path?x=y", strings.NewReader("a body"))
	resp, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func TestHealthCheckPort(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	twice := l.ready(port(l.podA(0)))
	twice.Ports = []uint16{8001}
	check := func(number uint16, endpoints ...ir.ServiceEndpoint) *ir.Network {
		sv := l.service(ir.TCP, endpoints...)
		sv.ExternalLocal, sv.HealthCheckPort = true, number
		return l.network(sv)
	}
	s := l.start(Config{}, check(32000, l.ready(port(l.podA(0))), twice, l.ready(port(l.podA(1))), terminating(l.ready(port(l.podB(0))))))
	for _, row := range []struct {
		method string
		node   netip.Addr
		status int
		weight string
		body   string
	}{
		{"GET", l.nodeA(), 200, "2", `{"service":{"namespace":"shop","name":"web"},"localEndpoints":2,"serviceProxyHealthy":true}`},
		{"POST", l.nodeA(), 200, "2", `{"service":{"namespace":"shop","name":"web"},"localEndpoints":2,"serviceProxyHealthy":true}`},
		{"HEAD", l.nodeA(), 200, "2", ""},
		{"GET", l.nodeB(), 503, "0", `{"service":{"namespace":"shop","name":"web"},"localEndpoints":0,"serviceProxyHealthy":true}`},
	} {
		resp, body := checkAt(t, row.method, netip.AddrPortFrom(row.node, 32000))
		if resp.StatusCode != row.status || body != row.body {
			t.Errorf("%s %s: %d %q", row.method, row.node, resp.StatusCode, body)
		}
		for name, want := range map[string]string{"Content-Type": "application/json", "X-Content-Type-Options": "nosniff", "X-Load-Balancing-Endpoint-Weight": row.weight} {
			if got := resp.Header.Get(name); got != want {
				t.Errorf("%s %s: %s: %q", row.method, row.node, name, got)
			}
		}
	}
	s.Update(check(32000, l.ready(port(l.podB(0)))))
	if resp, _ := checkAt(t, "GET", netip.AddrPortFrom(l.nodeA(), 32000)); resp.StatusCode != 503 {
		t.Error(resp.Status)
	}
	s.Update(check(0, l.ready(port(l.podB(0)))))
	if got := l.outcome(l.outside(), netip.AddrPortFrom(l.nodeA(), 32000)); got != "refused" {
		t.Error(got)
	}
}

// TestHealthCheckInPieces: a request may come octet by octet, and nonsense is
// answered, too.
func TestHealthCheckInPieces(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	sv := l.service(ir.TCP)
	sv.ExternalLocal, sv.HealthCheckPort = true, 32000
	s := l.start(Config{}, l.network(sv))
	for request, want := range map[string]string{
		"GET / HTTP/1.0\r\n\r\n":                    "HTTP/1.1 503 ",
		"nonsense\r\n":                              "HTTP/1.1 400 ",
		"GET /" + strings.Repeat("x", maxCheckHead): "HTTP/1.1 400 ",
	} {
		c := l.dial(l.outside(), netip.AddrPortFrom(l.nodeA(), 32000))
		for i := range len(request) {
			if i < 30 {
				c.Write([]byte{request[i]})
			} else {
				c.Write([]byte(request[i:]))
				break
			}
		}
		got, err := io.ReadAll(c.r)
		if err != nil || !bytes.HasPrefix(got, []byte(want)) {
			t.Errorf("%.20q: %q, %v", request, got, err)
		}
	}
	if s.Stats().HealthChecks != 3 {
		t.Errorf("%+v", s.Stats())
	}
}

func TestHealthCheckTimesOut(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	sv := l.service(ir.TCP)
	sv.HealthCheckPort = 32000
	clock := newClock()
	l.start(Config{now: clock.now}, l.network(sv))
	c := l.dial(l.outside(), netip.AddrPortFrom(l.nodeA(), 32000))
	c.Write([]byte("GET / HT"))
	ended := make(chan error, 1)
	go func() {
		_, err := c.r.ReadByte()
		ended <- err
	}()
	l.until("the connection ends", func() bool {
		clock.add(checkTimeout)
		select {
		case err := <-ended:
			return err == io.EOF || failure(err) == "reset"
		default:
			return false
		}
	})
}

func TestHealthCheckPortInUse(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	other := l.listen(netip.AddrPortFrom(l.nodeA(), 32000))
	sv := l.service(ir.TCP)
	sv.HealthCheckPort = 32000
	s, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Shutdown(t.Context())
	n := l.network(sv)
	s.Update(n)
	if p := s.Problems(); len(p) != 1 || p[0].Field != "spec.healthCheckNodePort" {
		t.Errorf("%v", p)
	}
	other.Close()
	s.Update(n)
	if p := s.Problems(); len(p) != 0 {
		t.Errorf("%v", p)
	}
	if _, err := net.Dial("tcp", netip.AddrPortFrom(l.nodeA(), 32000).String()); err != nil {
		t.Error(err)
	}
}

// FuzzCheckRequest: whatever comes in whatever pieces, the verdict once given
// stays, and comes within the bound.
func FuzzCheckRequest(f *testing.F) {
	for _, seed := range []string{"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HEAD /x HTTP/1.0\n\n", "\r\n\r\n", "POST / HTTP/1.1\r\n\r\nbody"} {
		f.Add([]byte(seed), 3)
	}
	f.Fuzz(func(t *testing.T, b []byte, cut int) {
		if len(b) > maxCheckHead+1 {
			b = b[:maxCheckHead+1]
		}
		whole := parseCheck(b)
		if len(b) > maxCheckHead && whole == checkMore {
			t.Error("waits for more than the bound")
		}
		if cut < 0 || cut > len(b) {
			return
		}
		if part := parseCheck(b[:cut]); part != checkMore && part != whole {
			t.Errorf("%d octets: %d, all %d", cut, part, whole)
		}
	})
}
