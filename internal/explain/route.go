package explain

import (
	"daemun/internal/ir"
	"daemun/internal/table"
)

// Policies lists what acts on the requests of a route, in the order in which
// it does.
func Policies(h *table.Host, r *table.Route, s Source) []Policy {
	return aboutRoute(h, r, s).policies()
}

// Endpoints lists the endpoints of a route's backend, ready or not.
func Endpoints(h *table.Host, r *table.Route, s Source) []Endpoint {
	if r.Backend == nil {
		return nil
	}
	return aboutRoute(h, r, s).endpoints(r)
}

// WhyNone is why a route's backend has no ready endpoint, "" if it has one, or
// if there is no backend.
func WhyNone(h *table.Host, r *table.Route, s Source) string {
	if r.Backend == nil || r.Backend.Len() > 0 {
		return ""
	}
	e := aboutRoute(h, r, s)
	e.Answer.Endpoints = e.endpoints(r)
	return e.whyNone(r.IR)
}

// Concerning lists the problems of the Ingress of a route.
func Concerning(r *ir.Route, problems []ir.Problem) []ir.Problem {
	e := &explanation{Answer: &Answer{}, Source: Source{Problems: problems}}
	e.concerning(r.Ingress, "")
	return e.Answer.Problems
}

func aboutRoute(h *table.Host, r *table.Route, s Source) *explanation {
	e := &explanation{Answer: &Answer{}, Source: s, host: h, route: r}
	for _, other := range h.IR.Routes {
		e.Trail.Steps = append(e.Trail.Steps, table.Step{Ingress: other.Ingress}) // who may have set what the host has
	}
	return e
}

// Where is the place where a route is written, "" if it is not known.
func Where(h *table.Host, r *table.Route, s Source) string {
	e := aboutRoute(h, r, s)
	e.Trail.Block = h.IR.Name
	return e.place(&table.Step{Path: r.IR.Path, PathType: r.IR.PathType, Ingress: r.IR.Ingress, Implicit: r.IR.Implicit})
}
