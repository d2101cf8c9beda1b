package otlp

import (
	"errors"
	"net/netip"
	"testing"
)

// TestH10_3_Collector: a collector at an address that is not allowed gets
// nothing, whatever name has led there.
func TestH10_3_Collector(t *testing.T) {
	t.Parallel()
	c := newCollector(t, nil)
	own := netip.AddrPortFrom(netip.MustParseAddr(c.host), uint16(c.port))
	e := New(Config{
		Resolve: func(string) string { return c.host },
		Filter: func(to netip.AddrPort) error {
			if to == own {
				return errors.New("never")
			}
			return nil
		},
	})
	settings := c.settings()
	settings.Host = "collector.tracing.svc"
	e.Configure(settings)
	defer start(t, e)()
	e.Put(span("x"))
	e.Put(span("y"))
	eventually(t, "both spans are dropped", func() bool { return e.Dropped() == 2 })
	if len(c.calls) != 0 {
		t.Error("the collector was called")
	}
}
