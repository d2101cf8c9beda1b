package dashboard

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"daemun/internal/explain"
	"daemun/internal/history"
	"daemun/internal/ir"
)

// overviewPage is the first page.
type overviewPage struct {
	State    state
	Headline string
	Items    items
	// More is how many items are not shown.
	More  int
	Plots []plot
	Facts []fact
	Busy  []*row
	// Try is a command that makes a request, shown while there was none.
	Try string
}

// item is one thing that needs attention.
type item struct {
	State             state
	Title, Text, Link string
}

// fact is a name with a value and a note.
type fact struct{ Name, Value, Note, Link string }

const (
	maxItems = 8
	maxBusy  = 8
)

func (d *Dashboard) overview(*http.Request) (*page, error) {
	s := d.survey()
	o := &overviewPage{Items: d.items(s), Plots: d.plots(), Facts: d.facts(s), Busy: busiest(s)}
	n := o.Items.n
	for _, i := range o.Items.List {
		o.State = max(o.State, i.State)
	}
	switch routes := len(s.rows); {
	case d.Table() == nil:
		o.Headline = "Nothing is served yet: the first routing table is still to come."
	case n > 0:
		o.Headline = plural(n, "thing needs", "things need") + " attention."
	case s.hosts == 0 && routes <= 1:
		o.Headline = "Nothing is wrong, and nothing is served: no Ingress has a rule."
	default:
		o.State, o.Headline = ok, fmt.Sprintf("All %s of %s are served as written.", plural(routes, "route", "routes"), plural(s.hosts, "host", "hosts"))
	}
	slices.SortStableFunc(o.Items.List, func(a, b item) int { return cmp.Compare(b.State, a.State) })
	o.Items.List = o.Items.List[:min(len(o.Items.List), maxItems)]
	o.More = n - len(o.Items.List)
	if len(o.Busy) == 0 {
		o.Try = d.try(s)
	}
	return &page{template: "overview", Title: "Overview", section: "Overview", Body: o}, nil
}

// try is a request that one of the routes answers.
func (d *Dashboard) try(s *survey) string {
	entrance := ""
	if d.Entrance != nil {
		entrance = d.Entrance()
	}
	for _, r := range s.rows {
		if r.Host() != "" && !strings.Contains(r.Host(), "*") && r.State == ok && entrance != "" {
			return fmt.Sprintf("curl -H 'Host: %s' http://%s%s", r.Host(), entrance, r.Path())
		}
	}
	return ""
}

// items are what needs attention. All are counted, and few of each kind are
// made: with ten thousand nobody reads them.
type items struct {
	List []item
	n    int
}

// add counts n things and makes an item of them if there is room; kept is how
// many of the kind were added before.
func (l *items) add(kept int, build func() item) {
	l.n++
	if kept < maxItems {
		l.List = append(l.List, build())
	}
}

// items lists what needs attention.
func (d *Dashboard) items(s *survey) items {
	var l items
	d.addDown(&l, s)
	kept := 0
	for _, r := range s.rows {
		if all, bad := r.Rates.Requests(), r.Rates.Failed(); r.Ready() > 0 && all > 0 && bad >= troubledShare*all {
			l.add(kept, func() item {
				return item{State: r.State, Title: hostName(r.Host()) + r.Path(), Link: r.Link(), Text: fmt.Sprintf("%s of %s requests per second end in 5xx", percent(bad, all), rate(all))}
			})
			kept++
		}
	}
	d.addProblems(&l)
	kept = 0
	for _, c := range d.certificateRows() {
		if c.State >= warn {
			l.add(kept, func() item {
				return item{State: c.State, Title: "Certificate " + string(c.ID), Text: c.Why, Link: "/certificates"}
			})
			kept++
		}
	}
	return l
}

// addDown adds the backends without a ready endpoint, each once, and the routes
// that answer nothing but errors for another reason.
func (d *Dashboard) addDown(l *items, s *survey) {
	of := map[ir.BackendID]int{} // routes that answer 503 for want of it
	var first []*row             // of each
	denied := 0
	for _, r := range s.rows {
		switch id := r.route.IR.Backend; {
		case r.State != fail:
		case r.route.IR.Denied != 0 || r.route.Err != nil:
			l.add(denied, func() item {
				return item{State: fail, Title: hostName(r.Host()) + r.Path(), Text: r.Why, Link: r.Link()}
			})
			denied++
		case r.Ready() == 0:
			if of[id]++; of[id] == 1 {
				first = append(first, r)
			}
		}
	}
	for i, r := range first {
		l.add(i, func() item {
			effect := hostName(r.Host()) + r.Path() + " answers 503"
			if more := of[r.route.IR.Backend] - 1; more > 0 {
				effect = fmt.Sprintf("%s%s and %s answer 503", hostName(r.Host()), r.Path(), plural(more, "other route", "other routes"))
			}
			return item{State: fail, Title: r.Service().Namespace + "/" + r.Service().Name, Text: effect + ": " + explain.WhyNone(r.host, r.route, d.Source()), Link: r.Link()}
		})
	}
}

// addProblems adds the errors, and one line for all warnings.
func (d *Dashboard) addProblems(l *items) {
	errors, warnings := 0, 0
	for _, p := range d.Problems() {
		switch stateOf(p.Severity) {
		case fail:
			l.add(errors, func() item {
				return item{State: fail, Title: p.Object.String(), Text: p.Message, Link: link("/problems", "q", p.Object.String())}
			})
			errors++
		case warn:
			warnings++
		}
	}
	if warnings > 0 {
		l.add(0, func() item {
			return item{State: warn, Title: plural(warnings, "warning", "warnings") + " about objects", Text: "something is served, but not as it was written", Link: "/problems?severity=warning"}
		})
	}
}

func busiest(s *survey) []*row {
	var used []*row
	for _, r := range s.rows {
		if r.Rates.Requests() > 0 {
			used = append(used, r)
		}
	}
	slices.SortStableFunc(used, func(a, b *row) int { return cmp.Compare(b.Rates.Requests(), a.Rates.Requests()) })
	return used[:min(len(used), maxBusy)]
}

func (d *Dashboard) facts(s *survey) []fact {
	st, now := d.State(), d.Now()
	problems, _ := countProblems(d.Problems())
	changed := fact{Name: "Last change", Value: "none yet"}
	if !st.Built.IsZero() {
		changed.Value, changed.Note = ago(now, st.Built.Truncate(time.Second))+" ago", "live after "+st.Took.Round(100*time.Microsecond).String()
	}
	facts := []fact{
		{Name: "Table", Value: "revision " + count(int(st.Revision)), Note: plural(int(st.Tables), "table", "tables") + " so far"},
		changed,
		{Name: "Hosts", Value: count(s.hosts), Link: "/routes"},
		{Name: "Routes", Value: count(len(s.rows)), Link: "/routes"},
		{Name: "Backends", Value: count(s.backends), Link: "/services"},
		{Name: "Problems", Value: count(problems), Link: "/problems"},
		{Name: "Running for", Value: ago(now, d.started)},
	}
	if st.Failures > 0 {
		facts = append(facts, fact{Name: "Failed builds", Value: count(int(st.Failures)), Note: "the last good table is served; the log says more"})
	}
	return facts
}

func (d *Dashboard) plots() []plot {
	f := frame{points: d.History.Points(plotPoints), now: d.Now().Truncate(history.Step), current: history.Point{Rates: d.History.Now()}}
	if n := len(f.points); n > 0 {
		f.current.Connections = f.points[n-1].Connections
	}
	total, bad := f.current.Requests(), f.current.Failed()
	plots := []plot{
		draw(plot{ID: "requests", Title: "Requests", Now: rate(total), Unit: "per second", Nothing: "no requests"}, f, true, []curve{
			{"c5", "5xx", ofClass(5), rate}, {"c4", "4xx", ofClass(4), rate}, {"c2", "1xx–3xx", ofGood, rate},
		}),
		draw(plot{ID: "errors", Title: "Errors", Now: percent(bad, total), Unit: "of requests end in 5xx", Nothing: "no errors"}, f, true, []curve{
			{"c5", "5xx", failedShare, func(v float64) string { return percent(v, 100) }},
		}),
		draw(plot{ID: "latency", Title: "Latency", Now: seconds(f.current.P99, d.History.FirstBound()), Unit: "at the 99th percentile", Nothing: "no requests"}, f, false, []curve{
			{"p99", "p99", func(p history.Point) float64 { return p.P99 }, quantile}, {"p50", "p50", func(p history.Point) float64 { return p.P50 }, quantile},
		}),
		draw(plot{ID: "connections", Title: "Connections", Now: count(f.current.Connections), Unit: "of clients open", Nothing: "none open"}, f, true, []curve{
			{"c2", "open", func(p history.Point) float64 { return float64(p.Connections) }, rate},
		}),
	}
	if total > 0 && bad >= troubledShare*total {
		plots[1].State = warn
		if bad >= failingShare*total {
			plots[1].State = fail
		}
	}
	for i := range plots {
		p := &plots[i]
		p.Summary = fmt.Sprintf("%s over the last 15 minutes, on a scale up to %s; now %s %s", p.Title, p.Top, p.Now, p.Unit)
	}
	return plots
}

func ofClass(i int) func(history.Point) float64 {
	return func(p history.Point) float64 { return p.ByClass[i] }
}

// ofGood is what is neither 4xx nor 5xx; rounding must not make it negative.
func ofGood(p history.Point) float64 { return max(0, p.Requests()-p.ByClass[4]-p.ByClass[5]) }

func failedShare(p history.Point) float64 {
	if p.Requests() == 0 {
		return 0
	}
	return 100 * p.Failed() / p.Requests()
}

// quantile prints a value of a curve; a scale has to be exact where a figure
// would say "less than".
func quantile(v float64) string {
	if v < 0 {
		return "–"
	}
	return duration(v)
}
