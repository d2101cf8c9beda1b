package kube

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"daemun/internal/store"
)

// Election decides by a Lease which of several Daemuns writes to the API
// server. Losing it changes nothing for traffic (H11.4).
type Election struct {
	Cluster *Cluster
	// Lease is where the candidates meet, Identity the name of this one.
	Lease    store.Name
	Identity string
	// TTL is how long a leader that does not renew is believed to live. It
	// gives up itself before that, and everybody looks four times as often.
	TTL    time.Duration
	Logger *slog.Logger

	leading atomic.Bool
	// failure is what the last attempt failed with, empty if it did not;
	// that of the goroutine of Run.
	failure string
}

// Leading reports whether this one is the leader.
func (e *Election) Leading() bool { return e.leading.Load() }

// record is what a candidate has seen of the Lease. Ages are measured by the
// own clock, from when a change was seen: clocks of other machines may differ.
type record struct {
	lease *coordinationv1.Lease
	seen  time.Time
}

// Run takes part until ctx ends; it then hands the Lease back, so that another
// one need not wait. While this one leads, lead runs; its context ends when
// the leadership does, and it is waited for.
func (e *Election) Run(ctx context.Context, lead func(context.Context)) error {
	var wg sync.WaitGroup
	var stop context.CancelFunc
	resign := func() {
		if stop != nil {
			stop()
			wg.Wait()
			stop = nil
			e.leading.Store(false)
		}
	}
	var last record
	var renewed time.Time
	tick := time.NewTicker(max(e.TTL/4, time.Millisecond))
	defer tick.Stop()
	for {
		held, err := e.attempt(ctx, &last)
		if ctx.Err() == nil {
			e.tell(err)
		}
		switch {
		case ctx.Err() != nil:
		case err == nil && held:
			renewed = time.Now()
		case err == nil || time.Since(renewed) > e.TTL/2:
			if stop != nil {
				e.lost(err)
			}
			resign()
		}
		if held && stop == nil && ctx.Err() == nil {
			e.Logger.Info("leader: writing status and Events", "lease", e.Lease.Name, "identity", e.Identity)
			var leading context.Context
			leading, stop = context.WithCancel(ctx)
			e.leading.Store(true)
			wg.Go(func() { lead(leading) })
		}
		select {
		case <-ctx.Done():
			was := stop != nil
			resign()
			if was {
				e.release(context.WithoutCancel(ctx))
			}
			return nil
		case <-tick.C:
		}
	}
}

// lost says that this one leads no more.
func (e *Election) lost(err error) {
	if err == nil {
		e.Logger.Warn("no longer the leader: another one has taken the Lease", "lease", e.Lease.Name)
		return
	}
	e.Logger.Warn("no longer the leader: the Lease could not be renewed", "lease", e.Lease.Name, "err", err)
}

// attempt takes or renews the Lease if that is possible now.
func (e *Election) attempt(ctx context.Context, last *record) (held bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, max(e.TTL/4, 100*time.Millisecond))
	defer cancel()
	lease := &coordinationv1.Lease{}
	err = e.Cluster.coordination.Get().Namespace(e.Lease.Namespace).Resource("leases").Name(e.Lease.Name).Do(ctx).Into(lease)
	if apierrors.IsNotFound(err) {
		lease = &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: e.Lease.Namespace, Name: e.Lease.Name}}
		e.claim(lease)
		err = e.Cluster.coordination.Post().Namespace(e.Lease.Namespace).Resource("leases").Body(lease).Do(ctx).Error()
		if apierrors.IsAlreadyExists(err) {
			return false, nil // another one was faster
		}
		return err == nil, e.about(err)
	}
	if err != nil {
		return false, e.about(err)
	}
	if last.lease == nil || last.lease.ResourceVersion != lease.ResourceVersion {
		*last = record{lease.DeepCopy(), time.Now()}
	}
	holder := deref(lease.Spec.HolderIdentity)
	if holder != "" && holder != e.Identity && time.Since(last.seen) < e.termOf(lease) {
		return false, nil
	}
	e.claim(lease)
	err = e.Cluster.coordination.Put().Namespace(e.Lease.Namespace).Resource("leases").Name(e.Lease.Name).Body(lease).Do(ctx).Error()
	if apierrors.IsConflict(err) {
		return false, nil // another one was faster
	}
	return err == nil, e.about(err)
}

// about names the Lease in an error.
func (e *Election) about(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("lease %s/%s: %w", e.Lease.Namespace, e.Lease.Name, err)
}

// tell says each change once: attempts come every few seconds, and without the
// Lease nobody writes status or Events, which nothing else would explain.
func (e *Election) tell(err error) {
	now := ""
	if err != nil {
		now = err.Error()
	}
	switch changed := now != e.failure; {
	case !changed:
	case now == "":
		e.Logger.Info("the election goes on", "lease", e.Lease.Name)
	case apierrors.IsForbidden(err):
		e.Logger.Error("not allowed to take part in the election; see the RBAC rules in docs/cluster.md", "err", err)
	default:
		e.Logger.Warn("no part in the election; trying again", "err", err)
	}
	e.failure = now
}

func (e *Election) termOf(lease *coordinationv1.Lease) time.Duration {
	if s := lease.Spec.LeaseDurationSeconds; s != nil && *s > 0 {
		return time.Duration(*s) * time.Second
	}
	return e.TTL
}

// claim writes this candidate into the Lease.
func (e *Election) claim(lease *coordinationv1.Lease) {
	now := metav1.NowMicro()
	if deref(lease.Spec.HolderIdentity) != e.Identity {
		lease.Spec.HolderIdentity = new(e.Identity)
		lease.Spec.AcquireTime = &now
		lease.Spec.LeaseTransitions = new(deref(lease.Spec.LeaseTransitions) + 1)
	}
	lease.Spec.RenewTime = &now
	lease.Spec.LeaseDurationSeconds = new(int32(max(e.TTL/time.Second, 1)))
}

// release gives the Lease up if it is still ours.
func (e *Election) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	err := e.giveBack(ctx)
	// A renewal that was cut off may still reach the server in between.
	for apierrors.IsConflict(err) {
		err = e.giveBack(ctx)
	}
	if err != nil {
		e.Logger.Warn("lease not given back; the next leader waits for its end", "lease", e.Lease.Name, "err", err)
	}
}

func (e *Election) giveBack(ctx context.Context) error {
	lease := &coordinationv1.Lease{}
	leases := func(r *rest.Request) *rest.Request {
		return r.Namespace(e.Lease.Namespace).Resource("leases").Name(e.Lease.Name)
	}
	err := leases(e.Cluster.coordination.Get()).Do(ctx).Into(lease)
	if err != nil || deref(lease.Spec.HolderIdentity) != e.Identity {
		return err
	}
	lease.Spec.HolderIdentity = new("")
	lease.Spec.LeaseDurationSeconds = new(int32(1))
	return leases(e.Cluster.coordination.Put()).Body(lease).Do(ctx).Error()
}

func deref[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
