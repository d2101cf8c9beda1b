package tap

import (
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"daemun/internal/http1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func request() *Request {
	return &Request{
		Time: time.Unix(1_000_000, 0).UTC(), Took: 1500 * time.Microsecond, Client: netip.MustParseAddr("192.0.2.1"),
		Method: []byte("GET"), Host: []byte("shop.example"), Path: []byte("/cart/1"), Query: []byte("page=2&token=abc"),
		RouteHost: "shop.example", RoutePath: "/cart", Ingress: "shop/web",
		Backend: "shop/cart/80", Endpoint: "10.0.0.1:80", Attempts: 1, Status: 200, Received: 100, Sent: 200,
		Fields: []http1.Field{
			{Name: []byte("Authorization"), Value: []byte("Bearer hunter2")},
			{Name: []byte("Cookie"), Value: []byte("session=hunter2")},
			{Name: []byte("X-Unknown-Key"), Value: []byte("hunter2")},
			{Name: []byte("User-Agent"), Value: []byte("curl")},
			{Name: []byte("Referer"), Value: []byte("https://me:hunter2@shop.example/?key=hunter2&q=1")},
		},
	}
}

func TestNobodyWatches(t *testing.T) {
	t.Parallel()
	var none *Tap
	if none.Watched() || New().Watched() {
		t.Error("watched")
	}
	New().Offer(request())
}

func TestSampleHoldsNoCredential(t *testing.T) {
	t.Parallel()
	tp := New()
	w, err := tp.Watch(Filter{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	tp.Offer(request())
	s := <-w.Samples()
	want := &Sample{
		Time: time.Unix(1_000_000, 0).UTC(), Client: netip.MustParseAddr("192.0.2.1"), Scheme: "http", Method: "GET", Host: "shop.example",
		Path: "/cart/1", Query: "page=2&token=[redacted]", Route: "shop.example/cart", Ingress: "shop/web",
		Backend: "shop/cart/80", Endpoint: "10.0.0.1:80", Attempts: 1, Status: 200, Seconds: 0.0015, Received: 100, Sent: 200,
		Headers: []Header{
			{"Authorization", Redacted},
			{"Cookie", Redacted},
			{"X-Unknown-Key", Redacted},
			{"User-Agent", "curl"},
			{"Referer", "https://[redacted]@shop.example/?key=[redacted]&q=1"},
		},
	}
	if d := cmp.Diff(want, s, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); d != "" {
		t.Error(d)
	}
	b, err := json.Marshal(s)
	if err != nil || strings.Contains(string(b), "hunter2") {
		t.Errorf("%s, %v", b, err)
	}
}

func TestFilter(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		query string
		want  bool
	}{
		{"", true},
		{"host=shop.example", true},
		{"host=SHOP.example.", true},
		{"host=other.example", false},
		{"path=/cart", true},
		{"path=/cart/1/2", false},
		{"route=shop.example/cart", true},
		{"route=shop.example/car", false},
		{"status=200", true},
		{"status=2xx", true},
		{"status=5XX", false},
		{"method=get", true},
		{"method=POST", false},
	} {
		f, err := ParseFilter(getter(c.query))
		if err != nil {
			t.Fatal(err)
		}
		if got := f.matches(request()); got != c.want {
			t.Errorf("%s: %v", c.query, got)
		}
	}
	for query, want := range map[string]string{
		"status=6xx":  `status "6xx": want a number such as 404, or a class such as 5xx`,
		"status=-404": `status "-404": want a number such as 404, or a class such as 5xx`,
		"path=cart":   `path "cart": want the beginning of a path, such as /cart`,
	} {
		if _, err := ParseFilter(getter(query)); err == nil || err.Error() != want {
			t.Errorf("%s: %v", query, err)
		}
	}
}

func getter(query string) func(string) string {
	return func(name string) string {
		key, value, _ := strings.Cut(query, "=")
		if key == name {
			return value
		}
		return ""
	}
}

// TestRate: traffic beyond the rate is counted, not shown, and a watcher that
// takes nothing delays nobody.
func TestRate(t *testing.T) {
	t.Parallel()
	tp := New()
	w, err := tp.Watch(Filter{}, 20)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	r := request()
	for range 10 {
		tp.Offer(r)
	}
	if got := len(w.Samples()); got != 2 || w.Skipped() != 8 {
		t.Errorf("%d samples, %d skipped", got, w.Skipped())
	}
	for range 1000 {
		r.Time = r.Time.Add(slice)
		tp.Offer(r)
	}
	if got := len(w.Samples()); got != queued {
		t.Errorf("%d samples wait", got)
	}
}

func TestWatchersAreBounded(t *testing.T) {
	t.Parallel()
	tp := New()
	var all []*Watcher
	for range maxWatchers {
		w, err := tp.Watch(Filter{}, 1)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, w)
	}
	if _, err := tp.Watch(Filter{}, 1); !errors.Is(err, ErrFull) {
		t.Errorf("%v", err)
	}
	for _, w := range all {
		w.Close()
		w.Close()
	}
	if tp.Watched() {
		t.Error("still watched")
	}
}

// TestUnmatchedCostsNothing: those who watch one route must not slow down the
// others.
func TestUnmatchedCostsNothing(t *testing.T) {
	tp := New()
	w, err := tp.Watch(Filter{Host: "other.example", Path: "/x"}, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	r := request()
	if n := testing.AllocsPerRun(100, func() { tp.Offer(r) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzSample(f *testing.F) {
	f.Add([]byte("/p\x00\xff"), []byte("a=b&token=x&%74oken=y"), []byte("Cookie"), []byte("v"))
	f.Fuzz(func(t *testing.T, path, query, name, value []byte) {
		s := sampleOf(&Request{Path: path, Query: query, Fields: []http1.Field{{Name: name, Value: value}}})
		for _, text := range []string{s.Path, s.Query, s.Headers[0].Name, s.Headers[0].Value} {
			if len(text) > 4*maxText || strings.ContainsAny(text, "\x00\r\n\x7f") {
				t.Errorf("%q", text)
			}
		}
	})
}
