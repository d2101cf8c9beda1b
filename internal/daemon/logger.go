package daemon

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// LogConfig says how Daemun tells of itself.
type LogConfig struct {
	// JSON writes one object per line instead of text.
	JSON bool
	// Level is the least severity; error-log-level of the ConfigMap may be
	// another.
	Level slog.Level
}

// NewLogger returns a logger on w whose level can be changed.
func NewLogger(w io.Writer, c LogConfig) (*slog.Logger, *slog.LevelVar) {
	level := &slog.LevelVar{}
	level.Set(c.Level)
	options := &slog.HandlerOptions{Level: level}
	var h slog.Handler = slog.NewTextHandler(w, options)
	if c.JSON {
		h = slog.NewJSONHandler(w, options)
	}
	return slog.New(&stackLimiter{Handler: h, seen: &seenStacks{next: map[string]time.Time{}, now: time.Now}}), level
}

const (
	// stackEvery is how often the stack of one place is logged (H6.20): a
	// panic that every request meets must not fill the disk.
	stackEvery = time.Minute
	// maxStacks bounds the places that are remembered.
	maxStacks = 1000
	stackKey  = "stack"
)

// stackLimiter leaves out records with a stack whose place was logged within
// the last minute. The panics themselves are counted where they are caught.
type stackLimiter struct {
	slog.Handler
	seen *seenStacks
}

// Handle implements slog.Handler.
func (l *stackLimiter) Handle(ctx context.Context, r slog.Record) error {
	stack := ""
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == stackKey {
			stack = a.Value.String()
		}
		return stack == ""
	})
	if stack != "" && !l.seen.due(placeOfStack(stack)) {
		return nil
	}
	return l.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (l *stackLimiter) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &stackLimiter{l.Handler.WithAttrs(attrs), l.seen}
}

// WithGroup implements slog.Handler.
func (l *stackLimiter) WithGroup(name string) slog.Handler {
	return &stackLimiter{l.Handler.WithGroup(name), l.seen}
}

type seenStacks struct {
	now func() time.Time

	mu   sync.Mutex
	next map[string]time.Time // when a place may be logged again
}

func (s *seenStacks) due(place string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if now.Before(s.next[place]) {
		return false
	}
	if len(s.next) >= maxStacks {
		clear(s.next)
	}
	s.next[place] = now.Add(stackEvery)
	return true
}

// placeOfStack are the files and lines of a stack, without goroutine, arguments
// and addresses, which differ from one panic to the next.
func placeOfStack(stack string) string {
	var b strings.Builder
	for line := range strings.Lines(stack) {
		if at, ok := strings.CutPrefix(line, "\t"); ok {
			at, _, _ = strings.Cut(strings.TrimSpace(at), " +0x")
			b.WriteString(at)
			b.WriteByte('\n')
		}
	}
	return b.String()
}
