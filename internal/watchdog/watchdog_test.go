package watchdog

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// listen serves each connection with f; nil leaves them in the queue.
func listen(t *testing.T, f func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { // ends with the listener
		defer close(done)
		for f != nil {
			c, err := l.Accept()
			if err != nil {
				return
			}
			f(c)
			c.Close()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	return l.Addr().String()
}

// TestH11_13_SilenceIsAMiss: three of them in a row are told and fail liveness;
// an answer mends it.
func TestH11_13_SilenceIsAMiss(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	w := New(Config{Address: listen(t, nil), Patience: 20 * time.Millisecond, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	for i := range 4 {
		if err := w.Err(); (err != nil) != (i >= allowed) {
			t.Errorf("after %d misses: %v", i, err)
		}
		w.ask(t.Context())
	}
	if n := strings.Count(log.String(), "TestH11_13_SilenceIsAMiss"); n == 0 || strings.Count(log.String(), "clients get no answer") != 1 {
		t.Errorf("goroutines were not told once:\n%s", log.String())
	}
	w.config.Address = listen(t, func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n") })
	w.config.Patience = time.Minute
	if w.ask(t.Context()); w.Err() != nil {
		t.Error(w.Err())
	}
}

func TestAnyAnswerIsLife(t *testing.T) {
	t.Parallel()
	closed := listen(t, nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused := l.Addr().String()
	l.Close()
	_ = closed
	for name, address := range map[string]string{
		"refusal":   listen(t, func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 503 Service Unavailable\r\n\r\n") }),
		"the end":   listen(t, func(net.Conn) {}),
		"a reset":   listen(t, func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0) }),
		"no socket": refused,
	} {
		if w := New(Config{Address: address, Patience: time.Minute}); !w.answered(t.Context()) {
			t.Errorf("%s is a miss", name)
		}
	}
}

// TestQuestionOverTLS: the greeting comes before the handshake; a handshake that
// nobody answers is a miss, one that is refused is an answer.
func TestQuestionOverTLS(t *testing.T) {
	t.Parallel()
	got := make(chan string, 1)
	certificate := httptest.NewUnstartedServer(nil)
	certificate.StartTLS()
	defer certificate.Close()
	config := &tls.Config{Certificates: certificate.TLS.Certificates, MinVersion: tls.VersionTLS12}
	const greeting = "PROXY UNKNOWN\r\n"
	w := New(Config{TLS: true, Address: listen(t, func(c net.Conn) {
		b := make([]byte, len(greeting)+len(question))
		_, _ = io.ReadFull(c, b[:len(greeting)])
		s := tls.Server(c, config)
		_, _ = io.ReadFull(s, b[len(greeting):])
		got <- string(b)
		_, _ = io.WriteString(s, "HTTP/1.1 200 OK\r\n\r\n")
	}), Patience: time.Minute, Greeting: func() string { return greeting }})
	if !w.answered(t.Context()) {
		t.Error("a miss")
	}
	if text := <-got; text != greeting+question {
		t.Errorf("sent %q", text)
	}
	if w := New(Config{TLS: true, Address: listen(t, nil), Patience: time.Millisecond}); w.answered(t.Context()) {
		t.Error("a handshake without an answer is one")
	}
	refused := listen(t, func(c net.Conn) {
		_ = tls.Server(c, &tls.Config{Certificates: config.Certificates, ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS12}).Handshake()
	})
	if w := New(Config{TLS: true, Address: refused, Patience: time.Minute}); !w.answered(t.Context()) {
		t.Error("a refused handshake is a miss")
	}
}

func TestGreetingAndQuestion(t *testing.T) {
	t.Parallel()
	got := make(chan string, 1)
	w := New(Config{Address: listen(t, func(c net.Conn) {
		b := make([]byte, len("PROXY UNKNOWN\r\n"+question))
		_, _ = io.ReadFull(c, b)
		got <- string(b)
	}), Patience: time.Minute, Greeting: func() string { return "PROXY UNKNOWN\r\n" }})
	if !w.answered(t.Context()) {
		t.Error("a miss")
	}
	if text := <-got; text != "PROXY UNKNOWN\r\n"+question {
		t.Errorf("sent %q", text)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{}, 1)
	w := New(Config{Address: listen(t, func(net.Conn) {
		select {
		case asked <- struct{}{}:
		default:
		}
	}), Every: time.Millisecond})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- w.Run(ctx) }()
	<-asked
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestReachable(t *testing.T) {
	t.Parallel()
	for from, want := range map[string]string{
		"0.0.0.0:80": "127.0.0.1:80", "[::]:80": "localhost:80", "192.0.2.1:80": "192.0.2.1:80", "[::1]:80": "[::1]:80",
	} {
		if got := reachable(from); got != want {
			t.Errorf("%s is reached at %s, want %s", from, got, want)
		}
	}
}
