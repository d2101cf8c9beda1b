package translate

import (
	"fmt"
	"strconv"

	"daemun/internal/configmap"
	"daemun/internal/ir"
	"daemun/internal/store"
)

// Namespaces are tenants: what is here keeps one from taking what is another's.
// All of it is off by default, but for canaries.

// admit returns the parts that a host is built of: with strict ownership only
// those of the namespace whose Ingress came first (H10.5, H10.6).
func (t *Translator) admit(h *host) []*part {
	owner := h.ownerPart()
	if !t.options.StrictHosts || owner == nil {
		return h.parts
	}
	namespace := owner.ingress.name.Namespace
	admitted := make([]*part, 0, len(h.parts))
	for _, p := range h.parts {
		if p.ingress.name.Namespace == namespace {
			admitted = append(admitted, p)
			continue
		}
		field := "spec.rules"
		if p.catchAll {
			field = "spec.defaultBackend"
		}
		h.report(CodeForeignHost, p.ingress, field, fmt.Sprintf(
			"%s belongs to namespace %q, whose %s is older, and hosts are not shared here (--strict-host-ownership): what this Ingress says of the host is left out; use another host",
			h.called(), namespace, owner.ingress.ref))
	}
	return admitted
}

func (h *host) called() string {
	if h.name == "" {
		return "the catch-all host"
	}
	return "host " + strconv.Quote(h.name)
}

// ownerPart is the first part that is not of a canary.
func (h *host) ownerPart() *part {
	for _, p := range h.parts {
		if !p.ingress.isCanary() {
			return p
		}
	}
	return nil
}

// sameOwner reports whether one host may decide about another one.
func (t *Translator) sameOwner(a, b *host) bool {
	if !t.options.StrictHosts {
		return true
	}
	x, y := a.ownerPart(), b.ownerPart()
	return x != nil && y != nil && x.ingress.name.Namespace == y.ingress.name.Namespace
}

// asked is what the Ingresses of one namespace ask for.
type asked struct {
	configmap.Ceilings
	hosts map[string]bool
}

// settleCeilings finds the Ingresses that ask for more than their namespace may
// have (H10.9). The oldest come first, and one that is too large does not keep
// smaller ones out.
func (t *Translator) settleCeilings() {
	t.beyond, t.excess = nil, t.excess[:0]
	most := t.settings.values.Ceilings
	if !most.On() {
		return
	}
	t.beyond = map[store.Name]bool{}
	namespaces := map[string]*asked{}
	for _, in := range t.order {
		if in.used == nil {
			continue
		}
		has := namespaces[in.name.Namespace]
		if has == nil {
			has = &asked{hosts: map[string]bool{}}
			namespaces[in.name.Namespace] = has
		}
		next, fresh := has.with(in)
		key, limit := exceeds(next, most)
		if key == "" {
			has.Ceilings = next
			for _, name := range fresh {
				has.hosts[name] = true
			}
			continue
		}
		t.beyond[in.name] = true
		t.excess = append(t.excess, ir.Problem{
			Code: CodeCeiling, Severity: ir.SeverityError, Object: in.ref, Field: "metadata.namespace",
			Message: fmt.Sprintf("with this Ingress, namespace %q would have more than the %d that %s allows it; the Ingress is left out: remove something older, or ask for a higher bound", in.name.Namespace, limit, key),
		})
	}
}

// with adds what an Ingress asks for; fresh are its hosts that are new.
func (a *asked) with(in *ingress) (next configmap.Ceilings, fresh []string) {
	next = a.Ceilings
	for _, p := range in.parts {
		next.Routes += max(1, len(p.paths))
		if !a.hosts[p.host] {
			fresh = append(fresh, p.host)
		}
		next.Bytes += len(p.host)
		for i := range p.paths {
			next.Bytes += len(p.paths[i].text)
		}
	}
	for i := range in.used.Spec.TLS {
		if in.used.Spec.TLS[i].SecretName != "" {
			next.Certificates++
		}
	}
	for key, value := range in.used.Annotations {
		next.Bytes += len(key) + len(value)
	}
	next.Hosts += len(fresh)
	return next, fresh
}

// exceeds names the bound that is too low, and what it is.
func exceeds(has, most configmap.Ceilings) (key string, limit int) {
	for _, c := range []struct {
		key       string
		has, most int
	}{
		{"namespace-max-routes", has.Routes, most.Routes},
		{"namespace-max-hosts", has.Hosts, most.Hosts},
		{"namespace-max-certificates", has.Certificates, most.Certificates},
		{"namespace-max-bytes", has.Bytes, most.Bytes},
	} {
		if c.most > 0 && c.has > c.most {
			return c.key, c.most
		}
	}
	return "", 0
}

// within leaves out the names of those that ask for too much.
func (t *Translator) within(served []store.Name) []store.Name {
	if len(t.beyond) == 0 {
		return served
	}
	kept := make([]store.Name, 0, len(served))
	for _, name := range served {
		if !t.beyond[name] {
			kept = append(kept, name)
		}
	}
	return kept
}
