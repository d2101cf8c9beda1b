package l4

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"daemun/internal/ir"
)

const (
	// maxCheckHead bounds the head of a health check's request.
	maxCheckHead = 8 << 10
	// maxChecks bounds the open health check connections of a loop.
	maxChecks = 256
	// checkTimeout is what a whole health check may take.
	checkTimeout = 5 * time.Second
)

// healthCheck answers on the health check port of a Service on one node
// address whether the node has ready endpoints.
type healthCheck struct {
	loop    *loop
	at      netip.AddrPort
	service *ir.Service
	node    string
	err     error // why it is not open; written by Update only

	// guarded by loop.mu
	reg    registration
	answer []byte // with its body
	head   int    // length of the answer without the body
}

// checkConn is one health check being answered.
type checkConn struct {
	check    *healthCheck
	loop     *loop
	reg      registration
	request  []byte
	until    time.Time
	answered bool
	closed   bool
}

// updateChecks opens, changes and closes health check ports.
func (s *Server) updateChecks(changed, gone []*service) {
	for _, st := range gone {
		s.closeChecks(st, nil)
	}
	for _, st := range changed {
		s.closeChecks(st, s.wantedChecks(st.ir))
	}
	for _, st := range changed {
		s.openChecks(st)
	}
	for _, h := range s.checks {
		if h.err != nil {
			h.err = h.open()
		}
	}
}

// wantedChecks are the addresses of a Service's health check ports, with
// their nodes.
func (s *Server) wantedChecks(sv *ir.Service) map[netip.AddrPort]string {
	if sv.HealthCheckPort == 0 || !proxied(sv) {
		return nil
	}
	wanted := map[netip.AddrPort]string{}
	for a, i := range s.places.byAddr {
		wanted[netip.AddrPortFrom(a, sv.HealthCheckPort)] = s.places.nodes[i].Name
	}
	return wanted
}

func (s *Server) closeChecks(st *service, wanted map[netip.AddrPort]string) {
	st.checks = slices.DeleteFunc(st.checks, func(h *healthCheck) bool {
		if wanted[h.at] == h.node {
			return false
		}
		h.close()
		delete(s.checks, h.at)
		return true
	})
}

func (s *Server) openChecks(st *service) {
	for at, node := range s.wantedChecks(st.ir) {
		h := s.checks[at]
		if h == nil {
			h = &healthCheck{loop: s.loops[s.placed%len(s.loops)], at: at, node: node}
			h.reg.fd = -1
			s.placed++
			s.checks[at] = h
			st.checks = append(st.checks, h)
			h.set(st.ir, localReady(st.ir, node))
			h.err = h.open()
		} else if slices.Contains(st.checks, h) { // an API server gives no port twice
			h.set(st.ir, localReady(st.ir, node))
		}
	}
}

// open listens; it does nothing when it already does.
func (h *healthCheck) open() error {
	h.loop.mu.Lock()
	defer h.loop.mu.Unlock()
	if h.reg.fd >= 0 {
		return nil
	}
	fd, e := newSocket(h.at.Addr().Is4(), unix.SOCK_STREAM)
	if e != 0 {
		return os.NewSyscallError("socket", e)
	}
	setInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	e = bindTo(fd, h.at)
	if e == 0 {
		if err := unix.Listen(fd, 128); err != nil {
			closeSocket(fd)
			return os.NewSyscallError("listen", err)
		}
		h.reg = registration{owner: h, fd: fd}
		e = h.loop.poll(&h.reg, listenEvents)
	}
	if e != 0 {
		closeSocket(fd)
		h.reg.fd = -1
		return os.NewSyscallError("bind", e)
	}
	return nil
}

func (h *healthCheck) close() {
	h.loop.mu.Lock()
	defer h.loop.mu.Unlock()
	if h.reg.fd >= 0 {
		h.loop.closeListening(&h.reg)
	}
}

// set changes the answer.
func (h *healthCheck) set(sv *ir.Service, count int) {
	answer, head := checkAnswer(sv, count)
	h.loop.mu.Lock()
	defer h.loop.mu.Unlock()
	h.service, h.answer, h.head = sv, answer, head
}

// checkAnswer is the whole answer, and the length of its head.
func checkAnswer(sv *ir.Service, count int) ([]byte, int) {
	status := "200 OK"
	if count == 0 {
		status = "503 Service Unavailable"
	}
	var page struct {
		Service struct {
			Namespace string `json:"namespace"`
			Name      string `json:"name"`
		} `json:"service"`
		LocalEndpoints      int  `json:"localEndpoints"`
		ServiceProxyHealthy bool `json:"serviceProxyHealthy"`
	}
	page.Service.Namespace, page.Service.Name = sv.Namespace, sv.Name
	page.LocalEndpoints, page.ServiceProxyHealthy = count, true
	body, err := json.Marshal(page)
	if err != nil {
		panic(err) // strings and numbers only
	}
	head := fmt.Sprintf("HTTP/1.1 %s\r\nContent-Type: application/json\r\nX-Content-Type-Options: nosniff\r\n"+
		"X-Load-Balancing-Endpoint-Weight: %d\r\nContent-Length: %d\r\nConnection: close\r\n\r\n", status, count, len(body))
	return append([]byte(head), body...), len(head)
}

func (h *healthCheck) ready(l *loop, _ int, _ uint32) {
	for range acceptBatch {
		fd, _, e := acceptFrom(h.reg.fd)
		if e == unix.ECONNABORTED || e == unix.EINTR {
			continue
		}
		if e == unix.EAGAIN {
			return
		}
		if e != 0 {
			l.pause(&h.reg, e)
			return
		}
		if len(l.checks.all) >= maxChecks {
			closeSocket(fd)
			continue
		}
		c := &checkConn{check: h, loop: l, until: l.now.Add(checkTimeout)}
		c.reg = registration{owner: c, fd: fd}
		if l.poll(&c.reg, unix.EPOLLIN|unix.EPOLLRDHUP) != 0 {
			closeSocket(fd)
			continue
		}
		l.checks.all = append(l.checks.all, c)
	}
}

// ready reads the request, answers it, and waits for the client to close: a
// close with octets unread would be a reset, and could take the answer along.
func (c *checkConn) ready(l *loop, _ int, _ uint32) {
	if c.closed {
		return
	}
	n, e := readFrom(c.reg.fd, l.copied)
	switch {
	case e == unix.EAGAIN:
		return
	case e != 0, n == 0:
		c.close()
		return
	case c.answered:
		return
	}
	c.request = append(c.request, l.copied[:min(n, maxCheckHead+1-len(c.request))]...)
	head := parseCheck(c.request)
	if head == checkMore {
		return
	}
	c.answered, c.request = true, nil
	l.count.checks.Add(1)
	answer := c.check.answer
	switch head {
	case checkNoBody:
		answer = answer[:c.check.head]
	case checkBad:
		answer = badCheck
	}
	// It fits into the socket's buffer, which is empty.
	if _, e := writeTo(c.reg.fd, answer); e != 0 {
		c.close()
		return
	}
	shutdownWrite(c.reg.fd)
}

var badCheck = []byte("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

// checkHead is what is known of a request.
type checkHead uint8

const (
	checkMore checkHead = iota // its head is not complete
	checkGood
	checkNoBody // HEAD
	checkBad
)

// parseCheck looks at what has come of a request. Any method and path will do.
func parseCheck(b []byte) checkHead {
	line, _, complete := bytes.Cut(b, []byte("\n"))
	if complete {
		if f := bytes.Fields(line); len(f) != 3 || !bytes.HasPrefix(f[2], []byte("HTTP/1.")) {
			return checkBad
		}
		if headEnds(b) {
			if bytes.HasPrefix(line, []byte("HEAD ")) {
				return checkNoBody
			}
			return checkGood
		}
	}
	if len(b) > maxCheckHead {
		return checkBad
	}
	return checkMore
}

func headEnds(b []byte) bool {
	return bytes.Contains(b, []byte("\r\n\r\n")) || bytes.Contains(b, []byte("\n\n"))
}

func (c *checkConn) close() {
	if c.closed {
		return
	}
	c.closed = true
	c.loop.forget(&c.reg)
	closeSocket(c.reg.fd)
	c.loop.checks.remove(c)
}

// checkList are the open health checks of a loop; they all have the same time,
// so the first ends first.
type checkList struct {
	all []*checkConn
}

func (t *checkList) remove(c *checkConn) {
	if i := slices.Index(t.all, c); i >= 0 {
		t.all = slices.Delete(t.all, i, i+1)
	}
}

func (l *loop) expireChecks() {
	for len(l.checks.all) > 0 && !l.checks.all[0].until.After(l.now) {
		l.checks.all[0].close()
	}
}

func (l *loop) cutChecks() {
	for len(l.checks.all) > 0 {
		l.checks.all[0].close()
	}
}
