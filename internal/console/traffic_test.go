package console

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"daemun/internal/admin"
	"daemun/internal/ir"
	"daemun/internal/tap"
)

func TestTopJoinsRoutesOfABackend(t *testing.T) {
	t.Parallel()
	rows := []admin.Busy{
		{Host: "a", Path: "/", Backend: "n/a/80", Requests: 1, P99: 0.5, P50: 0.1, Ingress: ir.Ref{Namespace: "n", Name: "i"}},
		{Host: "b", Path: "/", Backend: "n/b/80", Requests: 2, Failed: 1, P99: 0.01, Ready: 2},
		{Host: "a", Path: "/x", Backend: "n/a/80", Requests: 3, P99: 2, Total: 4, TotalFailed: 1},
	}
	for want, o := range map[string]TopOrder{
		"BACKEND   READY   REQ/S   ERR/S   P50     P99   TOTAL   5XX\nn/a/80    0       4.0     0.0     100ms   2s    4       1\n":                                              {By: "requests", Backends: true, Rows: 1},
		"BACKEND   READY   REQ/S   ERR/S   P50   P99    TOTAL   5XX\nn/b/80    2       2.0     1.0     -     10ms   0       0\n":                                                {By: "errors", Backends: true, Rows: 1},
		"HOST   PATH   BACKEND   READY   REQ/S   ERR/S   P50   P99   TOTAL   5XX   INGRESS\na      /x     n/a/80    0       3.0     0.0     -     2s    4       1     <none>\n": {By: "p99", Rows: 1},
	} {
		var out bytes.Buffer
		if err := WriteTop(&out, append([]admin.Busy{}, rows...), o); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, out.String()); diff != "" {
			t.Error(diff)
		}
	}
}

// TestTopOrdersByWhatWasWhereNothingIs: who comes after the burst finds what
// failed in it.
func TestTopOrdersByWhatWasWhereNothingIs(t *testing.T) {
	t.Parallel()
	rows := []admin.Busy{
		{Host: "a", Path: "/", Total: 9},
		{Host: "b", Path: "/", Backend: "n/b/80", Total: 5, TotalFailed: 3},
	}
	for order, want := range map[string]string{"requests": "9       0     <none>\nb ", "errors": "5       3     <none>\na "} {
		var out bytes.Buffer
		if err := WriteTop(&out, append([]admin.Busy{}, rows...), TopOrder{By: order}); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), want) {
			t.Errorf("by %s:\n%s", order, &out)
		}
	}
}

func TestSampleTellsWhatWasLeftOut(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s := tap.Sample{Scheme: "http", Method: "GET", Host: "a.test", Path: "/", Status: 404, Seconds: 0.0012}
	if err := WriteSample(&out, &s, 3); err != nil {
		t.Fatal(err)
	}
	const want = "… 3 more requests in between\n00:00:00.000  404  GET     http://a.test/  1.2ms  invalid IP → Daemun itself\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}
