package daemon

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"daemun/internal/watchdog"
)

// TestH11_13_HealthFailsWithoutAnswers: clients that nobody answers fail health
// and liveness, beside what the mode has to say; not while the program stops.
func TestH11_13_HealthFailsWithoutAnswers(t *testing.T) {
	t.Parallel()
	g := &gateway{}
	if g.healthy() != nil || g.alive() != nil {
		t.Error("not well before traffic is served")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0") // nobody accepts
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	// One port of two is enough: the other is asked by nobody here.
	silent := watchdog.New(watchdog.Config{Address: l.Addr().String(), TLS: true, Every: time.Millisecond, Patience: time.Millisecond})
	g.watchdogs.Store(&[]*watchdog.Watchdog{watchdog.New(watchdog.Config{}), silent})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- silent.Run(ctx) }()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	late := time.After(time.Minute)
	for g.alive() == nil {
		select {
		case <-tick.C:
		case <-late:
			t.Fatal("still alive")
		}
	}
	g.health = func() error { return errors.New("no table") }
	if text := g.healthy().Error(); !strings.Contains(text, "no table") || !strings.Contains(text, "not answered") {
		t.Error(text)
	}
	g.draining.Store(true)
	if g.alive() != nil {
		t.Error("not alive while it stops")
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
