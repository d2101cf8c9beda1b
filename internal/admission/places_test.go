package admission

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"testing"
	"time"

	networkingv1 "k8s.io/api/networking/v1"

	"daemun/internal/translate"
)

// house is a webhook behind a server as the daemon has it.
func house(t *testing.T, h *Webhook) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// plain is house without TLS.
func plain(t *testing.T, h *Webhook) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// caller sends reviews from an address of its own.
type caller struct {
	t  *testing.T
	c  net.Conn
	in *bufio.Reader
}

// enters begins a review and waits until it has a place.
func enters(t *testing.T, address string, from byte, length int) *caller {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, from)}}
	c, err := d.DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	v := &caller{t, c, bufio.NewReader(c)}
	v.sends(fmt.Sprintf("POST %s HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", Path, length))
	line, err := v.in.ReadString('\n')
	if err == nil && strings.HasPrefix(line, "HTTP/1.1 100") {
		line, err = v.in.ReadString('\n')
	}
	if err != nil || line != "\r\n" {
		t.Fatalf("a review from 127.0.0.%d gets %q, %v", from, line, err)
	}
	return v
}

func (v *caller) sends(text string) {
	v.t.Helper()
	if _, err := io.WriteString(v.c, text); err != nil {
		v.t.Fatal(err)
	}
}

func (v *caller) gets(status int) {
	v.t.Helper()
	r, err := http.ReadResponse(v.in, nil)
	if err != nil {
		v.t.Fatal(err)
	}
	defer r.Body.Close()
	if r.StatusCode != status {
		v.t.Errorf("status %d, want %d", r.StatusCode, status)
	}
}

// TestH8_4SilentOnesGiveWay: whoever keeps places without sending a review loses
// them to who has less, be it one or many.
func TestH8_4SilentOnesGiveWay(t *testing.T) {
	t.Parallel()
	for name, from := range map[string]func(i int) byte{
		"one address":    func(int) byte { return 2 },
		"many addresses": func(i int) byte { return byte(2 + i) },
		"our own":        func(int) byte { return 1 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := plain(t, New(Config{Check: says()}))
			var silent []*caller
			for i := range maxAtOnce {
				silent = append(silent, enters(t, address, from(i), 100))
			}
			v := enters(t, address, 1, len(create))
			silent[0].gets(http.StatusTooManyRequests)
			v.sends(create)
			v.gets(http.StatusOK)
		})
	}
}

// TestH8_4WaitingOnesGiveWay: complete reviews that wait to be judged do not fill
// the house either, and what is being judged ends.
func TestH8_4WaitingOnesGiveWay(t *testing.T) {
	t.Parallel()
	begun, release := make(chan struct{}, maxAtOnce), make(chan struct{})
	address := plain(t, New(Config{Check: func(in *networkingv1.Ingress) (translate.Checked, error) {
		begun <- struct{}{}
		<-release
		return says()(in)
	}}))
	var crowd []*caller
	for i := range maxAtOnce {
		v := enters(t, address, 2, len(create))
		v.sends(create)
		if crowd = append(crowd, v); i < maxJudged {
			<-begun
		}
	}
	v := enters(t, address, 1, len(create))
	v.sends(create)
	close(release)
	v.gets(http.StatusOK)
	for _, v := range crowd[:maxJudged] {
		v.gets(http.StatusOK)
	}
}

// TestH8_4LongOnesGiveWay: two long reviews that do not come keep no third one
// out.
func TestH8_4LongOnesGiveWay(t *testing.T) {
	t.Parallel()
	address := plain(t, New(Config{Check: says()}))
	var silent []*caller
	for range longAtOnce {
		silent = append(silent, enters(t, address, 2, maxReview))
	}
	long := strings.Replace(create, `"request":{`, `"request":{"oldObject":{"x":"`+strings.Repeat("x", maxShort)+`"},`, 1)
	v := enters(t, address, 1, len(long))
	silent[0].gets(http.StatusTooManyRequests)
	v.sends(long)
	v.gets(http.StatusOK)
}

// TestH8_4BodiesHaveATime, and what is refused says so.
func TestH8_4BodiesHaveATime(t *testing.T) {
	t.Parallel()
	h := New(Config{Check: says()})
	h.bodyWait = time.Millisecond
	enters(t, plain(t, h), 1, 100).gets(http.StatusRequestTimeout)
}

// TestH8_4StreamsGiveWay: one connection of HTTP/2 holds as little as many of
// HTTP/1 do.
func TestH8_4StreamsGiveWay(t *testing.T) {
	t.Parallel()
	s := house(t, New(Config{Check: says()}))
	client := s.Client()
	client.Transport.(*http.Transport).ExpectContinueTimeout = time.Minute
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	statuses := make(chan int, maxAtOnce)
	for range maxAtOnce {
		in := make(chan struct{})
		body, silent := io.Pipe()
		defer silent.Close()
		ctx := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{Got100Continue: func() { close(in) }})
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+Path, body)
		if err != nil {
			t.Fatal(err)
		}
		r.ContentLength = 100
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Expect", "100-continue")
		go func() {
			status := 0
			if resp, err := client.Do(r); err == nil {
				status = resp.StatusCode
				resp.Body.Close()
			}
			statuses <- status
		}()
		<-in
	}
	resp, err := client.Post(s.URL+Path, "application/json", strings.NewReader(create))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || resp.ProtoMajor != 2 {
		t.Errorf("%s %s", resp.Proto, resp.Status)
	}
	if got := <-statuses; got != http.StatusTooManyRequests {
		t.Errorf("who gave way gets %d", got)
	}
	cancel()
	for range maxAtOnce - 1 {
		<-statuses
	}
}
