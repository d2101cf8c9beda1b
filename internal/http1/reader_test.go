package http1

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestReaderGrows(t *testing.T) {
	t.Parallel()
	in := bytes.Repeat([]byte("0123456789abcdef"), 8<<10) // 128 KiB
	for max, want := range map[int]int{0: 64 << 10, 4 << 10: 4 << 10, 5 << 10: 8 << 10, 32 << 10: 32 << 10} {
		rd := Reader{Max: max}
		rd.Reset(&pieces{octets: in, sizes: []int{1000}, err: io.EOF})
		for {
			_, err := rd.Fill()
			if err == ErrBufferFull {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if got := rd.Buffered(); len(got) != want || !bytes.Equal(got, in[:want]) {
			t.Errorf("Max %d: %d octets, want %d", max, len(got), want)
		}
		rd.Discard(100)
		if _, err := rd.Fill(); err != nil || !bytes.Equal(rd.Buffered()[:want-100], in[100:want]) {
			t.Errorf("Max %d: after Discard %v", max, err)
		}
		rd.Reset(nil)
	}
}

func TestReaderReleases(t *testing.T) {
	t.Parallel()
	var rd Reader
	rd.Reset(&pieces{octets: []byte("abcdef"), err: io.EOF})
	if rd.Buffered() != nil || rd.buf != nil {
		t.Error("a new reader has a buffer")
	}
	if n, err := rd.Fill(); n != 6 || err != nil {
		t.Fatal(n, err)
	}
	rd.Release()
	if string(rd.Buffered()) != "abcdef" {
		t.Error("Release dropped unread octets")
	}
	rd.Hold(6)
	if rd.Release(); rd.buf == nil {
		t.Error("Release dropped held octets")
	}
	if err := rd.Wait(); err != io.EOF || rd.buf == nil {
		t.Error("Wait with held octets:", err)
	}
	rd.Unhold()
	if rd.Release(); rd.buf != nil {
		t.Error("Release kept an empty buffer")
	}
	if n, err := rd.Fill(); n != 0 || err != io.EOF {
		t.Error(n, err)
	}
	if err := rd.Wait(); err != io.EOF || rd.buf != nil {
		t.Error(err, "or a buffer is kept after the end")
	}
}

// TestReaderHold checks that a head stays valid while a body far larger than
// the buffer is read behind it, in each place it can have in a buffer.
func TestReaderHold(t *testing.T) {
	t.Parallel()
	lim := RequestLimits()
	var body []byte
	for i := range 3000 {
		data := bytes.Repeat([]byte{byte('a' + i%26)}, 1+i%37)
		body = append(append(AppendChunkHeader(body, len(data)), data...), crlf...)
	}
	body = AppendLastChunk(body, []Field{{Name: []byte("X-Sum"), Value: []byte("1")}})
	for _, pad := range []int{0, 1000, 3000, 3500, 4000, 5000, 9000} {
		head := "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nX-Pad: " + strings.Repeat("p", pad) + "\r\n\r\n"
		var rd Reader
		rd.Reset(&pieces{octets: append([]byte(head+string(body)), head...), sizes: []int{1700}, err: io.EOF})
		var r Request
		n, err := r.Read(&rd, &lim)
		if err != nil {
			t.Fatal(err)
		}
		before := requestOutcome(&r, n, nil)
		rd.Hold(n)
		var b BodyReader
		b.Reset(&rd, r.Body, r.ContentLength, &lim)
		if err := b.Drain(1 << 30); err != nil || string(b.Trailers()[0].Value) != "1" {
			t.Fatal(err)
		}
		if after := requestOutcome(&r, n, nil); after != before {
			t.Fatalf("pad %d: before %s\nafter %s", pad, clip(before), clip(after))
		}
		rd.Unhold()
		n, err = r.Read(&rd, &lim)
		if err != nil || requestOutcome(&r, n, nil) != before {
			t.Fatalf("pad %d: the next message: %v", pad, err)
		}
		rd.Reset(nil)
	}
}

// TestReadHead checks Read of both messages: stale state of a head that was
// never finished is not gone on with, and the end of the connection is told
// apart before and in a head.
func TestReadHead(t *testing.T) {
	t.Parallel()
	lim := RequestLimits()
	var rd Reader
	var r Request
	var resp Response
	half := []byte("GET /half HTTP/1.1\r\nHost: a\r\n")
	for _, c := range []struct {
		in   string
		want error
	}{
		{string(half), io.ErrUnexpectedEOF},
		{smallGET, nil},
		{"", io.EOF},
		{"GET  / HTTP/1.1\r\n", &requestErrors[ReasonRequestLine]},
		{string(half), io.ErrUnexpectedEOF},
		{browserGET, nil},
	} {
		rd.Reset(&pieces{octets: []byte(c.in), sizes: []int{len(half)}, err: io.EOF})
		if n, err := r.Read(&rd, &lim); err != c.want || err == nil && n != len(c.in) {
			t.Errorf("%q: got %d, %v, want %v", clip(c.in), n, err, c.want)
		}
	}
	for _, c := range []struct {
		in   string
		want error
	}{
		{"HTTP/1.1 200 OK\r\n", io.ErrUnexpectedEOF},
		{plainResponse, nil},
		{"", io.EOF},
		{"HTTP/1.1 200 OK\n", &responseErrors[ReasonBareLF]},
	} {
		rd.Reset(&pieces{octets: []byte(c.in), sizes: []int{3}, err: io.EOF})
		if n, err := resp.Read(&rd, &lim, false); err != c.want || err == nil && n != len(c.in) {
			t.Errorf("%q: got %d, %v, want %v", clip(c.in), n, err, c.want)
		}
	}
}

// TestWaitAllocations holds the loop of a keep-alive connection to none.
func TestWaitAllocations(t *testing.T) {
	client, server := socketPair(t)
	var rd Reader
	rd.Reset(server)
	var r Request
	lim, in := RequestLimits(), []byte(smallGET)
	if n := testing.AllocsPerRun(100, func() {
		if _, err := client.Write(in); err != nil {
			t.Error(err)
		}
		if err := rd.Wait(); err != nil {
			t.Error(err)
		}
		n, err := r.Read(&rd, &lim)
		if err != nil {
			t.Error(err)
		}
		rd.Hold(n)
		rd.Unhold()
	}); n != 0 {
		t.Errorf("%v allocations per request", n)
	}
}

func TestReaderRead(t *testing.T) {
	t.Parallel()
	var rd Reader
	rd.Reset(&pieces{octets: []byte("abcdef"), sizes: []int{2, 100}, err: io.EOF})
	if _, err := rd.Fill(); err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 10)
	if n, err := rd.Read(p[:1]); n != 1 || err != nil || p[0] != 'a' {
		t.Error(n, err)
	}
	if n, err := rd.Read(p); n != 1 || err != nil || p[0] != 'b' {
		t.Error(n, err)
	}
	if n, err := rd.Read(p); n != 4 || err != nil || string(p[:n]) != "cdef" {
		t.Error(n, err)
	}
	if _, err := rd.Read(p); err != io.EOF {
		t.Error(err)
	}
}

// TestWait checks over a real socket and over a wrapped one that Wait holds no
// buffer, wakes up with octets, and ends by deadline, close and peer's close.
func TestWait(t *testing.T) {
	t.Parallel()
	for name, wrap := range map[string]func(net.Conn) net.Conn{
		"socket":  func(c net.Conn) net.Conn { return c },
		"wrapped": func(c net.Conn) net.Conn { return struct{ net.Conn }{c} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, server := socketPair(t)
			var rd Reader
			rd.Reset(wrap(server))

			woken := make(chan error)
			wait := func() { woken <- rd.Wait() }
			for _, text := range []string{"hello", "again"} {
				go wait()
				if _, err := client.Write([]byte(text)); err != nil {
					t.Fatal(err)
				}
				if err := <-woken; err != nil {
					t.Fatal(err)
				}
				for len(rd.Buffered()) < len(text) {
					if _, err := rd.Fill(); err != nil {
						t.Fatal(err)
					}
				}
				if string(rd.Buffered()) != text {
					t.Fatalf("%q", rd.Buffered())
				}
				if err := rd.Wait(); err != nil {
					t.Error("Wait with octets buffered:", err)
				}
				rd.Discard(len(text))
			}

			for _, deadline := range []time.Time{time.Unix(1, 0), time.Now().Add(5 * time.Millisecond)} {
				if err := server.SetReadDeadline(deadline); err != nil {
					t.Fatal(err)
				}
				if err := rd.Wait(); !errors.Is(err, os.ErrDeadlineExceeded) || rd.buf != nil {
					t.Errorf("%v, buffer %v", err, rd.buf != nil)
				}
			}
			if err := server.SetReadDeadline(time.Time{}); err != nil {
				t.Fatal(err)
			}
			client.Close()
			if err := rd.Wait(); err != io.EOF || rd.buf != nil {
				t.Errorf("%v, buffer %v", err, rd.buf != nil)
			}
			server.Close()
			if err := rd.Wait(); !errors.Is(err, net.ErrClosed) || rd.buf != nil {
				t.Errorf("%v, buffer %v", err, rd.buf != nil)
			}
		})
	}
}

// TestWaitReset checks that a reset of the connection is passed on.
func TestWaitReset(t *testing.T) {
	t.Parallel()
	client, server := socketPair(t)
	if err := client.(*net.TCPConn).SetLinger(0); err != nil {
		t.Fatal(err)
	}
	client.Close()
	var rd Reader
	rd.Reset(server)
	if err := rd.Wait(); !errors.Is(err, syscall.ECONNRESET) || rd.buf != nil {
		t.Errorf("%v, buffer %v", err, rd.buf != nil)
	}
}

func socketPair(t testing.TB) (client, server net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if client, err = net.Dial("tcp", ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if server, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); server.Close() })
	return client, server
}
