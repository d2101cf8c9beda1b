package main

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// streamsEach is how many gRPC streams a connection carries.
const streamsEach = 8

// grpcMessage is one of 64 octets behind its prefix.
var grpcMessage = append([]byte{0, 0, 0, 0, 64}, bytes.Repeat([]byte{'x'}, 64)...)

// streams opens bidirectional gRPC streams, sends a message on each, waits for
// its echo, sends the next. One goroutine does all of a connection: what is
// measured is the proxy, and the load shares its core with the backend.
//
// Windows of the proxy are not counted: a message at a time on each stream
// cannot fill them unless they are never opened again, and then the stream
// comes to an error that fails the cell.
func streams(c *client, t target) error {
	nc, err := tls.Dial("tcp", t.addr, &tls.Config{ServerName: t.host, InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err != nil {
		return err
	}
	defer nc.Close()
	_ = nc.SetReadDeadline(t.until.Add(10 * time.Second)) // a lost message is an error, not a hang
	if _, err := io.WriteString(nc, http2.ClientPreface); err != nil {
		return err
	}
	f := &frames{Framer: http2.NewFramer(nc, nc), sent: map[uint32]time.Time{}, echoed: map[uint32]int{}}
	f.SetMaxReadFrameSize(1 << 20)
	f.SetReuseFrames()
	if err := f.open(t.host); err != nil {
		return err
	}
	for len(f.sent) > 0 {
		if err := f.next(c, t.until); err != nil {
			return err
		}
	}
	return nil
}

// frames is a connection with its streams.
type frames struct {
	*http2.Framer
	sent   map[uint32]time.Time // streams that wait for an echo
	echoed map[uint32]int       // octets of it that have come
}

func (f *frames) open(host string) error {
	if err := f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1<<31 - 1}, http2.Setting{ID: http2.SettingEnablePush, Val: 0}); err != nil {
		return err
	}
	if err := f.WriteWindowUpdate(0, 1<<30); err != nil {
		return err
	}
	var block bytes.Buffer
	e := hpack.NewEncoder(&block)
	for i := range streamsEach {
		block.Reset()
		for _, h := range [][2]string{
			{":method", "POST"},
			{":scheme", "https"},
			{":authority", host},
			{":path", "/bench.Bench/Stream"},
			{"content-type", "application/grpc"},
			{"te", "trailers"},
		} {
			if err := e.WriteField(hpack.HeaderField{Name: h[0], Value: h[1]}); err != nil {
				return err
			}
		}
		id := uint32(2*i + 1)
		if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block.Bytes(), EndHeaders: true}); err != nil {
			return err
		}
		if err := f.send(id); err != nil {
			return err
		}
	}
	return nil
}

func (f *frames) send(id uint32) error {
	f.sent[id], f.echoed[id] = time.Now(), 0
	return f.WriteData(id, false, grpcMessage)
}

// next reads one frame and does what it asks for.
func (f *frames) next(c *client, until time.Time) error {
	frame, err := f.ReadFrame()
	if err != nil {
		return err
	}
	switch frame := frame.(type) {
	case *http2.DataFrame:
		return f.echo(frame, c, until)
	case *http2.SettingsFrame:
		if !frame.IsAck() {
			return f.WriteSettingsAck()
		}
	case *http2.PingFrame:
		if !frame.IsAck() {
			return f.WritePing(true, frame.Data)
		}
	case *http2.HeadersFrame:
		if frame.StreamEnded() {
			return fmt.Errorf("stream %d ended", frame.StreamID)
		}
	case *http2.RSTStreamFrame:
		return fmt.Errorf("stream %d was reset: %s", frame.StreamID, frame.ErrCode)
	case *http2.GoAwayFrame:
		return fmt.Errorf("the connection was ended: %s", frame.ErrCode)
	}
	return nil
}

func (f *frames) echo(frame *http2.DataFrame, c *client, until time.Time) error {
	id := frame.StreamID
	f.echoed[id] += len(frame.Data())
	switch {
	case frame.StreamEnded():
		return fmt.Errorf("stream %d ended", id)
	case f.echoed[id] < len(grpcMessage):
		return nil
	case f.echoed[id] > len(grpcMessage):
		return fmt.Errorf("stream %d has %d octets of an echo of %d", id, f.echoed[id], len(grpcMessage))
	}
	c.done(f.sent[id])
	if time.Now().Before(until) {
		return f.send(id)
	}
	delete(f.sent, id)
	return f.WriteRSTStream(id, http2.ErrCodeCancel)
}
