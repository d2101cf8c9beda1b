package metrics

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func everythingOwn() Own {
	live := &Times{}
	for _, d := range []time.Duration{time.Millisecond, 3 * time.Millisecond, time.Minute} {
		live.Observe(d)
	}
	return Own{
		Live: live,
		Upstreams: func() Upstreams {
			return Upstreams{Serving: 3, Empty: 1, Endpoints: 6, Active: 2, Idle: 5, Attempts: 100, Failures: 7, Dials: 20, DialFailures: 4, Retries: 3, Unmirrored: 2}
		},
		Protocols:         func() map[string]int64 { return map[string]int64{"http1": 4, "http2": 1} },
		ByVersion:         func() map[string]uint64 { return map[string]uint64{"TLSv1.3": 9} },
		HandshakeFailures: func() map[string]uint64 { return map[string]uint64{"timeout": 2} },
		Panics:            func() map[string]uint64 { return map[string]uint64{"request": 0} },
		Problems:          func() map[string]int { return map[string]int{"error": 1} },
		Orphans:           func() []Orphan { return []Orphan{{"shop", "web", false, true}} },
		Routes:            func() (hosts, routes int) { return 2, 5 },
	}
}

// TestDeclaredNames: our own names follow Prometheus's rules, and none is
// declared twice.
func TestDeclaredNames(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, g := range stateGroups(all()) {
		for _, m := range g.metrics {
			if seen[m.name] {
				t.Errorf("%s is declared twice", m.name)
			}
			seen[m.name] = true
			if !strings.HasSuffix(m.help, ".") {
				t.Errorf("%s: help %q is no sentence", m.name, m.help)
			}
			if ours := strings.HasPrefix(m.name, "daemun_"); ours && strings.HasSuffix(m.name, "_total") != (m.kind == counter) {
				t.Errorf("%s: counters end in _total, and nothing else does", m.name)
			}
		}
	}
}

// TestSeriesAreBounded asserts the formula of docs/metrics.md.
func TestSeriesAreBounded(t *testing.T) {
	t.Parallel()
	r := New(Config{})
	const routes = 2 // each has its own cells
	for i := range routes {
		at := r.Route(RouteKey{Host: fmt.Sprint(i)})
		for status := range 700 {
			at.Observe(&Observation{Status: status, Method: []byte("GET")})
			at.Observe(&Observation{Status: status, Method: fmt.Append(nil, "X", status)})
		}
	}
	text, lines := scrape(t, r), 0 // a hundred thousand lines: once
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "nginx_ingress_controller_re") || strings.Contains(line, "_seconds") || strings.Contains(line, "_bytes_sent") {
			lines++
		}
	}
	lines -= strings.Count(text, "# ") - 2 // build_info
	if most := routes * (maxCells + len(methodNames)) * usualSeries(); lines > most || lines < most/2 {
		t.Errorf("%d lines, at most %d are allowed", lines, most)
	}
}

// TestFlagsOfSeries: without hosts the routes of an Ingress share their series,
// statuses can be classes, and metrics be left out.
func TestFlagsOfSeries(t *testing.T) {
	t.Parallel()
	r := New(Config{WithoutHost: true, StatusClasses: true, Exclude: []string{"nginx_ingress_controller_bytes_sent"}})
	for _, host := range []string{"a.test", "b.test"} {
		r.Route(RouteKey{Host: host, Namespace: "n", Ingress: "i", Path: "/"}).Observe(ordinary())
	}
	got := scrape(t, r)
	want := `nginx_ingress_controller_requests{canary="",controller_class="",controller_namespace="",controller_pod="",ingress="i",method="GET",namespace="n",path="/",service="",status="2xx"} 2`
	if !strings.Contains(got, want) {
		t.Errorf("lacks %s in\n%s", want, got)
	}
	for _, no := range []string{"host=", "bytes_sent"} {
		if strings.Contains(got, no) {
			t.Errorf("has %s", no)
		}
	}
}
