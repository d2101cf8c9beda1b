package console

import (
	"bytes"
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
		{Host: "a", Path: "/x", Backend: "n/a/80", Requests: 3, P99: 2},
	}
	for want, o := range map[string]TopOrder{
		"BACKEND   READY   REQ/S   ERR/S   P50     P99\nn/a/80    0       4.0     0.0     100ms   2s\n":                                             {By: "requests", Backends: true, Rows: 1},
		"BACKEND   READY   REQ/S   ERR/S   P50   P99\nn/b/80    2       2.0     1.0     -     10ms\n":                                               {By: "errors", Backends: true, Rows: 1},
		"HOST   PATH   BACKEND   READY   REQ/S   ERR/S   P50   P99   INGRESS\na      /x     n/a/80    0       3.0     0.0     -     2s    <none>\n": {By: "p99", Rows: 1},
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
