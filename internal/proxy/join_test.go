package proxy

import (
	"testing"

	"daemun/internal/upstream"
)

// TestH2_11BodyThatWasNotTaken: a connection whose backend has answered without
// taking the end of the body is not used again; one that got all of it is.
func TestH2_11BodyThatWasNotTaken(t *testing.T) {
	t.Parallel()
	r, _ := up(t, answering(ok), nil)
	backend, err := r.upstreams.Backend(backendID).Pick(nil).Dial(t.Context(), upstream.Plain, patience)
	if err != nil {
		t.Fatal(err)
	}
	defer backend.Discard()
	x := &r.server.conns.New().(*conn).x
	for result, whole := range map[error]bool{nil: true, errUpstream: false, errStopped: false} {
		x.streaming = true
		x.bodyRead.Store(true) // all of it was on its way
		x.c.sent <- result
		if got := x.joinBody(backend); got != whole || x.streaming {
			t.Errorf("sending ended with %v: the backend got all of it: %v", result, got)
		}
	}
}
