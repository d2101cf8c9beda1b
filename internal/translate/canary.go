package translate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"daemun/internal/ir"
)

// isCanary reports whether the Ingress only takes a share of another one.
func (in *ingress) isCanary() bool { return in.values != nil && in.values.Canary != nil }

// groupCanaries hands the parts of canary Ingresses to hosts that ordinary ones
// have made; the others are reported.
func (t *Translator) groupCanaries() {
	t.strays = t.strays[:0]
	for _, in := range t.order {
		if !in.isCanary() || t.beyond[in.name] {
			continue
		}
		for _, p := range in.parts {
			h := t.hosts[p.host]
			if h == nil || h.generation != t.generation {
				t.strays = append(t.strays, ir.Problem{
					Code: CodeCanary, Severity: ir.SeverityWarning, Object: in.ref, Field: "spec.rules",
					Message: fmt.Sprintf("no other Ingress has host %q, so that its requests do not come here: a canary needs a main Ingress with the same host, path and path type", p.host),
				})
				continue
			}
			h.take(p)
		}
	}
}

// attachCanaries gives canaries to the locations that they name: the same host,
// path and path type (ingress-nginx §6.3). The first by age wins.
func (h *host) attachCanaries(locations []location, find func(*path) int) {
	for _, p := range h.admitted {
		if !p.ingress.isCanary() {
			continue
		}
		if p.catchAll {
			root := path{text: "/", field: "spec.defaultBackend", to: p.ingress.standard}
			h.attachCanary(locations, p.ingress, &root, find(&root))
			continue
		}
		for i := range p.paths {
			h.attachCanary(locations, p.ingress, &p.paths[i], find(&p.paths[i]))
		}
	}
}

func (h *host) attachCanary(locations []location, in *ingress, p *path, at int) {
	report := func(why string) {
		h.problems = append(h.problems, ir.Problem{
			Code: CodeCanary, Severity: ir.SeverityWarning, Object: in.ref, Field: p.field, Message: why,
		})
	}
	if at < 0 || locations[at].in == nil || locations[at].implicit {
		report(fmt.Sprintf("no other Ingress has host %q, path %.80q of this type, so that its requests do not come here: a canary needs a main Ingress with the same host, path and path type", h.name, p.text))
		return
	}
	l := &locations[at]
	switch {
	case l.in.name.Namespace != in.name.Namespace && !h.global.CrossNamespace: // (H10.7)
		h.report(CodeForeignCanary, in, p.field, fmt.Sprintf(
			"host %q, path %.80q belongs to %s of another namespace, whose requests this canary may not take; it gets nothing: allow-cross-namespace-resources would allow it", h.name, p.text, l.in.ref))
	case l.canary != nil:
		report(fmt.Sprintf("%s already is the canary of host %q, path %.80q; this one gets nothing", l.canary.Ingress, h.name, p.text))
	case l.to.backend.ID == p.to.backend.ID:
		report(fmt.Sprintf("%s has the same Service and port; a canary needs another one", l.in.ref))
	case p.to.backend.ID == "":
	default:
		c := *in.values.Canary
		c.Ingress, c.Service, c.Port, c.Backend = in.ref, p.to.service, p.to.port, p.to.backend.ID
		l.canary, l.canaryTo = &c, p.to.backend
	}
}

// shares reports whether the Ingress says anything about how its backends share
// requests.
func (in *ingress) shares() bool { return in.values != nil && in.values.Balance != (ir.Balance{}) }

// backendIDs yields every backend that the rules of the Ingress name.
func (in *ingress) backendIDs(yield func(ir.BackendID)) {
	if in.standard.backend.ID != "" {
		yield(in.standard.backend.ID)
	}
	for _, p := range in.parts {
		for i := range p.paths {
			if id := p.paths[i].to.backend.ID; id != "" {
				yield(id)
			}
		}
	}
}

// shared is who decides about a backend: the oldest Ingress that names it; for
// the mode of its affinity the oldest with affinity, for the cookie the youngest
// (ingress-nginx §6.1).
type shared struct{ first, mode, cookie *ingress }

// withBalance puts the settings of backends into the list of them. Backends
// whose settings did not change keep their pointer.
func (t *Translator) withBalance(list []*ir.Backend) []*ir.Backend {
	t.decided = t.decided[:0]
	if t.sharing == 0 {
		t.balanced = nil
		return list
	}
	wanted := map[ir.BackendID]*shared{}
	for _, in := range t.order {
		if in.shares() && !t.beyond[in.name] {
			in.backendIDs(func(id ir.BackendID) { wanted[id] = &shared{} })
		}
	}
	for _, in := range t.order {
		if t.beyond[in.name] {
			continue
		}
		in.backendIDs(func(id ir.BackendID) {
			if s := wanted[id]; s != nil {
				s.add(in)
			}
		})
	}
	t.tellShared(wanted)
	list = slices.Clone(list)
	next := make(map[ir.BackendID]*ir.Backend, len(wanted))
	for i, b := range list {
		base, _, _ := strings.Cut(string(b.ID), " ") // whatever TLS is spoken to it
		s := wanted[ir.BackendID(base)]
		if s == nil {
			continue
		}
		balance := s.balance()
		if balance == nil {
			continue
		}
		made := t.balanced[b.ID]
		if made == nil || made.TLS != b.TLS || !sameBalance(made.Balance, balance) {
			made = new(*b)
			made.Balance = balance
		}
		list[i], next[b.ID] = made, made
	}
	t.balanced = next
	return list
}

func (s *shared) add(in *ingress) {
	if s.first == nil {
		s.first = in
	}
	if in.isCanary() || in.values == nil || in.values.Balance.Affinity == nil {
		return
	}
	s.mode, s.cookie = cmp.Or(s.mode, in), in
}

func (s *shared) balance() *ir.Balance {
	b := s.first.values.Balance
	b.Affinity = nil
	if s.cookie != nil {
		a := *s.cookie.values.Balance.Affinity
		a.Persistent = s.mode.values.Balance.Affinity.Persistent
		b.Affinity = &a
	}
	if b == (ir.Balance{}) {
		return nil
	}
	return &b
}

func sameBalance(a, b *ir.Balance) bool {
	x, y := *a, *b
	x.Affinity, y.Affinity = nil, nil
	if x != y || (a.Affinity == nil) != (b.Affinity == nil) {
		return false
	}
	return a.Affinity == nil || sameAffinity(*a.Affinity, *b.Affinity)
}

func sameAffinity(a, b ir.Affinity) bool {
	sameNumber := func(x, y *int64) bool { return x == y || x != nil && y != nil && *x == *y }
	if !sameNumber(a.MaxAge, b.MaxAge) || !sameNumber(a.Expires, b.Expires) {
		return false
	}
	a.MaxAge, a.Expires, b.MaxAge, b.Expires = nil, nil, nil, nil
	return a == b
}
