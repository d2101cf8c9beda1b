package control

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"time"

	"daemun/internal/ir"
	"daemun/internal/network"
	"daemun/internal/store"
)

// minNetworkInterval is the least time between two builds of the network. It
// is short because a Pod that stops waits for its endpoint to leave.
const minNetworkInterval = 2 * time.Millisecond

// NetworkConfig is what a NetworkLoop works with. Store, Apply and Logger are
// required.
type NetworkConfig struct {
	Store *store.Store
	// Apply makes layer 4 and DNS serve a network. It is called from one
	// goroutine at a time and returns when the network is in force.
	Apply  func(*ir.Network)
	Logger *slog.Logger
	// Translator makes a translator with an empty memory; nil is that of the
	// whole Service network.
	Translator func() NetworkTranslator
	// Dirty wakes the loop in place of the store, which wakes one loop only.
	// Also is Dirty of a second one: it gets a token, if it has room, whenever
	// this one wakes.
	Dirty <-chan struct{}
	Also  chan<- struct{}
	// Again wakes the loop, too: what the translator asks for besides the store
	// has changed. nil never does.
	Again <-chan struct{}
}

// NetworkTranslator turns views into networks. It is used by one goroutine.
type NetworkTranslator interface {
	Translate(v *store.View) (*ir.Network, []ir.Problem)
}

// NetworkLoop keeps the Service network in line with the store: the road of
// Services beside that of routes. Build and Run must not be called at the same
// time; the other methods may be called at any time.
type NetworkLoop struct {
	NetworkConfig
	translator NetworkTranslator
	network    atomic.Pointer[ir.Network]
	problems   atomic.Pointer[[]ir.Problem]
}

// NewNetworkLoop returns a loop that has applied nothing.
func NewNetworkLoop(c NetworkConfig) *NetworkLoop {
	if c.Translator == nil {
		c.Translator = func() NetworkTranslator { return network.New() }
	}
	if c.Dirty == nil {
		c.Dirty = c.Store.NetworkDirty()
	}
	return &NetworkLoop{NetworkConfig: c, translator: c.Translator()}
}

// Network returns what is in force, nil before the first Build.
func (l *NetworkLoop) Network() *ir.Network { return l.network.Load() }

// Revision is that of the view that is in force, 0 before the first Build.
func (l *NetworkLoop) Revision() uint64 {
	if n := l.Network(); n != nil {
		return n.Revision
	}
	return 0
}

// Problems returns what is wrong with Services, sorted. The slice must not be
// written.
func (l *NetworkLoop) Problems() []ir.Problem {
	if p := l.problems.Load(); p != nil {
		return *p
	}
	return nil
}

// Build translates the present view and applies the result. After a panic the
// last network stays in force; the translator starts anew, since it may have
// stopped half-way.
func (l *NetworkLoop) Build() (err error) {
	defer func() {
		if r := recover(); r != nil {
			l.translator = l.Translator()
			err = fmt.Errorf("build network: %v\n%s", r, debug.Stack())
		}
	}()
	n, problems := l.translator.Translate(l.Store.View())
	l.Apply(n)
	l.network.Store(n)
	l.problems.Store(&problems)
	return nil
}

// Run follows the store until ctx ends.
func (l *NetworkLoop) Run(ctx context.Context) error {
	rest := time.NewTimer(0)
	defer rest.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-l.Dirty:
		case <-l.Again:
		}
		select {
		case l.Also <- struct{}{}:
		default:
		}
		if err := l.Build(); err != nil {
			l.Logger.Error("network not built; the last one stays in force", "error", err)
		}
		rest.Reset(minNetworkInterval)
		select {
		case <-ctx.Done():
			return nil
		case <-rest.C:
		}
	}
}
