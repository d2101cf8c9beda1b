package daemon

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"daemun/internal/handover"
)

// This file is how one Daemun follows another on the same host without a closed
// port in between: the new one takes the sockets, reads everything, says that
// it is ready, and only then accepts; the old one finishes what it has. What
// arrives meanwhile waits in the accept queue that both share.

// The names of sockets between two versions: they never change.
const (
	socketHTTP     = "http"
	socketHTTPS    = "https"
	socketAdmin    = "admin"
	socketWebhook  = "webhook"
	socketProfiler = "profiler"
)

const (
	// idleFarewell is how long clients of idle connections are waited for:
	// with their next response they are told to go. An idle connection that
	// is closed can meet a request on its way.
	idleFarewell = 10 * time.Second
	// pagesFarewell is the same for who asks the operator's addresses.
	pagesFarewell = 5 * time.Second
)

// inherit asks the running Daemun, if there is one, for its sockets. No other
// socket is open by then.
func (g *gateway) inherit(ctx context.Context) (err error) {
	if g.config.HandOver != "" {
		if g.inherited, err = handover.Ask(ctx, g.config.HandOver); err != nil {
			return fmt.Errorf("--hand-over: %w", err)
		}
	}
	if g.inherited != nil {
		g.logger.Info("taking over; the other process serves until everything has been read", "process", g.inherited.PID)
	}
	return nil
}

// open takes a socket over, or opens it.
func (g *gateway) open(name, address string) (net.Listener, error) {
	var l net.Listener
	if inherited := g.inherited.Take(name, address); inherited != nil {
		g.shared[name], l = true, inherited
	} else {
		var err error
		if l, err = net.Listen("tcp", address); err != nil {
			return nil, err
		}
	}
	if conn, ok := l.(syscall.Conn); ok {
		g.own = append(g.own, handover.Socket{Name: name, Address: l.Addr(), Conn: conn})
	}
	return l, nil
}

// takeOver is called when nothing is left that could keep this Daemun from
// serving. After an error the one before goes on.
func (g *gateway) takeOver() error {
	if g.config.HandOver == "" {
		return nil
	}
	door, err := handover.NewDoor(handover.DoorConfig{Path: g.config.HandOver, Sockets: g.sockets(), Ports: g.published.handOver, Logger: g.logger})
	if err != nil {
		return fmt.Errorf("--hand-over: %w", err)
	}
	g.door = door
	if g.inherited != nil {
		if err := g.inherited.Complete(); err != nil {
			return fmt.Errorf("--hand-over: %w", err)
		}
	}
	if err := door.Open(); err != nil { // too late to go back
		g.logger.Error("the next Daemun cannot take over from this one", "err", err)
	}
	return nil
}

// sockets are those that the next Daemun is offered.
func (g *gateway) sockets() []handover.Socket {
	l := g.listeners.Load()
	return append(slices.Clone(g.own),
		handover.Socket{Name: socketHTTP, Address: l.http.Addr(), Conn: l.http},
		handover.Socket{Name: socketHTTPS, Address: l.https.Addr(), Conn: l.https})
}

// startDoor answers on what was taken over, and lets the next Daemun in. It is
// called when this one is ready.
func (g *gateway) startDoor(members *group) {
	close(g.alone)
	if g.door == nil {
		return
	}
	members.start("hand-over", func(ctx context.Context) error {
		stop := context.AfterFunc(ctx, func() { g.door.Close() })
		defer stop()
		g.door.Serve()
		return nil
	})
}

// left is closed when the next Daemun has taken over.
func (g *gateway) left() <-chan struct{} {
	if g.door == nil {
		return nil
	}
	return g.door.Left()
}

// closeDoor: nobody takes over any more. It reports whether one has.
func (g *gateway) closeDoor() bool { return g.door != nil && g.door.Close() }

// makeWay is drain for a Daemun whose sockets another one has. It stays ready
// until it is not asked any more: whoever probes the shared address must not
// see the change.
func (g *gateway) makeWay(limit time.Duration, kill <-chan struct{}) {
	g.logger.Info("another Daemun has taken over: finishing requests", "for at most", limit)
	l := g.listeners.Load()
	l.http.Leave()
	l.https.Leave()
	g.proxy.Part()
	ctx, cancel := drainContext(limit, kill)
	defer cancel()
	var published sync.WaitGroup
	published.Go(func() { g.sayCut(g.published.drain(ctx)) })
	published.Go(func() { g.sayCut(g.passthrough.Shutdown(ctx)) })
	within(ctx, pagesFarewell, g.pages.leave)
	g.draining.Store(true)
	within(ctx, min(idleFarewell, limit/2), g.unaccepting)
	g.sayCut(g.shutdownProxy(ctx))
	published.Wait()
	g.upstreams.Close()
}

// within gives f a part of the time; what it does not reach others do.
func within(ctx context.Context, limit time.Duration, f func(context.Context) error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	_ = f(ctx)
}

// pageServers are the HTTP servers of the operator's addresses.
type pageServers struct {
	mu   sync.Mutex
	list []*pageServer
}

type pageServer struct {
	*http.Server
	listener net.Listener
	leaving  atomic.Bool
	done     chan struct{} // closed when it accepts no more
	conns    sync.WaitGroup
	crowd    crowd
}

func (p *pageServer) count(c net.Conn, state http.ConnState) {
	p.crowd.count(c, state)
	switch state {
	case http.StateNew:
		p.conns.Add(1)
	case http.StateClosed, http.StateHijacked:
		p.conns.Done()
	}
}

// leave accepts no more and lets requests end until ctx does. Shutdown and
// SetKeepAlivesEnabled of net/http would close idle connections, and with them
// lose requests on their way: clients are told with their next response.
func (p *pageServer) leave(ctx context.Context) {
	p.leaving.Store(true)
	p.listener.Close()
	<-p.done
	empty := make(chan struct{})
	go func() { // ends with the last connection, which serve closes at the latest
		p.conns.Wait()
		close(empty)
	}()
	select {
	case <-empty:
	case <-ctx.Done():
	}
}

// farewell tells clients to go, once another Daemun has the socket.
func (p *pageServer) farewell(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.leaving.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// leave lets their requests end.
func (p *pageServers) leave(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var stopping sync.WaitGroup
	for _, s := range p.list {
		stopping.Go(func() { s.leave(ctx) })
	}
	stopping.Wait()
	return ctx.Err()
}

// serve runs one server of pages until ctx ends. On a socket that another
// Daemun still answers it leaves that to it.
func (g *gateway) serve(ctx context.Context, name string, s *http.Server, l net.Listener) error {
	if g.shared[name] {
		select {
		case <-ctx.Done():
			return nil
		case <-g.alone:
		}
	}
	page := &pageServer{Server: s, listener: l, done: make(chan struct{}), crowd: crowd{most: maxPageConns}}
	s.ConnState = page.count
	s.Handler = page.farewell(s.Handler)
	if s.ReadTimeout == 0 {
		s.Handler = bodiless(s.Handler)
	}
	g.pages.mu.Lock()
	g.pages.list = append(g.pages.list, page)
	g.pages.mu.Unlock()
	stop := context.AfterFunc(ctx, func() { s.Close() })
	defer stop()
	if s.TLSConfig != nil {
		l = tls.NewListener(l, s.TLSConfig)
	}
	err := s.Serve(l)
	close(page.done)
	if page.leaving.Load() {
		<-ctx.Done()
		s.Close()
		return nil
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
