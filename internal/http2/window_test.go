package http2

import (
	"testing"

	"golang.org/x/net/http2"
)

// TestEndNeedsNoWindow: the empty DATA frame that ends a stream goes out with a
// window below zero (RFC 9113 §6.9.2), and with much still to be written.
func TestEndNeedsNoWindow(t *testing.T) {
	const content = 100
	for name, hold := range map[string]func(*Stream){
		"window": func(*Stream) {},
		"pending": func(s *Stream) {
			s.c.mu.Lock()
			s.c.limits.Pending = -1 // as if more than that were pending
			s.c.mu.Unlock()
		},
	} {
		t.Run(name, func(t *testing.T) {
			shrunk := make(chan struct{})
			c := dial(t, testConfig(), func(s *Stream) {
				_ = s.WriteHead([]byte("HTTP/1.1 200 OK\r\n\r\n"), make([]byte, content), false)
				<-shrunk
				hold(s)
				_ = s.WriteEnd(nil)
			})
			c.request(1, true, "GET")
			for got := 0; got < content; {
				if d, ok := c.frame().(*http2.DataFrame); ok {
					got += len(d.Data())
				}
			}
			c.must(c.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: content / 2}))
			c.ping()
			close(shrunk)
			if d, ok := c.frame().(*http2.DataFrame); !ok || !d.StreamEnded() {
				t.Errorf("the stream did not end, but: %v", d)
			}
		})
	}
}
