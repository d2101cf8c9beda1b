package kube

import (
	"context"
	"log/slog"
	"reflect"
	"slices"
	"sync"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	"daemun/internal/ir"
	"daemun/internal/store"
)

// Scope says which namespaces are read. The zero value is all of them.
type Scope struct {
	// Namespace is the only one.
	Namespace string
	// Selector chooses namespaces by their labels.
	Selector string
}

// SourceConfig is what a Source works with. Cluster, Store and Logger are
// required.
type SourceConfig struct {
	Cluster *Cluster
	Store   *store.Store
	Scope   Scope
	// AnnotationsPrefix is that of the annotations that may name Secrets and
	// ConfigMaps.
	AnnotationsPrefix string
	// Extra are Services, Secrets and ConfigMaps that flags name: they are
	// read wherever they are, and their data is kept.
	Extra  []store.Key
	Logger *slog.Logger
}

// Source keeps a store in step with an API server. While that cannot be
// reached the store keeps what it had (H11.3). All methods are safe for
// concurrent use.
type Source struct {
	SourceConfig
	queue  *queue
	synced chan struct{}
	// addressed receives after the address in the status of an Ingress has
	// changed.
	addressed chan struct{}
	// patience bounds the time that an object waits for one of its Secrets.
	patience time.Duration

	mu         sync.Mutex
	sinks      []*sink
	namespaces *sink // of a Scope with a selector
	complete   bool  // synced is closed, or will be
	// addresses are those in the status of the Ingresses.
	addresses map[store.Key][]networkingv1.IngressLoadBalancerIngress
	refs      references
	fetches   fetches
	health    health
}

// NewSource returns a source that has read nothing.
func NewSource(c SourceConfig) *Source {
	s := &Source{
		SourceConfig: c, queue: newQueue(c.Store), synced: make(chan struct{}), addressed: make(chan struct{}, 1), patience: fetchTimeout,
		addresses: map[store.Key][]networkingv1.IngressLoadBalancerIngress{},
		fetches:   newFetches(), health: newHealth(c.Logger, c.Cluster.Host),
	}
	s.refs = newReferences(c.AnnotationsPrefix, c.Extra)
	s.sinks = s.choose()
	return s
}

// choose lists what to watch.
func (s *Source) choose() (sinks []*sink) {
	add := func(k kind, sel selection) *sink {
		n := &sink{kind: k, selection: sel, source: s, have: map[store.Key]store.Object{}, held: map[store.Key]time.Time{}, ready: make(chan struct{})}
		sinks = append(sinks, n)
		return n
	}
	if s.Scope.Selector != "" {
		s.namespaces = add(namespaceKind(), selection{labels: s.Scope.Selector})
	}
	add(classKind(), selection{})
	for _, k := range []kind{ingressKind(), serviceKind(), sliceKind(), secretKind(), configMapKind()} {
		add(k, selection{namespace: s.Scope.Namespace, fields: k.fields})
	}
	for _, extra := range s.Extra {
		if s.Scope.Namespace == "" || s.Scope.Namespace == extra.Namespace {
			continue
		}
		one := selection{namespace: extra.Namespace, fields: "metadata.name=" + extra.Name}
		switch extra.Kind {
		case "Service":
			add(serviceKind(), one)
			add(sliceKind(), selection{namespace: extra.Namespace, labels: serviceLabel + "=" + extra.Name})
		case "Secret":
			add(secretKind(), one)
		case "ConfigMap":
			add(configMapKind(), one)
		}
	}
	return sinks
}

// Synced is closed when the store holds everything for the first time.
func (s *Source) Synced() <-chan struct{} { return s.synced }

// Read counts the lists of objects, and those that have been read once.
func (s *Source) Read() (done, all int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.sinks {
		if n.synced {
			done++
		}
	}
	return done, len(s.sinks)
}

// Addressed receives after the address in the status of an Ingress has
// changed. It has one reader.
func (s *Source) Addressed() <-chan struct{} { return s.addressed }

// InScope reports whether objects of a namespace are read.
func (s *Source) InScope(namespace string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return (s.Scope.Namespace == "" || s.Scope.Namespace == namespace) && s.selected(namespace)
}

// Problems are those of reading: permissions that are missing, routes that are
// held back.
func (s *Source) Problems() []ir.Problem {
	s.mu.Lock()
	defer s.mu.Unlock()
	problems := s.health.problems()
	for _, n := range s.sinks {
		problems = append(problems, n.heldProblem()...)
	}
	return problems
}

// Unreachable is the time since which no watch works, or zero.
func (s *Source) Unreachable() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.health.since
}

// LastError is why something could not be read lately, or nil.
func (s *Source) LastError() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, err := range s.health.failing {
		return err
	}
	return nil
}

// Run reads until ctx ends.
func (s *Source) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { s.queue.run(ctx) })
	wg.Go(func() { s.fetchLoop(ctx) })
	for _, n := range s.sinks {
		wg.Go(func() { s.reflect(ctx, n) })
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			s.releaseHeld(now)
		}
	}
}

// reflect runs the reflector of one kind. Those whose data is kept only while
// it is referred to come after those that refer to it.
func (s *Source) reflect(ctx context.Context, n *sink) {
	if n.sparing && !s.waitFor(ctx, "Ingress") {
		return
	}
	// What client-go says about failures is said by health.
	ctx = klog.NewContext(ctx, klog.Logger{})
	quiet := klog.Logger{}
	cache.NewReflectorWithOptions(s.Cluster.listWatch(&n.kind, n.selection, func(err error) { s.heard(ctx, n, err) }), n.example, n, cache.ReflectorOptions{
		Name: n.name, Logger: &quiet,
		Backoff: &wait.Backoff{Duration: 100 * time.Millisecond, Factor: 2, Steps: 10, Cap: 5 * time.Second, Jitter: 0.5},
	}).RunWithContext(ctx)
}

// waitFor waits until all of a kind have been read once.
func (s *Source) waitFor(ctx context.Context, kind string) bool {
	for _, n := range s.sinks {
		if n.name != kind {
			continue
		}
		select {
		case <-ctx.Done():
			return false
		case <-n.ready:
		}
	}
	return true
}

// heard notes the outcome of a request.
func (s *Source) heard(ctx context.Context, n *sink, err error) {
	if ctx.Err() != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.health.heard(n, err) && n.name == "IngressClass" {
		// Without IngressClasses the annotation still chooses
		// (ingress-nginx §7); everything else is needed.
		s.markSynced(n)
	}
}

// put takes over an object.
func (s *Source) put(n *sink, o store.Object) {
	key := n.keyOf(o)
	delete(n.held, key)
	if n.name == "Ingress" {
		s.setAddresses(key, addressesOf(o))
	}
	trim(o, &n.kind)
	if old, ok := n.have[key]; !ok || !reflect.DeepEqual(old, o) {
		s.place(n, key, o)
	}
}

func (s *Source) place(n *sink, key store.Key, o store.Object) {
	if n.sparing && !s.refs.has(key) {
		old, ok := n.have[key]
		n.have[key] = stub(o)
		if ok && !isStub(old) {
			s.queue.put(key, nil)
		}
		return
	}
	n.have[key] = o
	missing := s.refer(key, s.refs.of(key, o))
	if n == s.namespaces {
		s.republish(o.GetName())
	}
	if !s.wanted(key, o) {
		return
	}
	if len(missing) > 0 {
		// An Ingress without its Secret would serve the wrong certificate
		// for the time of one request to the API server.
		s.fetches.add(key, missing)
		return
	}
	s.queue.put(key, o)
}

func (s *Source) remove(n *sink, key store.Key) {
	delete(n.held, key)
	if _, ok := n.have[key]; !ok {
		return
	}
	delete(n.have, key)
	delete(s.addresses, key)
	s.fetches.forget(key)
	s.refer(key, nil)
	s.queue.put(key, nil)
	if n == s.namespaces {
		s.republish(key.Name)
	}
}

// wanted reports whether the store gets the object.
func (s *Source) wanted(key store.Key, o store.Object) bool {
	return key.Namespace == "" || s.selected(key.Namespace) || s.refs.pinned(key, o)
}

func (s *Source) selected(namespace string) bool {
	return s.namespaces == nil || s.namespaces.have[store.Key{Kind: "Namespace", Name: namespace}] != nil
}

// republish brings the objects of a namespace into the store, or out of it,
// after its labels have changed.
func (s *Source) republish(namespace string) {
	for _, n := range s.sinks {
		for key, o := range n.have {
			switch {
			case key.Namespace != namespace, isStub(o):
			case s.wanted(key, o):
				s.queue.put(key, o)
			default:
				s.queue.put(key, nil)
			}
		}
	}
}

// refer notes what an object refers to from now on. It returns what is known
// but without its data, and drops the data that nothing refers to any more.
func (s *Source) refer(owner store.Key, names []store.Key) (missing []store.Key) {
	for _, key := range s.refs.set(owner, names) {
		if n := s.sinkOf(key); n != nil && !isStub(n.have[key]) {
			n.have[key] = stub(n.have[key])
			s.queue.put(key, nil)
		}
	}
	for _, key := range names {
		if n := s.sinkOf(key); n != nil && isStub(n.have[key]) {
			missing = append(missing, key)
		}
	}
	return missing
}

// sinkOf returns the sink that has an object, or nil.
func (s *Source) sinkOf(key store.Key) *sink {
	i := slices.IndexFunc(s.sinks, func(n *sink) bool { return n.name == key.Kind && n.have[key] != nil })
	if i < 0 {
		return nil
	}
	return s.sinks[i]
}

func (s *Source) setAddresses(key store.Key, now []networkingv1.IngressLoadBalancerIngress) {
	if reflect.DeepEqual(s.addresses[key], now) {
		return
	}
	s.addresses[key] = now
	select {
	case s.addressed <- struct{}{}:
	default:
	}
}

func (s *Source) markSynced(n *sink) {
	if n.synced {
		return
	}
	n.synced = true
	close(n.ready)
	if s.complete || slices.ContainsFunc(s.sinks, func(n *sink) bool { return !n.synced }) {
		return
	}
	s.complete, s.health.complete = true, true
	s.queue.closeAfter(s.synced)
}
