// Package console turns what Daemun knows into text for a person at a
// terminal: the tables of `get`, the trail of `explain`, the first screen and
// the merged logs of `up`.
//
// It only formats; it fetches nothing and decides nothing.
package console

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/yaml"
)

// column is one column of a table of T. A wide column appears with -o wide, a
// narrow one without.
type column[T any] struct {
	header string
	wide   bool
	narrow bool
	// optional columns disappear when no row has anything to say.
	optional bool
	// drifts says that the cell changes as time goes by, which is no change of
	// the object.
	drifts bool
	cell   func(T) string
}

// Selection is which rows of a kind are shown, and how.
type Selection struct {
	// Namespace keeps one namespace; AllNamespaces keeps all and adds a
	// column.
	Namespace     string
	AllNamespaces bool
	// Name keeps one object; empty keeps all.
	Name string
	// Output is "", "wide", "json", "yaml" or "name".
	Output string
	// Labels keeps objects with labels that match; nil keeps all.
	Labels labels.Selector
	// SortBy is the path of a field, such as ".metadata.name"; empty keeps the
	// order of the instance.
	SortBy string
	// NoHeaders leaves the first line of a table out.
	NoHeaders bool
	// Now is what ages are counted from.
	Now time.Time
}

// view is how one kind is shown.
type view[T any] struct {
	// id returns namespace and name; the namespace is empty for cluster-wide
	// kinds, which no namespace selection hides.
	id func(T) (namespace, name string)
	// aliases are other names that find it; nil is none.
	aliases func(T) []string
	// clusterWide kinds are in no namespace.
	clusterWide bool
	columns     func(now time.Time) []column[T]
}

// write decodes the items, selects and prints them.
func (v view[T]) write(w io.Writer, kind string, raw json.RawMessage, s Selection) error {
	items, err := v.selected(kind, raw, s)
	if err != nil {
		return err
	}
	data := s.Output == "json" || s.Output == "yaml"
	if len(items) == 0 && (!data || s.Name != "") {
		return v.none(kind, raw, s)
	}
	switch s.Output {
	case "json", "yaml":
		return marshal(w, s, items)
	case "name":
		for _, t := range items {
			_, name := v.id(t)
			fmt.Fprintf(w, "%s/%s\n", strings.ToLower(kind), name)
		}
		return nil
	case "", "wide":
		return v.table(w, items, s)
	default:
		return fmt.Errorf("unknown output %q: choose wide, json, yaml or name", s.Output)
	}
}

// selected decodes the items and keeps those that are asked for.
func (v view[T]) selected(kind string, raw json.RawMessage, s Selection) ([]T, error) {
	raw, err := narrowed(raw, s)
	if err != nil {
		return nil, err
	}
	var items []T
	if err := json.Unmarshal(raw, &items); err != nil {
		return nil, fmt.Errorf("read list of %s: %w", kind, err)
	}
	return slices.DeleteFunc(items, func(t T) bool {
		ns, _ := v.id(t)
		return (ns != "" && !s.AllNamespaces && ns != s.Namespace) || (s.Name != "" && !v.called(t, s.Name))
	}), nil
}

func (v view[T]) called(t T, name string) bool {
	if _, own := v.id(t); own == name {
		return true
	}
	return v.aliases != nil && slices.Contains(v.aliases(t), name)
}

// none says that nothing is there, and whether other namespaces have some.
func (v view[T]) none(kind string, raw json.RawMessage, s Selection) error {
	where, elsewhere := "", ""
	if !s.AllNamespaces && !v.clusterWide {
		where = " in namespace " + s.Namespace
		s.AllNamespaces, s.SortBy = true, ""
		if others, err := v.selected(kind, raw, s); err == nil && len(others) > 0 {
			ns, _ := v.id(others[0])
			elsewhere = "; namespace " + ns + " has some: -n " + ns
			if slices.ContainsFunc(others, func(t T) bool { other, _ := v.id(t); return other != ns }) {
				elsewhere = fmt.Sprintf("; other namespaces have %d: -A", len(others))
			}
		}
	}
	if s.Name != "" {
		return fmt.Errorf("%s %q not found%s%s", strings.ToLower(kind), s.Name, where, elsewhere)
	}
	return &NoneError{Message: "No " + strings.ToLower(kind) + " found" + where + elsewhere + "."}
}

// NoneError says that a list is empty: worth a line on standard error, but not
// a failure.
type NoneError struct{ Message string }

// Error returns the sentence.
func (e *NoneError) Error() string { return e.Message }

func marshal[T any](w io.Writer, s Selection, items []T) error {
	var v any = items
	if s.Name != "" && len(items) == 1 {
		v = items[0]
	}
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	if s.Output == "yaml" {
		if b, err = yaml.JSONToYAML(b); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintln(w, strings.TrimRight(string(b), "\n"))
	return err
}

func (v view[T]) table(w io.Writer, items []T, s Selection) error {
	columns := v.shown(items, s)
	tw := tabwriter.NewWriter(w, 0, 8, 3, ' ', 0)
	if !s.NoHeaders {
		fmt.Fprintln(tw, strings.Join(headers(columns), "\t"))
	}
	for _, t := range items {
		fmt.Fprintln(tw, strings.Join(cells(columns, t), "\t"))
	}
	return tw.Flush()
}

// shown are the columns of a table of these items.
func (v view[T]) shown(items []T, s Selection) []column[T] {
	columns := v.columns(s.Now)
	if s.AllNamespaces {
		columns = slices.Insert(columns, 0, column[T]{header: "NAMESPACE", cell: func(t T) string { ns, _ := v.id(t); return ns }})
	}
	return slices.DeleteFunc(columns, func(c column[T]) bool {
		empty := c.optional && !slices.ContainsFunc(items, func(t T) bool { return c.cell(t) != "" })
		return empty || c.wide && s.Output != "wide" || c.narrow && s.Output == "wide"
	})
}

func headers[T any](columns []column[T]) []string {
	list := make([]string, len(columns))
	for i, c := range columns {
		list[i] = c.header
	}
	return list
}

// cells is one row.
func cells[T any](columns []column[T], t T) []string {
	list := make([]string, len(columns))
	for i, c := range columns {
		list[i] = cmp.Or(c.cell(t), "<none>")
	}
	return list
}

// Counted prints a number of things: "1 object", "2 objects".
func Counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// Age prints a duration as kubectl does: "12s", "5m30s", "3h", "2d4h".
func Age(d time.Duration) string {
	switch d = d.Truncate(time.Second); {
	case d < 0:
		return "0s"
	case d < 2*time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < 10*time.Minute:
		return strings.TrimSuffix(fmt.Sprintf("%dm%ds", int(d.Minutes()), int(d.Seconds())%60), "0s")
	case d < 3*time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	default:
		return fmt.Sprintf("%dd", int(d.Hours()/24))
	}
}
