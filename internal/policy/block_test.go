package policy

import (
	"net/netip"
	"testing"

	"daemun/internal/ir"
)

func TestBlock(t *testing.T) {
	t.Parallel()
	b := NewBlock(&ir.Block{
		Networks:   []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")},
		UserAgents: []string{"Bad Bot/1.0", "~Evil", "~*scan.er"},
		Referers:   []string{"~*^https?://spam\\."},
	})
	for _, tt := range []struct {
		client, agent, referer string
		want                   bool
	}{
		{"198.51.100.1", "curl/8", "", false},
		{"192.0.2.9", "curl/8", "", true},
		{"::ffff:192.0.2.9", "", "", true},
		{"198.51.100.1", "bad bot/1.0", "", true},
		{"198.51.100.1", "bad bot/1.01", "", false},
		{"198.51.100.1", "x Evil x", "", true},
		{"198.51.100.1", "x evil x", "", false},
		{"198.51.100.1", "SCANNER", "", true},
		{"198.51.100.1", "", "HTTPS://SPAM.test", true},
		{"198.51.100.1", "", "https://a.test/?spam.", false},
	} {
		if got := b.Blocks(netip.MustParseAddr(tt.client), []byte(tt.agent), []byte(tt.referer)); got != tt.want {
			t.Errorf("%+v: %v", tt, got)
		}
	}
	if NewBlock(nil) != nil || NewBlock(nil).BlocksClient(netip.MustParseAddr("192.0.2.9")) {
		t.Error("nothing blocks something")
	}
}

// TestBlockAllocatesNothing of its own; expressions take what they need from the
// pool of package regexp, which the race detector empties at random.
func TestBlockAllocatesNothing(t *testing.T) {
	b := NewBlock(&ir.Block{
		Networks: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}, UserAgents: []string{"Bad Bot"}, Referers: []string{"https://spam.test/"},
	})
	client, agent, referer := netip.MustParseAddr("192.0.2.1"), []byte("curl/8"), []byte("https://a.test/")
	if n := testing.AllocsPerRun(100, func() { b.Blocks(client, agent, referer) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
