package daemon

import (
	"errors"
	"net/netip"
	"testing"
)

func TestH10_2_DialFilter(t *testing.T) {
	t.Parallel()
	local := []netip.Addr{netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("2001:db8::7")}
	one := []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:8080"), netip.MustParseAddrPort("127.0.0.1:8443"), netip.MustParseAddrPort("127.0.0.1:10254")}
	for _, tt := range []struct {
		name string
		own  []netip.AddrPort
		to   string
		want error
	}{
		{"elsewhere", one, "192.0.2.1:80", nil},
		{"Pod on loopback", one, "127.244.0.5:8080", nil},
		{"other port of this machine", one, "127.0.0.1:9000", nil},
		{"http", one, "127.0.0.1:8080", errOwn},
		{"https", one, "127.0.0.1:8443", errOwn},
		{"admin", one, "127.0.0.1:10254", errOwn},
		{"admin, mapped", one, "[::ffff:127.0.0.1]:10254", errOwn},
		{"unspecified is this machine", one, "0.0.0.0:10254", errNoHost},
		{"unspecified IPv6", one, "[::]:10254", errNoHost},
		{"metadata", one, "169.254.169.254:80", errLinkLocal},
		{"metadata, mapped", one, "[::ffff:169.254.169.254]:80", errLinkLocal},
		{"metadata over IPv6", one, "[fd00:ec2::254]:80", errMetadata},
		{"Azure", one, "168.63.129.16:80", errMetadata},
		{"link-local", one, "[fe80::1]:80", errLinkLocal},
		{"link-local with zone", one, "[fe80::1%lo]:80", errLinkLocal},
		{"multicast", one, "224.0.0.1:80", errNoHost},
		{"broadcast", one, "255.255.255.255:80", errNoHost},
		{"all addresses: loopback", []netip.AddrPort{netip.MustParseAddrPort("[::]:80")}, "127.0.0.9:80", errOwn},
		{"all addresses: this machine", []netip.AddrPort{netip.MustParseAddrPort("0.0.0.0:80")}, "192.0.2.7:80", errOwn},
		{"all addresses: this machine, IPv6", []netip.AddrPort{netip.MustParseAddrPort("[::]:80")}, "[2001:db8::7]:80", errOwn},
		{"all addresses: other port", []netip.AddrPort{netip.MustParseAddrPort("[::]:80")}, "127.0.0.9:81", nil},
		{"all addresses: elsewhere", []netip.AddrPort{netip.MustParseAddrPort("[::]:80")}, "192.0.2.8:80", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if err := newDialFilter(tt.own, local)(netip.MustParseAddrPort(tt.to)); !errors.Is(err, tt.want) {
				t.Errorf("%s: %v, want %v", tt.to, err, tt.want)
			}
		})
	}
}
