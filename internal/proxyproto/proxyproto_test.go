package proxyproto

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"strings"
	"testing"
)

var (
	client4 = netip.MustParseAddrPort("192.0.2.7:51234")
	server4 = netip.MustParseAddrPort("198.51.100.1:443")
	client6 = netip.MustParseAddrPort("[2001:db8::7]:51234")
	server6 = netip.MustParseAddrPort("[2001:db8::1]:443")
)

// v2 makes a header of version 2.
func v2(command, family byte, body string) string {
	return string(prefixV2) + string([]byte{command, family}) + string(binary.BigEndian.AppendUint16(nil, uint16(len(body)))) + body
}

const (
	ports = "\xc8\x22\x01\xbb"
	body4 = "\xc0\x00\x02\x07\xc6\x33\x64\x01" + ports
	body6 = "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07" + "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01" + ports
)

// TestH4_8_Headers: what is a header and what it says, whole and cut at each
// place.
func TestH4_8_Headers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, in string
		want     Header
		ok       bool
	}{
		{"v1 TCP4", "PROXY TCP4 192.0.2.7 198.51.100.1 51234 443\r\n", Header{client4, server4}, true},
		{"v1 TCP6", "PROXY TCP6 2001:db8::7 2001:db8::1 51234 443\r\n", Header{client6, server6}, true},
		{"v1 mapped", "PROXY TCP6 ::ffff:192.0.2.7 ::ffff:198.51.100.1 51234 443\r\n", Header{client4, server4}, true},
		{"v1 unknown", "PROXY UNKNOWN\r\n", Header{}, true},
		{"v1 unknown with addresses", "PROXY UNKNOWN ffff:f:f:f:f:f:f:f ffff:f:f:f:f:f:f:f 65535 65535\r\n", Header{}, true},
		{"v1 107 octets", "PROXY UNKNOWN " + strings.Repeat("x", MaxV1-16) + "\r\n", Header{}, true},
		{"v1 108 octets", "PROXY UNKNOWN " + strings.Repeat("x", MaxV1-15) + "\r\n", Header{}, false},
		{"v1 bare LF", "PROXY TCP4 192.0.2.7 198.51.100.1 51234 443\n", Header{}, false},
		{"v1 family mismatch", "PROXY TCP4 2001:db8::7 2001:db8::1 51234 443\r\n", Header{}, false},
		{"v1 port too large", "PROXY TCP4 192.0.2.7 198.51.100.1 65536 443\r\n", Header{}, false},
		{"v1 leading zero", "PROXY TCP4 192.0.2.7 198.51.100.1 051 443\r\n", Header{}, false},
		{"v1 sign", "PROXY TCP4 192.0.2.7 198.51.100.1 +51 443\r\n", Header{}, false},
		{"v1 two blanks", "PROXY TCP4  192.0.2.7 198.51.100.1 51 443\r\n", Header{}, false},
		{"v1 zone", "PROXY TCP6 fe80::1%eth0 2001:db8::1 51 443\r\n", Header{}, false},
		{"v1 lower case", "proxy TCP4 192.0.2.7 198.51.100.1 51 443\r\n", Header{}, false},
		{"v1 UDP", "PROXY UDP4 192.0.2.7 198.51.100.1 51 443\r\n", Header{}, false},
		{"v2 IPv4", v2(0x21, 0x11, body4), Header{client4, server4}, true},
		{"v2 IPv6", v2(0x21, 0x21, body6), Header{client6, server6}, true},
		{"v2 local", v2(0x20, 0x00, ""), Header{}, true},
		{"v2 local with rubbish", v2(0x20, 0x11, "x"), Header{}, true},
		{"v2 unspecified", v2(0x21, 0x00, ""), Header{}, true},
		{"v2 unix", v2(0x21, 0x31, strings.Repeat("\x00", 216)), Header{}, true},
		{"v2 TLV", v2(0x21, 0x11, body4+"\x04\x00\x01x"), Header{client4, server4}, true},
		{"v2 TLV beyond the end", v2(0x21, 0x11, body4+"\x04\x00\x02x"), Header{}, false},
		{"v2 TLV cut", v2(0x21, 0x11, body4+"\x04\x00"), Header{}, false},
		{"v2 short address", v2(0x21, 0x11, body4[:11]), Header{}, false},
		{"v2 4096 octets", v2(0x21, 0x11, body4+"\x04"+string(binary.BigEndian.AppendUint16(nil, 4096-12-3))+strings.Repeat("x", 4096-12-3)), Header{client4, server4}, true},
		{"v2 4097 octets", v2(0x21, 0x11, body4+"\x04"+string(binary.BigEndian.AppendUint16(nil, 4097-12-3))+strings.Repeat("x", 4097-12-3)), Header{}, false},
		{"v2 version 3", v2(0x31, 0x11, body4), Header{}, false},
		{"v2 command 2", v2(0x22, 0x11, body4), Header{}, false},
		{"v2 family 4", v2(0x21, 0x41, body4), Header{}, false},
		{"v2 transport 3", v2(0x21, 0x13, body4), Header{}, false},
		{"HTTP", "GET / HTTP/1.1\r\n\r\n", Header{}, false},
		{"HTTP PROPFIND", "PROPFIND / HTTP/1.1\r\n\r\n", Header{}, false},
		{"TLS", "\x16\x03\x01\x02\x00", Header{}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			in := []byte(tt.in + "rest")
			got, n, err := Parse(in)
			if (err == nil) != tt.ok || tt.ok && (got != tt.want || n != len(tt.in)) {
				t.Fatalf("Parse = %+v, %d, %v", got, n, err)
			}
			if !tt.ok && !errors.Is(err, ErrInvalid) {
				t.Errorf("error %v", err)
			}
			for cut := range tt.in {
				_, _, err := Parse(in[:cut])
				if tt.ok && err != ErrIncomplete {
					t.Fatalf("cut at %d: %v", cut, err)
				}
				if err == nil {
					t.Fatalf("cut at %d: accepted", cut)
				}
			}
		})
	}
}

func TestAppendV1(t *testing.T) {
	t.Parallel()
	mapped := netip.MustParseAddrPort("[::ffff:192.0.2.7]:51234")
	for _, tt := range []struct {
		source, destination netip.AddrPort
		want                string
	}{
		{client4, server4, "PROXY TCP4 192.0.2.7 198.51.100.1 51234 443\r\n"},
		{mapped, server4, "PROXY TCP4 192.0.2.7 198.51.100.1 51234 443\r\n"},
		{client6, server6, "PROXY TCP6 2001:db8::7 2001:db8::1 51234 443\r\n"},
		{client6, server4, "PROXY TCP6 2001:db8::7 ::ffff:198.51.100.1 51234 443\r\n"},
		{netip.AddrPort{}, server4, "PROXY UNKNOWN\r\n"},
	} {
		if got := string(AppendV1(nil, tt.source, tt.destination)); got != tt.want {
			t.Errorf("%v → %v: %q", tt.source, tt.destination, got)
		}
	}
}

// FuzzParse: no octets panic, the length is within bounds, a prefix never says
// something else, and what is written is read back.
func FuzzParse(f *testing.F) {
	f.Add([]byte("PROXY TCP4 192.0.2.7 198.51.100.1 51234 443\r\nGET"))
	f.Add([]byte("PROXY UNKNOWN\r\n"))
	f.Add([]byte(v2(0x21, 0x11, body4)))
	f.Add([]byte(v2(0x21, 0x21, body6+"\x04\x00\x01x")))
	f.Add([]byte(v2(0x20, 0, "")))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, n, err := Parse(b)
		if err != nil {
			return
		}
		if n <= 0 || n > len(b) || n > Max {
			t.Fatalf("length %d of %d", n, len(b))
		}
		if _, _, err := Parse(b[:n-1]); err != ErrIncomplete {
			t.Fatalf("one octet less: %v", err)
		}
		if !h.Known() {
			return
		}
		back, _, err := Parse(AppendV1(nil, h.Source, h.Destination))
		if err != nil || back != h {
			t.Fatalf("%+v became %+v, %v", h, back, err)
		}
	})
}
