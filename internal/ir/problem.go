package ir

import (
	"fmt"
	"strings"
)

// String is the one line a user sees:
// "file:line:column: Kind ns/name: field: message [code]".
func (p Problem) String() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File)
		if p.Line > 0 {
			fmt.Fprintf(&b, ":%d:%d", p.Line, max(p.Column, 1))
		}
		b.WriteString(": ")
	}
	if p.Object != (Ref{}) {
		b.WriteString(p.Object.String())
		b.WriteString(": ")
	}
	if p.Field != "" {
		b.WriteString(p.Field)
		b.WriteString(": ")
	}
	b.WriteString(p.Message)
	if p.Code != "" {
		b.WriteString(" [" + p.Code + "]")
	}
	return b.String()
}

// DiffProblems compares two lists that are sorted by Problem.Compare.
func DiffProblems(old, now []Problem) (added, gone []Problem) {
	i, j := 0, 0
	for i < len(old) || j < len(now) {
		c := 0
		switch {
		case i == len(old):
			c = 1
		case j == len(now):
			c = -1
		default:
			c = old[i].Compare(now[j])
		}
		switch {
		case c < 0:
			gone = append(gone, old[i])
			i++
		case c > 0:
			added = append(added, now[j])
			j++
		default:
			i++
			j++
		}
	}
	return added, gone
}
