package fix

import (
	"fmt"
	"strings"
)

// context is the number of lines around a change in a diff.
const context = 3

// Unified returns what differs between two texts in the format of diff -u, ""
// when nothing does. It is made for few changes: one that touches most of a text
// shows it whole.
func Unified(name, before, after string) string {
	if before == after {
		return ""
	}
	old, now := lines(before), lines(after)
	var b strings.Builder
	fmt.Fprintf(&b, "--- %s\n+++ %s\n", name, name)
	for _, h := range hunks(script(old, now)) {
		h.write(&b)
	}
	return b.String()
}

func lines(s string) []string {
	list := strings.SplitAfter(s, "\n")
	if list[len(list)-1] == "" {
		return list[:len(list)-1]
	}
	return list
}

// op is one line: ' ' in both texts, '-' or '+' in one.
type op struct {
	kind byte
	text string
	// old and now are the 1-based lines at which it is.
	old, now int
}

// lookahead bounds how far a line is looked for again.
const lookahead = 200

// script goes through both texts at once; where they differ it looks for the
// nearest place at which they are the same again.
func script(old, now []string) (ops []op) {
	i, j := 0, 0
	emit := func(kind byte, text string) {
		ops = append(ops, op{kind, text, i + 1, j + 1})
	}
	for i < len(old) || j < len(now) {
		if i < len(old) && j < len(now) && old[i] == now[j] {
			emit(' ', old[i])
			i, j = i+1, j+1
			continue
		}
		di, dj := meet(old[i:], now[j:])
		for range di {
			emit('-', old[i])
			i++
		}
		for range dj {
			emit('+', now[j])
			j++
		}
	}
	return ops
}

// meet returns how many lines to skip in each text to come to a common one.
func meet(old, now []string) (di, dj int) {
	for sum := 1; sum < lookahead; sum++ {
		for di := 0; di <= sum; di++ {
			if dj := sum - di; di < len(old) && dj < len(now) && old[di] == now[dj] {
				return di, dj
			}
		}
	}
	return len(old), len(now)
}

type hunk []op

// hunks keeps the lines that are near a change.
func hunks(ops []op) (list []hunk) {
	last := -1 // end of the last hunk in ops
	for i, o := range ops {
		if o.kind == ' ' {
			continue
		}
		begin, end := max(0, i-context), min(len(ops), i+context+1)
		if last >= begin && len(list) > 0 {
			list[len(list)-1] = append(list[len(list)-1], ops[last:max(last, end)]...)
		} else {
			list = append(list, append(hunk{}, ops[begin:end]...))
		}
		last = max(last, end)
	}
	return list
}

func (h hunk) write(b *strings.Builder) {
	old, now := 0, 0
	for _, o := range h {
		if o.kind != '+' {
			old++
		}
		if o.kind != '-' {
			now++
		}
	}
	fmt.Fprintf(b, "@@ -%d,%d +%d,%d @@\n", h[0].old, old, h[0].now, now)
	for _, o := range h {
		b.WriteByte(o.kind)
		b.WriteString(o.text)
		if !strings.HasSuffix(o.text, "\n") {
			b.WriteString("\n\\ No newline at end of file\n")
		}
	}
}
