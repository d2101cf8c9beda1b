package console

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// Follower prints a list, then what changes in it. The zero value is ready; it
// is for one caller.
type Follower struct {
	seen   map[string]bool
	widths []int
}

// Write prints the items that were not in the last list, or otherwise. Rows
// that are gone are printed once more, with "(gone)" at their end. With -o name
// an object that changed is named again.
func (f *Follower) Write(w io.Writer, resource string, items json.RawMessage, s Selection) error {
	v, err := lister(resource)
	if err != nil {
		return err
	}
	return v.follow(w, resource, items, s, f)
}

func (v view[T]) follow(w io.Writer, kind string, raw json.RawMessage, s Selection, f *Follower) error {
	items, err := v.selected(kind, raw, s)
	if err != nil {
		return err
	}
	if s.Output != "" && s.Output != "wide" {
		return v.followData(w, kind, items, s, f)
	}
	// Columns stay where they are, whatever comes: those that could appear later
	// are there from the beginning.
	columns := v.shown(nil, s)
	rows := map[string]bool{}
	if f.seen == nil && !s.NoHeaders {
		f.pad(w, headers(columns))
	}
	for _, t := range items {
		key := steady(columns, t)
		if rows[key] = true; !f.seen[key] {
			f.pad(w, cells(columns, t))
		}
	}
	for key := range f.seen {
		if !rows[key] {
			f.pad(w, append(strings.Split(key, "\t"), "(gone)"))
		}
	}
	f.seen = rows
	return nil
}

// followData is for objects that are printed whole.
func (v view[T]) followData(w io.Writer, kind string, items []T, s Selection, f *Follower) error {
	now := map[string]bool{}
	for _, t := range items {
		b, err := json.Marshal(t)
		if err != nil {
			return err
		}
		if now[string(b)] = true; f.seen[string(b)] {
			continue
		}
		if s.Output == "name" {
			_, name := v.id(t)
			fmt.Fprintf(w, "%s/%s\n", strings.ToLower(kind), name)
			continue
		}
		if s.Output == "yaml" {
			fmt.Fprintln(w, "---")
		}
		one := s
		one.Name = "-" // one object, not a list of one
		if err := marshal(w, one, []T{t}); err != nil {
			return err
		}
	}
	f.seen = now
	return nil
}

// steady is a row without the cells that change by themselves.
func steady[T any](columns []column[T], t T) string {
	list := cells(columns, t)
	for i, c := range columns {
		if c.drifts {
			list[i] = "-"
		}
	}
	return strings.Join(list, "\t")
}

// pad prints cells in columns that never become narrower.
func (f *Follower) pad(w io.Writer, cells []string) {
	var b strings.Builder
	for i, cell := range cells {
		if i == len(f.widths) {
			f.widths = append(f.widths, 0)
		}
		f.widths[i] = max(f.widths[i], len(cell)+3)
		if i == len(cells)-1 {
			b.WriteString(cell)
			break
		}
		fmt.Fprintf(&b, "%-*s", f.widths[i], cell)
	}
	fmt.Fprintln(w, b.String())
}
