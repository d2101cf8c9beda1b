package dashboard

import (
	"net/http"
	"strings"

	"daemun/internal/explain"
	"daemun/internal/ir"
	"daemun/internal/metrics"
	"daemun/internal/store"
	"daemun/internal/upstream"
)

// routePage is everything about one route.
type routePage struct {
	*row
	Certificates []ir.CertificateID
	// Place is where the rule is written, "" if that is not known.
	Place    string
	Policies []explain.Policy
	// Usual are the settings that nobody made.
	Usual     []explain.Policy
	Endpoints []endpointRow
	// None is why no endpoint is ready.
	None     string
	Problems []problemRow
	// Total and Failed are the requests since the route exists, and those of
	// them with 5xx.
	Total, Failed string
	// Explain and Tap are where to go from here.
	Explain, Tap string
}

// endpointRow is an endpoint with what it did.
type endpointRow struct {
	explain.Endpoint
	State state
	// Pod is empty where there is none to look at.
	PodName store.Name
	// Used says that the counters mean something.
	Used               bool
	Active             int64
	Idle               int
	Requests, Failures uint64
}

func (d *Dashboard) route(r *http.Request) (*page, error) {
	at := d.find(r)
	if at == nil {
		return nil, &failure{http.StatusNotFound, "There is no such route now", "It may have changed or gone since you followed the link: look for it among the routes."}
	}
	source := d.Source()
	v := &routePage{row: at, Certificates: at.host.IR.Certificates}
	for _, p := range explain.Policies(at.host, at.route, source) {
		if p.Source == "annotation" {
			v.Policies = append(v.Policies, p)
		} else {
			v.Usual = append(v.Usual, p)
		}
	}
	v.Place = explain.Where(at.host, at.route, source)
	v.None = explain.WhyNone(at.host, at.route, source)
	v.Endpoints = d.endpointRows(explain.Endpoints(at.host, at.route, source), at.route.Backend)
	v.Problems = d.problemRows(explain.Concerning(at.route.IR, source.Problems))
	v.Total, v.Failed = soFar(at.route.Metrics, at.route.CanaryMetrics)
	v.Tap = link("/tap", "route", at.Host()+at.Path())
	if host := strings.Replace(at.Host(), "*", "any", 1); host != "" {
		v.Explain = link("/explain", "url", "http://"+host+at.Path())
	}
	return &page{template: "route", Title: hostName(at.Host()) + at.Path(), section: "Routes", Body: v}, nil
}

// soFar counts all requests and those that failed.
func soFar(routes ...*metrics.Route) (total, failed string) {
	var sum [metrics.Classes]uint64
	all := uint64(0)
	for _, r := range routes {
		for class, n := range r.Classes() {
			sum[class] += n
			all += n
		}
	}
	return count(all), count(sum[5])
}

// find is the route that a link of row.Link names.
func (d *Dashboard) find(r *http.Request) *row {
	q := r.URL.Query()
	for _, at := range d.survey().rows {
		if at.Host() == q.Get("host") && at.Path() == q.Get("path") && at.Type() == q.Get("type") &&
			at.Rest() == (q.Get("rest") == "1") && refName(at.Ingress()) == q.Get("ingress") {
			return at
		}
	}
	return nil
}

func (d *Dashboard) endpointRows(list []explain.Endpoint, backend *upstream.Backend) []endpointRow {
	used := map[string]upstream.Status{}
	if backend != nil {
		for _, s := range backend.Status() {
			used[s.Addr.String()] = s
		}
	}
	var rows []endpointRow
	for _, e := range list {
		r := endpointRow{Endpoint: e, State: fail, PodName: d.podOf(e.Pod)}
		if e.Ready {
			r.State = ok
		}
		if s, found := used[e.Address]; found {
			r.Used, r.Active, r.Idle, r.Requests, r.Failures = true, s.Active, s.Idle, s.Requests, s.Failures
			if s.Failures > 0 && s.Failures*100 >= s.Requests {
				r.State = max(r.State, warn)
			}
		}
		rows = append(rows, r)
	}
	return rows
}

// podOf is the name of a Pod that has a page, empty for others.
func (d *Dashboard) podOf(text string) store.Name {
	namespace, name, ok := strings.Cut(text, "/")
	if !ok || d.Log == nil || d.View().Pods[store.Name{Namespace: namespace, Name: name}] == nil {
		return store.Name{}
	}
	return store.Name{Namespace: namespace, Name: name}
}
