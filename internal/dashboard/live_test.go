package dashboard

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"daemun/internal/ir"
)

// reader is a browser that follows a page.
type reader struct {
	t     *testing.T
	lines *bufio.Scanner
}

// dial follows a page; the status is that of the answer.
func dial(ctx context.Context, t *testing.T, srv *httptest.Server, path string) (*reader, int) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "text/event-stream")
	resp, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	r := &reader{t, bufio.NewScanner(resp.Body)}
	r.lines.Buffer(nil, 1<<20)
	return r, resp.StatusCode
}

// event returns the next event with its data.
func (r *reader) event() (name, data string) {
	r.t.Helper()
	var b strings.Builder
	for r.lines.Scan() {
		line := r.lines.Text()
		switch {
		case strings.HasPrefix(line, "event: "):
			name = strings.TrimPrefix(line, "event: ")
		case strings.HasPrefix(line, "data: "):
			b.WriteString(strings.TrimPrefix(line, "data: ") + "\n")
		case line == "":
			return name, b.String()
		}
	}
	r.t.Fatalf("the stream ended: %v", r.lines.Err())
	return "", ""
}

// TestFollow: a followed page sends what changes, and only that.
func TestFollow(t *testing.T) {
	t.Parallel()
	k := newKit(t, manifests)
	srv := httptest.NewServer(k)
	t.Cleanup(srv.Close)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, status := dial(ctx, t, srv, "/problems")
	if status != http.StatusOK {
		t.Fatal(status)
	}
	if name, data := r.event(); name != "nav" || !strings.Contains(data, `aria-current="page"`) {
		t.Errorf("%s: %s", name, data)
	}
	if name, data := r.event(); name != "live" || !strings.Contains(data, "DMN0306") {
		t.Errorf("%s: %s", name, data)
	}
	k.problems.Store(&[]ir.Problem{})
	for {
		if name, data := r.event(); name == "live" {
			if !strings.Contains(data, "No problems.") {
				t.Error(data)
			}
			break
		}
	}
	cancel()
	freed(t, k)
}

// freed waits until nobody follows anything.
func freed(t *testing.T, k *kit) {
	t.Helper()
	end := time.NewTimer(30 * time.Second)
	defer end.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for len(k.streams) > 0 || k.Tap.Watched() {
		select {
		case <-end.C:
			t.Fatal("a stream goes on without a reader")
		case <-tick.C:
		}
	}
}

// TestFollowRequests: requests as they pass, without credentials.
func TestFollowRequests(t *testing.T) {
	t.Parallel()
	k := newKit(t, manifests)
	srv := httptest.NewServer(k)
	t.Cleanup(srv.Close)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, _ := dial(ctx, t, srv, "/tap/live?status=5xx")
	if name, _ := r.event(); name != "still" { // whoever has it is watching
		t.Error(name)
	}
	k.Tap.Offer(request(200))
	k.Tap.Offer(request(503))
	name, data := r.event()
	if name != "sample" || !strings.Contains(data, "503") || !strings.Contains(data, "shop.example/cart?token=[redacted]") || strings.Contains(data, secretText) {
		t.Errorf("%s: %s", name, data)
	}
	cancel()
	freed(t, k)
}

// TestStreamsAreBounded: pages that are left open must not use the process up.
func TestStreamsAreBounded(t *testing.T) {
	t.Parallel()
	k := newKit(t, manifests)
	srv := httptest.NewServer(k)
	t.Cleanup(srv.Close)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for range maxStreams {
		if _, status := dial(ctx, t, srv, "/certificates"); status != http.StatusOK {
			t.Fatal(status)
		}
	}
	if _, status := dial(ctx, t, srv, "/certificates"); status != http.StatusServiceUnavailable {
		t.Error(status)
	}
	cancel()
	freed(t, k)
}

// TestSlowReader: who takes nothing holds nobody up, and is let go with the end
// of the request.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	k := newKit(t, manifests)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil)
	r.Header.Set("Accept", "text/event-stream")
	k.ServeHTTP(httptest.NewRecorder(), r)
	r = httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	r.Header.Set("Accept", "text/event-stream")
	k.ServeHTTP(brokenWriter{httptest.NewRecorder()}, r)
	freed(t, k)
}

// brokenWriter is a reader that has gone.
type brokenWriter struct{ http.ResponseWriter }

func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
