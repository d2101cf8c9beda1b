package listen

import (
	"context"
	"errors"
	"net"
	"testing"
)

// TestLeaveKeepsTheQueue: who waits there is for the process that has the socket,
// too, and Wait returns with the last connection.
func TestLeaveKeepsTheQueue(t *testing.T) {
	t.Parallel()
	first := startListener(t, Config{}, handlerFunc(echo))
	raw, err := first.tcp.File()
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	shared, err := net.FileListener(raw)
	if err != nil {
		t.Fatal(err)
	}
	open := dial(t, first)
	roundTrip(t, open, "on the first")
	first.Leave()
	waiting := dial(t, first)

	second, err := Listen(t.Context(), Config{Address: "127.0.0.1:1", Socket: shared.(*net.TCPListener)})
	if err != nil {
		t.Fatal(err)
	}
	if second.Addr().String() != first.Addr().String() {
		t.Errorf("%v, want %v", second.Addr(), first.Addr())
	}
	done := make(chan error, 1)
	go func() { done <- second.Serve(context.Background(), handlerFunc(echo)) }()
	roundTrip(t, waiting, "on the second")
	roundTrip(t, open, "still on the first")

	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := first.Wait(over); !errors.Is(err, context.Canceled) {
		t.Errorf("with a connection open: %v", err)
	}
	open.Close()
	if err := first.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	waiting.Close()
	second.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestWaitForOneThatNeverServed returns when it is closed.
func TestWaitForOneThatNeverServed(t *testing.T) {
	t.Parallel()
	l, err := Listen(t.Context(), Config{Address: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	l.Leave()
	if err := l.Wait(t.Context()); err != nil {
		t.Error(err)
	}
}
