package proxy

import (
	"bytes"
	"context"
	"io"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"daemun/internal/accesslog"
	"daemun/internal/ir"
	"daemun/internal/metrics"
)

// TestLogAndMetrics pins what a line and a series say of a plain request, a
// retried one, a refused one, and one that writes no line.
func TestLogAndMetrics(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := accesslog.New(accesslog.Config{Writer: &out})
	counts := metrics.New(metrics.Config{})
	cfg := oneRoute(nil)
	quiet := *cfg.Hosts[1].Routes[0]
	quiet.Path, quiet.Pattern, quiet.AccessLog = "/quiet", "/quiet", false
	cfg.Hosts[1].Routes = append(cfg.Hosts[1].Routes, &quiet)
	r := newRigWith(t, cfg, Config{Log: log}, counts)
	bad, good := refused(t), newScript(t, answering(ok)).addr()
	r.endpoints(bad, good)
	c := r.dial()
	const id = "\r\nX-Request-ID: id-1\r\n\r\n"
	c.send("GET /a?b HTTP/1.1\r\nHost: a.test\r\nUser-Agent: t/1\r\nReferer: http://r/" + id)
	c.answer("GET")
	c.get("/quiet")
	c.send("GET / HTTP/1.1\r\nHost: b.test" + id)
	c.answer("GET")
	c.send("GET /%00 HTTP/1.1\r\nHost: a.test" + id)
	c.answer("GET")
	c.rest()
	c.Close()
	eventually(t, "the connection ends", func() bool { s := r.server.Stats(); return s.Active+s.Idle == 0 })
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := log.Run(ctx); err != nil {
		t.Fatal(err)
	}
	got := regexp.MustCompile(`\[\d+/[^]]*\]`).ReplaceAllString(out.String(), "[TIME]")
	got = regexp.MustCompile(`\d+\.\d{3}\b`).ReplaceAllString(got, "SEC")
	got = strings.NewReplacer(bad.String(), "BAD", good.String(), "GOOD").Replace(got)
	want := []string{
		`127.0.0.1 - - [TIME] "GET /a?b HTTP/1.1" 200 2 "http://r/" "t/1" 92 SEC [d-s-80] [] BAD, GOOD 0, 2 SEC, SEC 502, 200 id-1`,
		`127.0.0.1 - - [TIME] "GET / HTTP/1.1" 404 `,
		`127.0.0.1 - - [TIME] "GET /%00 HTTP/1.1" 400 `,
	}
	lines := strings.Split(strings.TrimSpace(got), "\n")
	if len(lines) != len(want) {
		t.Fatalf("got %d lines:\n%s", len(lines), got)
	}
	for i := range want {
		if !strings.HasPrefix(lines[i], want[i]) {
			t.Errorf("line %d:\n got %s\nwant %s", i, lines[i], want[i])
		}
	}
	rec := httptest.NewRecorder()
	counts.Handler().ServeHTTP(rec, httptest.NewRequest("GET", "/metrics", nil))
	text, _ := io.ReadAll(rec.Body)
	if !regexp.MustCompile(`nginx_ingress_controller_requests\{[^}]*path="/quiet"[^}]*status="200"[^}]*\} 1`).Match(text) {
		t.Errorf("no count for /quiet in\n%s", text)
	}
}

func TestShedIdle(t *testing.T) {
	t.Parallel()
	r, _ := up(t, answering(ok), func(*ir.Host, *ir.Route) {})
	if r.server.ShedIdle() {
		t.Error("closed a connection that does not exist")
	}
	first := r.dial()
	first.get("/")
	eventually(t, "the first is idle", func() bool { return r.server.Stats().Idle == 1 })
	second := r.dial()
	second.get("/")
	eventually(t, "both are idle", func() bool { return r.server.Stats().Idle == 2 })
	if !r.server.ShedIdle() {
		t.Error("closed nothing")
	}
	if left := first.rest(); left != "" {
		t.Errorf("got %q", left)
	}
	if resp, _ := second.get("/"); resp.StatusCode != 200 {
		t.Errorf("status %d", resp.StatusCode)
	}
}
