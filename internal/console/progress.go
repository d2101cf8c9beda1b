package console

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"
)

const (
	// redraw is the least time between two states of the line of a terminal:
	// more cannot be read.
	redraw = 100 * time.Millisecond
	// patience is the time between two lines where nothing can be written over:
	// work that takes less says nothing there.
	patience = 10 * time.Second
)

// Progress tells whoever waits how far long work is. On a terminal that is one
// line, which is written over and is gone in the end; elsewhere a line of its
// own every ten seconds. A nil Progress says nothing. It is safe for concurrent
// use and has no goroutine: it speaks when it is told something.
type Progress struct {
	w io.Writer
	// width is that of the terminal; nil where there is none.
	width func() int
	now   func() time.Time

	mu    sync.Mutex // guards the following
	last  time.Time  // when something was written; in the beginning, when it began
	shown bool       // there is a line to be written over
}

// NewProgress speaks on w, which is a terminal or not.
func NewProgress(w io.Writer) *Progress {
	p := &Progress{w: w, now: time.Now, last: time.Now()}
	if f, ok := w.(*os.File); ok && movable(f) {
		p.width = func() int {
			width, _, err := term.GetSize(int(f.Fd()))
			if err != nil || width <= 0 {
				return 80
			}
			return width
		}
	}
	return p
}

// movable reports whether a file is a terminal on which a line can be written
// over.
func movable(f *os.File) bool {
	return term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb"
}

// Step says what is done now. On a terminal it is seen at once: the step may
// wait for somebody.
func (p *Progress) Step(text string) {
	if p != nil {
		p.tell(text, p.width != nil)
	}
}

// Count says how much of something is done; all is 0 where nobody knows.
func (p *Progress) Count(what string, done, all int) {
	if p == nil {
		return
	}
	text := fmt.Sprintf("%s %d", what, done)
	if all > 0 {
		text += fmt.Sprintf(" of %d", all)
	}
	p.tell(text, false)
}

func (p *Progress) tell(text string, atOnce bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	wait := patience
	if p.width != nil {
		wait = redraw
	}
	now := p.now()
	if !atOnce && now.Sub(p.last) < wait {
		return
	}
	p.last = now
	if p.width == nil {
		fmt.Fprintf(p.w, "daemun: %s\n", text)
		return
	}
	// A line that fills the terminal would begin a second one, which a carriage
	// return does not reach.
	runes := []rune(text)
	if most := max(p.width()-1, 1); len(runes) > most {
		text = string(runes[:most-1]) + "…"
	}
	fmt.Fprintf(p.w, "\r%s\x1b[K", text)
	p.shown = true
}

// End takes the line away, before anything else is written to the terminal.
func (p *Progress) End() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.shown = false
	}
}
