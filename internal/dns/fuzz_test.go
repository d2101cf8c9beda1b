package dns

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

func seeds(f *testing.F) {
	f.Helper()
	for _, text := range []string{
		"web.default.svc.cluster.local. A", "_sql._tcp.pg.db.svc.cluster.local. SRV", "out.ext.svc.cluster.local. A", "20.0.96.10.in-addr.arpa. PTR",
		"10-244-1-1.default.pod.cluster.local. A", "www.example.com. ANY", "cluster.local. SOA", "ping.ext.svc.cluster.local. AAAA", ". NS",
	} {
		f.Add(question(f, text))
		f.Add(question(f, text, withEDNS(1232)))
	}
	f.Add([]byte("\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\xc0\x0c\x00\x01\x00\x01"))
}

// FuzzQuery compares the parser with dnsmessage.
func FuzzQuery(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, msg []byte) {
		var token [tokenSize]byte
		q := &query{}
		q.limit = minUDP
		rcode, drop := q.parse(msg, &token)
		if drop || rcode != rcodeOK {
			return
		}
		var p dnsmessage.Parser
		if _, err := p.Start(msg); err != nil {
			t.Fatalf("we take what dnsmessage does not: %v", err)
		}
		want, err := p.Question()
		if err != nil {
			if bytes.ContainsRune(q.name[:q.length], '.') {
				return // dnsmessage has no dots in labels
			}
			t.Fatalf("we take what dnsmessage does not: %v", err)
		}
		lowered := want.Name.Data[:want.Name.Length]
		for i, c := range lowered {
			lowered[i] = lower(c)
		}
		if got := dotted(q.name[:q.length]); got != string(lowered) {
			t.Errorf("name %q, want %q", got, lowered)
		}
		if q.kind != uint16(want.Type) || q.class != uint16(want.Class) {
			t.Errorf("type %d class %d, want %v %v", q.kind, q.class, want.Type, want.Class)
		}
		if q.edns && (q.limit < minUDP || q.limit > maxUDP) {
			t.Errorf("limit %d", q.limit)
		}
	})
}

// dotted is a wire name as dnsmessage writes it.
func dotted(name []byte) string {
	var b strings.Builder
	for i := 0; name[i] != 0; i += 1 + int(name[i]) {
		b.Write(name[i+1 : i+1+int(name[i])])
		b.WriteByte('.')
	}
	if b.Len() == 0 {
		return "."
	}
	return b.String()
}

// FuzzRespond gives the server anything: it never panics, keeps to the limit,
// and what it answers is a DNS message that repeats the question.
func FuzzRespond(f *testing.F) {
	seeds(f)
	s := New(Config{Pods: PodsInsecure, Upstreams: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:9")}})
	n := example()
	n.Services = networkOf(append(n.Services, many(300))...).Services
	s.Update(n)
	f.Fuzz(func(t *testing.T, msg []byte) {
		for _, limit := range []int{minUDP, maxTCP} {
			c := &counters{}
			q := &query{}
			out := make([]byte, max(limit, maxUDP))
			answer, what := s.respond(c, q, msg, out, limit)
			if c.panics.Load() > 0 {
				t.Fatal("panic")
			}
			if what == forwarded {
				var m message
				m.begin(q.ask, out)
				answer = s.finish(c, &m, m.addReply(failedReply(), nil, 0))
			}
			if what != dropped {
				checkAnswer(t, q, msg, answer, limit)
			}
		}
	})
}

func checkAnswer(t *testing.T, q *query, msg, answer []byte, limit int) {
	t.Helper()
	if len(answer) > max(limit, q.limit) || len(answer) < headerSize {
		t.Fatalf("%d octets, at most %d", len(answer), limit)
	}
	if !bytes.Equal(answer[:2], msg[:2]) || answer[2]&0x80 == 0 {
		t.Fatalf("header %x of %x", answer[:4], msg[:4])
	}
	if !bytes.HasPrefix(answer[headerSize:], q.question) {
		t.Fatal("another question")
	}
	var m dnsmessage.Message
	if err := m.Unpack(answer); err != nil && !bytes.ContainsRune(q.question, '.') {
		t.Fatalf("no DNS message: %v\n%x", err, answer)
	}
}

// FuzzDecode gives the forwarder anything as an answer, and a client what
// comes of it.
func FuzzDecode(f *testing.F) {
	q := question(f, "www.example.com. A")[headerSize:]
	head := func(answers, authority byte) []byte {
		return append([]byte{0x12, 0x34, 0x81, 0x80, 0, 1, 0, answers, 0, authority, 0, 0}, q...)
	}
	f.Add(append(head(1, 0), "\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x01\x02\x03\x04"...))
	f.Add(append(head(1, 0), "\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x3c\x00\x04\x01a\xc0\x10"...))
	f.Add(append(head(0, 1), "\xc0\x10\x00\x06\x00\x01\x00\x00\x00\x3c\x00\x18\x01a\xc0\x10\xc0\x2d\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x01"...))
	f.Add(append(head(1, 0), "\xc0\x21\x00\x0f\x00\x01\x00\x00\x00\x3c\x00\x06\x00\x0a\x01b\xc0\x21"...))
	s := New(Config{})
	name, _ := wireName("www.example.com")
	chain := []*alias{{record: appendRecord(nil, typeCNAME, 5, name), name: []byte(name)}}
	f.Fuzz(func(t *testing.T, msg []byte) {
		r, err := decode(msg, 0x1234, q)
		if err != nil {
			return
		}
		r.born = time.Unix(0, 0)
		for _, c := range [][]*alias{nil, chain} {
			for _, limit := range []int{minUDP, maxTCP} {
				asked := q
				if c != nil {
					asked = question(t, "out.ext.svc.cluster.local. A")[headerSize:]
				}
				var m message
				m.begin(ask{question: asked, limit: limit}, make([]byte, limit))
				if c != nil {
					m.addAlias(c[0], headerSize)
				}
				answer := s.finish(&counters{}, &m, m.addReply(r, c, 30))
				if len(answer) > limit {
					t.Fatalf("%d octets, at most %d", len(answer), limit)
				}
				walk(t, answer)
			}
		}
	})
}

// walk reads a message to its end as strictly as decode does.
func walk(t *testing.T, msg []byte) {
	t.Helper()
	at := headerSize
	var buf [maxName]byte
	_, at, ok := expand(buf[:0], msg, at)
	if !ok {
		t.Fatal("question")
	}
	at += 4
	records := int(binary.BigEndian.Uint16(msg[6:])) + int(binary.BigEndian.Uint16(msg[8:])) + int(binary.BigEndian.Uint16(msg[10:]))
	for range records {
		if _, at, ok = expand(buf[:0], msg, at); !ok || at+10 > len(msg) {
			t.Fatalf("owner at %d of %x", at, msg)
		}
		kind, size := binary.BigEndian.Uint16(msg[at:]), int(binary.BigEndian.Uint16(msg[at+8:]))
		at += 10
		before, names, _ := layout(kind)
		inner := at + before
		for range names {
			if _, inner, ok = expand(buf[:0], msg, inner); !ok {
				t.Fatalf("data at %d of %x", at, msg)
			}
		}
		at += size
		if names > 0 && inner > at || at > len(msg) {
			t.Fatalf("data at %d of %x", at, msg)
		}
	}
	if at != len(msg) {
		t.Fatalf("%d octets behind the end", len(msg)-at)
	}
}
