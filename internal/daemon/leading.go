package daemon

import (
	"cmp"
	"context"
	"crypto/rand"
	"maps"
	"os"
	"slices"
	"time"

	networkingv1 "k8s.io/api/networking/v1"

	"daemun/internal/control"
	"daemun/internal/kube"
	"daemun/internal/store"
)

// This file is what the controller writes to the API server: the leader alone
// writes status and Events.

// component is the name under which Events are written.
const component = "daemun-controller"

// clearTimeout bounds the removal of addresses at the end.
const clearTimeout = 10 * time.Second

func (d *controller) newWriters() {
	identity := d.Self.Name
	if identity == "" {
		host, err := os.Hostname()
		if err != nil {
			host = "daemun"
		}
		identity = host + "_" + rand.Text()[:8]
	}
	if d.Self.Name != "" && d.HandOver != "" {
		identity += "_" + rand.Text()[:8] // the next one in this Pod is another candidate
	}
	d.election = &kube.Election{
		Cluster: d.cluster, Lease: store.Name{Namespace: d.ownNamespace(), Name: d.Election.ID}, Identity: identity,
		TTL: d.Election.TTL, Logger: d.logger,
	}
	d.events = &kube.Events{
		Cluster: d.cluster, Store: d.store, Component: component, Instance: identity,
		Leading: d.leading, Current: d.problems.list, Logger: d.logger,
	}
	d.events.Open()
	service, _ := keyOf("Service", d.Status.Service)
	d.status = kube.NewStatus(kube.StatusConfig{
		Source: d.source, Addresses: d.Status.Addresses, Service: store.Name{Namespace: service.Namespace, Name: service.Name},
		Self: d.Self, Internal: d.Status.Internal, Interval: d.Status.Interval, Logger: d.logger,
		Served: func() []store.Name { return d.loop.State().Served },
	})
}

// ownNamespace is where this Daemun keeps what it shares with its like.
func (d *controller) ownNamespace() string { return cmp.Or(d.Self.Namespace, "default") }

func (d *controller) leading() bool { return !d.Election.Enabled || d.election.Leading() }

// lead takes part in the election and writes while this replica is the leader.
// There is nothing to write before the first table.
func (d *controller) lead(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-d.first:
	}
	write := func(ctx context.Context) {
		d.events.Problems(d.problems.list())
		if d.Status.Update && d.hasAddress() {
			d.status.Run(ctx)
		}
		<-ctx.Done()
	}
	if !d.Election.Enabled {
		write(ctx)
		return nil
	}
	return d.election.Run(ctx, write)
}

// hasAddress says whether there is a source of addresses, and what to do if
// not.
func (d *controller) hasAddress() bool {
	if len(d.Status.Addresses) > 0 || d.Status.Service != "" || d.Self != (store.Name{}) {
		return true
	}
	d.logger.Info("the status of Ingresses shows no address: this is no Pod (POD_NAME, POD_NAMESPACE); name one with --publish-status-address or --publish-service")
	return false
}

// clearStatus takes the addresses away with the last replica.
func (d *controller) clearStatus(ctx context.Context) {
	if !d.Status.Update || !d.Status.Clear || !d.leading() || !d.hasAddress() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, clearTimeout)
	defer cancel()
	d.status.Clear(ctx)
}

// tableIsLive follows a new table.
func (d *controller) tableIsLive(s control.State) {
	d.memory.follow()
	d.status.Changed()
	if d.SyncEvents {
		d.synced.update(s.Served, d.store.View(), d.events.Accepted)
	}
}

// syncedIngresses remembers which version of each Ingress has been said to be
// taken over. It is used by the control loop only.
type syncedIngresses struct {
	known map[store.Name]*networkingv1.Ingress
	// view is the one of the last update, served what was in service then.
	view   *store.View
	served []store.Name
}

// update tells of new versions; those of the first call are known to all.
func (s *syncedIngresses) update(served []store.Name, v *store.View, tell func(store.Name)) {
	changes, known := v.Since(s.view)
	if known && slices.Equal(served, s.served) {
		for _, c := range changes {
			name := store.Name{Namespace: c.Namespace, Name: c.Name}
			if _, ok := s.known[name]; ok && c.Kind == "Ingress" {
				s.take(name, v, tell)
			}
		}
	} else {
		s.compare(served, v, tell)
	}
	s.view, s.served = v, served
}

func (s *syncedIngresses) take(name store.Name, v *store.View, tell func(store.Name)) {
	if now := v.Ingresses[name]; now != nil && s.known[name] != now {
		s.known[name] = now
		tell(name)
	}
}

func (s *syncedIngresses) compare(served []store.Name, v *store.View, tell func(store.Name)) {
	if s.known == nil {
		s.known = make(map[store.Name]*networkingv1.Ingress, len(served))
		tell = func(store.Name) {}
	}
	for _, name := range served {
		s.take(name, v, tell)
	}
	if len(s.known) > len(served) {
		still := make(map[store.Name]bool, len(served))
		for _, name := range served {
			still[name] = true
		}
		maps.DeleteFunc(s.known, func(name store.Name, _ *networkingv1.Ingress) bool { return !still[name] })
	}
}
