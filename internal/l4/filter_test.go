package l4

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// run executes a program on a packet with a source address, in the standard
// machine, whose packets begin at the network header.
func run(t *testing.T, program []unix.SockFilter, source netip.Addr) bool {
	t.Helper()
	var code []bpf.Instruction
	for _, p := range program {
		raw := bpf.RawInstruction{Op: p.Code, Jt: p.Jt, Jf: p.Jf, K: p.K}
		if p.Code == unix.BPF_LD|unix.BPF_W|unix.BPF_ABS {
			raw.K -= netOffset
		}
		code = append(code, raw.Disassemble())
	}
	vm, err := bpf.NewVM(code)
	if err != nil {
		t.Fatal(err)
	}
	packet := make([]byte, 60)
	if source.Is4() {
		copy(packet[source4:], source.AsSlice())
	} else {
		copy(packet[source6:], source.AsSlice())
	}
	n, err := vm.Run(packet)
	if err != nil {
		t.Fatal(err)
	}
	return n > 0
}

// passes is what a program should do.
func (f *sourceFilter) passes(source netip.Addr) bool {
	in := len(f.ranges) == 0
	for _, r := range f.ranges {
		in = in || r.Contains(source)
	}
	if !in {
		return false
	}
	for _, r := range f.rules {
		if r.sources.Contains(source) {
			return r.pass
		}
	}
	return f.rest
}

// TestFilterPrograms compares programs with what they should do, for random
// rules and sources near them, in both families.
func TestFilterPrograms(t *testing.T) {
	t.Parallel()
	address := func(is4 bool) netip.Addr {
		var b [16]byte
		for i := range b {
			b[i] = byte(rand.IntN(2)) << rand.IntN(8) // few bits, so that prefixes are met
		}
		if is4 {
			return netip.AddrFrom4([4]byte(b[:4]))
		}
		return netip.AddrFrom16(b)
	}
	for range 300 {
		is4 := rand.IntN(2) == 0
		prefix := func() netip.Prefix {
			a := address(is4 != (rand.IntN(8) == 0)) // some of the other family
			return netip.PrefixFrom(a, rand.IntN(a.BitLen()+1)).Masked()
		}
		f := &sourceFilter{rest: rand.IntN(2) == 0}
		for range rand.IntN(4) {
			f.ranges = append(f.ranges, prefix())
		}
		for range rand.IntN(5) {
			f.rules = append(f.rules, sourceRule{prefix(), rand.IntN(2) == 0})
		}
		program, ok := f.compile(is4)
		if !ok {
			t.Fatal("too long")
		}
		sources := []netip.Addr{address(is4), address(is4), address(is4)}
		for _, r := range append(f.ranges, prefix()) {
			if r.Addr().Is4() == is4 {
				sources = append(sources, r.Addr(), r.Addr().Next())
			}
		}
		for _, source := range sources {
			if source.IsValid() && run(t, program, source) != f.passes(source) {
				t.Fatalf("%+v: %s: program and rules differ", f, source)
			}
		}
	}
}

// TestFilterLength: a program is made up to the kernel's bound, and not over it.
func TestFilterLength(t *testing.T) {
	t.Parallel()
	f := &sourceFilter{}
	for i := range 1370 { // three instructions each, and the last verdict
		f.rules = append(f.rules, sourceRule{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 32), true})
		program, ok := f.compile(true)
		if want := 3*len(f.rules)+1 <= maxFilter; ok != want || ok && len(program) != 3*len(f.rules)+1 {
			t.Fatalf("%d rules: %d instructions, %v", len(f.rules), len(program), ok)
		}
	}
}
