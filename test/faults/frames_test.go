package faults

import (
	"bytes"
	"crypto/tls"
	"io"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// frames are what HTTP/2 has been attacked with.
func (l *lab) frames() {
	for _, tt := range []struct {
		name string
		do   func(h *frames) error
		// stays: the connection need not end, the client goes.
		stays bool
	}{
		{"rapid reset", (*frames).rapidReset, false},
		{"MadeYouReset", (*frames).madeYouReset, false},
		{"CONTINUATION flood", (*frames).continuations, false},
		{"SETTINGS flood", func(h *frames) error { return h.WriteSettings() }, false},
		{"PING flood", func(h *frames) error { return h.WritePing(false, [8]byte{1}) }, false},
		{"PRIORITY flood", func(h *frames) error { return h.WritePriority(1, http2.PriorityParam{StreamDep: 3}) }, false},
		{"WINDOW_UPDATE flood", func(h *frames) error { return h.WriteWindowUpdate(0, 1) }, false},
		{"empty DATA flood", (*frames).emptyData, false},
		{"HPACK bomb", (*frames).bomb, false},
		{"table sizes", (*frames).tableSizes, false},
		{"malformed frames", func(h *frames) error { return h.WriteRawFrame(http2.FrameHeaders, 0, 0, []byte("evil")) }, false},
		{"zero windows", (*frames).zeroWindow, true},
		{"unfinished streams", (*frames).unfinished, true},
	} {
		l.fault("HTTP/2 "+tt.name, func(t *testing.T) {
			for range 5 {
				h := l.http2(t, tt.name == "zero windows")
				for range most {
					if h.turn++; tt.do(h) != nil || tt.stays && h.turn == 100 {
						break
					}
				}
				if !tt.stays {
					newClient(h.conn).ends(t)
				}
				h.conn.Close()
			}
		})
	}
}

// most is more than any bound of a connection.
const most = 20000

// frames writes those of one connection.
type frames struct {
	*http2.Framer
	conn    *tls.Conn
	encoder *hpack.Encoder
	block   bytes.Buffer
	turn    int
}

func (l *lab) http2(t *testing.T, noWindow bool) *frames {
	t.Helper()
	c, err := tls.Dial("tcp", l.d.HTTPS, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	newClient(c) // sets the deadline
	h := &frames{conn: c, Framer: http2.NewFramer(c, nil)}
	h.encoder = hpack.NewEncoder(&h.block)
	if _, err := io.WriteString(c, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	var wanted []http2.Setting
	if noWindow {
		wanted = append(wanted, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
	} else {
		go func() { _, _ = io.Copy(io.Discard, c) }() // ends with the connection
	}
	if err := h.WriteSettings(wanted...); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *frames) stream() uint32 { return uint32(2*h.turn - 1) }

func (h *frames) head(method, path string) []byte {
	h.block.Reset()
	for _, f := range [][2]string{{":method", method}, {":scheme", "https"}, {":authority", "web.test"}, {":path", path}} {
		_ = h.encoder.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
	}
	return h.block.Bytes()
}

func (h *frames) open(method, path string, end bool) error {
	return h.WriteHeaders(http2.HeadersFrameParam{StreamID: h.stream(), BlockFragment: h.head(method, path), EndStream: end, EndHeaders: true})
}

func (h *frames) rapidReset() error {
	if err := h.open("GET", "/never", true); err != nil {
		return err
	}
	return h.WriteRSTStream(h.stream(), http2.ErrCodeCancel)
}

// madeYouReset lets the server reset the stream: a window must not grow by 0.
func (h *frames) madeYouReset() error {
	if err := h.open("GET", "/never", true); err != nil {
		return err
	}
	return h.WriteRawFrame(http2.FrameWindowUpdate, 0, h.stream(), []byte{0, 0, 0, 0})
}

func (h *frames) continuations() error {
	if h.turn == 1 {
		return h.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: h.head("GET", "/")})
	}
	return h.WriteContinuation(1, false, nil)
}

func (h *frames) emptyData() error {
	if h.turn == 1 {
		return h.open("POST", "/upload", false)
	}
	return h.WriteData(1, false, nil)
}

// bomb refers to one long field again and again.
func (h *frames) bomb() error {
	block := bytes.Clone(h.head("GET", "/"))
	h.block.Reset()
	if h.turn == 1 {
		_ = h.encoder.WriteField(hpack.HeaderField{Name: "x-long", Value: string(make([]byte, 3000))})
	}
	block = append(block, h.block.Bytes()...)
	block = append(block, bytes.Repeat([]byte{0x80 | 62}, 8000)...)
	return h.WriteHeaders(http2.HeadersFrameParam{StreamID: h.stream(), BlockFragment: block, EndStream: true, EndHeaders: true})
}

func (h *frames) tableSizes() error {
	block := bytes.Repeat([]byte{0x3f, 0xe1, 0x1f, 0x20}, 1000)
	return h.WriteHeaders(http2.HeadersFrameParam{StreamID: h.stream(), BlockFragment: append(block, h.head("GET", "/")...), EndStream: true, EndHeaders: true})
}

func (h *frames) zeroWindow() error { return h.open("GET", "/bytes?1000000", true) }
func (h *frames) unfinished() error { return h.open("POST", "/upload", false) }
