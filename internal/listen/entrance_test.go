package listen

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"daemun/internal/ir"
)

// proxied is a wish for the PROXY protocol; nobody but trusted is believed.
func proxied(timeout time.Duration, trusted ...string) *Entrance {
	cfg := &ir.Config{Settings: ir.Settings{ProxyProtocol: &ir.ProxyProtocol{Timeout: ir.Duration(timeout)}}}
	for _, p := range trusted {
		cfg.Settings.Forwarded.Trusted = append(cfg.Settings.Forwarded.Trusted, netip.MustParsePrefix(p))
	}
	p := &Entrance{}
	p.Update(cfg)
	return p
}

// tell says who the client is, then echoes.
func tell(c net.Conn, info ConnInfo) {
	fmt.Fprintf(c, "%v %v\n", info.Remote.Addr(), info.Proxied.Destination)
	echo(c, info)
}

const (
	v1Header = "PROXY TCP4 192.0.2.7 198.51.100.1 51234 443\r\n"
	v2Header = "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x07\xc6\x33\x64\x01\xc8\x22\x01\xbb"
)

func readLine(t *testing.T, c io.Reader) string {
	t.Helper()
	var line strings.Builder
	one := make([]byte, 1)
	for {
		if _, err := io.ReadFull(c, one); err != nil {
			t.Fatalf("%v after %q", err, line.String())
		}
		if one[0] == '\n' {
			return line.String()
		}
		line.WriteByte(one[0])
	}
}

// TestH4_8_ProxyProtocol: the header is taken exactly, from plain and TLS
// connections, however it is cut; who is not trusted stays who it is.
func TestH4_8_ProxyProtocol(t *testing.T) {
	t.Parallel()
	long := "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x10\x00\xc0\x00\x02\x07\xc6\x33\x64\x01\xc8\x22\x01\xbb\x04\x0f\xf1" + strings.Repeat("x", 4096-12-3)
	for _, tt := range []struct{ name, header, trusted, want string }{
		{"v1", v1Header, "127.0.0.0/8", "192.0.2.7 198.51.100.1:443"},
		{"v2", v2Header, "127.0.0.0/8", "192.0.2.7 198.51.100.1:443"},
		{"v2 of 4 KiB", long, "127.0.0.0/8", "192.0.2.7 198.51.100.1:443"},
		{"unknown", "PROXY UNKNOWN\r\n", "127.0.0.0/8", "127.0.0.1 invalid AddrPort"},
		{"not trusted", v1Header, "10.0.0.0/8", "127.0.0.1 invalid AddrPort"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l := startListener(t, Config{Entrance: proxied(time.Minute, tt.trusted)}, handlerFunc(tell))
			whole := dial(t, l)
			io.WriteString(whole, tt.header+"hello")
			if got := readLine(t, whole); got != tt.want {
				t.Errorf("whole: %q", got)
			}
			b := make([]byte, 5)
			if _, err := io.ReadFull(whole, b); err != nil || string(b) != "hello" {
				t.Errorf("the rest: %q, %v", b, err)
			}
			bytewise := dial(t, l)
			for i := range min(len(tt.header), 300) {
				io.WriteString(bytewise, tt.header[i:i+1])
			}
			io.WriteString(bytewise, tt.header[min(len(tt.header), 300):])
			if got := readLine(t, bytewise); got != tt.want {
				t.Errorf("octet by octet: %q", got)
			}
		})
	}
}

func TestH4_8_ProxyProtocolBeforeTLS(t *testing.T) {
	t.Parallel()
	certs, _ := testCertificates(t)
	l := startListener(t, Config{TLS: certs, Entrance: proxied(time.Minute)}, handlerFunc(tell))
	c := dial(t, l)
	io.WriteString(c, v2Header)
	secure := tls.Client(c, &tls.Config{ServerName: "a.test", InsecureSkipVerify: true})
	if got := readLine(t, secure); got != "192.0.2.7 198.51.100.1:443" {
		t.Errorf("got %q", got)
	}
}

// TestH4_8_Mandatory: without a header, or with a broken one, or with half a
// one, a connection is closed.
func TestH4_8_Mandatory(t *testing.T) {
	t.Parallel()
	l := startListener(t, Config{Entrance: proxied(200 * time.Millisecond)}, handlerFunc(tell))
	for _, begin := range []string{"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "PROXY TCP4 x\r\n", "PROXY TCP4 192", ""} {
		c := dial(t, l)
		io.WriteString(c, begin)
		if b, _ := io.ReadAll(c); len(b) != 0 {
			t.Errorf("%q was answered with %q", begin, b)
		}
	}
	eventually(t, "counted", func() bool { s := l.Stats(); return s.NotEntered == 4 && s.Handled == 0 && s.Open == 0 })
}

// TestEntranceChanges counts from the next connection on.
func TestEntranceChanges(t *testing.T) {
	t.Parallel()
	p := proxied(time.Minute)
	l := startListener(t, Config{Entrance: p}, handlerFunc(tell))
	before := dial(t, l)
	io.WriteString(before, v1Header)
	readLine(t, before)
	p.Update(&ir.Config{})
	after := dial(t, l)
	if got := readLine(t, after); got != "127.0.0.1 invalid AddrPort" {
		t.Errorf("got %q", got)
	}
	roundTrip(t, before, "still here")
}

// TestEntranceByAddress: bind-address and disable-ipv6 close what comes to
// other addresses.
func TestEntranceByAddress(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		entrance ir.Entrance
		ok       bool
	}{
		{"here", ir.Entrance{Addresses: []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("192.0.2.1")}}, true},
		{"elsewhere", ir.Entrance{Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.1")}}, false},
		{"IPv4", ir.Entrance{IPv4Only: true}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := &Entrance{}
			e.Update(&ir.Config{Settings: ir.Settings{Entrance: tt.entrance}})
			l := startListener(t, Config{Entrance: e}, handlerFunc(echo))
			c := dial(t, l)
			if tt.ok {
				roundTrip(t, c, "hello")
				return
			}
			if b, _ := io.ReadAll(c); len(b) != 0 {
				t.Errorf("got %q", b)
			}
			eventually(t, "counted", func() bool { return l.Stats().NotEntered == 1 })
		})
	}
}

// TestGreeting: who asks a listener from within the program, as the watchdog
// does, has to begin as clients must.
func TestGreeting(t *testing.T) {
	t.Parallel()
	if got := proxied(time.Minute).Greeting(); got != "PROXY UNKNOWN\r\n" {
		t.Errorf("with the PROXY protocol: %q", got)
	}
	plain := &Entrance{}
	plain.Update(&ir.Config{})
	if got := plain.Greeting() + (&Entrance{}).Greeting() + (*Entrance)(nil).Greeting(); got != "" {
		t.Errorf("without: %q", got)
	}
}
