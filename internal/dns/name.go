package dns

import (
	"bytes"
	"net/netip"
	"strings"
)

// Names are kept as they are on the wire, lower case: a length octet before
// each label, a zero octet at the end. Length octets are at most 63 and 'A' is
// 65, so a whole name can be lowered octet by octet.
const (
	maxName   = 255
	maxLabel  = 63
	maxLabels = 127
)

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + ('a' - 'A')
	}
	return c
}

// appendName appends the wire form of a dotted name without the end; a
// trailing dot is allowed. ok is false if it is no name.
func appendName(b []byte, dotted string) (_ []byte, ok bool) {
	dotted = strings.TrimSuffix(dotted, ".")
	if dotted == "" {
		return b, true
	}
	for label := range strings.SplitSeq(dotted, ".") {
		if b, ok = appendLabel(b, label); !ok {
			return b, false
		}
	}
	return b, true
}

func appendLabel(b []byte, label string) (_ []byte, ok bool) {
	if len(label) == 0 || len(label) > maxLabel {
		return b, false
	}
	b = append(b, byte(len(label)))
	for i := range len(label) {
		b = append(b, lower(label[i]))
	}
	return b, true
}

// wireName is the whole wire form of a dotted name.
func wireName(dotted string) (string, bool) {
	b, ok := appendName(nil, dotted)
	if !ok || len(b)+1 > maxName {
		return "", false
	}
	return string(append(b, 0)), true
}

// labelsOf returns where the labels of a whole wire name begin.
func labelsOf(name string) []uint8 {
	var labels []uint8
	for i := 0; i < len(name) && name[i] != 0; i += 1 + int(name[i]) {
		labels = append(labels, uint8(i))
	}
	return labels
}

// addressLabel is the label of an endpoint without a hostname: the address with
// dashes. A label may not end with one.
func addressLabel(a netip.Addr) string {
	var text [maxLabel]byte
	s := a.WithZone("").AppendTo(text[:0])
	for i, c := range s {
		if c == '.' || c == ':' {
			s[i] = '-'
		}
	}
	if bytes.HasSuffix(s, []byte("-")) {
		s = append(s, '0')
	}
	return string(s)
}

// parseAddressLabel reads what addressLabel writes, and every other spelling
// of an address with dashes.
func parseAddressLabel(label []byte) (netip.Addr, bool) {
	var text [maxLabel]byte
	n := copy(text[:], label)
	dashes := 0
	for i := range n {
		if text[i] == '-' {
			text[i] = '.'
			dashes++
		}
	}
	if dashes == 3 {
		if a, ok := parseIPv4(text[:n]); ok {
			return a, true
		}
	}
	for i := range n {
		if text[i] == '.' {
			text[i] = ':'
		}
	}
	a, err := netip.ParseAddr(string(text[:n]))
	return a, err == nil && a.Is6() && a.Zone() == "" && !a.Is4In6()
}

// parseIPv4 reads a dotted quad without leading zeros.
func parseIPv4(text []byte) (netip.Addr, bool) {
	a, err := netip.ParseAddr(string(text))
	return a, err == nil && a.Is4()
}

// The suffixes of reverse names.
const (
	inAddrArpa = "\x07in-addr\x04arpa\x00"
	ip6Arpa    = "\x03ip6\x04arpa\x00"
)

// reverseAddr is the address that a whole reverse name stands for.
func reverseAddr(name []byte, labels []uint8) (netip.Addr, bool) {
	switch {
	case len(labels) == 6 && string(name[labels[4]:]) == inAddrArpa:
		return reverse4(name, labels)
	case len(labels) == 34 && string(name[labels[32]:]) == ip6Arpa:
		return reverse6(name, labels)
	}
	return netip.Addr{}, false
}

func reverse4(name []byte, labels []uint8) (netip.Addr, bool) {
	var a [4]byte
	for i := range 4 {
		at := int(labels[i])
		digits := name[at+1 : at+1+int(name[at])]
		if len(digits) > 3 || len(digits) > 1 && digits[0] == '0' {
			return netip.Addr{}, false
		}
		value := 0
		for _, d := range digits {
			if d < '0' || d > '9' {
				return netip.Addr{}, false
			}
			value = value*10 + int(d-'0')
		}
		if value > 255 {
			return netip.Addr{}, false
		}
		a[3-i] = byte(value)
	}
	return netip.AddrFrom4(a), true
}

func reverse6(name []byte, labels []uint8) (netip.Addr, bool) {
	var a [16]byte
	for i := range 32 {
		at := int(labels[i])
		if name[at] != 1 {
			return netip.Addr{}, false
		}
		var nibble byte
		switch d := name[at+1]; {
		case '0' <= d && d <= '9':
			nibble = d - '0'
		case 'a' <= d && d <= 'f':
			nibble = d - 'a' + 10
		default:
			return netip.Addr{}, false
		}
		a[15-i/2] |= nibble << (4 * (i % 2))
	}
	return netip.AddrFrom16(a), true
}
