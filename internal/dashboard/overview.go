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
		o.More = len(o.Items) - maxItems
		o.Items = o.Items[:maxItems]
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
			if _, none := explain.Endpoints(rows[0].host, rows[0].route, d.Source()); none != "" {
				text = none
			}
		}
		effect := hostName(rows[0].Host()) + rows[0].Path() + " answers 503"
		if len(rows) > 1 {
			effect = fmt.Sprintf("%s%s and %d more answer 503", hostName(rows[0].Host()), rows[0].Path(), len(rows)-1)
		}
		list = append(list, item{State: fail, Title: namespace + "/" + name, Text: fmt.Sprintf("%s: %s", effect, text), Link: rows[0].Link()})
	}
	return list
}

func (d *Dashboard) problemItems() []item {
	byState := map[state]int{}
	for _, p := range d.Problems() {
		byState[stateOf(p.Severity)]++
	}
	var list []item
	if n := byState[fail]; n > 0 {
		list = append(list, item{State: fail, Title: plural(n, "error", "errors") + " in objects", Text: "something is out of service or stays on an old state", Link: "/problems?severity=error"})
	}
	if n := byState[warn]; n > 0 {
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
	points, now, current := d.History.Points(plotPoints), d.Now().Truncate(history.Step), d.History.Now()
	total, bad := current.Requests(), current.Failed()
	class := func(i int) func(history.Point) float64 {
		return func(p history.Point) float64 { return p.ByClass[i] }
	}
	other := func(p history.Point) float64 { return p.Requests() - p.ByClass[4] - p.ByClass[5] }
	share := func(p history.Point) float64 {
		if p.Requests() == 0 {
			return 0
		}
		return 100 * p.Failed() / p.Requests()
	}
	inPercent := func(v float64) string { return strings.TrimSuffix(percent(v, 100), "%") + "%" }
	first := d.History.FirstBound()
	took := func(v float64) string { return seconds(v, first) }
	axis := func(v float64) string {
		if v < 0 {
			return "–"
		}
		return duration(v)
	}
	open := int64(0)
	if n := len(points); n > 0 {
		open = points[n-1].Connections
	}
	plots := []plot{
		draw(plot{ID: "requests", Title: "Requests", Now: rate(total), Unit: "per second", Nothing: "no requests"}, points, now, true, []curve{
			{"c5", "5xx", class(5), rate}, {"c4", "4xx", class(4), rate}, {"c2", "1xx–3xx", other, rate},
		}),
		draw(plot{ID: "errors", Title: "Errors", Now: percent(bad, total), Unit: "of requests end in 5xx", Nothing: "no errors"}, points, now, true, []curve{{"c5", "5xx", share, inPercent}}),
		draw(plot{ID: "latency", Title: "Latency", Now: took(current.P99), Unit: "at the 99th percentile", Nothing: "no requests"}, points, now, false, []curve{
			{"p99", "p99", func(p history.Point) float64 { return p.P99 }, axis}, {"p50", "p50", func(p history.Point) float64 { return p.P50 }, axis},
		}),
		draw(plot{ID: "connections", Title: "Connections", Now: count(int(open)), Unit: "of clients open", Nothing: "none open"}, points, now, true, []curve{
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
