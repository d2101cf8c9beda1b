package proxy

import (
	"context"
	"testing"
)

// TestPart: an idle connection may send one more request, and its response says
// that it is the last; Shutdown closes who sends none.
func TestPart(t *testing.T) {
	t.Parallel()
	r, _ := up(t, func(_ int, c *client) {
		for c.head() != "" {
			c.send(ok)
		}
	}, nil)
	idle, silent := r.dial(), r.dial()
	for _, c := range []*client{idle, silent} {
		c.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
		if resp, _ := c.answer("GET"); resp.StatusCode != 200 || resp.Close {
			t.Fatalf("%d, %t", resp.StatusCode, resp.Close)
		}
	}
	r.server.Part()
	late := r.dial()
	for _, c := range []*client{idle, late} {
		c.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
		if resp, _ := c.answer("GET"); resp.StatusCode != 200 || !resp.Close {
			t.Errorf("%d, %t: want a last response", resp.StatusCode, resp.Close)
		}
		if left := c.rest(); left != "" {
			t.Errorf("got %q", left)
		}
	}
	eventually(t, "only the silent one is idle", func() bool { return r.server.Stats().Idle == 1 })
	if err := r.server.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	if left := silent.rest(); left != "" {
		t.Errorf("got %q", left)
	}
}
