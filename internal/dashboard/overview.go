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
	Items    []item
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
	for _, i := range o.Items {
		o.State = max(o.State, i.State)
	}
	switch routes := len(s.rows); {
	case d.Table() == nil:
		o.Headline = "Nothing is served yet: the first routing table is still to come."
	case len(o.Items) > 0:
		o.Headline = plural(len(o.Items), "thing needs", "things need") + " attention."
	case s.hosts == 0 && routes <= 1:
		o.Headline = "Nothing is wrong, and nothing is served: no Ingress has a rule."
	default:
		o.State, o.Headline = ok, fmt.Sprintf("All %s of %s are served as written.", plural(routes, "route", "routes"), plural(s.hosts, "host", "hosts"))
	}
	if len(o.Items) > maxItems {
		o.More, o.Items = len(o.Items)-maxItems, o.Items[:maxItems]
	}
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

// items lists what needs attention, the worst first.
func (d *Dashboard) items(s *survey) []item {
	list := d.downItems(s)
	for _, r := range s.rows {
		if all, bad := r.Rates.Requests(), r.Rates.Failed(); r.Ready() > 0 && all > 0 && bad >= troubledShare*all {
			list = append(list, item{
				State: r.State, Title: hostName(r.Host()) + r.Path(), Link: r.Link(),
				Text: fmt.Sprintf("%s of %s requests per second end in 5xx", percent(bad, all), rate(all)),
			})
		}
	}
	list = append(list, d.problemItems()...)
	for _, c := range d.certificateRows() {
		if c.State >= warn {
			list = append(list, item{State: c.State, Title: "Certificate " + string(c.ID), Text: c.Why, Link: "/certificates"})
		}
	}
	slices.SortStableFunc(list, func(a, b item) int { return cmp.Compare(b.State, a.State) })
	return list
}

// downItems are the backends without a ready endpoint, each once, and the
// routes that answer nothing but errors for another reason.
func (d *Dashboard) downItems(s *survey) []item {
	var list []item
	of := map[ir.BackendID][]*row{}
	var order []ir.BackendID
	for _, r := range s.rows {
		id := r.route.IR.Backend
		switch {
		case r.State != fail:
		case r.route.IR.Denied != 0 || r.route.Err != nil:
			list = append(list, item{State: fail, Title: hostName(r.Host()) + r.Path(), Text: r.Why, Link: r.Link()})
		case r.Ready() == 0:
			if of[id] == nil {
				order = append(order, id)
			}
			of[id] = append(of[id], r)
		}
	}
	for i, id := range order {
		rows := of[id]
		namespace, name, _ := serviceOf(id)
		text := "no endpoint is ready"
		if i < maxItems { // asking why takes a look at all Pods
			text = explain.WhyNone(rows[0].host, rows[0].route, d.Source())
		}
		effect := hostName(rows[0].Host()) + rows[0].Path() + " answers 503"
		if len(rows) > 1 {
			effect = fmt.Sprintf("%s%s and %d more answer 503", hostName(rows[0].Host()), rows[0].Path(), len(rows)-1)
		}
		list = append(list, item{State: fail, Title: namespace + "/" + name, Text: fmt.Sprintf("%s: %s", effect, text), Link: rows[0].Link()})
	}
	return list
}

// problemItems are the errors, and one line for all warnings.
func (d *Dashboard) problemItems() []item {
	warnings := 0
	var list []item
	for _, p := range d.Problems() {
		switch stateOf(p.Severity) {
		case fail:
			list = append(list, item{State: fail, Title: p.Object.String(), Text: p.Message, Link: link("/problems", "q", p.Object.String())})
		case warn:
			warnings++
		}
	}
	if n := warnings; n > 0 {
		list = append(list, item{State: warn, Title: plural(n, "warning", "warnings") + " about objects", Text: "something is served, but not as it was written", Link: "/problems?severity=warning"})
	}
	return list
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
