package proxy

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"daemun/internal/http1"
	"daemun/internal/ir"
)

// refusalRow provokes one refusal.
type refusalRow struct {
	reason  string
	status  int
	request string
	change  func(*ir.Host, *ir.Route)
}

const chunkedPost = "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n"

var refusalRows = []refusalRow{
	{"bad-path", 400, "GET /%00 HTTP/1.1\r\nHost: a.test\r\n\r\n", nil},
	{"ambiguous-path", 400, "GET /x/..;/admin HTTP/1.1\r\nHost: a.test\r\n\r\n", func(h *ir.Host, r *ir.Route) {
		admin := *r
		admin.Path, admin.Pattern = "/admin", "/admin"
		h.Routes = append(h.Routes, &admin)
	}},
	{"asterisk", 400, "OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n", nil},
	{"host", 400, "GET / HTTP/1.1\r\nHost: a..test\r\n\r\n", nil},
	{"body-size", 413, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\n", func(_ *ir.Host, r *ir.Route) { r.MaxBody = 4 }},
	{"body-size", 413, chunkedPost + "5\r\nhello\r\n", func(_ *ir.Host, r *ir.Route) { r.MaxBody = 4 }},
	{"header-time", 408, "GET / HTTP/1.1\r\nHo", nil},
	{"body-time", 408, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhe", nil},
	{"body-time", 408, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 500000\r\n\r\nhe", func(_ *ir.Host, r *ir.Route) { r.RequestBuffering = true }},
	{"chunk-size", 400, chunkedPost + "zz\r\n", nil},
	{"chunk-size", 400, chunkedPost + "5\r\nhello\r\nzz\r\n", func(_ *ir.Host, r *ir.Route) { r.RequestBuffering = true }},
	{"chunk-end", 400, chunkedPost + "1\r\nxx", nil},
	{"trailer-limit", 400, chunkedPost + "0\r\n" + strings.Repeat("A: b\r\n", 40), nil},
}

// elsewhere have tests of their own that look at the count.
var elsewhere = map[string]string{
	"misdirected": "TestHTTP2Misdirected", "blocked": "TestBlocked", "requests-in-flight": "TestH6_16_RequestsInFlight", "overload": "TestH6_19_Refuse",
	"no-length": "TestHTTP10WithoutAFolderWantsALength",
	"bad-host":  "nobody: http1 and HTTP/2 refuse such names before, this is the second door",
}

// TestH12_3_RefusalsAreCounted: whatever is refused is counted under its reason,
// once, before the client has its answer. Those of heads are all alike: http1
// names the reason, and has a test of each.
func TestH12_3_RefusalsAreCounted(t *testing.T) {
	t.Parallel()
	seen := maps.Clone(elsewhere)
	for _, tt := range refusalRows {
		seen[tt.reason] = tt.request
		t.Run(tt.reason, func(t *testing.T) {
			t.Parallel()
			s := newScript(t, answering(ok))
			cfg := oneRoute(tt.change)
			if tt.status == 408 {
				cfg.Settings.HeaderTimeout, cfg.Settings.BodyTimeout = ir.Duration(50*time.Millisecond), ir.Duration(50*time.Millisecond)
			}
			r := newRig(t, cfg)
			r.endpoints(s.addr())
			c := r.dial()
			c.send(tt.request)
			if resp, _ := c.answer("GET"); resp.StatusCode != tt.status || !resp.Close {
				t.Errorf("status %d, close %v, want %d", resp.StatusCode, resp.Close, tt.status)
			}
			if got := r.server.Stats().Refusals; len(got) != 1 || got[tt.reason] != 1 {
				t.Errorf("counted %v", got)
			}
		})
	}
	for _, name := range refusalNames {
		if seen[name] == "" {
			t.Errorf("no test provokes %s", name)
		}
	}
	for _, r := range http1.Reasons() { // one name, one count
		if slices.Contains(refusalNames[:], r.String()) {
			t.Errorf("%s is a reason of http1 and of the proxy", r)
		}
	}
}
