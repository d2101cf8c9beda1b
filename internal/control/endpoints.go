package control

import (
	"reflect"
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
	round     uint64
	// services and looked are the Services and the revision of the
	// EndpointSlices that everything in made is up to date with.
	services map[store.Name]*corev1.Service
	looked   uint64
	revision atomic.Uint64 // of the EndpointSlices that are in force
}

type sources struct {
	backend *ir.Backend
	service *corev1.Service
	slices  []*discoveryv1.EndpointSlice
	round   uint64
}

// refresh brings the endpoints of the given backends up to date and remembers
// exactly these backends.
func (c *endpointCache) refresh(v *store.View, backends []*ir.Backend, up *upstream.Registry) {
	if c.made == nil {
		c.made, c.byService = make(map[ir.BackendID]*sources, len(backends)), make(map[store.Name][]*sources, len(backends))
	}
	c.round++
	same := c.looked == v.EndpointsRevision && reflect.ValueOf(c.services).Pointer() == reflect.ValueOf(v.Services).Pointer()
	c.services, c.looked = v.Services, v.EndpointsRevision
	for _, b := range backends {
		s := c.made[b.ID]
		if s == nil {
			s = &sources{}
			c.made[b.ID] = s
			name := serviceOf(b)
			c.byService[name] = append(c.byService[name], s)
		}
		s.round = c.round
		if !same || s.backend != b {
			s.refresh(v, b, up)
		}
	}
	if len(c.made) > len(backends) {
		c.forget()
	}
	c.revision.Store(v.EndpointsRevision)
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
		up.Update(translate.Endpoints(v, b))
	}
	s.backend, s.service, s.slices = b, service, list
}

// touched brings the backends of some Services up to date.
func (c *endpointCache) touched(v *store.View, services map[store.Name]struct{}, up *upstream.Registry) {
	for name := range services {
		for _, s := range c.byService[name] {
			s.refresh(v, s.backend, up)
		}
	}
	c.looked = v.EndpointsRevision
	c.revision.Store(v.EndpointsRevision)
}

// forget drops the backends that the last round did not have.
func (c *endpointCache) forget() {
	for id, s := range c.made {
		if s.round == c.round {
			continue
		}
		delete(c.made, id)
		name := serviceOf(s.backend)
		left := slices.DeleteFunc(c.byService[name], func(other *sources) bool { return other == s })
		if len(left) == 0 {
			delete(c.byService, name)
		} else {
			c.byService[name] = left
		}
	}
}

// retain drops the backends that no table refers to.
func (c *endpointCache) retain(up *upstream.Registry) {
	up.Retain(func(id ir.BackendID) bool { return c.made[id] != nil })
}
