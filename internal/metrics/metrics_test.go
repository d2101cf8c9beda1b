package metrics

import (
	"flag"
	"fmt"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"go.uber.org/goleak"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func ordinary() *Observation {
	return &Observation{
		Status: 200, Method: []byte("GET"), RequestBytes: 78, ResponseBytes: 812,
		Duration: 12 * time.Millisecond, Connect: 0, Header: 10 * time.Millisecond, Response: 11 * time.Millisecond,
	}
}

var shop = RouteKey{Host: "shop.test", Namespace: "shop", Ingress: "web", Service: "web", Path: "/"}

func scrape(t testing.TB, r *Registry) string {
	t.Helper()
	w := httptest.NewRecorder()
	r.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func everything() Config {
	built := time.Unix(1_770_000_000, 0)
	return Config{
		Namespace: "ingress", Class: "k8s.io/ingress-nginx", Pod: "daemun-0",
		Build:       Build{Release: "1.0.0", Build: "abc", Repository: "https://example.test/daemun"},
		Connections: func() Connections { return Connections{7, 1, 2, 4, 100, 99, 1234, 1} },
		Table: func() Table {
			return Table{Revision: 42, Hash: 1<<60 + 12345, OK: true, Built: built, Took: 3 * time.Millisecond, Builds: 9, Failures: 2}
		},
		Certificates: func() []Certificate {
			c := Certificate{"shop", "shop.test", "shop-tls", "shop-1", built, "Example", "Example CA", "42", "ECDSA"}
			return []Certificate{c, c} // twice is shown once
		},
		Handshakes:       func() Handshakes { return Handshakes{OK: 10, Resumed: 4, Failed: 3} },
		Rejected:         func() map[string]uint64 { return map[string]uint64{"host": 2, "framing": 1} },
		AccessLogDropped: func() uint64 { return 5 },
		AccessLogWritten: func() uint64 { return 6 },
		SpansExported:    func() uint64 { return 7 },
		SpansDropped:     func() uint64 { return 8 },
		FirewallBusy:     func() uint64 { return 9 },
		Own:              everythingOwn(),
		Process: func() (Process, error) {
			return Process{2500 * time.Millisecond, 1 << 20, 1 << 30, 11, 12, built}, nil
		},
	}
}

func TestExposition(t *testing.T) {
	t.Parallel()
	r := New(everything())
	web := r.Route(shop)
	web.Observe(ordinary())
	web.Observe(ordinary())
	web.Observe(&Observation{ // refused before any upstream
		Status: 413, Method: []byte("POST"), RequestBytes: 100, ResponseBytes: 20_000_000,
		Duration: 11 * time.Second, Connect: -1, Header: -1, Response: -1,
	})
	odd := r.Route(RouteKey{Host: "odd\xff.test", Path: "/\"\n", Canary: "shop-canary-80"})
	odd.Observe(&Observation{Status: 0, Method: []byte("BREW"), Duration: 5 * time.Millisecond, Connect: -1, Header: -1, Response: -1})
	r.Route(RouteKey{Host: "unused.test"})
	got := scrape(t, r)
	const golden = "testdata/exposition.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Error(diff)
	}
}

// Our own names follow Prometheus's rules; ingress-nginx's are what they are.
func TestOwnNamesPassTheLinter(t *testing.T) {
	t.Parallel()
	problems, err := promlint.New(strings.NewReader(scrape(t, New(everything())))).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "daemun_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

func TestNothingConfigured(t *testing.T) {
	t.Parallel()
	got := scrape(t, New(Config{}))
	if n := strings.Count(got, "# TYPE"); n != 1 || !strings.Contains(got, "build_info") {
		t.Errorf("got %s", got)
	}
	var none *Route
	none.Observe(ordinary())
}

func TestBuckets(t *testing.T) {
	t.Parallel()
	r := New(Config{TimeBuckets: []float64{0.001, 1}, LengthBuckets: []float64{}, SizeBuckets: []float64{8}})
	at := r.Route(shop)
	for _, d := range []time.Duration{0, time.Millisecond, time.Millisecond + 1, time.Second, time.Second + 1} {
		o := ordinary()
		o.Duration, o.ResponseBytes = d, int64(d)
		at.Observe(o)
	}
	got := scrape(t, r)
	for _, want := range []string{
		`request_duration_seconds_bucket{canary="",controller_class="",controller_namespace="",controller_pod="",host="shop.test",ingress="web",method="GET",namespace="shop",path="/",service="web",status="200",le="0.001"} 2`,
		`status="200",le="1.0"} 4`, `status="200",le="+Inf"} 5`,
	} {
		if !strings.Contains(strings.ReplaceAll(got, `le="1"`, `le="1.0"`), want) {
			t.Errorf("lacks %s in\n%s", want, got)
		}
	}
}

func TestRouteAndForget(t *testing.T) {
	t.Parallel()
	r := New(Config{})
	key := func(i int) RouteKey { return RouteKey{Host: "a.test", Path: fmt.Sprint("/", i)} }
	handles := map[int]*Route{}
	for i := range 100 {
		handles[i] = r.Route(key(i))
		handles[i].Observe(ordinary())
	}
	for i := range 100 {
		if r.Route(key(i)) != handles[i] {
			t.Fatalf("route %d has another handle", i)
		}
	}
	for i := range 100 {
		if i != 7 {
			r.Forget(key(i))
		}
	}
	r.Forget(RouteKey{Host: "never.test"})
	handles[1].Observe(ordinary()) // a request that is still running
	if r.Route(key(7)) != handles[7] {
		t.Error("a live route lost its handle")
	}
	got := scrape(t, r)
	if !strings.Contains(got, `path="/7"`) || strings.Contains(got, `path="/1"`) || r.count != 1 {
		t.Errorf("%d routes, got %s", r.count, got)
	}
	if r.Route(key(1)) == handles[1] {
		t.Error("a forgotten route has its handle back")
	}
}

// Two keys with one hash are told apart, and forgotten apart.
func TestHashCollision(t *testing.T) {
	t.Parallel()
	r := New(Config{})
	a := r.Route(RouteKey{Path: "/a"})
	var hash uint64
	for h := range r.routes {
		hash = h
		b := &Route{layout: &r.layout, key: RouteKey{Path: "/b"}, next: a}
		r.routes[h] = b
		r.count++
	}
	if r.Route(RouteKey{Path: "/a"}) != a {
		t.Error("lost in the chain")
	}
	r.forget(hash, RouteKey{Path: "/b"})
	if r.Route(RouteKey{Path: "/a"}) != a || r.count != 1 {
		t.Errorf("%d routes", r.count)
	}
}

// H8.3: neither a client nor a backend can make series without end.
func TestH8_3LabelsAreBounded(t *testing.T) {
	t.Parallel()
	r := New(Config{})
	at := r.Route(shop)
	o := ordinary()
	for status := range 1200 {
		for _, m := range []string{"GET", "M" + fmt.Sprint(status)} {
			o.Status, o.Method = status, []byte(m)
			at.Observe(o)
		}
	}
	if n := len(at.cells.Load().keys); n > maxCells+len(methodNames) {
		t.Errorf("%d cells", n)
	}
	var total uint64
	for _, c := range at.cells.Load().cells {
		total += c.sum(&r.layout)[r.layout.requests]
	}
	if total != 2400 {
		t.Errorf("%d requests counted of 2400", total)
	}
}

func TestConcurrentObserve(t *testing.T) {
	t.Parallel()
	r := New(Config{})
	at := r.Route(shop)
	const workers, each = 8, 2000
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			o := ordinary()
			o.Status = 200 + w%3
			for i := range each {
				at.Observe(o)
				if i%1000 == 0 {
					scrape(t, r)
					other := RouteKey{Path: fmt.Sprint(w, i)}
					r.Route(other)
					r.Forget(other)
				}
			}
		})
	}
	wg.Wait()
	var requests, in uint64
	for _, c := range at.cells.Load().cells {
		sum := c.sum(&r.layout)
		requests += sum[r.layout.requests]
		in += sum[r.layout.requestSize.sum]
	}
	if requests != workers*each || in != 78*workers*each {
		t.Errorf("%d requests, %d octets", requests, in)
	}
}

func TestObserveDoesNotAllocate(t *testing.T) {
	r := New(Config{})
	at := r.Route(shop)
	o := ordinary()
	for range 2 * busyCell {
		at.Observe(o)
	}
	if n := testing.AllocsPerRun(1000, func() { at.Observe(o) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// 10,000 Ingresses with ten paths each: a route that nobody visits is cheap.
func TestUnusedRoutesAreSmall(t *testing.T) {
	r := New(Config{})
	keys := make([]RouteKey, 100_000)
	for i := range keys {
		keys[i] = RouteKey{Host: "h", Namespace: "n", Ingress: "i", Service: "s", Path: fmt.Sprint("/", i)}
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for _, k := range keys {
		r.Route(k)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	each := int64(after.HeapAlloc-before.HeapAlloc) / int64(len(keys))
	t.Logf("%d octets per route", each)
	if each > 256 {
		t.Errorf("%d octets per route", each)
	}
	runtime.KeepAlive(r)
	runtime.KeepAlive(keys)
}

func TestParseProcess(t *testing.T) {
	t.Parallel()
	stat := "7 (a) b) S 1 1 1 0 -1 0 0 0 0 0 250 50 0 0 20 0 1 0 1000 4096 3 18446744073709551615 1 1"
	got, err := parseProcess([]byte(stat), []byte("cpu 1\nbtime 1700000000\n"))
	want := Process{CPU: 3 * time.Second, StartTime: time.Unix(1_700_000_010, 0), VirtualBytes: 4096, ResidentBytes: 3 * uint64(os.Getpagesize())}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
	for _, bad := range []string{"", "7 (a", "7 (a) S 1"} {
		if _, err := parseProcess([]byte(bad), []byte("btime 1\n")); err == nil {
			t.Errorf("%q accepted", bad)
		}
	}
	own, err := ReadProcess()
	if err != nil || own.ResidentBytes == 0 || own.StartTime.After(time.Now()) {
		t.Errorf("%+v, %v", own, err)
	}
}

func BenchmarkObserve(b *testing.B) {
	at := New(Config{}).Route(shop)
	o := ordinary()
	b.ReportAllocs()
	for b.Loop() {
		at.Observe(o)
	}
}

func BenchmarkObserveParallel(b *testing.B) {
	at := New(Config{}).Route(shop)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		o := ordinary()
		for pb.Next() {
			at.Observe(o)
		}
	})
}

// BenchmarkScrape has 1,000 routes with two statuses each.
func BenchmarkScrape(b *testing.B) {
	r := New(Config{})
	for i := range 1000 {
		at := r.Route(RouteKey{Host: "h", Path: fmt.Sprint("/", i)})
		o := ordinary()
		at.Observe(o)
		o.Status = 404
		at.Observe(o)
	}
	for b.Loop() {
		scrape(b, r)
	}
}
