package console

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"daemun/internal/daemuntest"
)

// told is a Progress with a clock of its own.
func told(width int) (*Progress, *bytes.Buffer, func(time.Duration)) {
	var out bytes.Buffer
	now := time.Unix(0, 0)
	p := &Progress{w: &out, now: func() time.Time { return now }, last: now}
	if width > 0 {
		p.width = func() int { return width }
	}
	return p, &out, func(d time.Duration) { now = now.Add(d) }
}

// TestProgressWithoutTerminal: short work says nothing, long work a line every
// ten seconds, and no control characters.
func TestProgressWithoutTerminal(t *testing.T) {
	t.Parallel()
	p, out, pass := told(0)
	p.Step("reading")
	for n := range 25 {
		p.Count("files read:", n, 25)
		pass(time.Second)
	}
	p.End()
	if want := "daemun: files read: 10 of 25\ndaemun: files read: 20 of 25\n"; out.String() != want {
		t.Errorf("%q, want %q", out, want)
	}
}

// TestProgressOnTerminal: one line that is written over, never longer than the
// terminal is wide, and gone in the end.
func TestProgressOnTerminal(t *testing.T) {
	t.Parallel()
	p, out, pass := told(20)
	p.Count("files read:", 1, 9)
	if out.Len() > 0 {
		t.Errorf("work that has just begun: %q", out)
	}
	pass(redraw)
	p.Count("files read:", 2, 9)
	p.Count("files read:", 3, 9) // nobody could read that
	if got := daemuntest.Screen(out.String()); got != "files read: 2 of 9" {
		t.Errorf("%q", got)
	}
	p.Step("a text that is wider than twenty columns")
	if got := daemuntest.Screen(out.String()); got != "a text that is wid…" {
		t.Errorf("%q", got)
	}
	p.End()
	p.End()
	if got := daemuntest.Screen(out.String()); got != "" || strings.Contains(out.String(), "\n") {
		t.Errorf("left: %q", got)
	}
}

// TestNoProgress: nobody is told anything.
func TestNoProgress(t *testing.T) {
	t.Parallel()
	var p *Progress
	p.Step("x")
	p.Count("x", 1, 2)
	p.End()
}
