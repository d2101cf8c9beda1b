package control

import (
	"slices"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"daemun/internal/ir"
	"daemun/internal/store"
	"daemun/internal/translate"
	"daemun/internal/upstream"
)

// endpointCache remembers from which objects each backend's endpoints were
// made, so that a change of one slice costs the evaluation of its Service's
// backends and nothing else.
type endpointCache struct {
	made      map[ir.BackendID]*sources
	byService map[store.Name][]*sources
	// view and backends are what everything in made is up to date with.
	view     *store.View
	backends []*ir.Backend
	// zone is that of Config; it is set before the first refresh.
	zone string
	// forgotten says that the registry may hold backends that made has not.
	forgotten bool
	revision  atomic.Uint64 // of the EndpointSlices that are in force
}

type sources struct {
	zone    string
	backend *ir.Backend
	service *corev1.Service
	slices  []*discoveryv1.EndpointSlice
}

// refresh brings the endpoints of the given backends, which are sorted by id,
// up to date and remembers exactly these backends. What became of EndpointSlices
// touched has been told before.
func (c *endpointCache) refresh(v *store.View, backends []*ir.Backend, up *upstream.Registry) {
	if c.made == nil {
		c.made, c.byService = make(map[ir.BackendID]*sources, len(backends)), make(map[store.Name][]*sources, len(backends))
	}
	ir.Diff(c.backends, backends, func(b *ir.Backend) ir.BackendID { return b.ID }, func(old, now *ir.Backend) {
		switch {
		case now == nil:
			c.forget(old)
		case old == nil:
			c.add(now).refresh(v, now, up)
		default:
			c.made[now.ID].refresh(v, now, up)
		}
	})
	changes, known := v.Since(c.view)
	if !known {
		for _, s := range c.made {
			s.refresh(v, s.backend, up)
		}
	}
	for _, change := range changes {
		if change.Kind == "Service" {
			c.refreshService(v, store.Name{Namespace: change.Namespace, Name: change.Name}, up)
		}
	}
	c.view, c.backends = v, backends
	c.revision.Store(v.EndpointsRevision)
}

func (c *endpointCache) refreshService(v *store.View, name store.Name, up *upstream.Registry) {
	for _, s := range c.byService[name] {
		s.refresh(v, s.backend, up)
	}
}

func (c *endpointCache) add(b *ir.Backend) *sources {
	s, name := &sources{zone: c.zone}, serviceOf(b)
	c.made[b.ID] = s
	c.byService[name] = append(c.byService[name], s)
	return s
}

func serviceOf(b *ir.Backend) store.Name { return store.Name{Namespace: b.Namespace, Name: b.Service} }

// refresh evaluates a backend if something it is made of is another one.
func (s *sources) refresh(v *store.View, b *ir.Backend, up *upstream.Registry) {
	name := serviceOf(b)
	service, list := v.Services[name], v.SlicesOf(name)
	same := s.backend == b
	if !same {
		up.Configure(b)
	}
	if !same || s.service != service || !slices.Equal(s.slices, list) {
		up.Update(translate.EndpointsFor(v, b, s.zone))
	}
	s.backend, s.service, s.slices = b, service, list
}

// touched brings the backends of some Services up to date.
func (c *endpointCache) touched(v *store.View, services map[store.Name]struct{}, up *upstream.Registry) {
	for name := range services {
		c.refreshService(v, name, up)
	}
	c.revision.Store(v.EndpointsRevision)
}

// forget drops a backend.
func (c *endpointCache) forget(b *ir.Backend) {
	s, name := c.made[b.ID], serviceOf(b)
	delete(c.made, b.ID)
	c.forgotten = true
	left := slices.DeleteFunc(c.byService[name], func(other *sources) bool { return other == s })
	if len(left) == 0 {
		delete(c.byService, name)
	} else {
		c.byService[name] = left
	}
}

// retain drops the backends that no table refers to.
func (c *endpointCache) retain(up *upstream.Registry) {
	if !c.forgotten {
		return
	}
	c.forgotten = false
	up.Retain(func(id ir.BackendID) bool { return c.made[id] != nil })
}
