// Package otlp turns recorded spans into requests to a collector: OTLP/gRPC,
// or OTLP/HTTP where the port is that one's.
//
//	e := otlp.New(otlp.Config{Logger: logger})
//	e.Configure(settings) // nil: no collector
//	proxy.New(proxy.Config{Spans: e, …})
//	err := e.Run(ctx)
//
// Put never waits: spans stand in a queue of bounded length, and one for which
// there is no room, or that the collector does not take, is dropped and counted.
// When ctx of Run ends what is queued is sent in a last attempt. The package
// knows nothing of requests. Its goroutine is Run's.
package otlp

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"daemun/internal/ir"
	"daemun/internal/trace"
)

const (
	// sendTime bounds one request to the collector, lastTime all that are still
	// made after the end.
	sendTime = 10 * time.Second
	lastTime = 5 * time.Second
	// longestText bounds the texts of spans.
	longestText = 1024
)

// Config is what an Exporter works with.
type Config struct {
	// Resolve finds the address of a host that only Daemun knows; "" is left to
	// the resolver of the machine. nil knows none.
	Resolve func(host string) string
	// Filter may refuse the address of a collector; nil allows all.
	Filter func(netip.AddrPort) error
	// Instance is the service.instance.id, empty for none; Version is that of
	// this program.
	Instance, Version string
	Logger            *slog.Logger
}

// Exporter sends spans to a collector. It is safe for concurrent use.
type Exporter struct {
	config   Config
	settings atomic.Pointer[ir.Tracing]
	// full is a sign that a batch is complete, or that settings have changed.
	full chan struct{}

	exported, dropped atomic.Uint64

	mu    sync.Mutex // guards the following
	queue []*trace.Span
}

// New returns an exporter without a collector.
func New(c Config) *Exporter {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return &Exporter{config: c, full: make(chan struct{}, 1)}
}

// Configure says where spans go from now on; nil is nowhere.
func (e *Exporter) Configure(t *ir.Tracing) {
	old := e.settings.Swap(t)
	if old != nil && t != nil && *old == *t || old == nil && t == nil {
		return
	}
	e.signal()
}

func (e *Exporter) signal() {
	select {
	case e.full <- struct{}{}:
	default:
	}
}

// Exported and Dropped count spans.
func (e *Exporter) Exported() uint64 { return e.exported.Load() }

// Dropped counts the spans that the collector has not got.
func (e *Exporter) Dropped() uint64 { return e.dropped.Load() }

// Recording implements trace.Sink.
func (e *Exporter) Recording() bool { return e.settings.Load() != nil }

// Put implements trace.Sink.
func (e *Exporter) Put(s *trace.Span) {
	t := e.settings.Load()
	if t == nil {
		return
	}
	e.mu.Lock()
	room := len(e.queue) < t.Queue
	if room {
		e.queue = append(e.queue, s)
	}
	enough := len(e.queue) >= t.Batch
	e.mu.Unlock()
	if !room {
		e.dropped.Add(1)
	}
	if enough {
		e.signal()
	}
}

// take takes a batch off the queue, nil when there is none; one that is not
// complete only with all set.
func (e *Exporter) take(size int, all bool) []*trace.Span {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := min(size, len(e.queue))
	if n == 0 || n < size && !all {
		return nil
	}
	batch := e.queue[:n:n]
	e.queue = e.queue[n:]
	if len(e.queue) == 0 {
		e.queue = nil
	}
	return batch
}

// Run sends what is put until ctx ends, and then what is left.
func (e *Exporter) Run(ctx context.Context) error {
	c := &collector{config: e.config}
	defer c.close()
	tick := time.NewTimer(0)
	defer tick.Stop()
	// What is being sent when ctx ends has a last while, too.
	sending, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(lastTime, cancel) })()
	for {
		t := e.settings.Load()
		wait := time.Hour // without settings nothing comes
		if t != nil {
			wait = t.Delay.D()
		}
		tick.Reset(wait)
		select {
		case <-ctx.Done():
			e.drain(sending, c, true)
			return nil
		case <-e.full:
			e.drain(sending, c, false)
		case <-tick.C:
			e.drain(sending, c, true)
		}
	}
}

// drain sends complete batches, with all set also what is left over.
func (e *Exporter) drain(ctx context.Context, c *collector, all bool) {
	t := e.settings.Load()
	if t == nil {
		e.dropped.Add(uint64(len(e.take(math.MaxInt, true))))
		return
	}
	for {
		batch := e.take(t.Batch, all)
		if batch == nil {
			return
		}
		e.send(ctx, c, t, batch)
		all = all && len(batch) == t.Batch
	}
}

// send gives one batch to the collector. What it does not take is gone: spans
// are worth little when they are old, and the next ones wait.
func (e *Exporter) send(ctx context.Context, c *collector, t *ir.Tracing, batch []*trace.Span) {
	ctx, cancel := context.WithTimeout(ctx, sendTime)
	defer cancel()
	body := appendRequest(nil, resource{t.Service, e.config.Instance, e.config.Version}, batch)
	rejected, err := c.export(ctx, t, body)
	e.say(c, t, err)
	if err != nil {
		rejected = uint64(len(batch))
	}
	rejected = min(rejected, uint64(len(batch)))
	e.dropped.Add(rejected)
	e.exported.Add(uint64(len(batch)) - rejected)
}

// say tells when a collector begins to fail, and when that is over.
func (e *Exporter) say(c *collector, t *ir.Tracing, err error) {
	at := net.JoinHostPort(t.Host, strconv.Itoa(t.Port))
	switch {
	case err != nil && !c.failing:
		e.config.Logger.Warn("spans are dropped: the collector does not take them", "collector", at, "error", err)
	case err == nil && c.failing:
		e.config.Logger.Info("the collector takes spans again", "collector", at)
	}
	c.failing = err != nil
}

// valid makes a text one that protocol buffers carry, and not too long.
func valid(s string) string {
	if len(s) > longestText {
		s = s[:longestText]
	} else if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// refusal is an answer of the collector that is no success.
type refusal struct{ text string }

func (e *refusal) Error() string { return fmt.Sprintf("collector answers %s", e.text) }
