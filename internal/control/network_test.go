package control

import (
	"context"
	"log/slog"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"daemun/internal/ir"
	"daemun/internal/store"
)

// TestNetworkLoop: what is put is applied; a panic keeps the last network, and
// the next change is applied again.
func TestNetworkLoop(t *testing.T) {
	t.Parallel()
	s, applied, broken := store.New(), make(chan *ir.Network, 10), false
	l := NewNetworkLoop(NetworkConfig{Store: s, Logger: slog.New(slog.DiscardHandler), Apply: func(n *ir.Network) {
		if broken {
			panic("broken on purpose")
		}
		applied <- n
	}})
	put := func(name string) {
		s.Update(func(tx *store.Tx) {
			svc := &corev1.Service{}
			svc.Namespace, svc.Name = "default", name
			tx.Put(svc)
		})
	}
	put("a")
	broken = true
	if err := l.Build(); err == nil || l.Network() != nil {
		t.Fatalf("error %v, network %v: want an error and no network", err, l.Network())
	}
	broken = false
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	for _, name := range []string{"a", "b"} {
		put(name)
		for n := range applied {
			if last := n.Services[len(n.Services)-1]; last.Name == name {
				break
			}
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if n := l.Network(); len(n.Services) != 2 || n.Revision != s.View().Revision {
		t.Errorf("network of revision %d with %d Services, want %d and 2", n.Revision, len(n.Services), s.View().Revision)
	}
}
