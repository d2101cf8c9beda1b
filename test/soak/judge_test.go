package main

import "testing"

// TestJudge: each thing that must not happen fails the run.
func TestJudge(t *testing.T) {
	t.Parallel()
	rest := state{goroutines: 100, descriptors: 50, memory: 100 << 10}
	for name, tt := range map[string]struct {
		done, failed int64
		after        state
		ok           bool
	}{
		"nothing changed":    {1, 0, rest, true},
		"less of everything": {1, 0, state{goroutines: 1, descriptors: 1, memory: 1}, true},
		"within the bounds":  {1, 0, state{goroutines: 120, descriptors: 130, memory: 149 << 10}, true},
		"an error":           {1, 1, rest, false},
		"nothing done":       {0, 0, rest, false},
		"goroutines":         {1, 0, state{goroutines: 121, descriptors: 50, memory: 100 << 10}, false},
		"descriptors":        {1, 0, state{goroutines: 100, descriptors: 131, memory: 100 << 10}, false},
		"memory":             {1, 0, state{goroutines: 100, descriptors: 50, memory: 150 << 10}, false},
		"a panic":            {1, 0, state{goroutines: 100, descriptors: 50, memory: 100 << 10, panics: 1}, false},
	} {
		k := &kind{name: "x"}
		k.done.Store(tt.done)
		k.failed.Store(tt.failed)
		if err := judge([]*kind{k}, rest, tt.after); (err == nil) != tt.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestFigures: the figures are found among the metrics.
func TestFigures(t *testing.T) {
	t.Parallel()
	text := "# HELP x\ndaemun_panics_total{place=\"a\"} 2\ndaemun_panics_total{place=\"b\"} 3\ngo_goroutines 17\n" +
		"nginx_ingress_controller_nginx_process_connections{controller_class=\"c\",state=\"active\"} 4\n"
	if n := sum(text, "daemun_panics_total"); n != 5 {
		t.Errorf("%d panics", n)
	}
	if n := value(text, "go_goroutines"); n != 17 {
		t.Errorf("%v goroutines", n)
	}
	if n := value(text, `nginx_ingress_controller_nginx_process_connections{state="active"}`); n != 4 {
		t.Errorf("%v connections", n)
	}
	if n := value(text, "missing"); n != -1 {
		t.Errorf("a missing series is %v", n)
	}
}
