// Package translate turns the objects of a view into the IR, with the meaning
// that ingress-nginx gives them.
//
//	t := translate.New(translate.DefaultOptions())
//	r := t.Translate(store.View())
//
// It is pure: it reads a store.View and returns a configuration and problems;
// it never writes an object, looks at a clock, a file or the network, and its
// output has a stable order. Golden pairs in testdata are its specification.
//
// Stages, in the order of Translate: objects are compiled one Ingress at a time
// (ingress.go), grouped by host (group), each host is built from its parts
// (host.go), what hosts do to each other is settled (across.go), and the lists
// of the configuration are put together (assemble.go). Each stage keeps what
// it made of unchanged input, and recognises input by its pointer.
package translate

import (
	"cmp"
	"reflect"
	"slices"

	"daemun/internal/annotation"
	"daemun/internal/configmap"
	"daemun/internal/ir"
	"daemun/internal/store"
)

// Options are the flags that translation needs. The zero value is not useful;
// start from DefaultOptions.
type Options struct {
	// Controllers are the IngressClass controller names that are ours.
	Controllers []string
	// IngressClass is the value of the kubernetes.io/ingress.class annotation
	// that is ours (flag --ingress-class).
	IngressClass string
	// IngressClassByName also accepts an IngressClass object by that name.
	IngressClassByName bool
	// WithoutClass accepts Ingresses without any class.
	WithoutClass bool
	// AnnotationsPrefix is "nginx.ingress.kubernetes.io".
	AnnotationsPrefix string
	// DefaultBackendService and DefaultCertificate are "namespace/name" or
	// empty.
	DefaultBackendService string
	DefaultCertificate    string
	// AllowedResponseHeaders are the fields that custom-headers may set, in
	// exactly this spelling (global-allowed-response-headers).
	AllowedResponseHeaders []string
	// GlobalAuth asks a service about the requests of all Ingresses that have
	// none of their own; without a URL it does not (global-auth-url).
	GlobalAuth annotation.ExternalAuth
	// CrossNamespace lets annotations name Secrets and ConfigMaps of other
	// namespaces (allow-cross-namespace-resources).
	CrossNamespace bool
	// ConfigMap is "namespace/name" of the one with settings, or empty.
	ConfigMap string
	// DisableCatchAll leaves Ingresses with a default backend out;
	// DisableExternalName gives Services with an external name no endpoint.
	DisableCatchAll, DisableExternalName bool
}

// DefaultOptions are ingress-nginx's.
func DefaultOptions() Options {
	return Options{
		Controllers:       []string{"k8s.io/ingress-nginx", "daemun.dev/ingress"},
		IngressClass:      "nginx",
		AnnotationsPrefix: "nginx.ingress.kubernetes.io",
	}
}

// Result is one translation. The caller must not write to it: parts of it
// return in the next one.
type Result struct {
	Config *ir.Config
	// Problems are sorted.
	Problems []ir.Problem
	// Accepted are the Ingresses of our class, sorted.
	Accepted []store.Name
	// Served are those of them that are in service, in this version or the last
	// good one: the others were rejected. Sorted.
	Served []store.Name
	// OtherClass is the number of Ingresses that are not ours.
	OtherClass int
}

// Translator remembers what it parsed of unchanged objects, so that a full
// translation of 10,000 Ingresses of which one changed stays within a few
// milliseconds; a host that is not concerned by a change keeps its *ir.Host.
//
// Its results do not depend on what it remembers, with two exceptions that
// keep service up: an Ingress whose new version is rejected keeps its last
// good version (ingress-nginx §0), and a Secret whose new key pair is unusable
// keeps the last good one (H7.7). Both are reported. It is used by one
// goroutine.
type Translator struct {
	options Options

	generation uint64
	// view is the one translated last; holding it makes it safe to recognise
	// its maps by their address.
	view     *store.View
	classes  classes
	settings settings

	ingresses map[store.Name]*ingress
	// shared are the values of sets of annotations under the present settings.
	shared       map[string]*annotation.Values
	byName       []*ingress // all
	order        []*ingress // of our class, oldest first
	certificates map[store.Name]*certificate

	hosts          map[string]*host
	sorted         []*host // by name
	added          []*host // since sorted was made
	defaultBackend ir.Backend

	strays     []ir.Problem // of canaries without a host
	balanced   map[ir.BackendID]*ir.Backend
	backends   registry[ir.BackendID, *ir.Backend]
	references registry[ir.CertificateID, *ir.Certificate]
	accepted   []store.Name
	served     []store.Name
	otherClass int
}

// New returns a translator with an empty memory.
func New(o Options) *Translator {
	return &Translator{
		options:      o,
		settings:     settings{values: configmap.Default()},
		ingresses:    map[store.Name]*ingress{},
		shared:       map[string]*annotation.Values{},
		certificates: map[store.Name]*certificate{},
		hosts:        map[string]*host{},
		backends:     newRegistry[ir.BackendID, *ir.Backend](),
		references:   newRegistry[ir.CertificateID, *ir.Certificate](),
	}
}

// Translate returns the configuration of a view.
func (t *Translator) Translate(v *store.View) Result {
	t.generation++
	if t.view == nil {
		t.view = &store.View{}
	}
	resettled := t.settleSettings(v)
	problems := slices.Clone(t.settings.problems)
	t.compileAll(v, resettled)
	rebuild := t.settleDefaultBackend(v, &problems) || resettled
	defaultCertificate := t.settleDefaultCertificate(v, &problems)
	t.group(rebuild)
	problems = append(problems, t.strays...)
	for _, h := range t.sorted {
		if h.changed {
			t.build(h)
		}
	}
	cfg := t.assemble(t.across(&problems), defaultCertificate)
	for _, h := range t.sorted {
		problems = append(problems, h.problems...)
	}
	t.view = v
	return Result{Config: cfg, Problems: t.mergeProblems(problems), Accepted: t.accepted, Served: t.served, OtherClass: t.otherClass}
}

// compileAll brings t.ingresses and t.order up to date.
func (t *Translator) compileAll(v *store.View, resettled bool) {
	if t.generation == 1 || !sameMap(v.IngressClasses, t.view.IngressClasses) {
		t.classes = classesOf(v, &t.options)
	}
	same := unchanged{
		classes:  t.generation > 1 && sameMap(v.IngressClasses, t.view.IngressClasses),
		services: sameMap(v.Services, t.view.Services),
		secrets:  sameMap(v.Secrets, t.view.Secrets),

		configMaps: sameMap(v.ConfigMaps, t.view.ConfigMaps),
		settings:   !resettled,
	}
	if !same.secrets {
		for name, c := range t.certificates {
			if now := v.Secrets[name]; now == nil || now.UID != c.secret.UID {
				delete(t.certificates, name)
			}
		}
	}
	moved := t.generation == 1
	t.otherClass = 0
	for name, object := range v.Ingresses {
		in := t.ingresses[name]
		if in == nil || in.seen != object || !in.fresh(v, same) {
			next := t.compile(v, object, in)
			moved = moved || in == nil || in.ours != next.ours || in.created != next.created || (in.used == nil) != (next.used == nil)
			t.ingresses[name], in = next, next
		}
		in.generation = t.generation
		if !in.ours {
			t.otherClass++
		}
	}
	if len(t.ingresses) > len(v.Ingresses) {
		moved = true
		for name, in := range t.ingresses {
			if in.generation != t.generation {
				delete(t.ingresses, name)
			}
		}
	}
	t.reorder(moved)
}

// unchanged says which maps of the view are those of the last translation.
type unchanged struct{ classes, services, secrets, configMaps, settings bool }

func sameMap[K comparable, V any](a, b map[K]V) bool {
	return reflect.ValueOf(a).Pointer() == reflect.ValueOf(b).Pointer()
}

// reorder brings the Ingresses into the order in which "first wins": oldest
// first, and namespace/name descending among equals (ingress-nginx §2.1).
func (t *Translator) reorder(moved bool) {
	if !moved {
		for i, in := range t.byName {
			t.byName[i] = t.ingresses[in.name]
		}
		for i, in := range t.order {
			t.order[i] = t.ingresses[in.name]
		}
		return
	}
	// Most are where they were: sorting then costs little.
	byName, order := t.byName[:0], t.order[:0]
	for _, old := range t.byName {
		if in := t.ingresses[old.name]; in != nil {
			in.listed = true
			byName = append(byName, in)
		}
	}
	for _, old := range t.order {
		if in := t.ingresses[old.name]; in != nil && in.ours {
			in.ordered = true
			order = append(order, in)
		}
	}
	for _, in := range t.ingresses {
		if !in.listed {
			in.listed = true
			byName = append(byName, in)
		}
		if in.ours && !in.ordered {
			in.ordered = true
			order = append(order, in)
		}
	}
	t.byName, t.order = byName, order
	t.accepted, t.served = make([]store.Name, 0, len(order)), make([]store.Name, 0, len(order))
	slices.SortFunc(t.byName, func(a, b *ingress) int {
		return cmp.Or(cmp.Compare(a.name.Namespace, b.name.Namespace), cmp.Compare(a.name.Name, b.name.Name))
	})
	for _, in := range t.byName {
		if in.ours {
			t.accepted = append(t.accepted, in.name)
		}
		if in.used != nil {
			t.served = append(t.served, in.name)
		}
	}
	slices.SortFunc(t.order, func(a, b *ingress) int {
		return cmp.Or(cmp.Compare(a.created, b.created), cmp.Compare(b.key, a.key))
	})
}

// group hands the parts of all Ingresses to their hosts and marks the hosts
// whose parts are not those of the last time.
func (t *Translator) group(all bool) {
	member := false
	catchAll := t.hostNamed("", &member)
	catchAll.begin(t.generation, all)
	for _, in := range t.order {
		if in.isCanary() {
			continue // canaries never make hosts
		}
		for _, p := range in.parts {
			h := p.block
			if h == nil || h.gone {
				h = t.hostNamed(p.host, &member)
				p.block = h
			}
			if h.generation != t.generation {
				h.begin(t.generation, all)
			}
			h.take(p)
		}
	}
	t.groupCanaries()
	for name, h := range t.hosts {
		if h.generation != t.generation {
			member = true
			h.gone = true
			t.release(h)
			delete(t.hosts, name)
			continue
		}
		h.end()
	}
	if !member {
		return
	}
	// The rest is sorted already, which costs little.
	t.sorted = append(slices.DeleteFunc(t.sorted, func(h *host) bool { return h.gone }), t.added...)
	t.added = t.added[:0]
	slices.SortFunc(t.sorted, func(a, b *host) int { return cmp.Compare(a.name, b.name) })
}

func (t *Translator) hostNamed(name string, added *bool) *host {
	h := t.hosts[name]
	if h == nil {
		*added = true
		h = &host{name: name, changed: true}
		t.hosts[name] = h
		t.added = append(t.added, h)
	}
	return h
}
