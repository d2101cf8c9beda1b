package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// What these clients do is expected to end badly for them; an error is only
// that the program cannot be reached, or never ends a connection that it must.

// slowHead sends a head octet by octet, for a while.
func (l *lab) slowHead(ctx context.Context, random *rand.Rand) error {
	nc, err := dial(l.plain)
	if err != nil {
		return err
	}
	defer nc.Close()
	for _, c := range []byte("GET / HTTP/1.1\r\nHost: soak.test\r\nA: b") {
		if _, err := nc.Write([]byte{c}); err != nil || ctx.Err() != nil {
			return nil
		}
		pause(ctx, random, 50)
	}
	return nil
}

// slowBody announces more than it sends.
func (l *lab) slowBody(ctx context.Context, random *rand.Rand) error {
	nc, err := dial(l.plain)
	if err != nil {
		return err
	}
	defer nc.Close()
	fmt.Fprint(nc, "POST / HTTP/1.1\r\nHost: soak.test\r\nContent-Length: 100000\r\n\r\n")
	for range 30 {
		if _, err := nc.Write(pattern[:100]); err != nil || ctx.Err() != nil {
			return nil
		}
		pause(ctx, random, 60)
	}
	return nil
}

// slowReader takes little of a long answer at a time.
func (l *lab) slowReader(ctx context.Context, random *rand.Rand) error {
	nc, err := dial(l.plain)
	if err != nil {
		return err
	}
	defer nc.Close()
	_ = nc.(*net.TCPConn).SetReadBuffer(4 << 10)
	fmt.Fprint(nc, "GET /?n=4000000 HTTP/1.1\r\nHost: soak.test\r\n\r\n")
	buf := make([]byte, 8<<10)
	for range 40 {
		if _, err := nc.Read(buf); err != nil || ctx.Err() != nil {
			return nil
		}
		pause(ctx, random, 50)
	}
	return nil
}

// leaver goes in the midst of something.
func (l *lab) leaver(ctx context.Context, random *rand.Rand) error {
	nc, err := dial(l.plain)
	if err != nil {
		return err
	}
	defer nc.Close()
	requests := []string{
		"GET /?n=4000000 HTTP/1.1\r\nHost: soak.test\r\n\r\n",
		"PUT / HTTP/1.1\r\nHost: soak.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
		"GET / HTT",
	}
	_, _ = io.WriteString(nc, requests[random.IntN(len(requests))])
	pause(ctx, random, 20)
	if random.IntN(2) == 0 {
		_ = nc.(*net.TCPConn).SetLinger(0)
	}
	return nil
}

// hostile sends what must be refused; the connection has to end.
func (l *lab) hostile(_ context.Context, random *rand.Rand) error {
	nc, err := dial(l.plain)
	if err != nil {
		return err
	}
	defer nc.Close()
	requests := []string{
		"GET / HTTP/1.1\r\nHost: soak.test\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\n\r\n",
		"GET / HTTP/1.1\nHost: soak.test\n\n",
		"POST / HTTP/1.1\r\nHost: soak.test\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
		"GET / HTTP/1.1\r\nHost: soak.test\r\nHost: other.test\r\n\r\n",
		"GET /\x00 HTTP/1.1\r\nHost: soak.test\r\n\r\n",
		string(pattern[:3000]) + "\n",
	}
	request := requests[random.IntN(len(requests))]
	_, _ = io.WriteString(nc, request)
	_, err = io.Copy(io.Discard, nc)
	if e, ok := err.(net.Error); ok && e.Timeout() {
		return fmt.Errorf("the connection stays after %.40q", request)
	}
	return nil
}

// rapidReset opens streams and resets them until the connection is ended.
func (l *lab) rapidReset(ctx context.Context, random *rand.Rand) error {
	nc, err := tls.Dial("tcp", l.secure, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err != nil {
		return err
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(patience))
	fr := http2.NewFramer(nc, nil)
	_, _ = io.WriteString(nc, http2.ClientPreface)
	_ = fr.WriteSettings()
	var block headers
	enc := hpack.NewEncoder(&block)
	for _, f := range [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", "soak.test"}, {":path", "/?n=100000"}} {
		_ = enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
	}
	for id := uint32(1); id < 2*resets; id += 2 {
		err := fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: firstOrAgain(block, id), EndStream: true, EndHeaders: true})
		if err == nil {
			err = fr.WriteRSTStream(id, http2.ErrCodeCancel)
		}
		if err != nil {
			break
		}
	}
	_, err = io.Copy(io.Discard, nc)
	if e, ok := err.(net.Error); ok && e.Timeout() {
		return fmt.Errorf("the connection stays after %d streams that were reset", resets)
	}
	pause(ctx, random, 100)
	return nil
}

// resets are more than a connection may have.
const resets = 1000

// headers is the encoded section of the first request.
type headers []byte

func (h *headers) Write(p []byte) (int, error) {
	*h = append(*h, p...)
	return len(p), nil
}

// firstOrAgain is the section, which adds two fields to the table of the peer,
// or from then on the indexes of them.
func firstOrAgain(first headers, id uint32) []byte {
	if id == 1 {
		return first
	}
	return []byte{0x82, 0x87, 0x80 | 63, 0x80 | 62}
}
