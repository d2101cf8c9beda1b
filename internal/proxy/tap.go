package proxy

import (
	"time"

	"daemun/internal/tap"
)

// show offers the request to those who watch.
func (x *exchange) show(now time.Time) {
	r := tap.Request{
		Time: now, Took: now.Sub(x.start), Client: x.client().Unmap(), Secure: x.c.secure,
		Method: x.req.Method, Host: x.host, Path: x.req.Path, Query: x.req.Query,
		Attempts: len(x.entry.Attempts), Status: x.status,
		Received: x.received + x.body.Wire(), Sent: x.written, Fields: x.req.Fields, ID: x.requestID(),
	}
	if route := x.match.Route; route != nil {
		r.RouteHost, r.RoutePath = x.match.Host.IR.Name, route.IR.Path
		if owner := route.IR.Ingress; owner.Name != "" {
			r.Ingress = owner.Namespace + "/" + owner.Name
		}
	}
	if r.Attempts > 0 && x.backend != nil {
		r.Backend, r.Endpoint = string(x.backend.ID()), x.entry.Attempts[r.Attempts-1].Addr
	}
	x.c.server.tap.Offer(&r)
}
