package kube

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"daemun/internal/kubetest"
)

// lines collects what is logged.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), text)
}

// TestElectionSaysEachChangeOnce: a missing permission is one line however many
// attempts it fails, and so is its end.
func TestElectionSaysEachChangeOnce(t *testing.T) {
	t.Parallel()
	api := kubetest.New(t)
	api.Forbid("get", "leases")
	said := &lines{}
	e, stop := candidate(t, api, "a", 2*time.Second, func(e *Election) { e.Logger = slog.New(slog.NewTextHandler(said, nil)) })
	await(t, "attempts", func() bool { return api.Requests("get", "leases") >= 3 })
	if n := said.count("not allowed to take part"); n != 1 {
		t.Errorf("said %d times", n)
	}
	api.Allow("get", "leases")
	await(t, "leader", e.Leading)
	stop()
	if said.count("the election goes on") != 1 || said.count("ERROR") != 1 {
		t.Errorf("log: %s", said.b.String())
	}
}
