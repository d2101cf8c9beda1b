// Package listen owns the sockets that clients connect to: it accepts, ends
// TLS with the certificate that fits the SNI, and hands connections on.
//
//	certs := listen.NewCertificates()
//	l, err := listen.Listen(ctx, listen.Config{Address: "127.0.0.1:8443", TLS: certs, Flag: "--https-port"})
//	...
//	err = l.Serve(ctx, handler)
//
// It knows nothing of HTTP, except for the one page that a plain HTTP request
// on a TLS port is answered with. Sockets stay open over every change of
// configuration: certificates are swapped by pointer (H7.7). The goroutines of
// a listener, one per connection, belong to Serve, which waits for them.
package listen

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"daemun/internal/proxyproto"
)

// Handler takes over accepted connections. ServeConn returns when the
// connection is done with; the handler closes it. A connection is a
// *net.TCPConn on a plain listener and one like *tls.Conn whose handshake is
// complete on a TLS listener, without deadlines; a handler that panics has its
// connection closed and the panic logged (H6.20).
type Handler interface {
	ServeConn(c net.Conn, info ConnInfo)
}

// ConnInfo is what is known of a connection before its first request.
type ConnInfo struct {
	// Remote is the client as far as the connection tells: the peer, or, when
	// that is trusted with the PROXY protocol, the client that it names.
	Remote, Local netip.AddrPort
	// Peer is the other end of the socket.
	Peer netip.AddrPort
	// Proxied is what the header of the PROXY protocol says, zero without one
	// and when the peer is not believed.
	Proxied proxyproto.Header
	// TLS is nil on a plain listener; the handshake is complete.
	TLS *tls.ConnectionState
	// Names are the DNS names of the certificate that the client was shown; a
	// client that resumed a session was shown it before.
	Names []string
	// Hold has the connection count as open beyond the return of ServeConn, until
	// the function that it returns is called, once. It may be called before that
	// return only; nil is not at all.
	Hold func() (release func())
}

// Passthrough takes connections whose TLS is somebody else's. Serve closes the
// connection; hello are the octets that have been read of it.
type Passthrough interface {
	On() bool
	Takes(name string) bool
	Serve(c *net.TCPConn, name string, hello []byte, info ConnInfo)
}

// defaultHandshakeTimeout is H6.4.
const defaultHandshakeTimeout = 10 * time.Second

// Config says what to listen on. Only Address is required.
type Config struct {
	// Address is "host:port"; port 0 is any free one.
	Address string
	// Socket is an open one to use instead, taken over from another process;
	// it then belongs to the listener. Nil opens Address. The net package gives
	// connections of such a socket its own keep-alive times (150 s to find a
	// dead client), at four system calls each.
	Socket *net.TCPListener
	// TLS makes it a TLS listener with these certificates; nil is plain.
	TLS *Certificates
	// Entrance says who is taken, and what clients begin with; nil is everybody,
	// with nothing.
	Entrance *Entrance
	// Passthrough takes connections whose TLS is not ended here; nil takes none.
	// It is asked on TLS listeners only.
	Passthrough Passthrough
	// Flag is the command-line flag that chooses another port, named in the
	// errors ("--http-port").
	Flag string
	// Limit bounds the open connections of all listeners that share it; nil
	// is one of its own with DefaultMaxConnections.
	Limit *Limit
	// ShedIdle closes the oldest idle connection and reports whether there
	// was one; called when the limit is reached or descriptors run out
	// (H6.13, H11.10). Nil means there never is one.
	ShedIdle func() bool
	// Full closes new connections at once while it is true; nil never does.
	Full *atomic.Bool
	// HandshakeTimeout is the time a client has for the whole TLS handshake;
	// 0 is 10 s (H6.4).
	HandshakeTimeout time.Duration
	// Logger gets rare events: panics and descriptor shortage. Nil is silence.
	Logger *slog.Logger
}

// Stats counts what happened to connections since the start.
type Stats struct {
	// Accepted connections were taken from the queue, Handled ones reached
	// the handler; Refused ones were closed at once because the limit was
	// reached or no descriptor was left.
	Accepted, Handled, Refused uint64
	// Open is the number of connections now, those in a handshake included.
	Open int64
	// HandshakesOK includes HandshakesResumed. PlainHTTP counts requests
	// without TLS on a TLS port; they are among HandshakesFailed.
	HandshakesOK, HandshakesResumed, HandshakesFailed, PlainHTTP uint64
	// NotEntered counts connections that were closed because they did not
	// begin as they have to, or came to the wrong address.
	NotEntered uint64
	// TooMany counts those that were closed because their client has as many as
	// it may.
	TooMany uint64
	// AcceptErrors counts failed accepts (descriptor shortage and the like),
	// Panics those of handlers.
	AcceptErrors, Panics uint64
}

// Listener is one open socket. All methods are safe for concurrent use.
type Listener struct {
	config Config
	tcp    *net.TCPListener
	spare  *spare
	logger *slog.Logger

	gathers sync.Pool // of *[gatherSize]byte

	closing chan struct{} // closed by the first Close
	closed  chan struct{} // closed when the socket is closed
	done    chan struct{} // closed when Serve returns, or Close came before it
	conns   sync.WaitGroup

	mu      sync.Mutex
	serving bool // Serve owns the socket and closes it
	leaving bool // the accept queue is another process's

	accepted, handled, refused, notEntered, acceptErrors, panics atomic.Uint64

	tooMany    atomic.Uint64
	handshakes struct{ ok, resumed, failed, plainHTTP atomic.Uint64 }
	reasons    handshakeCounts
	open       atomic.Int64
}

// Listen opens the socket. Clients can connect from then on, and wait in the
// accept queue until Serve runs. The error is one sentence for the user.
func Listen(ctx context.Context, c Config) (*Listener, error) {
	socket := c.Socket // its options are there already
	if socket == nil {
		// KeepAlive -1 keeps the net package from setting what keepAlive has
		// set. SO_REUSEADDR and TCP_NODELAY it sets by itself.
		lc := net.ListenConfig{KeepAlive: -1, Control: keepAlive}
		ln, err := lc.Listen(ctx, "tcp", c.Address)
		if err != nil {
			return nil, explain(c, err)
		}
		socket = ln.(*net.TCPListener)
	}
	if c.Limit == nil {
		c.Limit = NewLimit(DefaultMaxConnections())
	}
	if c.HandshakeTimeout <= 0 {
		c.HandshakeTimeout = defaultHandshakeTimeout
	}
	l := &Listener{
		config: c, tcp: socket, spare: newSpare(), logger: c.Logger,
		closing: make(chan struct{}), closed: make(chan struct{}), done: make(chan struct{}),
	}
	l.gathers.New = func() any { return new([gatherSize]byte) }
	if l.logger == nil {
		l.logger = slog.New(slog.DiscardHandler)
	}
	return l, nil
}

// keepAlive finds clients that are gone without a word. Accepted connections
// inherit it from the listening socket: that saves four system calls for each.
func keepAlive(_, _ string, socket syscall.RawConn) error {
	var err error
	controlErr := socket.Control(func(fd uintptr) {
		for _, o := range [...]struct{ level, name, value int }{
			{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
			{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 60},
			{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 15},
			{unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 4},
		} {
			if err == nil {
				err = os.NewSyscallError("setsockopt", unix.SetsockoptInt(int(fd), o.level, o.name, o.value))
			}
		}
	})
	return errors.Join(controlErr, err)
}

// Addr returns the address that was bound, with its real port.
func (l *Listener) Addr() net.Addr { return l.tcp.Addr() }

// Close stops accepting: connections that the kernel has already completed are
// still taken from the queue and served (H11.5), then the socket is closed.
// When Close returns, all of these have been handed on or are in their TLS
// handshake. Connections stay open. The second call waits for the first.
func (l *Listener) Close() error {
	l.beginClose()
	<-l.closed
	return nil
}

// Leave is Close for a socket that another process has, too: what waits in the
// accept queue stays there for that one.
func (l *Listener) Leave() error {
	l.mu.Lock()
	l.leaving = true
	l.mu.Unlock()
	return l.Close()
}

func (l *Listener) isLeaving() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.leaving
}

// Wait returns when a listener that is closed has no connection left, those in
// a handshake included, or with ctx's error when that ends first.
func (l *Listener) Wait(ctx context.Context) error {
	select {
	case <-l.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// SyscallConn gives access to the socket, for another process to take over.
func (l *Listener) SyscallConn() (syscall.RawConn, error) { return l.tcp.SyscallConn() }

func (l *Listener) beginClose() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.isClosing() {
		return
	}
	close(l.closing)
	if !l.serving {
		l.closeSocket()
		close(l.done)
		return
	}
	// Wakes the accept loop, which drains the queue.
	l.tcp.SetDeadline(time.Unix(1, 0))
}

// beginServe reports whether the caller now owns the socket.
func (l *Listener) beginServe() (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.serving {
		return false, errors.New("listen: Serve called twice")
	}
	l.serving = !l.isClosing()
	return l.serving, nil
}

func (l *Listener) closeSocket() {
	l.tcp.Close()
	l.spare.close()
	close(l.closed)
}

// Stats returns the counters.
func (l *Listener) Stats() Stats {
	return Stats{
		Accepted: l.accepted.Load(), Handled: l.handled.Load(), Refused: l.refused.Load(), Open: l.open.Load(),
		HandshakesOK: l.handshakes.ok.Load(), HandshakesResumed: l.handshakes.resumed.Load(),
		HandshakesFailed: l.handshakes.failed.Load(), PlainHTTP: l.handshakes.plainHTTP.Load(),
		NotEntered: l.notEntered.Load(), TooMany: l.tooMany.Load(),
		AcceptErrors: l.acceptErrors.Load(), Panics: l.panics.Load(),
	}
}

// explain turns an error of the kernel into what the user can do about it.
// errors.Is still finds the cause.
func explain(c Config, err error) error {
	other := "; choose another port"
	if c.Flag != "" {
		other = "; choose another with " + c.Flag
	}
	_, port, _ := net.SplitHostPort(c.Address)
	because := func(sentence string) error { return &listenError{c.Address, sentence, err} }
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return because("address already in use by another program" + other)
	case errors.Is(err, syscall.EACCES), errors.Is(err, os.ErrPermission):
		return because("permission denied: port " + port + " needs the capability CAP_NET_BIND_SERVICE" +
			" or a lower sysctl net.ipv4.ip_unprivileged_port_start" + other)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return because("no network interface of this machine has that address; use one it has, 127.0.0.1, or 0.0.0.0 for all")
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return because("too many open files; raise the limit of open files (ulimit -n)")
	}
	return fmt.Errorf("listen on %s: %w", c.Address, innermost(err))
}

// innermost removes the wrapping of the net package, which repeats the address.
func innermost(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}

type listenError struct {
	address, sentence string
	cause             error
}

func (e *listenError) Error() string { return "listen on " + e.address + ": " + e.sentence }
func (e *listenError) Unwrap() error { return e.cause }
