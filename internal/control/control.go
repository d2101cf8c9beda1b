// Package control is the control loops: they turn store signals into published
// configurations. Batch, translate, compile, publish, report. One loop is for
// routes, one for the Service network.
//
// It is the only writer of the routing table, of the backends' endpoints and
// of the network.
// It knows no sockets and no files, and what it publishes is complete: the
// endpoints of a backend are in place before a table refers to it.
package control

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"time"

	"daemun/internal/ir"
	"daemun/internal/store"
	"daemun/internal/table"
	"daemun/internal/translate"
	"daemun/internal/upstream"
)

// minInterval is the least time between two translations: under constant
// change the loop leaves most of a core to traffic, and a single change is
// still live far within the 50 ms that design promises.
const minInterval = 10 * time.Millisecond

// Config is what a Loop works with. All fields are required.
type Config struct {
	Store      *store.Store
	Translator *translate.Translator
	Upstreams  *upstream.Registry
	// Handles finds what routes point to.
	Handles table.Handles
	// Table is where compiled tables are published.
	Table *atomic.Pointer[table.Table]
	// Published is called after each new table is live, from the loop's
	// goroutine: certificates, metrics and the like follow it.
	Published func(State)
	// Certificates is called before a new table goes live, so that a host
	// never serves without its certificate.
	Certificates func(*ir.Config)
	Logger       *slog.Logger
	// Zone is where this Daemun is, for the hints of EndpointSlices; empty
	// ignores them. It must not change after the first Build.
	Zone string
}

// State is what the loop has published. It is immutable.
type State struct {
	// Revision is the store revision the table was made of.
	Revision uint64
	Config   *ir.Config
	Problems []ir.Problem
	Accepted []store.Name
	// Served are those of them that were not rejected.
	Served []store.Name
	// Built is when the table went live, Took how long it took to make.
	Built time.Time
	Took  time.Duration
	// Live is the time from the news of the change to Built.
	Live time.Duration
	// Tables counts the tables published so far, Failures the builds that
	// panicked since the last one that did not.
	Tables, Failures uint64
}

// Loop turns store changes into tables. Build and Run must not be called at
// the same time; State may be called at any time.
type Loop struct {
	Config
	state     atomic.Pointer[State]
	heard     time.Time // when the signal came that Build follows; zero for none
	endpoints endpointCache
}

// New returns a loop that has published nothing.
func New(c Config) *Loop {
	l := &Loop{Config: c}
	l.state.Store(&State{})
	return l
}

// State returns what is live. Before the first table its Config is nil.
func (l *Loop) State() State { return *l.state.Load() }

// EndpointsRevision is that of the view whose EndpointSlices are in force.
func (l *Loop) EndpointsRevision() uint64 { return l.endpoints.revision.Load() }

// Build translates the present view and publishes the result. A panic in the
// pure layers keeps the last table live and is returned as an error.
func (l *Loop) Build() (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("build table: %v\n%s", r, debug.Stack())
			failed := *l.state.Load()
			failed.Failures++
			l.state.Store(&failed)
		}
	}()
	start := time.Now()
	view := l.refreshTouched()
	res := l.Translator.Translate(view)
	l.endpoints.zone = l.Zone
	l.endpoints.refresh(view, res.Config.Backends, l.Upstreams)
	next := table.Compile(l.Table.Load(), view.Revision, res.Config, l.Handles)
	l.Certificates(res.Config)
	l.Table.Store(next)
	old := l.state.Load()
	s := &State{
		Revision: view.Revision, Config: res.Config, Problems: res.Problems, Accepted: res.Accepted, Served: res.Served,
		Built: time.Now(), Took: time.Since(start), Tables: old.Tables + 1,
	}
	s.Live = s.Took
	if !l.heard.IsZero() {
		s.Live, l.heard = s.Built.Sub(l.heard), time.Time{}
	}
	l.state.Store(s)
	l.endpoints.retain(l.Upstreams)
	l.Published(*s)
	return nil
}

// Run follows the store until ctx ends.
func (l *Loop) Run(ctx context.Context) error {
	rest := time.NewTimer(0)
	defer rest.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-l.Store.EndpointsDirty():
			l.refreshTouched()
			continue
		case <-l.Store.Dirty():
			l.heard = time.Now()
		}
		if err := l.Build(); err != nil {
			l.Logger.Error("table not built; the last one stays live", "error", err)
		}
		rest.Reset(minInterval)
		if !l.pause(ctx, rest.C) {
			return nil
		}
	}
}

// refreshTouched follows the EndpointSlices that have changed and returns the
// view that it has followed them to.
func (l *Loop) refreshTouched() *store.View {
	view, services := l.Store.EndpointsTouched()
	l.endpoints.touched(view, services, l.Upstreams)
	return view
}

// pause lets the minimum interval pass without holding up endpoint changes.
func (l *Loop) pause(ctx context.Context, rest <-chan time.Time) bool {
	for {
		select {
		case <-ctx.Done():
			return false
		case <-l.Store.EndpointsDirty():
			l.refreshTouched()
		case <-rest:
			return true
		}
	}
}
