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
// made, so that a change of one slice costs one comparison per backend instead
// of one evaluation.
type endpointCache struct {
	made     map[ir.BackendID]sources
	revision atomic.Uint64 // of the EndpointSlices that are in force
}

type sources struct {
	backend *ir.Backend
	service *corev1.Service
	slices  []*discoveryv1.EndpointSlice
}

// refresh brings the endpoints of the given backends up to date and remembers
// exactly these backends.
func (c *endpointCache) refresh(v *store.View, backends []*ir.Backend, up *upstream.Registry) {
	made := make(map[ir.BackendID]sources, len(backends))
	for _, b := range backends {
		name := store.Name{Namespace: b.Namespace, Name: b.Service}
		now := sources{backend: b, service: v.Services[name], slices: v.SlicesOf(name)}
		before, known := c.made[b.ID]
		if !known || before.backend != b {
			up.Configure(b)
		}
		if !known || before.backend != b || before.service != now.service || !slices.Equal(before.slices, now.slices) {
			up.Update(translate.Endpoints(v, b))
		}
		made[b.ID] = now
	}
	c.made = made
	c.revision.Store(v.EndpointsRevision)
}

// retain drops the backends that no table refers to.
func (c *endpointCache) retain(up *upstream.Registry) {
	up.Retain(func(id ir.BackendID) bool { _, ok := c.made[id]; return ok })
}
