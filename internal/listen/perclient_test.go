package listen

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"daemun/internal/ir"
)

// boundPerClient serves with a bound of two connections for each client.
func boundPerClient(t *testing.T, change func(*ir.Config)) *Listener {
	t.Helper()
	cfg := &ir.Config{Settings: ir.DefaultSettings()}
	cfg.Settings.Entrance.PerClient = 2
	if change != nil {
		change(cfg)
	}
	var way Entrance
	way.Update(cfg)
	return startListener(t, Config{Entrance: &way}, handlerFunc(echo))
}

// turnedAway reports whether a new connection is closed.
func turnedAway(t *testing.T, c net.Conn) bool {
	t.Helper()
	_, _ = io.WriteString(c, "x")
	n, err := c.Read(make([]byte, 1))
	if n == 0 && err == nil {
		t.Fatal("nothing was read")
	}
	return n == 0
}

func TestH6_14_ConnectionsPerClient(t *testing.T) {
	t.Parallel()
	l := boundPerClient(t, nil)
	first, second := dial(t, l), dial(t, l)
	if turnedAway(t, first) || turnedAway(t, second) {
		t.Fatal("a connection within the bound was closed")
	}
	if !turnedAway(t, dial(t, l)) {
		t.Error("the third connection is served")
	}
	if n := l.Stats().TooMany; n != 1 {
		t.Errorf("%d counted", n)
	}
	first.Close()
	eventually(t, "the place is free", func() bool { return !turnedAway(t, dial(t, l)) })
}

func TestH6_14_TrustedProxiesAreNotBounded(t *testing.T) {
	t.Parallel()
	l := boundPerClient(t, func(cfg *ir.Config) {
		cfg.Settings.Forwarded = ir.Forwarded{Believe: true, Trusted: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	})
	for i := range 5 {
		if turnedAway(t, dial(t, l)) {
			t.Errorf("connection %d of a trusted proxy is closed", i)
		}
	}
}

// With the PROXY protocol it is the client that counts, not its proxy.
func TestH6_14_ProxyProtocol(t *testing.T) {
	t.Parallel()
	l := boundPerClient(t, func(cfg *ir.Config) {
		cfg.Settings.ProxyProtocol = &ir.ProxyProtocol{Timeout: ir.Duration(20 * time.Second)}
	})
	from := func(client int) net.Conn {
		c := dial(t, l)
		fmt.Fprintf(c, "PROXY TCP4 192.0.2.%d 192.0.2.9 1000 80\r\n", client)
		return c
	}
	for client := range 3 {
		for i := range 3 {
			if away := turnedAway(t, from(client)); away != (i == 2) {
				t.Errorf("connection %d of client %d is closed: %v", i, client, away)
			}
		}
	}
}

func TestClientOf(t *testing.T) {
	t.Parallel()
	for from, want := range map[string]string{
		"192.0.2.7": "192.0.2.7", "::ffff:192.0.2.7": "192.0.2.7", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::", "fe80::1%eth0": "fe80::",
	} {
		if got := clientOf(netip.MustParseAddr(from)); got.String() != want {
			t.Errorf("%s counts as %s, want %s", from, got, want)
		}
	}
}

// H6.19: a listener that is full by order turns newcomers away, and only them.
func TestH6_19_Full(t *testing.T) {
	t.Parallel()
	var full atomic.Bool
	l := startListener(t, Config{Full: &full}, handlerFunc(echo))
	known := dial(t, l)
	roundTrip(t, known, "before")
	full.Store(true)
	if !turnedAway(t, dial(t, l)) {
		t.Error("a newcomer is served")
	}
	roundTrip(t, known, "meanwhile")
	if n := l.Stats().Refused; n != 1 {
		t.Errorf("%d counted", n)
	}
	full.Store(false)
	roundTrip(t, dial(t, l), "afterwards")
}
