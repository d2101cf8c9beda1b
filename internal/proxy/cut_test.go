package proxy

import (
	"errors"
	"io"
	"net/http"
	"testing"
)

// TestH11_9LongBodyCutShort: where the kernel copies the body, too, the client sees
// that the end is missing; nothing may follow on its connection.
func TestH11_9LongBodyCutShort(t *testing.T) {
	t.Parallel()
	const length, sent = 4 * spliceMin, spliceMin
	r, _ := up(t, func(_ int, c *client) {
		c.head()
		c.send("HTTP/1.1 200 OK\r\nContent-Length: 16777216\r\n\r\n")
		_, _ = io.CopyN(c, zeros{}, sent)
	}, nil)
	c := r.dial()
	c.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
	resp, err := http.ReadResponse(c.br, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.ContentLength != length {
		t.Fatalf("%d octets are announced", resp.ContentLength)
	}
	if n, err := io.Copy(io.Discard, resp.Body); !errors.Is(err, io.ErrUnexpectedEOF) || n != sent {
		t.Errorf("%d octets, then %v; want %d and the end", n, err, sent)
	}
}

// TestMirrorsAreBounded: a copy that finds too many others under way is not sent,
// and one that has ended makes room.
func TestMirrorsAreBounded(t *testing.T) {
	t.Parallel()
	var m mirrors
	for range mirrorsMax {
		if !m.begin() {
			t.Fatal("no room below the bound")
		}
	}
	if m.begin() {
		t.Fatal("room beyond the bound")
	}
	if m.end(); !m.begin() {
		t.Fatal("no room after an end")
	}
	for range mirrorsMax {
		m.end()
	}
	if m.close(); m.begin() {
		t.Error("room after the close")
	}
}
