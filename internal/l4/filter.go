package l4

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// A frontend drops a client by a classic BPF program on its socket. The kernel
// runs it for every SYN that reaches a listening socket, so the handshake does
// not happen and the client hears nothing: what a packet filter would do, and
// what no program can do after accept.

// maxFilter is BPF_MAXINSNS. Programs over it are not made: the same rules run
// after accept anyway, where a refused client is reset instead of left to wait.
const maxFilter = 4096

// netOffset makes an absolute load relative to the network header
// (SKF_NET_OFF): at a TCP or UDP socket the packet begins at the transport
// header.
const netOffset = 0xfff00000

// Offsets of the source address in the network header.
const (
	source4 = 12
	source6 = 8
)

// sourceRule is the verdict on the sources in a prefix.
type sourceRule struct {
	sources netip.Prefix
	pass    bool
}

// sourceFilter are the verdicts on the sources of one frontend: a source must
// be in one of ranges unless there are none, then the first rule that has it
// decides, then rest.
type sourceFilter struct {
	ranges []netip.Prefix
	rules  []sourceRule
	rest   bool
}

// open says that everybody passes.
func (f *sourceFilter) open() bool {
	if len(f.ranges) > 0 || !f.rest {
		return false
	}
	for _, r := range f.rules {
		if !r.pass {
			return false
		}
	}
	return true
}

const (
	passAll = 0xffffffff
	passNot = 0
)

// compile returns the program for addresses of one family; ok is false when it
// would be too long. Prefixes of the other family match nothing.
func (f *sourceFilter) compile(is4 bool) (program []unix.SockFilter, ok bool) {
	if len(f.ranges) > 0 {
		var parts [][]unix.SockFilter
		total := 0
		for _, p := range f.ranges {
			if part, fits := matchSource(p, is4); fits {
				parts = append(parts, part)
				total += len(part) + 1
			}
		}
		// Each part ends in a jump behind the whole section, which ends in the
		// drop.
		for _, part := range parts {
			program = append(program, part...)
			program = append(program, jump(total-len(program)))
		}
		program = append(program, verdict(false))
	}
	for _, r := range f.rules {
		if part, fits := matchSource(r.sources, is4); fits {
			program = append(program, part...)
			program = append(program, verdict(r.pass))
		}
		if len(program) > maxFilter {
			return nil, false
		}
	}
	program = append(program, verdict(f.rest))
	return program, len(program) <= maxFilter
}

func verdict(pass bool) unix.SockFilter {
	if pass {
		return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: passAll}
	}
	return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: passNot}
}

// jump skips n instructions; its length has 32 bits, unlike that of a
// conditional jump.
func jump(n int) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JA, K: uint32(n)}
}

// matchSource goes on behind itself when the source is in p, and skips one
// instruction more when it is not.
func matchSource(p netip.Prefix, is4 bool) (part []unix.SockFilter, ok bool) {
	if p.Addr().Is4() != is4 {
		return nil, false
	}
	offset, words := uint32(source6), p.Addr().AsSlice()
	if is4 {
		offset = source4
	}
	for bits := p.Bits(); bits > 0; bits -= 32 {
		part = append(part, unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: netOffset + offset})
		want := binary.BigEndian.Uint32(words)
		if bits < 32 {
			mask := ^uint32(0) << (32 - bits)
			want &= mask
			part = append(part, unix.SockFilter{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: mask})
		}
		part = append(part, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: want})
		offset, words = offset+4, words[4:]
	}
	for i := range part {
		if part[i].Code == unix.BPF_JMP|unix.BPF_JEQ|unix.BPF_K {
			part[i].Jf = uint8(len(part) - i) // at most 12: behind the part, and one more
		}
	}
	return part, true
}
