package proxy

import (
	"io"
	"testing"
	"time"

	"daemun/internal/ir"
)

// The upstream's time does not run while the client still sends: an upload may
// take many times the read timeout.
func TestSlowUpload(t *testing.T) {
	t.Parallel()
	r, _ := up(t, echo, func(_ *ir.Host, r *ir.Route) { r.ReadTimeout = ir.Duration(150 * time.Millisecond) })
	c := r.dial()
	c.send("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n")
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for range 5 {
		<-tick.C
		c.send("1\r\nx\r\n")
	}
	c.send("0\r\n\r\n")
	if resp, body := c.answer("POST"); resp.StatusCode != 200 || body != "xxxxx" {
		t.Errorf("got %d %q", resp.StatusCode, body)
	}
}

// An upstream that took all of the body and then says nothing is too slow.
func TestSilentAfterUpload(t *testing.T) {
	t.Parallel()
	r, _ := up(t, func(_ int, c *client) { _, _ = io.ReadAll(c.br) }, func(_ *ir.Host, r *ir.Route) { r.ReadTimeout = ir.Duration(50 * time.Millisecond) })
	c := r.dial()
	c.send("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
	c.send("0\r\n\r\n")
	if resp, _ := c.answer("POST"); resp.StatusCode != 504 {
		t.Errorf("status %d", resp.StatusCode)
	}
}
