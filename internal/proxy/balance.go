package proxy

import (
	"daemun/internal/http1"
	"daemun/internal/policy"
	"daemun/internal/upstream"
	"daemun/internal/variable"
)

// pick chooses the endpoint of the next attempt (§6.1).
func (x *exchange) pick() *upstream.Endpoint {
	b := x.backend.Balance()
	if x.canary && !x.match.Route.IR.Canary.Legacy {
		// The canary shares the affinity of the main backend.
		if main := x.match.Route.Backend.Balance(); main != nil && main.Affinity != nil {
			return x.pickSticky(main)
		}
	}
	switch {
	case b == nil:
	case b.Affinity != nil && !x.canary:
		return x.pickSticky(b)
	case b.HashBy != nil:
		x.location = b.HashBy.Append(x.location[:0], x)
		hash := upstream.Hash(x.location)
		if b.Subset > 0 {
			return x.backend.PickSubset(hash, x.c.random.Uint64(), b.Subset, x.tried)
		}
		return x.backend.PickHash(hash, x.tried)
	case b.EWMA:
		return x.backend.PickEWMA(x.c.random.Uint64(), x.tried, x.start)
	}
	return x.backend.Pick(x.tried)
}

// newKeys is how many random keys are tried to find one of an endpoint that has
// not failed.
const newKeys = 20

// pickSticky keeps the client at the endpoint of its cookie, or chooses one and
// sets a cookie (§6.2).
func (x *exchange) pickSticky(b *upstream.Balance) *upstream.Endpoint {
	a := b.Affinity
	cookie := x.cookie(a.Name, variable.Exactly)
	key, _ := policy.SplitAffinity(cookie)
	if len(key) > 0 && (len(x.tried) == 0 || !a.ChangeOnFailure) {
		switch {
		case !a.Persistent:
			return x.backend.PickHash(upstream.Hash(key), nil)
		case x.backend.PickKey(key) != nil:
			return x.backend.PickKey(key)
		}
	}
	if len(x.tried) > 0 && !a.ChangeOnFailure && len(x.affinity) > 0 {
		return x.tried[0] // what this request was given a cookie for
	}
	var e *upstream.Endpoint
	x.affinity = x.affinity[:0]
	if a.Persistent {
		if e = x.backend.Pick(x.tried); e != nil {
			x.affinity = append(x.affinity, e.Key()...)
		}
		return e
	}
	for range newKeys {
		x.affinity = upstream.NewKey(x.affinity[:0], x.c.random)
		if e = x.backend.PickHash(upstream.Hash(x.affinity), nil); len(x.tried) == 0 || !tried(x.tried, e) {
			break
		}
	}
	return e
}

func tried(list []*upstream.Endpoint, e *upstream.Endpoint) bool {
	for _, t := range list {
		if t == e {
			return true
		}
	}
	return false
}

// appendAffinity appends the affinity cookie of a client that has got a new
// endpoint, if the route gives one out.
func (x *exchange) appendAffinity(b []byte) []byte {
	r := x.match.Route
	if len(x.affinity) == 0 || !r.IR.SetsAffinity || r.Backend == nil {
		return b
	}
	balance := r.Backend.Balance()
	if balance == nil || balance.Affinity == nil { // changed under way
		return b
	}
	agent, _ := x.req.Get(http1.FieldUserAgent)
	cookie := policy.CookieOfAffinity{
		Settings: balance.Affinity, Key: x.affinity, Backend: x.backend.Key(), Path: r.IR.Path, Secure: x.c.secure, UserAgent: agent, Now: x.start,
	}
	b = append(b, "Set-Cookie: "...)
	b = cookie.AppendCookie(b)
	return append(b, "\r\n"...)
}

// toCanary reports whether the request goes to the canary of its route (§6.3).
// What an affinity cookie says counts before all rules.
func (x *exchange) toCanary() bool {
	r := x.match.Route
	if r.Canary == nil || r.Canary.Len() == 0 {
		return false
	}
	if b := r.Backend.Balance(); b != nil && b.Affinity != nil {
		switch _, side := policy.SplitAffinity(x.cookie(b.Affinity.Name, variable.Exactly)); {
		case len(side) == 0:
		case string(side) == r.Backend.Key():
			return false
		case string(side) == r.Canary.Key() && !r.IR.Canary.Legacy:
			return true
		}
	}
	var field []byte
	present := false
	if name := r.CanaryRule.Header(); name != "" {
		field, present = x.field(name)
	}
	return r.CanaryRule.Chooses(field, present, x, x.c.random.Uint64())
}

// field returns the first field of the request with a name.
func (x *exchange) field(name string) (value []byte, ok bool) {
	for i := range x.req.Fields {
		if f := &x.req.Fields[i]; variable.AnyCase(f.Name, name) {
			return f.Value, true
		}
	}
	return nil, false
}

// Cookie returns a cookie whose name may be written in any case, as nginx's
// variables have it.
func (x *exchange) Cookie(name string) []byte { return x.cookie(name, variable.AnyCase) }

func (x *exchange) cookie(name string, same func([]byte, string) bool) []byte {
	for i := range x.req.Fields {
		if f := &x.req.Fields[i]; f.ID == http1.FieldCookie {
			if v, ok := variable.CookieValue(f.Value, name, same); ok {
				return v
			}
		}
	}
	return nil
}
