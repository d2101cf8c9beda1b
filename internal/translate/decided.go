package translate

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"daemun/internal/annotation"
	"daemun/internal/ir"
)

// tellDecided reports the settings of the host that an Ingress has and another
// one decides, in which ingress-nginx keeps silent.
func (h *host) tellDecided() {
	for _, p := range h.admitted {
		in := p.ingress
		if in.values == nil || in.isCanary() {
			continue
		}
		if h.alias != nil && h.alias != in && !p.catchAll && !within(in.values.ServerAlias, h.alias.values.ServerAlias) {
			h.decided(in, h.alias, "server-alias")
		}
		if len(in.values.Suites) > 0 && !slices.Equal(in.values.Suites, h.suites) {
			h.decided(in, h.owns(func(in *ingress) bool { return len(in.values.Suites) > 0 }), "ssl-ciphers")
		}
		if in.clientAuth != nil && !h.clientAuth.Broken && !reflect.DeepEqual(in.clientAuth, h.clientAuth) {
			h.decided(in, h.owns(func(in *ingress) bool { return in.clientAuth == h.clientAuth }), "auth-tls-secret")
		}
	}
}

func within(names, of []string) bool {
	return !slices.ContainsFunc(names, func(name string) bool { return !slices.Contains(of, name) })
}

// owns returns the oldest Ingress of the host that has something.
func (h *host) owns(has func(in *ingress) bool) *ingress {
	for _, p := range h.admitted {
		if in := p.ingress; in.values != nil && !in.isCanary() && has(in) {
			return in
		}
	}
	return nil
}

func (h *host) decided(in, by *ingress, name string) {
	if by == nil || by == in {
		return
	}
	h.problems = append(h.problems, ir.Problem{
		Code: CodeDecided, Severity: ir.SeverityWarning, Object: in.ref, Field: annotation.Field(h.prefix + "/" + name),
		Message: fmt.Sprintf("%s of host %q is decided by the older %s, so that this one has no effect: write it there", name, h.name, by.ref),
	})
}

// sharingAnnotations decide about a backend, whichever Ingress uses it.
var sharingAnnotations = []string{"load-balance", "upstream-hash-by", "upstream-hash-by-subset", "upstream-hash-by-subset-size", "service-upstream", "max-requests-in-flight"}

// tellShared reports the settings of backends that another Ingress decides
// (ingress-nginx §6.1).
func (t *Translator) tellShared(wanted map[ir.BackendID]*shared) {
	for _, in := range t.order {
		if !in.shares() || t.beyond[in.name] {
			continue
		}
		var told []ir.BackendID
		in.backendIDs(func(id ir.BackendID) {
			if !slices.Contains(told, id) {
				told = append(told, id)
				t.tellSharedBackend(in, id, wanted[id])
			}
		})
	}
}

func (t *Translator) tellSharedBackend(in *ingress, id ir.BackendID, s *shared) {
	report := func(name string, by *ingress, age string) {
		_, service, _ := strings.Cut(string(id), "/")
		t.decided = append(t.decided, ir.Problem{
			Code: CodeShared, Severity: ir.SeverityWarning, Object: in.ref, Field: annotation.Field(t.options.AnnotationsPrefix + "/" + name),
			Message: fmt.Sprintf("Service port %s has the settings of the %s %s, which uses it too, so that this one has no effect: write it there", strings.Replace(service, "/", ":", 1), age, by.ref),
		})
	}
	own, first := in.values.Balance, s.first.values.Balance
	own.Affinity, first.Affinity = nil, nil
	if s.first != in && own != first {
		for _, name := range sharingAnnotations {
			if in.used.Annotations[t.options.AnnotationsPrefix+"/"+name] != "" {
				report(name, s.first, "older")
				break
			}
		}
	}
	switch a := in.values.Balance.Affinity; {
	case a == nil || in.isCanary():
	case s.cookie != in && !sameCookie(a, s.cookie.values.Balance.Affinity):
		report("affinity", s.cookie, "younger")
	case s.mode != in && a.Persistent != s.mode.values.Balance.Affinity.Persistent:
		report("affinity-mode", s.mode, "older")
	}
}

func sameCookie(a, b *ir.Affinity) bool {
	x, y := *a, *b
	x.Persistent, y.Persistent = false, false
	return sameAffinity(x, y)
}

// tellCookiePath warns of an affinity cookie that no browser would send back:
// its Path is that of the Ingress (ingress-nginx §6.2).
func (h *host) tellCookiePath(l *location) {
	if l.in == nil || l.implicit || isPlain(l.text) {
		return
	}
	if a := l.in.values.Balance.Affinity; a == nil || a.Path != "" {
		return
	}
	p := ir.Problem{
		Code: CodeCookiePath, Severity: ir.SeverityWarning, Object: l.in.ref, Field: annotation.Field(h.prefix + "/affinity"),
		Message: fmt.Sprintf("the affinity cookie has the Path %.80q, which browsers take for a plain path, so that they never send it back: set session-cookie-path, for example to /", l.text),
	}
	if !slices.Contains(h.problems, p) {
		h.problems = append(h.problems, p)
	}
}
