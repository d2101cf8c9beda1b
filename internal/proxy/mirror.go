package proxy

import (
	"sync"

	"daemun/internal/http1"
	"daemun/internal/upstream"
)

const (
	// mirrorBody is the longest body that is copied.
	mirrorBody = 1 << 20
	// mirrorsMax bounds the copies that are on their way; more are dropped.
	mirrorsMax = 256
)

// mirrors are the copies that are on their way. Each has a goroutine, which ends
// with the answer, after the route's time, or with the server.
type mirrors struct {
	mu      sync.Mutex // guards the following
	running map[*upstream.Conn]struct{}
	count   int
	closed  bool
	group   sync.WaitGroup
}

// begin reports whether another copy may be sent; end must follow.
func (m *mirrors) begin() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed || m.count >= mirrorsMax {
		return false
	}
	m.count++
	m.group.Add(1)
	return true
}

func (m *mirrors) end() {
	m.mu.Lock()
	m.count--
	m.mu.Unlock()
	m.group.Done()
}

// use notes a connection in use and forgets the one before.
func (m *mirrors) use(old, next *upstream.Conn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.running, old)
	if next == nil {
		return
	}
	if m.running == nil {
		m.running = make(map[*upstream.Conn]struct{})
	}
	m.running[next] = struct{}{}
	if m.closed {
		next.Abort()
	}
}

// close cuts all copies off and waits for their goroutines.
func (m *mirrors) close() {
	m.mu.Lock()
	m.closed = true
	for up := range m.running {
		up.Abort()
	}
	m.mu.Unlock()
	m.group.Wait()
}

// mirror sends a copy of the request; its answer is dropped. The body is whole
// or the request is not copied.
func (x *exchange) mirror() {
	p := x.policies
	if p == nil || p.Mirror == nil || x.match.Route.MirrorBackend == nil {
		return
	}
	m := &x.c.server.mirrors
	target := p.Mirror.Target.Append(nil, x)
	if p.Mirror.IR.Body && !x.whole || !http1.ValidTarget(target) || !m.begin() {
		x.c.server.counters.unmirrored.Add(1)
		return
	}
	policies := &x.match.Route.IR.Policies
	s := &subrequest{
		server: x.c.server, backend: x.match.Route.MirrorBackend, tls: p.Mirror.IR.TLS, method: string(x.req.Method),
		octets: x.appendMirrored(target), connect: policies.ConnectTimeout.D(), patience: policies.ReadTimeout.D(),
	}
	var last *upstream.Conn
	s.using = func(up *upstream.Conn) {
		m.use(last, up)
		last = up
	}
	go func() {
		defer m.end()
		defer func() {
			if r := recover(); r != nil { // H6.20
				s.server.counters.panics.Add(1)
				s.server.logger.Error("panic while mirroring", "panic", r)
			}
		}()
		_ = s.run(func(*http1.Response) {})
	}()
}

// appendMirrored returns the copy: the client's own fields, and the body.
func (x *exchange) appendMirrored(target []byte) []byte {
	m := x.policies.Mirror
	b := http1.AppendRequestLine(nil, x.req.Method, target, 1)
	b = http1.AppendField(b, "Host", m.IR.Host)
	for i := range x.req.Fields {
		f := &x.req.Fields[i]
		if f.Hop || f.ID == http1.FieldHost || f.ID == http1.FieldContentLength || f.ID == http1.FieldExpect || f.ID == http1.FieldProxy {
			continue
		}
		b = http1.AppendField(b, f.Name, f.Value)
	}
	if m.IR.Body && (x.req.Body != http1.BodyNone || x.req.ContentLength >= 0) {
		b = http1.AppendContentLength(b, int64(len(x.prefix)))
		return append(http1.AppendHeadEnd(b), x.prefix...)
	}
	return http1.AppendHeadEnd(b)
}

// mirrorsBody says that a body is read whole because its copy needs it.
func (x *exchange) mirrorsBody() bool {
	return x.policies != nil && x.policies.Mirror != nil && x.policies.Mirror.IR.Body && x.req.ContentLength <= mirrorBody && len(x.prefix) < mirrorBody
}
