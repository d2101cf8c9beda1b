package daemon

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"runtime/debug"
	"strings"
	"testing"
	"time"
)

// TestH6_20StacksAreLoggedOncePerPlaceAndMinute, whatever goroutine and
// arguments they had.
func TestH6_20StacksAreLoggedOncePerPlaceAndMinute(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	logger, _ := NewLogger(&out, LogConfig{})
	now := time.Unix(1000, 0)
	logger.Handler().(*stackLimiter).seen.now = func() time.Time { return now }
	logger = logger.With("a", 1)
	panics := func() {
		done := make(chan struct{})
		go func() {
			defer close(done)
			logger.Error("panicked", "panic", "p", "stack", string(debug.Stack()))
		}()
		<-done
	}
	for range 3 {
		panics()
	}
	logger.Error("panicked", "stack", "elsewhere:\n\t/x.go:1 +0x1")
	logger.Error("no stack")
	logger.Error("no stack")
	now = now.Add(stackEvery)
	for range 2 {
		panics()
	}
	if got := strings.Count(out.String(), "msg=panicked"); got != 3 {
		t.Errorf("%d stacks logged:\n%s", got, &out)
	}
	if got := strings.Count(out.String(), "no stack"); got != 2 {
		t.Errorf("%d plain records", got)
	}
}

func TestLoggerFormatsAndLevels(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	logger, level := NewLogger(&out, LogConfig{JSON: true, Level: slog.LevelWarn})
	logger.Info("quiet")
	level.Set(slog.LevelDebug)
	logger.Debug("loud", "k", "v")
	var record map[string]any
	if err := json.Unmarshal(out.Bytes(), &record); err != nil || record["msg"] != "loud" || record["k"] != "v" {
		t.Errorf("%v, %v", record, err)
	}
}
