package http1

import (
	"bytes"
	"io"
	"testing"

	"golang.org/x/net/http/httpguts"
)

// FuzzConnection: a field goes with this hop exactly if Connection names it,
// but for those that it cannot name away; the options mean what they mean to
// net/http.
func FuzzConnection(f *testing.F) {
	f.Add("close", "X-A", "Cookie")
	f.Add(" x-a\t,Keep-Alive", "upgrade, cookie", "X-A")
	f.Add(",,host", "", "X-Forwarded-User")
	f.Fuzz(func(t *testing.T, one, two, name string) {
		if !ValidName(name) || !ValidValue(one) || !ValidValue(two) {
			return
		}
		head := AppendField(AppendRequestLine(nil, []byte("GET"), []byte("/"), 1), "Host", "a")
		for _, f := range [][2]string{{"Connection", one}, {name, "websocket"}, {"Connection", two}} {
			head = AppendField(head, f[0], f[1])
		}
		var r Request
		lim := keepLimits(RequestLimits())
		if _, err := r.Parse(AppendHeadEnd(head), &lim); err != nil {
			return
		}
		var values []string
		for _, f := range r.Fields {
			if f.ID == FieldConnection {
				values = append(values, string(f.Value))
			}
		}
		listed := func(token string) bool { return httpguts.HeaderValuesContainsToken(values, token) }
		if r.KeepAlive == listed("close") {
			t.Errorf("%q: kept is %v", values, r.KeepAlive)
		}
		if upgrades := len(r.Upgrade) > 0; upgrades != (equalFold(name, "upgrade") && listed("upgrade")) {
			t.Errorf("%q, %s: an upgrade is %v", values, name, upgrades)
		}
		for _, f := range r.Fields {
			always := knownFields[f.ID].flags&hopField != 0
			if want := always || removable(f.Name) && listed(string(f.Name)); f.Hop != want {
				t.Errorf("%q: hop is %v for %s", values, f.Hop, f.Name)
			}
		}
	})
}

// FuzzTrailers: a trailer section is read as one behind chunks is.
func FuzzTrailers(f *testing.F) {
	f.Add([]byte("X-A: 1\r\nhost: x\r\n\r\n"))
	f.Add([]byte(" folded\r\n\r\n"))
	f.Add([]byte("\r\n"))
	f.Fuzz(func(t *testing.T, section []byte) {
		lim := RequestLimits()
		fields, err := ParseTrailers(section, &lim)
		if err == nil && !bytes.HasPrefix(section, []byte(crlf)) && !bytes.Contains(section, []byte(crlf+crlf)) {
			t.Fatalf("%q has no end", section)
		}
		wire := append([]byte("0\r\n"), section...)
		var rd Reader
		rd.Reset(&pieces{octets: wire, sizes: []int{3}, err: io.EOF})
		var b BodyReader
		b.Reset(&rd, BodyChunked, 0, &lim)
		if _, bodyErr := io.ReadAll(&b); err == nil && bodyErr != nil {
			t.Fatalf("%q: %q here, %v behind chunks", section, AppendTrailers(nil, fields), bodyErr)
		}
		if err == nil && !bytes.Equal(AppendTrailers(nil, fields), AppendTrailers(nil, b.Trailers())) {
			t.Fatalf("%q: %q here, %q behind chunks", section, AppendTrailers(nil, fields), AppendTrailers(nil, b.Trailers()))
		}
		for _, f := range fields {
			if neverTrailer(f.Name) || !ValidName(f.Name) || !ValidValue(f.Value) {
				t.Fatalf("%q: the field %q: %q is sent on", section, f.Name, f.Value)
			}
		}
	})
}
