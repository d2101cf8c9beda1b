package dashboard

import (
	"fmt"
	"strings"
	"time"

	"daemun/internal/history"
	"daemun/internal/ir"
	"daemun/internal/store"
	"daemun/internal/table"
)

// surveyTime is how long a survey is shared: with ten thousand routes and many
// readers it is made once, not for each of them.
const surveyTime = time.Second

// survey is the state of all routes at one moment. It is not written after it
// was made.
type survey struct {
	at   time.Time
	rows []*row
	// hosts counts host blocks without the catch-all; backends those with
	// routes.
	hosts, backends int
	// failing counts the rows that fail, troubled those with a warning.
	failing, troubled int
}

// row is one route.
type row struct {
	host  *table.Host
	route *table.Route

	Rates history.Rates
	State state
	// Why says in a few words why the state is not ok.
	Why string
}

// Host is the name of the host block, Path and Type are as written.
func (r *row) Host() string { return r.host.IR.Name }

// Path is as written in the Ingress.
func (r *row) Path() string { return r.route.IR.Path }

// Type is the path type as written.
func (r *row) Type() string { return r.route.IR.PathType }

// Rest says that the route is what no rule of the host matches.
func (r *row) Rest() bool { return r.route.IR.Implicit }

// Ingress is the owner.
func (r *row) Ingress() ir.Ref { return r.route.IR.Ingress }

// Service is where requests go, empty for the built-in 404 server.
func (r *row) Service() store.Name {
	namespace, name, _ := serviceOf(r.route.IR.Backend)
	return store.Name{Namespace: namespace, Name: name}
}

// Port is the Service port as the Ingress names it.
func (r *row) Port() string {
	_, _, port := serviceOf(r.route.IR.Backend)
	return port
}

// Ready is the number of endpoints that requests go to.
func (r *row) Ready() int {
	if r.route.Backend == nil {
		return 0
	}
	return r.route.Backend.Len()
}

// Link is where the route is shown.
func (r *row) Link() string {
	rest := ""
	if r.Rest() {
		rest = "1"
	}
	return link("/route", "host", r.Host(), "path", r.Path(), "type", r.Type(), "ingress", refName(r.Ingress()), "rest", rest)
}

func refName(r ir.Ref) string {
	if r.Name == "" {
		return ""
	}
	return r.Namespace + "/" + r.Name
}

// serviceOf takes the id of a backend apart.
func serviceOf(id ir.BackendID) (namespace, name, port string) {
	text, _, _ := strings.Cut(string(id), " ") // the rest says how TLS is spoken to it
	parts := strings.SplitN(text, "/", 3)
	for len(parts) < 3 {
		parts = append(parts, "")
	}
	return parts[0], parts[1], parts[2]
}

// survey returns the state of all routes, at most surveyTime old.
func (d *Dashboard) survey() *survey {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.Now()
	if s := d.surveyed; s != nil && now.Sub(s.at) < surveyTime && !now.Before(s.at) {
		return s
	}
	d.surveyed = d.newSurvey(now)
	return d.surveyed
}

func (d *Dashboard) newSurvey(now time.Time) *survey {
	s := &survey{at: now}
	t := d.Table()
	if t == nil {
		return s
	}
	worst := map[ir.Ref]state{}
	for _, p := range d.Problems() {
		worst[p.Object] = max(worst[p.Object], stateOf(p.Severity))
	}
	backends := map[ir.BackendID]bool{}
	var catchAll []*row
	for h := range t.Hosts() {
		if h.IR.Name != "" {
			s.hosts++
		}
		rows := d.rowsOf(h, worst)
		for _, r := range rows {
			if r.route.IR.Backend != "" {
				backends[r.route.IR.Backend] = true
			}
			switch r.State {
			case fail:
				s.failing++
			case warn:
				s.troubled++
			}
		}
		if h.IR.Name == "" {
			catchAll = rows // what is left over is shown last
			continue
		}
		s.rows = append(s.rows, rows...)
	}
	s.rows = append(s.rows, catchAll...)
	s.backends = len(backends)
	return s
}

// rowsOf are the routes of a host; one path that became two locations is one.
func (d *Dashboard) rowsOf(h *table.Host, worst map[ir.Ref]state) []*row {
	var rows []*row
	for _, route := range h.Routes() {
		if n := len(rows); n > 0 && sameRule(rows[n-1].route.IR, route.IR) {
			continue
		}
		r := &row{host: h, route: route, Rates: d.History.Route(route.Metrics)}
		if route.CanaryMetrics != nil {
			canary := d.History.Route(route.CanaryMetrics)
			for i, n := range canary.ByClass {
				r.Rates.ByClass[i] += n
			}
			r.Rates.P99 = max(r.Rates.P99, canary.P99)
		}
		r.State, r.Why = judge(route, r.Rates)
		if r.State != fail && worst[route.IR.Ingress] >= warn && route.IR.Ingress.Name != "" {
			r.State = warn
			if r.Why == "" {
				r.Why = "its Ingress has problems"
			}
		}
		rows = append(rows, r)
	}
	return rows
}

func sameRule(a, b *ir.Route) bool {
	return a.Path == b.Path && a.PathType == b.PathType && a.Ingress == b.Ingress && a.Implicit == b.Implicit && a.Backend == b.Backend
}

const (
	// failingShare and troubledShare are the shares of 5xx from which a route
	// counts as failing and as one with a warning.
	failingShare  = 0.5
	troubledShare = 0.01
)

// judge says how a route is.
func judge(r *table.Route, rates history.Rates) (state, string) {
	switch {
	case r.Err != nil:
		return fail, fmt.Sprintf("answers %d: %v", r.IR.Denied, r.Err)
	case r.IR.Denied != 0:
		return fail, fmt.Sprintf("answers %d: a setting of its Ingress cannot be used", r.IR.Denied)
	case r.IR.Redirect != nil:
		return ok, ""
	case r.Backend == nil:
		return idle, ""
	case r.Backend.Len() > 0:
	case r.Fallback != nil && r.Fallback.Len() > 0:
		return warn, "the default-backend annotation answers: no ready endpoint"
	case r.IR.DefaultBackend:
		return warn, "answers 404: the default backend has no ready endpoint"
	default:
		return fail, "answers 503: no ready endpoint"
	}
	all, bad := rates.Requests(), rates.Failed()
	switch {
	case all > 0 && bad >= failingShare*all:
		return fail, percent(bad, all) + " of requests end in 5xx"
	case all > 0 && bad >= troubledShare*all:
		return warn, percent(bad, all) + " of requests end in 5xx"
	}
	return ok, ""
}
