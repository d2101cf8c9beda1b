package sni

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"net"
	"strings"
	"testing"
	"time"
)

// hello is what a client of the standard library begins with.
func hello(t testing.TB, config *tls.Config) []byte {
	t.Helper()
	c := &recorder{}
	_ = tls.Client(c, config).Handshake()
	return c.sent
}

// recorder is a connection that takes one write and answers nothing.
type recorder struct {
	net.Conn
	sent []byte
}

func (r *recorder) Write(b []byte) (int, error)    { r.sent = append(r.sent, b...); return len(b), nil }
func (*recorder) Read([]byte) (int, error)         { return 0, errors.New("end") }
func (*recorder) Close() error                     { return nil }
func (*recorder) SetDeadline(time.Time) error      { return nil }
func (*recorder) SetReadDeadline(time.Time) error  { return nil }
func (*recorder) SetWriteDeadline(time.Time) error { return nil }

// fragmented puts each few octets of a hello into a record of their own.
func fragmented(b []byte, size int) (out []byte) {
	for message := b[recordHeader:]; len(message) > 0; {
		n := min(size, len(message))
		out = append(out, recordHandshake, 3, 1)
		out = binary.BigEndian.AppendUint16(out, uint16(n))
		out = append(out, message[:n]...)
		message = message[n:]
	}
	return out
}

// TestH7_2_Hello: the name is found however the hello is cut into records and
// segments.
func TestH7_2_Hello(t *testing.T) {
	t.Parallel()
	plain := hello(t, &tls.Config{ServerName: "shop.test", NextProtos: []string{"h2"}})
	for name, tt := range map[string]struct {
		in   []byte
		want string
	}{
		"one record":        {plain, "shop.test"},
		"records of 7":      {fragmented(plain, 7), "shop.test"},
		"records of 1":      {fragmented(plain, 1), "shop.test"},
		"TLS 1.2":           {hello(t, &tls.Config{ServerName: "shop.test", MaxVersion: tls.VersionTLS12}), "shop.test"},
		"no name":           {hello(t, &tls.Config{InsecureSkipVerify: true}), ""},
		"60 KiB of padding": {fragmented(padded(plain, 60<<10), 1<<14), "shop.test"},
	} {
		var h Hello
		for cut := range tt.in {
			if _, err := h.Parse(tt.in[:cut]); err != ErrIncomplete {
				t.Fatalf("%s, cut at %d: %v", name, cut, err)
			}
		}
		if got, err := h.Parse(append(bytes.Clone(tt.in), "more"...)); got != tt.want || err != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// padded adds an extension of n octets.
func padded(b []byte, n int) []byte {
	padding := append([]byte{0, 21}, binary.BigEndian.AppendUint16(nil, uint16(n))...)
	return extended(b, append(padding, make([]byte, n)...))
}

// extended adds an extension to a hello of one record; the result has a record
// length that only fragmented corrects.
func extended(b, extension []byte) []byte {
	b = bytes.Clone(b)
	at := recordHeader + messageHeader + 34
	at += 1 + int(b[at])
	at += 2 + int(binary.BigEndian.Uint16(b[at:]))
	at += 1 + int(b[at])
	binary.BigEndian.PutUint16(b[at:], binary.BigEndian.Uint16(b[at:])+uint16(len(extension)))
	length := len(b) - recordHeader - messageHeader + len(extension)
	b[6], b[7], b[8] = byte(length>>16), byte(length>>8), byte(length)
	return append(b, extension...)
}

func TestH7_2_Refused(t *testing.T) {
	t.Parallel()
	plain := hello(t, &tls.Config{ServerName: "shop.test"})
	other := []byte{0, 0, 0, 10, 0, 8, 0, 0, 5, 'a', '.', 'b', '.', 'c'}
	long := fragmented(padded(plain, 65000), 1<<14)
	for name, tt := range map[string]struct {
		in   []byte
		want error
	}{
		"HTTP":              {[]byte("GET / HTTP/1.1\r\n"), ErrNoTLS},
		"alert":             {[]byte{21, 3, 1, 0, 2, 1, 0}, ErrNoTLS},
		"SSL 2":             {[]byte{0x80, 0x2e, 1}, ErrNoTLS},
		"other message":     {[]byte{22, 3, 1, 0, 4, 2, 0, 0, 0}, ErrInvalid},
		"other version":     {[]byte{22, 2, 1, 0, 4, 1, 0, 0, 0}, ErrInvalid},
		"empty record":      {[]byte{22, 3, 1, 0, 0}, ErrInvalid},
		"long record":       {[]byte{22, 3, 1, 0xff, 0xff}, ErrInvalid},
		"two names":         {fragmented(extended(plain, other), 1<<14), ErrInvalid},
		"too long":          {long, ErrInvalid},
		"blank in the name": {bytes.Replace(plain, []byte("shop.test"), []byte("shop test"), 1), ErrInvalid},
		"alert in between":  {append(fragmented(plain, 7)[:12], 21, 3, 1, 0, 2, 1, 0), ErrInvalid},
	} {
		if got, err := new(Hello).Parse(tt.in); err != tt.want || got != "" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if n := strings.Count(string(plain), "shop.test"); n != 1 {
		t.Fatalf("the name is there %d times", n)
	}
}

// FuzzParse: nothing panics; a prefix says the same or asks for more; what the
// standard library takes for a hello has its name.
func FuzzParse(f *testing.F) {
	plain := hello(f, &tls.Config{ServerName: "shop.test"})
	f.Add(plain)
	f.Add(fragmented(plain, 9))
	f.Add([]byte{22, 3, 1, 0, 1, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		name, err := new(Hello).Parse(b)
		if err == nil && len(b) > 1 {
			if half, err := new(Hello).Parse(b[:len(b)/2]); err != ErrIncomplete && (err != nil || half != name) {
				t.Fatalf("half: %q, %v; whole: %q", half, err, name)
			}
		}
		if err == ErrIncomplete {
			return
		}
		seen, got := false, ""
		s := tls.Server(&player{b: b}, &tls.Config{GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
			seen, got = true, h.ServerName
			return nil, errors.New("seen")
		}})
		_ = s.Handshake()
		if seen && err == nil && got != strings.TrimSuffix(name, ".") && got != name {
			t.Fatalf("%q, crypto/tls has %q", name, got)
		}
	})
}

// player is a connection that gives octets and takes everything.
type player struct {
	recorder
	b []byte
}

func (p *player) Read(b []byte) (int, error) {
	if len(p.b) == 0 {
		return 0, errors.New("end")
	}
	n := copy(b, p.b)
	p.b = p.b[n:]
	return n, nil
}
