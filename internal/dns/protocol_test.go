package dns

import (
	"encoding/binary"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// edited changes a packed query octet by octet.
func edited(t *testing.T, text string, edit func([]byte) []byte, change ...func(*dnsmessage.Message)) []byte {
	t.Helper()
	return edit(question(t, text, change...))
}

// TestProtocol has what is wrong with a query and what it is answered with.
func TestProtocol(t *testing.T) {
	t.Parallel()
	s := New(Config{})
	s.Update(example())
	const name = "four.default.svc.cluster.local. A"
	const good = "NOERROR aa\nfour.default.svc.cluster.local. 5 A 10.96.0.4"
	edns := func(edit func([]byte) []byte) []byte { return edited(t, name, edit, withEDNS(1232)) }
	put := func(at int, value uint16) func([]byte) []byte {
		return func(b []byte) []byte {
			binary.BigEndian.PutUint16(b[at:], value)
			return b
		}
	}
	opt := len(question(t, name)) // where OPT begins
	for _, c := range []struct {
		rule   string
		query  []byte
		answer string
	}{
		{"nothing wrong", question(t, name), good},
		{"nothing wrong, EDNS", edns(func(b []byte) []byte { return b }), good + "\nadditional OPT size 1232 rcode+0 version 0"},
		{"a response", edited(t, name, func(b []byte) []byte { b[2] |= 0x80; return b }), "dropped"},
		{"less than a header", question(t, name)[:11], "dropped"},
		{"a header alone", edited(t, name, func(b []byte) []byte { return b[:12] }), "FORMERR"},
		{"no question", edited(t, name, func(b []byte) []byte { b[5] = 0; return b[:12] }), "FORMERR"},
		{"two questions", edited(t, name, put(4, 2)), "FORMERR"},
		{"name cut off", edited(t, name, func(b []byte) []byte { return b[:20] }), "FORMERR"},
		{"type cut off", edited(t, name, func(b []byte) []byte { return b[:len(b)-3] }), "FORMERR"},
		{"compressed question", []byte("\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\xc0\x0c\x00\x01\x00\x01"), "FORMERR"},
		{"reserved label type", []byte("\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x41a\x00\x00\x01\x00\x01"), "FORMERR"},
		{"name of 256 octets", []byte("\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" + strings.Repeat("\x03abc", 63) + "\x02ab\x00\x00\x01\x00\x01"), "FORMERR"},
		{"name of 255 octets", []byte("\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" + strings.Repeat("\x03abc", 63) + "\x01a\x00\x00\x01\x00\x01"), "REFUSED"},
		{"answers in a query", edited(t, name, put(6, 1)), "FORMERR"},
		{"additional records that are not there", edited(t, name, put(10, 9)), "FORMERR"},
		{"octets behind the end", edited(t, name, func(b []byte) []byte { return append(b, 1, 2, 3) }), good},
		{"NOTIFY", edited(t, name, func(b []byte) []byte { b[2] = 4 << 3; return b }), "NOTIMP"},
		{"UPDATE", edited(t, name, func(b []byte) []byte { b[2] = 5 << 3; return b }), "NOTIMP"},
		{"class CHAOS", edited(t, name, func(b []byte) []byte { b[len(b)-1] = 3; return b }), "REFUSED"},
		{"class ANY", edited(t, name, func(b []byte) []byte { b[len(b)-1] = 255; return b }), "REFUSED"},
		{"zone transfer", question(t, "cluster.local. AXFR"), "REFUSED"},
		{"incremental zone transfer", edited(t, "cluster.local. IXFR", put(8, 1)), "REFUSED"},
		{"a signature as a question", question(t, "cluster.local. TSIG"), "NOTIMP"},
		{"EDNS version 1", edns(func(b []byte) []byte { b[opt+6] = 1; return b }), "BADVERS\nadditional OPT size 1232 rcode+1 version 0"},
		{"OPT twice", edited(t, name, func(b []byte) []byte { return b }, withEDNS(1232), withEDNS(1232)), "FORMERR\nadditional OPT size 1232 rcode+0 version 0"},
		{"OPT with a name", []byte("\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01\x01a\x00\x00\x01\x00\x01\x01a\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00"), "FORMERR"},
		{"unknown option", edns(func(b []byte) []byte { b[len(b)-1] = 6; return append(b, 0xff, 1, 0, 2, 7, 7) }), good + "\nadditional OPT size 1232 rcode+0 version 0"},
		{"OPT behind another record", []byte("\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x02\x01a\x00\x00\x01\x00\x01" +
			"\x01a\x00\x00\x10\x00\x01\x00\x00\x00\x00\x00\x04\x03abc" + "\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00"), "REFUSED\nadditional OPT size 1232 rcode+0 version 0 option 15 0014"},
		{"option cut off", edns(func(b []byte) []byte { b[len(b)-1] = 6; return append(b, 0xff, 1, 0, 3, 7, 7) }), "FORMERR\nadditional OPT size 1232 rcode+0 version 0"},
	} {
		t.Run(c.rule, func(t *testing.T) {
			got := direct(t, s, c.query, maxUDP)
			if strings.HasPrefix(c.answer, "BADVERS") { // dnsmessage shows the lower half
				got = strings.Replace(got, "NOERROR", "BADVERS", 1)
			}
			wants(t, c.rule, got, c.answer)
		})
	}
}

func TestHeaderBits(t *testing.T) {
	t.Parallel()
	s := New(Config{})
	s.Update(example())
	for _, c := range []struct{ in, out uint16 }{
		{0, flagQR | flagAA},
		{flagRD, flagQR | flagAA | flagRD},
		{flagRD | flagCD, flagQR | flagAA | flagRD | flagCD},
		{flagAA | flagTC | flagRA | flagAD | 1<<6 | 7, flagQR | flagAA},
	} {
		q := question(t, "four.default.svc.cluster.local. A")
		binary.BigEndian.PutUint16(q[2:], c.in)
		answer, _ := s.respond(&counters{}, new(query), q, make([]byte, maxUDP), maxUDP)
		if got := binary.BigEndian.Uint16(answer[2:]); got != c.out {
			t.Errorf("flags %#x are answered with %#x, not %#x", c.in, got, c.out)
		}
		if binary.BigEndian.Uint16(answer) != 4711 {
			t.Error("another id")
		}
	}
}

func TestDNSSECOKIsCopied(t *testing.T) {
	t.Parallel()
	s := New(Config{})
	s.Update(example())
	q := edited(t, "four.default.svc.cluster.local. A", func(b []byte) []byte { b[len(b)-4] = 0x80; return b }, withEDNS(1232))
	answer, _ := s.respond(&counters{}, new(query), q, make([]byte, maxUDP), minUDP)
	if answer[len(answer)-4] != 0x80 {
		t.Errorf("%x", answer)
	}
}

// Names inside an answer are written once.
func TestAnswersAreCompressed(t *testing.T) {
	t.Parallel()
	s := New(Config{})
	s.Update(example())
	for text, most := range map[string]int{
		"pg.db.svc.cluster.local. A":                    12 + 24 + 5 + 3*16,
		"nothing.default.svc.cluster.local. A":          12 + 39 + 54,
		"_http._tcp.web.default.svc.cluster.local. SRV": 12 + 46 + 12 + 6 + 31 + 16 + 28,
	} {
		answer, _ := s.respond(&counters{}, new(query), question(t, text), make([]byte, maxUDP), maxUDP)
		if len(answer) > most {
			t.Errorf("%s: %d octets, at most %d", text, len(answer), most)
		}
	}
}

func TestAnswersBeginWithAnotherAddressEachTime(t *testing.T) {
	t.Parallel()
	s := New(Config{})
	s.Update(example())
	q := question(t, "pg.db.svc.cluster.local. A")
	first := map[byte]bool{}
	for range 200 {
		answer, _ := s.respond(&counters{}, new(query), q, make([]byte, maxUDP), maxUDP)
		first[answer[len(q)+15]] = true
	}
	if len(first) != 3 {
		t.Errorf("200 answers began with %d of 3 addresses", len(first))
	}
}

func TestAPanicCostsOneAnswer(t *testing.T) {
	t.Parallel()
	s := New(Config{})
	s.Update(example())
	c := &counters{}
	z := *s.zone.Load()
	z.fixed = nil // which no Update does
	s.zone.Store(&z)
	if _, what := s.respond(c, new(query), question(t, "cluster.local. A"), make([]byte, maxUDP), maxUDP); what != dropped {
		t.Error("no panic")
	}
	if c.panics.Load() != 1 {
		t.Error("not counted")
	}
}
