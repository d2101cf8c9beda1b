package echo

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/net/http/httpguts"
)

// acceptKey is the answer to a client's Sec-WebSocket-Key (RFC 6455 section
// 4.2.2).
func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// webSocket sends every frame back until the client closes.
func (e *httpEcho) webSocket(w http.ResponseWriter, r *http.Request) {
	key := r.Header.Get("Sec-WebSocket-Key")
	switch {
	case r.Method != http.MethodGet || r.ProtoMajor != 1 || key == "" ||
		!httpguts.HeaderValuesContainsToken(r.Header["Upgrade"], "websocket") ||
		!httpguts.HeaderValuesContainsToken(r.Header["Connection"], "upgrade"):
		http.Error(w, "not a WebSocket handshake", http.StatusBadRequest)
		return
	case r.Header.Get("Sec-WebSocket-Version") != "13":
		w.Header().Set("Sec-WebSocket-Version", "13")
		http.Error(w, "want WebSocket version 13", http.StatusUpgradeRequired)
		return
	}
	e.sockets.Add(1)
	defer e.sockets.Done()
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer conn.Close()
	e.env.log.printf("WebSocket %s opened by client (%s)", r.RequestURI, r.RemoteAddr)
	fmt.Fprintf(rw.Writer, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", acceptKey(key))
	e.echoFrames(conn, rw)
	e.env.log.printf("WebSocket %s closed by client (%s)", r.RequestURI, r.RemoteAddr)
}

const (
	opContinuation = 0x0
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xA

	closeGoingAway = 1001
	closeProtocol  = 1002
)

// errProtocol is a violation of RFC 6455 by the client.
var errProtocol = errors.New("protocol error")

// echoFrames copies frames until the close frame, an error, or the end of the
// server.
func (e *httpEcho) echoFrames(conn net.Conn, rw *bufio.ReadWriter) {
	ended := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-e.stopping:
			_ = conn.SetReadDeadline(time.Now()) // wakes the reader
		case <-ended:
		}
	})
	defer watch.Wait()
	defer close(ended)
	for {
		if err := rw.Flush(); err != nil {
			return
		}
		closed, err := echoFrame(rw)
		var timeout net.Error
		switch {
		case errors.Is(err, errProtocol):
			writeClose(rw.Writer, closeProtocol)
		case errors.As(err, &timeout) && timeout.Timeout():
			writeClose(rw.Writer, closeGoingAway)
		}
		if closed || err != nil {
			_ = rw.Flush()
			return
		}
	}
}

// echoFrame sends one frame back as it came (fragments too), answers a ping
// and a close frame, and reports whether it was the close frame.
func echoFrame(rw *bufio.ReadWriter) (closed bool, err error) {
	h, err := readFrameHead(rw.Reader)
	if err != nil {
		return false, err
	}
	first := h.first
	switch first & 0x0f {
	case opPing:
		first = first&0xf0 | opPong
	case opPong:
		_, err := rw.Discard(int(h.size)) // a control frame: 125 at most
		return false, err
	}
	writeFrameHead(rw.Writer, first, h.size)
	return first&0x0f == opClose, copyUnmasked(rw, h)
}

type frameHead struct {
	first byte // FIN, reserved bits, opcode
	size  uint64
	mask  [4]byte
}

// readFrameHead reads and checks the head of a client's frame (RFC 6455
// section 5.2).
func readFrameHead(r *bufio.Reader) (frameHead, error) {
	var two [2]byte
	if _, err := io.ReadFull(r, two[:]); err != nil {
		return frameHead{}, err
	}
	h := frameHead{first: two[0], size: uint64(two[1] & 0x7f)}
	op := h.first & 0x0f
	control := op >= opClose
	switch {
	case h.first&0x70 != 0: // no extension was agreed on
		return h, errProtocol
	case two[1]&0x80 == 0: // clients mask
		return h, errProtocol
	case control && (op > opPong || h.first&0x80 == 0 || h.size > 125):
		return h, errProtocol
	case !control && op > 2:
		return h, errProtocol
	}
	if extra := map[uint64]int{126: 2, 127: 8}[h.size]; extra > 0 {
		var long [8]byte
		if _, err := io.ReadFull(r, long[8-extra:]); err != nil {
			return h, err
		}
		h.size = binary.BigEndian.Uint64(long[:])
	}
	if h.size>>63 != 0 {
		return h, errProtocol
	}
	_, err := io.ReadFull(r, h.mask[:])
	return h, err
}

func writeFrameHead(w *bufio.Writer, first byte, size uint64) {
	head := []byte{first, byte(min(size, 127))}
	switch {
	case size > 0xffff:
		head = binary.BigEndian.AppendUint64(head, size)
	case size > 125:
		head[1] = 126
		head = binary.BigEndian.AppendUint16(head, uint16(size))
	}
	_, _ = w.Write(head) // errors stay with the writer until Flush
}

// copyUnmasked sends a frame's payload back as it arrives, whatever its size.
func copyUnmasked(rw *bufio.ReadWriter, h frameHead) error {
	var buf [4096]byte
	for done := uint64(0); done < h.size; {
		part := buf[:min(uint64(len(buf)), h.size-done)]
		n, err := rw.Read(part)
		for i := range part[:n] {
			part[i] ^= h.mask[(done+uint64(i))%4]
		}
		if _, werr := rw.Write(part[:n]); werr != nil {
			return werr
		}
		done += uint64(n)
		if err != nil {
			return err
		}
		if rw.Reader.Buffered() == 0 {
			if err := rw.Flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

func writeClose(w *bufio.Writer, code uint16) {
	writeFrameHead(w, 0x80|opClose, 2)
	_, _ = w.Write(binary.BigEndian.AppendUint16(nil, code))
}
