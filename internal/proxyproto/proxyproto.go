// Package proxyproto turns the header of the PROXY protocol, version 1 or 2,
// into the addresses that it names, and addresses into such a header.
//
//	h, n, err := proxyproto.Parse(octets)
//	b = proxyproto.AppendV1(b, client, server)
//
// It knows nothing of sockets, nor of who may be believed: both are for the
// reader of the connection. Everything in it is pure; it owns no goroutines.
package proxyproto

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"strconv"
)

// The bounds of a header (H4.8). The first is of the specification of version
// 1, its line end included; the second is ours for version 2: room for every
// TLV in use, certificate names too.
const (
	MaxV1 = 107
	MaxV2 = headV2 + 4096
	// Max is the longest header that Parse takes.
	Max = MaxV2
)

const headV2 = 16

// ErrIncomplete says that more octets are needed. All octets so far belong to
// the header then.
var ErrIncomplete = errors.New("incomplete PROXY header")

// ErrInvalid is what all other errors of Parse are: a peer that sends such
// octets does not speak the protocol, or breaks it.
var ErrInvalid = errors.New("not a PROXY header")

// Header is what a header says.
type Header struct {
	// Source is the client, Destination where it connected to. Both are zero
	// for a connection of the peer's own (LOCAL, UNKNOWN, other families).
	Source, Destination netip.AddrPort
}

// Known reports whether the header names a client.
func (h Header) Known() bool { return h.Source.IsValid() }

var (
	prefixV1 = []byte("PROXY ")
	prefixV2 = []byte("\r\n\r\n\x00\r\nQUIT\n")
)

// Parse reads a header at the beginning of b; n is its length. ErrIncomplete
// asks for more octets, other errors are ErrInvalid and final. The outcome does
// not depend on how the octets are cut.
func Parse(b []byte) (h Header, n int, err error) {
	switch {
	case begins(b, prefixV1):
		return parseV1(b)
	case begins(b, prefixV2):
		return parseV2(b)
	}
	return Header{}, 0, ErrInvalid
}

// begins reports that b begins with prefix, as far as it goes.
func begins(b, prefix []byte) bool {
	n := min(len(b), len(prefix))
	return bytes.Equal(b[:n], prefix[:n])
}

func parseV1(b []byte) (h Header, n int, err error) {
	end := bytes.IndexByte(b[:min(len(b), MaxV1)], '\n')
	if end < 0 {
		if len(b) >= MaxV1 {
			return Header{}, 0, ErrInvalid
		}
		return Header{}, 0, ErrIncomplete
	}
	if end < len(prefixV1) || b[end-1] != '\r' {
		return Header{}, 0, ErrInvalid
	}
	words := bytes.Split(b[len(prefixV1):end-1], []byte{' '})
	// "UNKNOWN" may be followed by anything, which is ignored.
	if string(words[0]) == "UNKNOWN" {
		return Header{}, end + 1, nil
	}
	is4 := string(words[0]) == "TCP4"
	if len(words) != 5 || !is4 && string(words[0]) != "TCP6" {
		return Header{}, 0, ErrInvalid
	}
	source, okSource := addressV1(words[1], words[3], is4)
	destination, okDestination := addressV1(words[2], words[4], is4)
	if !okSource || !okDestination {
		return Header{}, 0, ErrInvalid
	}
	return Header{source, destination}, end + 1, nil
}

func addressV1(host, port []byte, is4 bool) (netip.AddrPort, bool) {
	addr, err := netip.ParseAddr(string(host))
	if err != nil || addr.Is4() != is4 || addr.Zone() != "" {
		return netip.AddrPort{}, false
	}
	n := 0
	for _, c := range port {
		if c < '0' || c > '9' {
			return netip.AddrPort{}, false
		}
		if n = n*10 + int(c-'0'); n > 65535 {
			return netip.AddrPort{}, false
		}
	}
	// Leading zeros are no number of the specification.
	if len(port) == 0 || len(port) > 1 && port[0] == '0' {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(addr.Unmap(), uint16(n)), true
}

// The octets 12 and 13 of version 2.
const (
	version2     = 0x20
	commandLocal = 0x0
	commandProxy = 0x1
	familyIPv4   = 0x10
	familyIPv6   = 0x20
	familyUnix   = 0x30
)

func parseV2(b []byte) (h Header, n int, err error) {
	if len(b) > 12 && b[12]&0xf0 != version2 {
		return Header{}, 0, ErrInvalid
	}
	if len(b) < headV2 {
		return Header{}, 0, ErrIncomplete
	}
	n = headV2 + int(binary.BigEndian.Uint16(b[14:]))
	command, family := b[12]&0x0f, b[13]&0xf0
	if n > MaxV2 || command > commandProxy || family > familyUnix || b[13]&0x0f > 2 {
		return Header{}, 0, ErrInvalid
	}
	if len(b) < n {
		return Header{}, 0, ErrIncomplete
	}
	rest := b[headV2:n]
	size := 0
	switch {
	case command == commandLocal:
		return Header{}, n, nil // what follows is to be ignored
	case family == familyIPv4:
		size = 12
	case family == familyIPv6:
		size = 36
	case family == familyUnix:
		size = 216
	}
	if len(rest) < size || !soundTLVs(rest[size:]) {
		return Header{}, 0, ErrInvalid
	}
	switch family {
	case familyIPv4:
		h = addressesV2(rest, 4)
	case familyIPv6:
		h = addressesV2(rest, 16)
	}
	return h, n, nil
}

func addressesV2(b []byte, size int) Header {
	source, _ := netip.AddrFromSlice(b[:size])
	destination, _ := netip.AddrFromSlice(b[size : 2*size])
	ports := b[2*size:]
	return Header{
		netip.AddrPortFrom(source.Unmap(), binary.BigEndian.Uint16(ports)),
		netip.AddrPortFrom(destination.Unmap(), binary.BigEndian.Uint16(ports[2:])),
	}
}

// soundTLVs reports whether the lengths of the values add up.
func soundTLVs(b []byte) bool {
	for len(b) > 0 {
		if len(b) < 3 {
			return false
		}
		n := 3 + int(binary.BigEndian.Uint16(b[1:]))
		if n > len(b) {
			return false
		}
		b = b[n:]
	}
	return true
}

// AppendV1 appends the header of version 1 for a TCP connection of a client to
// an address. Without two addresses it is the header for an unknown client.
func AppendV1(b []byte, source, destination netip.AddrPort) []byte {
	if !source.IsValid() || !destination.IsValid() {
		return append(b, "PROXY UNKNOWN\r\n"...)
	}
	from, to := source.Addr().Unmap().WithZone(""), destination.Addr().Unmap().WithZone("")
	family := "TCP4"
	if from.Is6() || to.Is6() { // of two families both are written as IPv6
		family, from, to = "TCP6", netip.AddrFrom16(from.As16()), netip.AddrFrom16(to.As16())
	}
	b = append(b, prefixV1...)
	b = append(b, family...)
	b = append(b, ' ')
	b = from.AppendTo(b)
	b = append(b, ' ')
	b = to.AppendTo(b)
	b = append(b, ' ')
	b = strconv.AppendUint(b, uint64(source.Port()), 10)
	b = append(b, ' ')
	b = strconv.AppendUint(b, uint64(destination.Port()), 10)
	return append(b, '\r', '\n')
}
