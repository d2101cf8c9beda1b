package translate

import (
	"cmp"
	"slices"

	"daemun/internal/ir"
	"daemun/internal/store"
)

// maxFew is up to how many Ingresses that changed at once are put into their
// places one by one; more are sorted in, which costs a walk over all.
const maxFew = 64

// replacement is an Ingress that was compiled anew: old is nil for one that
// came, now for one that went.
type replacement struct{ old, now *ingress }

// few reports whether what changed is all in t.replaced.
func (t *Translator) few() bool {
	return t.generation > 1 && !t.whole && len(t.replaced) <= maxFew
}

// compileChanged does what compileAll does, looking only at Ingresses that the
// store says have changed, or something they use. It reports false when the
// store does not know, or too much may be concerned.
func (t *Translator) compileChanged(v *store.View, resettled bool) bool {
	changes, known := v.Since(t.view)
	if !known || resettled || t.whole {
		return false
	}
	names := map[store.Name]struct{}{}
	for i := range changes {
		c := &changes[i]
		name := store.Name{Namespace: c.Namespace, Name: c.Name}
		switch c.Kind {
		case "IngressClass":
			return false
		case "Ingress":
			names[name] = struct{}{}
		case "Secret":
			t.forgetCertificate(v, name)
		}
		for _, in := range t.users[c.Key] {
			names[in.name] = struct{}{}
		}
	}
	for name := range names {
		object, old := v.Ingresses[name], t.ingresses[name]
		switch {
		case object == nil && old != nil:
			t.replace(old, nil)
		case object != nil && (old == nil || old.seen != object || !old.fresh(v, unchanged{classes: true, settings: true})):
			t.replace(old, t.compile(v, object, old))
		}
	}
	return true
}

// forgetCertificate drops the pair of a Secret that is another object now.
func (t *Translator) forgetCertificate(v *store.View, name store.Name) {
	c := t.certificates[name]
	if c == nil {
		return
	}
	if now := v.Secrets[name]; now == nil || now.UID != c.secret.UID {
		delete(t.certificates, name)
	}
}

// replace puts an Ingress into the place of another, and into the sums.
func (t *Translator) replace(old, now *ingress) {
	if len(t.replaced) <= maxFew {
		t.replaced = append(t.replaced, replacement{old, now})
	}
	if !slices.Equal(old.said(), now.said()) {
		t.problemsMoved = true
	}
	if old != nil {
		t.count(old, -1)
		for key := range old.uses {
			left := slices.DeleteFunc(t.users[key], func(in *ingress) bool { return in == old })
			if len(left) == 0 {
				delete(t.users, key)
			} else {
				t.users[key] = left
			}
		}
		delete(t.ingresses, old.name)
	}
	if now != nil {
		t.count(now, 1)
		for key := range now.uses {
			if !slices.Contains(t.users[key], now) {
				t.users[key] = append(t.users[key], now)
			}
		}
		t.ingresses[now.name] = now
	}
}

// count adds an Ingress to the sums, n times.
func (t *Translator) count(in *ingress, n int) {
	if !in.ours {
		t.otherClass += n
	}
	if in.isCanary() {
		t.canaries += n
	}
	if in.shares() {
		t.sharing += n
	}
}

// said are the problems of an Ingress; nil has none.
func (in *ingress) said() []ir.Problem {
	if in == nil {
		return nil
	}
	return in.problems
}

// rearrange is reorder for few changes.
func (t *Translator) rearrange() {
	only := func(in *ingress, is bool) *ingress {
		if is {
			return in
		}
		return nil
	}
	for _, r := range t.replaced {
		name := cmp.Or(r.now, r.old).name
		t.byName = exchange(t.byName, r.old, r.now, compareNames)
		t.reporting = exchange(t.reporting, only(r.old, len(r.old.said()) > 0), only(r.now, len(r.now.said()) > 0), compareNames)
		t.order = exchange(t.order, only(r.old, r.old.isOurs()), only(r.now, r.now.isOurs()), compareAge)
		t.accepted = listed(t.accepted, name, r.old.isOurs(), r.now.isOurs())
		t.served = listed(t.served, name, r.old.isServed(), r.now.isServed())
	}
}

func (in *ingress) isOurs() bool   { return in != nil && in.ours }
func (in *ingress) isServed() bool { return in != nil && in.used != nil }

// exchange puts now where order wants it, and takes old out; each may be nil.
func exchange[T any](list []*T, old, now *T, order func(a, b *T) int) []*T {
	if old != nil {
		at, found := slices.BinarySearchFunc(list, old, order)
		switch {
		case !found:
		case now != nil && order(old, now) == 0:
			list[at] = now
			return list
		default:
			list = slices.Delete(list, at, at+1)
		}
	}
	if now != nil {
		at, _ := slices.BinarySearchFunc(list, now, order)
		list = slices.Insert(list, at, now)
	}
	return list
}

// listed returns a sorted list with or without a name. The list itself is not
// written: it has been handed out.
func listed(list []store.Name, name store.Name, was, is bool) []store.Name {
	if was == is {
		return list
	}
	at, found := slices.BinarySearchFunc(list, name, compareStoreNames)
	next := make([]store.Name, 0, len(list)+1)
	next = append(next, list[:at]...)
	if is {
		next = append(next, name)
	}
	if found {
		at++
	}
	return append(next, list[at:]...)
}

func compareStoreNames(a, b store.Name) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}

func compareNames(a, b *ingress) int { return compareStoreNames(a.name, b.name) }

// compareAge is the order in which "first wins": oldest first, and
// namespace/name descending among equals (ingress-nginx §2.1).
func compareAge(a, b *ingress) int {
	return cmp.Or(cmp.Compare(a.created, b.created), cmp.Compare(b.key, a.key))
}

// regroup is group for few changes, none of them about canaries.
func (t *Translator) regroup() {
	t.strays = t.strays[:0]
	for _, r := range t.replaced {
		if r.old == nil {
			continue
		}
		for _, p := range r.old.parts {
			h := t.touch(p.host)
			h.parts = slices.DeleteFunc(h.parts, func(other *part) bool { return other == p })
		}
	}
	for _, r := range t.replaced {
		if r.now == nil {
			continue
		}
		for _, p := range r.now.parts {
			h := t.touch(p.host)
			at, _ := slices.BinarySearchFunc(h.parts, p, func(a, b *part) int { return compareAge(a.ingress, b.ingress) })
			h.parts = slices.Insert(h.parts, at, p)
		}
	}
	for _, h := range t.touched {
		if len(h.parts) == 0 && h.name != "" {
			t.drop(h)
			t.sorted = exchange(t.sorted, h, nil, compareHosts)
		}
	}
}

// touch returns the host of a name, which is to be built anew.
func (t *Translator) touch(name string) *host {
	h := t.hosts[name]
	if h == nil {
		h = &host{name: name}
		t.hosts[name] = h
		t.sorted = exchange(t.sorted, nil, h, compareHosts)
	}
	if !h.changed {
		h.changed = true
		t.touched = append(t.touched, h)
	}
	return h
}

// drop forgets a host.
func (t *Translator) drop(h *host) {
	h.gone = true
	t.release(h)
	t.specialIs(h, false)
	delete(t.troubled, h)
	delete(t.hosts, h.name)
}

func compareHosts(a, b *host) int { return cmp.Compare(a.name, b.name) }

// specialIs counts the hosts that have to do with other hosts.
func (t *Translator) specialIs(h *host, now bool) {
	if h.special {
		t.special--
	}
	if h.special = now; now {
		t.special++
	}
}

// acrossTouched is across where no host has to do with another one.
func (t *Translator) acrossTouched() []*ir.Host {
	if len(t.touched) == 0 {
		return t.list
	}
	list := slices.Grow(slices.Clone(t.list), len(t.touched))
	for _, h := range t.touched {
		at, found := slices.BinarySearchFunc(list, h.name, func(h *ir.Host, name string) int { return cmp.Compare(h.Name, name) })
		if h.gone {
			if found {
				list = slices.Delete(list, at, at+1)
			}
			continue
		}
		h.facts, h.changed = facts{tlsRedirect: h.tls}, false
		h.ir = h.finished()
		if found {
			list[at] = h.ir
		} else {
			list = slices.Insert(list, at, h.ir)
		}
	}
	t.list = list
	return list
}
