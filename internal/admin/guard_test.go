package admin

import (
	"bufio"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"daemun/internal/tap"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestOtherSitesAreRefused: a browser on this machine may show pages of
// anybody, and all of them reach loopback.
func TestOtherSitesAreRefused(t *testing.T) {
	t.Parallel()
	pages := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	h := Handler(Config{Metrics: pages, Dashboard: pages, Listening: "Edge.example:10254"})
	for _, c := range []struct {
		name, path, host string
		headers          map[string]string
		want             int
	}{
		{"address", "/", "127.0.0.1:10254", nil, 200},
		{"IPv6 address", "/", "[::1]:10254", nil, 200},
		{"localhost", "/routes", "localhost", nil, 200},
		{"name under localhost", "/", "daemun.localhost:1", nil, 200},
		{"name of the operator", "/", "edge.example:10254", nil, 200},
		{"rebound name", "/", "evil.example", nil, 421},
		{"rebound name at the API", "/api/tap", "evil.example:10254", nil, 421},
		{"no name", "/", "", nil, 421},
		{"probe by any name", "/livez", "pod.cluster.local:10254", nil, 200},
		{"scrape by any name", "/metrics", "evil.example", nil, 200},
		{"own page", "/", "localhost", map[string]string{"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost"}, 200},
		{"typed by a person", "/", "localhost", map[string]string{"Sec-Fetch-Site": "none"}, 200},
		{"a link leads here", "/", "localhost", map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, 200},
		{"frame", "/", "localhost", map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}, 403},
		{"fetch", "/api/v1/pods", "localhost", map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"}, 403},
		{"neighbour port", "/api/v1/pods", "localhost", map[string]string{"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}, 403},
		{"old browser", "/", "localhost", map[string]string{"Origin": "http://evil.example"}, 403},
		{"opaque origin", "/", "localhost", map[string]string{"Origin": "null"}, 403},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, c.path, nil)
		r.Host = c.host
		for name, value := range c.headers {
			r.Header.Set(name, value)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("%s: %d, want %d: %s", c.name, w.Code, c.want, w.Body)
		}
	}
}

// TestGuard: an address without open paths has the same guard.
func TestGuard(t *testing.T) {
	t.Parallel()
	h := Guard(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }), "127.0.0.1:10245")
	for host, want := range map[string]int{"127.0.0.1:10245": 200, "localhost:10245": 200, "evil.example:10245": 421} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/debug/pprof/goroutine", nil)
		r.Host = host
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code != want {
			t.Errorf("%s: %d, want %d", host, w.Code, want)
		}
	}
}

// TestScrapesOnLoopback: a page that has rebound its name reads no metrics; on
// other addresses scrapes come by any name.
func TestScrapesOnLoopback(t *testing.T) {
	t.Parallel()
	ok := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	h := Handler(Config{Metrics: ok})
	for _, c := range []struct {
		path, host, at string
		want           int
	}{
		{"/metrics", "localhost:10254", "127.0.0.1:10254", 200},
		{"/metrics", "127.0.0.1:10254", "127.0.0.1:10254", 200},
		{"/metrics", "evil.example:10254", "127.0.0.1:10254", 421},
		{"/metrics", "evil.example:10254", "[::1]:10254", 421},
		{"/metrics", "evil.example:10254", "[::ffff:127.0.0.1]:10254", 421},
		{"/metrics", "daemun.ingress.svc:10254", "10.0.0.7:10254", 200},
		{"/healthz", "any.example", "127.0.0.1:10254", 200},
	} {
		at := net.TCPAddrFromAddrPort(netip.MustParseAddrPort(c.at))
		r := httptest.NewRequestWithContext(context.WithValue(t.Context(), http.LocalAddrContextKey, at), http.MethodGet, c.path, nil)
		r.Host = c.host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("%s of %s at %s: %d, want %d: %s", c.path, c.host, c.at, w.Code, c.want, w.Body)
		}
	}
}

// TestHealthPathAtTheRoot: a probe of "/" is answered, whatever else is there.
func TestHealthPathAtTheRoot(t *testing.T) {
	t.Parallel()
	pages := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	w := httptest.NewRecorder()
	Handler(Config{Metrics: pages, Dashboard: pages, HealthPath: "/"}).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	if w.Code != 200 || w.Body.String() != "ok\n" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestTapStream: lines of JSON that end with their count, or with their reader.
func TestTapStream(t *testing.T) {
	t.Parallel()
	tp := tap.New()
	srv := httptest.NewServer(Handler(Config{Metrics: http.NotFoundHandler(), Tap: tp}))
	t.Cleanup(srv.Close)
	body := open(t.Context(), t, srv, "/api/tap?count=2&status=404")
	for _, status := range []int{200, 404, 404} { // the head has come, so somebody watches
		tp.Offer(&tap.Request{Time: time.Unix(int64(status), 0), Status: status, Client: netip.MustParseAddr("192.0.2.1"), Path: []byte("/x")})
	}
	lines := bufio.NewScanner(body)
	for range 2 {
		var s tap.Sample
		if !lines.Scan() || json.Unmarshal(lines.Bytes(), &s) != nil || s.Status != 404 || s.Path != "/x" {
			t.Errorf("%s, %v", lines.Text(), lines.Err())
		}
	}
	if lines.Scan() {
		t.Errorf("more: %s", lines.Text())
	}
	ctx, cancel := context.WithCancel(t.Context())
	open(ctx, t, srv, "/api/tap")
	cancel()
	until(t, func() bool { return !tp.Watched() })
}

func open(ctx context.Context, t *testing.T, srv *httptest.Server, path string) *bufio.Reader {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "application/x-ndjson" {
		t.Fatalf("%s %s", resp.Status, resp.Header)
	}
	return bufio.NewReader(resp.Body)
}

// until waits for a condition.
func until(t *testing.T, is func() bool) {
	t.Helper()
	end := time.NewTimer(30 * time.Second)
	defer end.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-end.C:
			t.Fatal("never")
		case <-tick.C:
		}
	}
}

func TestTapQuestions(t *testing.T) {
	t.Parallel()
	h := Handler(Config{Metrics: http.NotFoundHandler(), Tap: tap.New()})
	for query, want := range map[string]string{
		"status=6":   `status "6": want a number such as 404, or a class such as 5xx`,
		"path=cart":  `path "cart": want the beginning of a path, such as /cart`,
		"count=none": `count "none": want a number from 1`,
		"rate=0":     `rate "0": want a number from 1`,
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/tap?"+query, nil)
		r.Host = "localhost"
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != 400 || strings.TrimSpace(w.Body.String()) != want {
			t.Errorf("%s: %d %s", query, w.Code, w.Body)
		}
	}
}

func FuzzOwnHost(f *testing.F) {
	f.Add("127.0.0.1:1")
	f.Add("[::1%25eth0]:x")
	f.Fuzz(func(t *testing.T, field string) {
		if ownHost(field, nil) && strings.Contains(field, "evil") && !strings.Contains(strings.ToLower(field), "localhost") {
			// A zone of an address may hold any text; nothing else may.
			if !strings.Contains(field, "%") {
				t.Errorf("%q", field)
			}
		}
	})
}
