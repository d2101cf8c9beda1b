package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"time"
)

// kinds are all kinds of traffic.
func (l *lab) kinds() []*kind {
	c := &churn{l: l}
	one, two := l.client(false), l.client(true)
	return []*kind{
		{name: "HTTP/1 GET", clients: 6, once: l.get(one, "http", l.plain)},
		{name: "HTTP/1 TLS POST", clients: 4, once: l.post(one, "https", l.secure)},
		{name: "HTTP/1 fresh connections", clients: 2, once: l.fresh},
		{name: "HTTP/2 GET", clients: 8, once: l.get(two, "https", l.secure)},
		{name: "HTTP/2 POST", clients: 4, once: l.post(two, "https", l.secure)},
		{name: "gRPC unary", clients: 8, once: l.call(two)},
		{name: "gRPC streams", clients: 4, once: l.stream(two)},
		{name: "WebSocket messages", clients: 8, once: l.webSocket},
		{name: "WebSocket idle", clients: 20, once: l.idleWebSocket},
		{name: "route changes", clients: 1, once: c.route},
		{name: "endpoint changes", clients: 1, once: c.endpoints},
		{name: "slow heads", clients: 8, once: l.slowHead},
		{name: "slow bodies", clients: 4, once: l.slowBody},
		{name: "slow readers", clients: 4, once: l.slowReader},
		{name: "clients that leave", clients: 4, once: l.leaver},
		{name: "hostile HTTP/1", clients: 4, once: l.hostile},
		{name: "hostile HTTP/2", clients: 2, once: l.rapidReset},
	}
}

// client makes honest requests. Its connections do not outlive a pause.
func (l *lab) client(two bool) *http.Client {
	t := &http.Transport{
		MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Second, DisableCompression: true,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, Protocols: new(http.Protocols),
	}
	t.Protocols.SetHTTP1(!two)
	t.Protocols.SetHTTP2(two)
	return &http.Client{Transport: t, Timeout: patience}
}

// size is mostly small and sometimes large.
func size(random *rand.Rand) int {
	if random.IntN(50) == 0 {
		return random.IntN(len(pattern))
	}
	return random.IntN(20 << 10)
}

// do makes a request; what is under way is finished when the time is over.
func do(client *http.Client, method, host, url, kind string, body []byte) (*http.Response, []byte, error) {
	req, err := http.NewRequest(method, url, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	req.Host = host
	if kind != "" {
		req.Header.Set("Content-Type", kind)
		req.Header.Set("TE", "trailers")
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != 200 {
		err = fmt.Errorf("status %d", resp.StatusCode)
	}
	return resp, got, err
}

func (l *lab) get(client *http.Client, scheme, addr string) func(context.Context, *rand.Rand) error {
	return func(_ context.Context, random *rand.Rand) error {
		n := size(random)
		_, got, err := do(client, "GET", "soak.test", fmt.Sprintf("%s://%s/?n=%d", scheme, addr, n), "", nil)
		if err == nil && !bytes.Equal(got, pattern[:n]) {
			return fmt.Errorf("%d octets came, or others than the %d that were sent", len(got), n)
		}
		return err
	}
}

func (l *lab) post(client *http.Client, scheme, addr string) func(context.Context, *rand.Rand) error {
	return func(_ context.Context, random *rand.Rand) error {
		body := pattern[:1+size(random)%(len(pattern)-1)]
		_, got, err := do(client, "PUT", "soak.test", scheme+"://"+addr+"/", "", body)
		if err == nil && !bytes.Equal(got, body) {
			return fmt.Errorf("%d octets came back of %d", len(got), len(body))
		}
		return err
	}
}

func (l *lab) call(client *http.Client) func(context.Context, *rand.Rand) error {
	return func(_ context.Context, random *rand.Rand) error {
		n := random.IntN(2000)
		message := append([]byte{0, 0, 0, byte(n >> 8), byte(n)}, pattern[:n]...)
		resp, got, err := do(client, "POST", "calls.test", "https://"+l.secure+"/soak.Soak/Call", "application/grpc", message)
		switch {
		case err != nil:
			return err
		case resp.Trailer.Get("Grpc-Status") != "0":
			return fmt.Errorf("trailers %v, head %v", resp.Trailer, resp.Header)
		case !bytes.Equal(got, message):
			return fmt.Errorf("%d octets came back of %d", len(got), len(message))
		}
		return nil
	}
}

// stream is a call with messages both ways, each of which waits for the echo of
// the one before.
func (l *lab) stream(client *http.Client) func(context.Context, *rand.Rand) error {
	return func(_ context.Context, random *rand.Rand) error {
		body, messages := io.Pipe()
		defer messages.Close()
		req, err := http.NewRequest("POST", "https://"+l.secure+"/soak.Soak/Stream", body)
		if err != nil {
			return err
		}
		req.Host = "calls.test"
		req.Header.Set("Content-Type", "application/grpc")
		req.Header.Set("TE", "trailers")
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		for range 30 {
			n := random.IntN(2000)
			message := append([]byte{0, 0, 0, byte(n >> 8), byte(n)}, pattern[:n]...)
			if _, err := messages.Write(message); err != nil {
				return err
			}
			got := make([]byte, len(message))
			if _, err := io.ReadFull(resp.Body, got); err != nil {
				return err
			}
			if !bytes.Equal(got, message) {
				return fmt.Errorf("another message came back")
			}
		}
		messages.Close()
		left, err := io.ReadAll(resp.Body)
		if err == nil && (len(left) > 0 || resp.Trailer.Get("Grpc-Status") != "0") {
			err = fmt.Errorf("at its end: %d octets, trailers %v", len(left), resp.Trailer)
		}
		return err
	}
}

// fresh is a request on a connection of its own.
func (l *lab) fresh(context.Context, *rand.Rand) error {
	nc, err := dial(l.plain)
	if err != nil {
		return err
	}
	defer nc.Close()
	fmt.Fprint(nc, "GET /?n=5 HTTP/1.1\r\nHost: soak.test\r\nConnection: close\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != 200 {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	_, err = io.ReadAll(resp.Body)
	return err
}

func dial(addr string) (net.Conn, error) {
	nc, err := net.Dial("tcp", addr)
	if err == nil {
		_ = nc.SetDeadline(time.Now().Add(patience))
	}
	return nc, err
}

// openWebSocket opens one, over TLS half of the time.
func (l *lab) openWebSocket(random *rand.Rand) (net.Conn, *bufio.Reader, error) {
	addr := l.plain
	secure := random.IntN(2) == 0
	if secure {
		addr = l.secure
	}
	nc, err := dial(addr)
	if err != nil {
		return nil, nil, err
	}
	if secure {
		nc = tls.Client(nc, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	}
	br, err := upgrade(nc)
	if err != nil {
		nc.Close()
		return nil, nil, err
	}
	return nc, br, nil
}

// upgrade makes a WebSocket of a connection.
func upgrade(nc net.Conn) (*bufio.Reader, error) {
	fmt.Fprint(nc, "GET /ws HTTP/1.1\r\nHost: soak.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	br := bufio.NewReader(nc)
	resp, err := http.ReadResponse(br, nil)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != 101 {
		return nil, fmt.Errorf("status %d", resp.StatusCode)
	}
	return br, nil
}

// echoOn sends a message and waits for it to come back.
func echoOn(nc net.Conn, br io.Reader, n int) error {
	message := append([]byte{0x82, 0x80 | 126, byte(n >> 8), byte(n), 0, 0, 0, 0}, pattern[:n]...)
	if _, err := nc.Write(message); err != nil {
		return err
	}
	got := make([]byte, len(message))
	if _, err := io.ReadFull(br, got); err != nil {
		return err
	}
	if !bytes.Equal(got, message) {
		return fmt.Errorf("another message came back")
	}
	return nil
}

func (l *lab) webSocket(_ context.Context, random *rand.Rand) error {
	nc, br, err := l.openWebSocket(random)
	if err != nil {
		return err
	}
	defer nc.Close()
	for range 50 {
		if err := echoOn(nc, br, 126+random.IntN(4000)); err != nil {
			return err
		}
	}
	return nil
}

// idleWebSocket is silent through some changes, and still there after them.
func (l *lab) idleWebSocket(ctx context.Context, random *rand.Rand) error {
	nc, br, err := l.openWebSocket(random)
	if err != nil {
		return err
	}
	defer nc.Close()
	for range 3 {
		pause(ctx, random, 5000)
		if err := echoOn(nc, br, 126); err != nil {
			return fmt.Errorf("after a silence: %w", err)
		}
	}
	return nil
}

// pause waits for up to so many milliseconds, or until ctx ends.
func pause(ctx context.Context, random *rand.Rand, most int) {
	timer := time.NewTimer(time.Duration(1+random.IntN(most)) * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
