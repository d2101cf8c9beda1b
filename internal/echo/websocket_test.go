package echo

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The example of RFC 6455 section 1.3.
func TestAcceptKey(t *testing.T) {
	t.Parallel()
	if got, want := acceptKey("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// clientFrame is a masked frame.
func clientFrame(first byte, payload []byte) []byte {
	frame := []byte{first}
	switch n := len(payload); {
	case n > 0xffff:
		frame = binary.BigEndian.AppendUint64(append(frame, 0x80|127), uint64(n))
	case n > 125:
		frame = binary.BigEndian.AppendUint16(append(frame, 0x80|126), uint16(n))
	default:
		frame = append(frame, 0x80|byte(n))
	}
	mask := [4]byte{1, 2, 3, 4}
	frame = append(frame, mask[:]...)
	for i, b := range payload {
		frame = append(frame, b^mask[i%4])
	}
	return frame
}

// serverFrame is an unmasked frame.
func serverFrame(first byte, payload []byte) []byte {
	var out bytes.Buffer
	w := bufio.NewWriter(&out)
	writeFrameHead(w, first, uint64(len(payload)))
	_, _ = w.Write(payload)
	_ = w.Flush()
	return out.Bytes()
}

func openSocket(t *testing.T, r *running) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn := dial(t, r.find("http"))
	_, err := io.WriteString(conn, "GET /ws HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	if err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(conn)
	resp, err := http.ReadResponse(reader, nil)
	if err != nil || resp.StatusCode != 101 || resp.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Fatalf("%v %v", resp, err)
	}
	return conn, reader
}

func TestWebSocketEcho(t *testing.T) {
	t.Parallel()
	r := startHTTP(t)
	medium, large := bytes.Repeat([]byte("m"), 1000), bytes.Repeat([]byte("0123456789"), 10000)
	cases := []struct {
		name       string
		send, want [][]byte
		closes     bool
	}{
		{"text", [][]byte{clientFrame(0x81, []byte("hello"))}, [][]byte{serverFrame(0x81, []byte("hello"))}, false},
		{"empty binary", [][]byte{clientFrame(0x82, nil)}, [][]byte{serverFrame(0x82, nil)}, false},
		{"lengths", [][]byte{clientFrame(0x82, medium), clientFrame(0x82, large)}, [][]byte{serverFrame(0x82, medium), serverFrame(0x82, large)}, false},
		{
			"fragments with a ping between",
			[][]byte{clientFrame(0x01, []byte("a")), clientFrame(0x89, []byte("p")), clientFrame(0x80, []byte("b"))},
			[][]byte{serverFrame(0x01, []byte("a")), serverFrame(0x8a, []byte("p")), serverFrame(0x80, []byte("b"))},
			false,
		},
		{"pong is ignored", [][]byte{clientFrame(0x8a, []byte("p")), clientFrame(0x81, []byte("x"))}, [][]byte{serverFrame(0x81, []byte("x"))}, false},
		{"close", [][]byte{clientFrame(0x88, []byte{3, 232})}, [][]byte{serverFrame(0x88, []byte{3, 232})}, true},
		{"not masked", [][]byte{serverFrame(0x81, []byte("x"))}, [][]byte{serverFrame(0x88, []byte{3, 234})}, true},
		{"reserved bit", [][]byte{clientFrame(0xc1, nil)}, [][]byte{serverFrame(0x88, []byte{3, 234})}, true},
		{"unknown opcode", [][]byte{clientFrame(0x83, nil)}, [][]byte{serverFrame(0x88, []byte{3, 234})}, true},
		{"fragmented ping", [][]byte{clientFrame(0x09, nil)}, [][]byte{serverFrame(0x88, []byte{3, 234})}, true},
		{"long ping", [][]byte{clientFrame(0x89, medium)}, [][]byte{serverFrame(0x88, []byte{3, 234})}, true},
	}
	for _, c := range cases {
		conn, reader := openSocket(t, r)
		go func() { _, _ = conn.Write(bytes.Join(c.send, nil)) }()
		want := bytes.Join(c.want, nil)
		got := make([]byte, len(want))
		if _, err := io.ReadFull(reader, got); err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
		if c.closes {
			if n, err := reader.Read(make([]byte, 1)); n != 0 || err == nil {
				t.Errorf("%s: not closed", c.name)
			}
		}
	}
}

func TestWebSocketVersion(t *testing.T) {
	t.Parallel()
	r := startHTTP(t)
	resp, _ := exchange(t, r.find("http"), "GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 8\r\nSec-WebSocket-Key: x\r\n\r\n")
	if resp.StatusCode != 426 || resp.Header.Get("Sec-WebSocket-Version") != "13" {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
}

func TestWebSocketEndsWithTheServer(t *testing.T) {
	t.Parallel()
	r := startHTTP(t)
	_, reader := openSocket(t, r)
	r.stop()
	got, err := io.ReadAll(reader)
	if diff := cmp.Diff(serverFrame(0x88, []byte{3, 233}), got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if err := <-r.done; err != nil {
		t.Error(err)
	}
	r.done <- nil
	if !strings.Contains(r.out.String(), "WebSocket /ws closed") {
		t.Error("Run returned before the socket's goroutine")
	}
}

func FuzzReadFrameHead(f *testing.F) {
	f.Add(clientFrame(0x81, []byte("hello")))
	f.Add(clientFrame(0x82, make([]byte, 70000)))
	f.Add([]byte{0x88, 0x80, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		var out bytes.Buffer
		rw := bufio.NewReadWriter(bufio.NewReader(bytes.NewReader(data)), bufio.NewWriter(&out))
		for {
			closed, err := echoFrame(rw)
			if closed || err != nil {
				break
			}
		}
		_ = rw.Flush()
		if out.Len() > len(data)+4 {
			t.Errorf("%d octets from %d", out.Len(), len(data))
		}
	})
}
