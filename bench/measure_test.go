package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const h2loadOutput = `
finished in 1.00s, 3.00 req/s, 1.2KB/s
requests: 5 total, 5 started, 5 done, 3 succeeded, 2 failed, 1 errored, 0 timeout
status codes: 3 2xx, 0 3xx, 1 4xx, 0 5xx
`

func TestAnswersThatAreNotTwoHundredAreErrorsAndHaveNoLatency(t *testing.T) {
	t.Parallel()
	got, err := parseH2load([]byte(h2loadOutput), []byte("1\t200\t300\n2\t200\t100\n3\t404\t9000\n4\t200\t200\n5\t-1\t5\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got.First == "" {
		t.Error("the errors are not said")
	}
	got.First = ""
	us := time.Microsecond
	want := result{Requests: 3, Seconds: 1, P50: 200 * us, P99: 300 * us, P999: 300 * us, Errors: 2}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRatiosAreToTheBestPeerThatDidNotFail(t *testing.T) {
	t.Parallel()
	o := outcome{samples: map[string]sample{
		ours: {rate: 300, cpu: 10, result: result{P99: 4}}, "nginx": {rate: 200, cpu: 20, result: result{P99: 3}},
		"Caddy": {rate: 100, cpu: 15, result: result{P99: 2}}, "ReverseProxy": {rate: 900, cpu: 1, result: result{P99: 1}},
	}}
	o.compare()
	if o.rate != 1.5 || o.cpu != 1.5 || o.p99 != 0.5 {
		t.Errorf("ratios %v, %v and %v, want 1.5, 1.5 and 0.5", o.rate, o.cpu, o.p99)
	}
	failed := outcome{samples: map[string]sample{"nginx": {rate: 1, cpu: 1}}}
	if failed.compare(); failed.rate != 0 {
		t.Errorf("a cell that Daemun failed has the ratio %v", failed.rate)
	}
}

func TestOnlyCellsThatDaemunFailsFailTheRun(t *testing.T) {
	t.Parallel()
	r := &rig{}
	r.fail("cell", "HAProxy", "timeout")
	if len(r.failures) != 0 {
		t.Errorf("failures %q", r.failures)
	}
	if r.fail("cell", ours, "timeout"); len(r.failures) != 1 {
		t.Errorf("failures %q", r.failures)
	}
}

func TestRatiosAreMarkedAtTheGoal(t *testing.T) {
	t.Parallel()
	if got := ratio(1.3, ahead) + ratio(0.99, noWorse); got != "**1.30×** ✓**0.99×**" {
		t.Errorf("marks %q", got)
	}
}

func TestStreamsAreSpreadOverConnections(t *testing.T) {
	t.Parallel()
	for streams, want := range map[int][2]int{1: {1, 1}, 64: {8, 8}, 1000: {100, 10}} {
		if conns, each := shape(streams); [2]int{conns, each} != want {
			t.Errorf("%d streams: %d connections with %d, want %v", streams, conns, each, want)
		}
	}
}
