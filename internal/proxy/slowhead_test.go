package proxy

import (
	"testing"
	"time"

	"daemun/internal/ir"
)

// TestH6_13_SlowHeadsMakeRoom: a full server closes the connection whose head takes
// longest, but none that has only begun, and none that is served.
func TestH6_13_SlowHeadsMakeRoom(t *testing.T) {
	t.Parallel()
	asked, release := make(chan struct{}, 1), make(chan struct{})
	defer close(release)
	r, _ := up(t, func(_ int, c *client) {
		c.head()
		asked <- struct{}{}
		<-release
		c.send(ok)
	}, func(*ir.Host, *ir.Route) {})
	served := r.dial()
	served.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
	<-asked
	slow := r.dial()
	slow.send("GET / HTTP/1.1\r\nHo")
	eventually(t, "the head has begun", func() bool { return r.server.Stats().Active == 2 })
	r.server.mu.Lock()
	r.server.headGrace = time.Hour
	r.server.mu.Unlock()
	if r.server.ShedIdle() {
		t.Error("closed a head that is young")
	}
	r.server.mu.Lock()
	r.server.headGrace = 0
	r.server.mu.Unlock()
	eventually(t, "the slow one makes room", r.server.ShedIdle)
	if n, err := slow.Read(make([]byte, 1)); n > 0 || err == nil || isTimeout(err) {
		t.Errorf("the slow one gets %d octets, %v", n, err)
	}
	if r.server.ShedIdle() {
		t.Error("closed one that is served")
	}
	release <- struct{}{}
	if resp, _ := served.answer("GET"); resp.StatusCode != 200 {
		t.Error(resp.Status)
	}
}
