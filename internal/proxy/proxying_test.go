package proxy

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"daemun/internal/ir"
	"daemun/internal/spool"
)

// tellsRequest answers with the request as it came and leaves the connection open, as
// a backend would that reads past its request.
func tellsRequest(n int, c *client) {
	req, err := http.ReadRequest(c.br)
	if err != nil {
		return
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return
	}
	text := fmt.Sprintf("%s %d %v %d %q", req.Proto, req.ContentLength, req.TransferEncoding, len(body), req.Header.Get("Upgrade"))
	fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nX-Connection: %d\r\nContent-Length: %d\r\n\r\n%s", n, len(text), text)
	_, _ = c.br.ReadByte() // until Daemun closes
}

// TestHTTP10ToBackends: each request has its own connection, bodies have a
// length, nothing is upgraded.
func TestHTTP10ToBackends(t *testing.T) {
	t.Parallel()
	const long = 300 << 10
	r, _ := up(t, tellsRequest, func(_ *ir.Host, r *ir.Route) { r.HTTP10 = true })
	c := r.dial()
	seen := map[string]bool{}
	for _, tt := range []struct{ request, want string }{
		{"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", `HTTP/1.0 0 [] 0 ""`},
		{"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", `HTTP/1.0 0 [] 0 ""`},
		{"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\r\nabc", `HTTP/1.0 3 [] 3 ""`},
		{"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", `HTTP/1.0 3 [] 3 ""`},
		{
			fmt.Sprintf("POST / HTTP/1.1\r\nHost: a.test\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\nX-Sum: 7\r\n\r\n", long, strings.Repeat("x", long)),
			fmt.Sprintf(`HTTP/1.0 %d [] %d ""`, long, long),
		},
	} {
		c.send(tt.request)
		resp, body := c.answer("GET")
		if body != tt.want {
			t.Errorf("%.40q: the backend got %s, want %s", tt.request, body, tt.want)
		}
		if n := resp.Header.Get("X-Connection"); seen[n] {
			t.Errorf("%.40q: connection %s was used before", tt.request, n)
		} else {
			seen[n] = true
		}
	}
}

// TestHTTP10WithoutAFolderWantsALength: chunks cannot go on.
func TestHTTP10WithoutAFolderWantsALength(t *testing.T) {
	t.Parallel()
	pool := spool.New(spool.Config{Dir: filepath.Join(t.TempDir(), "none")})
	if pool.Probe() == nil {
		t.Fatal("a file was made in a folder that is not there")
	}
	r := newRigWith(t, oneRoute(func(_ *ir.Host, r *ir.Route) { r.HTTP10 = true }), Config{Spool: pool}, nil)
	r.endpoints(newScript(t, tellsRequest).addr())
	c := r.dial()
	c.send("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
	if resp, _ := c.answer("POST"); resp.StatusCode != 411 {
		t.Errorf("%d, want 411", resp.StatusCode)
	}
	if n := r.server.Stats().Refusals["no-length"]; n != 1 {
		t.Errorf("%d counted", n)
	}
}

// TestPortInRedirects is use-port-in-redirects: the port of the listener with
// paths, the one for HTTPS with the redirect to https, always.
func TestPortInRedirects(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		port   uint16
		change func(*ir.Host, *ir.Route)
		want   string
	}{
		{"https", 8443, func(_ *ir.Host, r *ir.Route) { r.ForceSSLRedirect = true }, "https://a.test:8443/x"},
		{"https on its usual port", 0, func(_ *ir.Host, r *ir.Route) { r.ForceSSLRedirect = true }, "https://a.test:443/x"},
		{"path", 0, func(_ *ir.Host, r *ir.Route) { r.Redirect = &ir.Redirect{Code: 301, Location: "/y"} }, "http://a.test:PORT/y"},
		{"path that stays one", 0, func(_ *ir.Host, r *ir.Route) {
			r.Redirect, r.RelativeRedirects = &ir.Redirect{Code: 301, Location: "/y"}, true
		}, "/y"},
		{"URL", 0, func(_ *ir.Host, r *ir.Route) { r.Redirect = &ir.Redirect{Code: 301, Location: "http://b.test/y"} }, "http://b.test/y"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRigWith(t, oneRoute(func(h *ir.Host, r *ir.Route) {
				r.PortInRedirects = true
				tt.change(h, r)
			}), Config{SecurePort: tt.port}, nil)
			_, port, _ := strings.Cut(r.listener.Addr().String(), ":")
			want := strings.ReplaceAll(tt.want, "PORT", port)
			if resp, _ := r.dial().get("/x"); resp.Header.Get("Location") != want {
				t.Errorf("Location %q, want %q", resp.Header.Get("Location"), want)
			}
		})
	}
}

// TestLimitByText is limit-conn-zone-variable: the text and not the address is
// the client, and without a text nobody is counted.
func TestLimitByText(t *testing.T) {
	t.Parallel()
	config := oneRoute(limited(func(l *ir.Limits) { l.PerMinute = 1 }))
	config.Settings.LimitBy = "$http_x_key"
	r := newRig(t, config)
	r.endpoints(newScript(t, answering(ok)).addr())
	c := r.dial()
	ask := func(key string) int {
		c.send("GET / HTTP/1.1\r\nHost: a.test\r\nX-Key: " + key + "\r\n\r\n")
		resp, _ := c.answer("GET")
		return resp.StatusCode
	}
	for i := range 8 {
		want := 200
		if i >= 6 {
			want = 503
		}
		if got := ask("one"); got != want {
			t.Errorf("request %d: %d, want %d", i, got, want)
		}
		if got := ask(""); got != 200 {
			t.Errorf("without a key: %d", got)
		}
	}
	if got := ask("two"); got != 200 {
		t.Errorf("another key: %d", got)
	}
}

// TestRewriteLog is enable-rewrite-log.
func TestRewriteLog(t *testing.T) {
	t.Parallel()
	for _, wanted := range []bool{true, false} {
		name := filepath.Join(t.TempDir(), "log")
		file, err := os.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		r := newRigWith(t, oneRoute(func(h *ir.Host, r *ir.Route) {
			h.RegexMode, r.Match, r.Path, r.Pattern = true, ir.MatchRegex, "/o/(.*)", "^/o/(.*)"
			r.Rewrite, r.RewriteLog = &ir.Rewrite{Pattern: "/o/(.*)", Target: "/n/$1"}, wanted
		}), Config{Logger: slog.New(slog.NewTextHandler(file, nil))}, nil)
		r.endpoints(newScript(t, answering(ok)).addr())
		r.dial().get("/o/x?q=1") // the line is written before the backend is asked
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(string(text), `ingress=d/i host=a.test from="/o/x?q=1" to="/n/x?q=1"`); got != wanted {
			t.Errorf("wanted %v: %s", wanted, text)
		}
	}
}
