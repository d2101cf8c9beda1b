package dashboard

import (
	"net/http"
	"slices"

	"daemun/internal/explain"
)

// routesPage is the tree of hosts and routes.
type routesPage struct {
	Query   query
	Show    string
	Choices []choice
	Hosts   []hostRows
	Paging  paging
	// Total is the number of all routes.
	Total int
}

// hostRows are the routes of one host on a page.
type hostRows struct {
	Name    string
	Aliases []string
	// Secure says that a certificate fits the host; RedirectTo is another name
	// that all requests are sent to.
	Secure bool
	Rows   []routeRow
}

// routeRow is a row with what only the shown ones need.
type routeRow struct {
	*row
	// Policies are the names of the first few settings that somebody made, More
	// how many others there are.
	Policies []string
	More     int
	// Endpoints is the number of all, ready or not.
	Endpoints int
}

// maxPolicies bounds the settings that a row names.
const maxPolicies = 4

// showings are the ways to look at the routes.
func showings() []struct {
	key, name string
	keep      func(*row) bool
} {
	return []struct {
		key, name string
		keep      func(*row) bool
	}{
		{"", "All", func(*row) bool { return true }},
		{"failing", "Failing", func(r *row) bool { return r.State == fail }},
		{"warning", "With warnings", func(r *row) bool { return r.State == warn }},
		{"used", "In use now", func(r *row) bool { return r.Rates.Requests() > 0 }},
	}
}

func (d *Dashboard) routes(r *http.Request) (*page, error) {
	s := d.survey()
	v := &routesPage{Query: queryOf(r), Show: r.URL.Query().Get("show"), Total: len(s.rows)}
	var found []*row
	for _, at := range s.rows {
		b := at.route.IR
		if v.Query.finds(at.Host()+at.Path(), string(b.Backend), refName(b.Ingress)) {
			found = append(found, at)
		}
	}
	kept := found
	for _, way := range showings() {
		n := 0
		for _, at := range found {
			if way.keep(at) {
				n++
			}
		}
		current := way.key == v.Show
		v.Choices = append(v.Choices, choice{way.name, link("/routes", "q", v.Query.Text, "show", way.key), n, current})
		if current {
			kept = slices.DeleteFunc(slices.Clone(found), func(at *row) bool { return !way.keep(at) })
		}
	}
	var shown []*row
	shown, v.Paging = paginate(r, kept)
	source := d.Source()
	for _, at := range shown {
		if n := len(v.Hosts); n == 0 || v.Hosts[n-1].Name != at.Host() {
			v.Hosts = append(v.Hosts, hostRows{Name: at.Host(), Aliases: at.host.IR.Aliases, Secure: len(at.host.IR.Certificates) > 0})
		}
		h := &v.Hosts[len(v.Hosts)-1]
		h.Rows = append(h.Rows, newRouteRow(at, source))
	}
	return &page{template: "routes", Title: "Routes", section: "Routes", Body: v}, nil
}

func newRouteRow(at *row, source explain.Source) routeRow {
	r := routeRow{row: at}
	for _, p := range explain.Policies(at.host, at.route, source) {
		if p.Source != "annotation" {
			continue
		}
		if len(r.Policies) == maxPolicies {
			r.More++
			continue
		}
		r.Policies = append(r.Policies, p.Name)
	}
	r.Endpoints = len(explain.Endpoints(at.host, at.route, source))
	return r
}
