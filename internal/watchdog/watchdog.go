// Package watchdog turns the real way in into whether the program is alive: it
// connects to a port of clients and asks for the health page, as they would
// (H11.13).
//
//	w := watchdog.New(watchdog.Config{Address: listener.Addr().String(), TLS: true})
//	err := w.Run(ctx)
//	… w.Err() …
//
// Any answer counts, a refusal or a closed connection, too: who is overloaded
// or configured to let nobody in is alive. What counts as a miss is silence. It
// knows nothing of listeners and proxies. Its one goroutine is the caller's of
// Run.
package watchdog

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync/atomic"
	"time"
)

// Config says whom to ask.
type Config struct {
	// Address is that of the listener.
	Address string
	// TLS says that the listener ends TLS. Whose certificate it shows is not
	// looked at: this is about life.
	TLS bool
	// Greeting is sent before everything else; nil is nothing.
	Greeting func() string
	// Every is the time between two questions, Patience that for an answer; 0 is
	// 10 s and 5 s.
	Every, Patience time.Duration
	// Logger gets the stacks of all goroutines when nobody answers; nil is
	// silence.
	Logger *slog.Logger
}

// allowed is the number of questions without an answer from which on the
// program does not look alive.
const allowed = 3

// maxStacks bounds what is told of goroutines, in octets.
const maxStacks = 256 << 10

// Watchdog asks. It is safe for concurrent use.
type Watchdog struct {
	config Config
	misses atomic.Int32
}

// New returns a Watchdog; Run does the work.
func New(c Config) *Watchdog {
	if c.Every == 0 {
		c.Every = 10 * time.Second
	}
	if c.Patience == 0 {
		c.Patience = 5 * time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.Address = reachable(c.Address)
	return &Watchdog{config: c}
}

// reachable is an address of this machine for a listener on all of them.
func reachable(address string) string {
	a, err := netip.ParseAddrPort(address)
	if err != nil || !a.Addr().IsUnspecified() {
		return address
	}
	if a.Addr().Is4() {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), a.Port()).String()
	}
	return net.JoinHostPort("localhost", fmt.Sprint(a.Port())) // of either family
}

// Err is nil as long as somebody answers.
func (w *Watchdog) Err() error {
	if n := w.misses.Load(); n >= allowed {
		return fmt.Errorf("%d questions in a row to %s were not answered", n, w.config.Address)
	}
	return nil
}

// Run asks until ctx ends.
func (w *Watchdog) Run(ctx context.Context) error {
	tick := time.NewTicker(w.config.Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			w.ask(ctx)
		}
	}
}

func (w *Watchdog) ask(ctx context.Context) {
	if w.answered(ctx) || ctx.Err() != nil {
		if w.misses.Swap(0) >= allowed {
			w.config.Logger.Info("clients are answered again", "address", w.config.Address)
		}
		return
	}
	if w.misses.Add(1) == allowed {
		stacks := make([]byte, maxStacks)
		stacks = stacks[:runtime.Stack(stacks, true)]
		w.config.Logger.Error("clients get no answer; /healthz and /livez fail from now on", "address", w.config.Address, "goroutines", string(stacks))
	}
}

// question asks a host that nobody has for what the catch-all block answers.
const question = "GET /healthz HTTP/1.1\r\nHost: watchdog.invalid\r\nUser-Agent: daemun-watchdog\r\nConnection: close\r\n\r\n"

// answered reports that something came back, were it the end of the
// connection.
func (w *Watchdog) answered(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, w.config.Patience)
	defer cancel()
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", w.config.Address)
	if err != nil {
		return !silent(err)
	}
	defer c.Close()
	deadline, _ := ctx.Deadline()
	_ = c.SetDeadline(deadline)
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if w.config.Greeting != nil {
		if _, err = io.WriteString(c, w.config.Greeting()); err != nil {
			return !silent(err)
		}
	}
	way := io.ReadWriter(c)
	if w.config.TLS {
		way = tls.Client(c, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // any certificate is an answer
	}
	if _, err = io.WriteString(way, question); err == nil { // with TLS: after the handshake
		_, err = way.Read(make([]byte, 1))
	}
	return !silent(err)
}

func silent(err error) bool {
	var timeout net.Error
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}
