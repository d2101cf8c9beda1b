package proxy

import (
	"testing"
	"time"

	"daemun/internal/ir"
)

// smallRequests have no body, or one that is there with the head.
var smallRequests = map[string]string{
	"GET":    string(smallGET),
	"length": "POST /x HTTP/1.1\r\nHost: a.test\r\nContent-Type: text/plain\r\nContent-Length: 12\r\n\r\nhello world\n",
	"chunks": "POST /x HTTP/1.1\r\nHost: a.test\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\nc\r\nhello world\n\r\n0\r\n\r\n",
}

// posted is a rig whose route reads bodies whole, as is the default, or not.
func posted(tb testing.TB, buffering bool) *rig {
	tb.Helper()
	cfg := oneRoute(func(_ *ir.Host, r *ir.Route) { r.RequestBuffering, r.MaxBody = buffering, 1<<20 })
	cfg.Settings.KeepAliveRequests = 1 << 30
	r := newRig(tb, cfg)
	r.endpoints(newScript(tb, lean).addr())
	return r
}

// TestBufferingAllocs pins that reading bodies whole costs those nothing that
// are small or absent.
func TestBufferingAllocs(t *testing.T) {
	for name, request := range smallRequests {
		t.Run(name, func(t *testing.T) { noAllocs(t, posted(t, true), request) })
	}
}

// BenchmarkRequestBuffering compares small requests with it and without.
func BenchmarkRequestBuffering(b *testing.B) {
	for name, request := range smallRequests {
		for how, buffering := range map[string]bool{"buffered": true, "streamed": false} {
			b.Run(name+"/"+how, func(b *testing.B) {
				c := posted(b, buffering).dial()
				_ = c.SetDeadline(time.Time{})
				octets, buf := []byte(request), make([]byte, 16<<10)
				b.ReportAllocs()
				for b.Loop() {
					if _, err := c.Conn.Write(octets); err != nil {
						b.Fatal(err)
					}
					if _, err := c.Conn.Read(buf); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
