package daemon

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"slices"

	"daemun/internal/fix"
	"daemun/internal/ir"
	"daemun/internal/translate"
)

// Mended is a file as it is and as it should be.
type Mended struct {
	File          string
	Before, After []byte
	// Done are the problems that After no longer has.
	Done []ir.Problem
}

// Mend finds the files that have problems with one way out only. It writes
// nothing.
func (in *Inspection) Mend(o translate.Options) ([]Mended, error) {
	files := map[string][]ir.Problem{}
	for _, p := range in.Problems {
		if p.File != "" && p.Line > 0 && p.File != "stdin" {
			files[p.File] = append(files[p.File], p)
		}
	}
	var list []Mended
	for _, file := range slices.Sorted(maps.Keys(files)) {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("mend %s: %w", file, err)
		}
		after, done := fix.Text(text, files[file], func(text []byte) []ir.Problem { return problemsOf(text, o) })
		if len(done) > 0 {
			slices.SortFunc(done, ir.Problem.Compare)
			list = append(list, Mended{file, text, after, done})
		}
	}
	return list, nil
}

// problemsOf are those that a text has by itself.
func problemsOf(text []byte, o translate.Options) []ir.Problem {
	in, err := Inspect([]string{"-"}, bytes.NewReader(text), o)
	if err != nil {
		return []ir.Problem{{Message: err.Error()}}
	}
	defer in.Close()
	return in.Problems
}
