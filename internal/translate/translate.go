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
// it made of unchanged input, and recognises input by its pointer. Few changes
// that the store can name take a shorter way through the first stages, which
// does not look at the rest (changes.go).
package translate

import (
	"reflect"
	"slices"

	"daemun/internal/annotation"
	"daemun/internal/configmap"
	"daemun/internal/expression"
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
	// SSLPassthrough lets Ingresses leave TLS to their backends.
	SSLPassthrough bool
	// StrictHosts gives a host to the namespace whose Ingress names it first;
	// other namespaces add nothing to it.
	StrictHosts bool
	// IgnoreSnippets serves routes without what cannot be used of their
	// snippets; they answer 503 otherwise.
	IgnoreSnippets bool
	// Beyond checks expressions that the linear engine cannot run; nil refuses
	// them.
	Beyond expression.Engine `json:"-"`
	// CheckRules says what is wrong with rules of the firewall. It depends on
	// nothing but them; nil is a build that has no firewall.
	CheckRules func(rules string) error `json:"-"`
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
	// users finds the Ingresses that were compiled from an object.
	users map[store.Key][]*ingress
	// replaced are the first changes of this translation. unfinished says that
	// it stopped half-way; the next one is then whole: it looks at everything.
	replaced          []replacement
	unfinished, whole bool
	// canaries, sharing and otherClass count such Ingresses.
	canaries, sharing, otherClass int
	// shared are the values of sets of annotations under the present settings.
	shared       map[string]*annotation.Values
	byName       []*ingress // all
	order        []*ingress // of our class, oldest first
	certificates map[store.Name]*certificate

	hosts          map[string]*host
	sorted         []*host // by name
	added          []*host // since sorted was made
	touched        []*host // to be built, or gone
	defaultBackend ir.Backend
	// defaultCertificate is nil for the one that Daemun makes itself.
	defaultCertificate *ir.Certificate
	// special counts the hosts that have to do with others; hadSpecial says
	// that there were some the last time. list is what became of all.
	special    int
	hadSpecial bool
	list       []*ir.Host

	// reporting are the Ingresses with problems by name, troubled the hosts
	// with problems; problemsMoved says that those of the Ingresses are others
	// than in merged. others are the rest of merged.
	reporting      []*ingress
	troubled       map[*host]struct{}
	problemsMoved  bool
	merged, others []ir.Problem

	strays  []ir.Problem // of canaries without a host
	decided []ir.Problem // about settings of backends that others decide
	// beyond are the Ingresses that ask for more than their namespace may have,
	// excess the problems that say so.
	beyond     map[store.Name]bool
	excess     []ir.Problem
	balanced   map[ir.BackendID]*ir.Backend
	backends   registry[ir.BackendID, *ir.Backend]
	references registry[ir.CertificateID, *ir.Certificate]
	accepted   []store.Name
	served     []store.Name
}

// New returns a translator with an empty memory.
func New(o Options) *Translator {
	return &Translator{
		options:      o,
		settings:     settings{values: configmap.Default()},
		ingresses:    map[store.Name]*ingress{},
		users:        map[store.Key][]*ingress{},
		shared:       map[string]*annotation.Values{},
		certificates: map[store.Name]*certificate{},
		hosts:        map[string]*host{},
		troubled:     map[*host]struct{}{},
		backends:     newRegistry[ir.BackendID, *ir.Backend](),
		references:   newRegistry[ir.CertificateID, *ir.Certificate](),
	}
}

// Translate returns the configuration of a view.
func (t *Translator) Translate(v *store.View) Result {
	t.generation++
	t.whole, t.unfinished = t.unfinished, true
	if t.view == nil {
		t.view = &store.View{}
	}
	resettled := t.settleSettings(v)
	problems := slices.Clone(t.settings.problems)
	t.compileAll(v, resettled)
	rebuild := t.settleDefaultBackend(v, &problems) || resettled || t.whole
	t.defaultCertificate = t.settleDefaultCertificate(v, &problems)
	bounded := t.settings.values.Ceilings.On() // then every Ingress counts
	regrouped := t.few() && !rebuild && t.canaries == 0 && !bounded
	t.touched = t.touched[:0]
	if regrouped {
		t.regroup()
	} else {
		t.group(rebuild)
	}
	for _, h := range t.touched {
		if !h.gone {
			t.build(h)
		}
	}
	problems = append(append(problems, t.strays...), t.excess...)
	cfg := t.assemble(t.settleHosts(regrouped, &problems), t.defaultCertificate)
	problems = append(problems, t.decided...)
	for h := range t.troubled {
		problems = append(problems, h.problems...)
	}
	r := Result{Config: cfg, Problems: t.mergeProblems(problems), Accepted: t.accepted, Served: t.within(t.served), OtherClass: t.otherClass}
	t.view, t.unfinished = v, false
	return r
}

// compileAll brings the Ingresses and their orders up to date.
func (t *Translator) compileAll(v *store.View, resettled bool) {
	t.replaced = t.replaced[:0]
	if !t.compileChanged(v, resettled) {
		t.compareAll(v, resettled)
	}
	if t.few() {
		t.rearrange()
	} else {
		t.reorder()
	}
}

// compareAll compiles what has changed, looking at every Ingress.
func (t *Translator) compareAll(v *store.View, resettled bool) {
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
		for name := range t.certificates {
			t.forgetCertificate(v, name)
		}
	}
	for name, object := range v.Ingresses {
		in := t.ingresses[name]
		if in == nil || in.seen != object || !in.fresh(v, same) {
			t.replace(in, t.compile(v, object, in))
		}
	}
	if len(t.ingresses) > len(v.Ingresses) {
		for name, in := range t.ingresses {
			if v.Ingresses[name] == nil {
				t.replace(in, nil)
			}
		}
	}
}

// unchanged says which maps of the view are those of the last translation.
type unchanged struct{ classes, services, secrets, configMaps, settings bool }

func sameMap[K comparable, V any](a, b map[K]V) bool {
	return reflect.ValueOf(a).Pointer() == reflect.ValueOf(b).Pointer()
}

// reorder sorts all Ingresses. Most are where they were: sorting then costs
// little.
func (t *Translator) reorder() {
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
	t.byName, t.order, t.reporting = byName, order, t.reporting[:0]
	t.accepted, t.served = make([]store.Name, 0, len(order)), make([]store.Name, 0, len(order))
	slices.SortFunc(t.byName, compareNames)
	for _, in := range t.byName {
		if in.ours {
			t.accepted = append(t.accepted, in.name)
		}
		if in.used != nil {
			t.served = append(t.served, in.name)
		}
		if len(in.problems) > 0 {
			t.reporting = append(t.reporting, in)
		}
	}
	slices.SortFunc(t.order, compareAge)
}

// group hands the parts of all Ingresses to their hosts and marks the hosts
// whose parts are not those of the last time.
func (t *Translator) group(all bool) {
	member := all
	catchAll := t.hostNamed("", &member)
	catchAll.begin(t.generation, all)
	t.settleCeilings()
	for _, in := range t.order {
		if in.isCanary() || t.beyond[in.name] {
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
	for _, h := range t.hosts {
		if h.generation != t.generation {
			member = true
			t.drop(h)
			continue
		}
		h.end()
	}
	if member {
		// The rest is sorted already, which costs little.
		t.sorted = append(slices.DeleteFunc(t.sorted, func(h *host) bool { return h.gone }), t.added...)
		t.added = t.added[:0]
		slices.SortFunc(t.sorted, compareHosts)
	}
	for _, h := range t.sorted {
		if h.changed {
			t.touched = append(t.touched, h)
		}
	}
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
