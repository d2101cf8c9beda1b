package overload

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestH6_19_Steps: they begin at 80, 90 and 95 per cent and end ten below.
func TestH6_19_Steps(t *testing.T) {
	t.Parallel()
	s := None
	for _, tt := range []struct {
		used int64
		want Step
	}{
		{0, None},
		{799, None},
		{800, Spare},
		{750, Spare},
		{700, Spare},
		{699, None},
		{899, Spare},
		{900, Refuse},
		{949, Refuse},
		{950, Close},
		{850, Close},
		{849, Refuse},
		{800, Refuse},
		{799, Spare},
		{2000, Close},
		{0, None},
		{950, Close},
	} {
		if s = next(s, tt.used, 1000); s != tt.want {
			t.Fatalf("with %d of 1000: step %d, want %d", tt.used, s, tt.want)
		}
	}
	if next(None, 1, 1) != Close || next(Close, 0, 1) != None {
		t.Error("a tiny limit")
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	var used atomic.Int64
	acted := make(chan Step, 1)
	var log bytes.Buffer
	w := New(Config{
		Limit: func() int64 { return 1000 }, Used: used.Load, Every: time.Millisecond,
		Act: func(s Step) { acted <- s }, Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- w.Run(ctx) }()
	for _, tt := range []struct {
		used int64
		want Step
	}{{960, Close}, {100, None}, {810, Spare}} {
		used.Store(tt.used)
		for s := <-acted; s != tt.want; s = <-acted { // of the value before
		}
	}
	go func() { // ends with Run
		for range acted { // it may be about to act
		}
	}()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	close(acted)
	if s := w.Stats(); s.Step != Spare || s.Changes != 3 || s.Limit != 1000 || s.Used != 810 {
		t.Errorf("%+v", s)
	}
	if n := strings.Count(log.String(), "runs short"); n != 2 {
		t.Errorf("begin was told %d times:\n%s", n, log.String())
	}
}

func TestWithoutLimitNothingIsShed(t *testing.T) {
	t.Parallel()
	w := New(Config{Limit: func() int64 { return 0 }, Used: func() int64 { return 1 << 60 }, Every: time.Millisecond, Act: func(Step) { t.Error("acted") }})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Run(ctx); err != nil || w.Step() != None {
		t.Error(err, w.Step())
	}
}

func TestLive(t *testing.T) {
	t.Parallel()
	if n := live(); n < 0 || n > 1<<40 {
		t.Errorf("%d bytes are live", n)
	}
}

func TestContainerLimit(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		groups string
		files  map[string]string
		want   int64
	}{
		"none":              {"0::/\n", nil, 0},
		"max":               {"0::/\n", map[string]string{"memory.max": "max\n"}, 0},
		"in a container":    {"0::/\n", map[string]string{"memory.max": "536870912\n"}, 512 << 20},
		"least of all":      {"0::/a/b\n", map[string]string{"memory.max": "max", "a/memory.max": "1000", "a/b/memory.max": "2000"}, 1000},
		"first version":     {"5:cpu:/x\n4:hugetlb,memory:/y\n", map[string]string{"memory/y/memory.limit_in_bytes": "3000"}, 3000},
		"first, without":    {"4:memory:/\n", map[string]string{"memory/memory.limit_in_bytes": "9223372036854771712"}, 0},
		"another's":         {"4:cpu:/\n", map[string]string{"memory.max": "7"}, 0},
		"above the root":    {"0::/../..\n", map[string]string{"memory.max": "4000"}, 4000},
		"nothing to read":   {"", nil, 0},
		"what is no number": {"0::/\n", map[string]string{"memory.max": "-5"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			for file, text := range tt.files {
				path := filepath.Join(root, file)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			groups := filepath.Join(t.TempDir(), "cgroup")
			if err := os.WriteFile(groups, []byte(tt.groups), 0o600); err != nil {
				t.Fatal(err)
			}
			if got := containerLimit(groups, root); got != tt.want {
				t.Errorf("%d, want %d", got, tt.want)
			}
		})
	}
	if containerLimit(filepath.Join(t.TempDir(), "nothing"), "/") != 0 {
		t.Error("a limit from nowhere")
	}
}
