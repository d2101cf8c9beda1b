package standalone

import (
	"context"
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"daemun/internal/manifest"
	"daemun/internal/store"
)

// step takes what has come in, decides, shows the result, and starts and stops
// Pods. It needs turn.
func (c *Cluster) step() {
	s := c.state
	s.begin(time.Now())
	changes, reports := c.collect()
	for _, ch := range changes {
		s.intake(ch)
		c.applied = true
	}
	c.takeReports(reports)
	gone := s.reconcile()
	c.cfg.Store.Update(s.publish)
	if err := s.services.memory.save(); err != nil {
		c.cfg.Logger.Warn("remember the numbers of Services; after the next start some may differ", "error", err)
	}
	for _, e := range gone {
		if err := cleanup(c.cfg.StateDir, e.pod.UID); err != nil {
			c.cfg.Logger.Warn("remove the files of a Pod", "pod", store.NameOf(e.pod), "error", err)
		}
	}
	if len(s.changed) > 0 {
		c.notifyWorkers()
	}
	if len(s.changed) > 0 || s.served { // slices of the manifests pass through
		c.host.services.ring()
	}
	c.startWorkers()
	c.conclude()
}

// wind is a step while everything stops: state is shown, nothing is decided.
// It needs turn.
func (c *Cluster) wind() {
	s := c.state
	s.begin(time.Now())
	_, reports := c.collect()
	c.takeReports(reports)
	for _, e := range s.pods {
		s.remove(e)
	}
	for _, e := range s.sweep() {
		if err := cleanup(c.cfg.StateDir, e.pod.UID); err != nil {
			c.cfg.Logger.Warn("remove the files of a Pod", "pod", store.NameOf(e.pod), "error", err)
		}
	}
	c.cfg.Store.Update(s.publish)
}

func (c *Cluster) collect() ([]manifest.Change, map[types.UID]report) {
	c.mu.Lock()
	defer c.mu.Unlock()
	changes, reports := c.inbox, c.reports
	c.inbox, c.reports = nil, map[types.UID]report{}
	return changes, reports
}

func (c *Cluster) takeReports(reports map[types.UID]report) {
	if len(reports) == 0 {
		return
	}
	for _, e := range c.state.pods {
		if r, ok := reports[e.pod.UID]; ok {
			c.state.take(e, r)
		}
	}
}

func (c *Cluster) notifyWorkers() {
	for _, e := range c.state.pods {
		if e.worker != nil && !e.done {
			e.worker.notify()
		}
	}
}

// startWorkers starts the Pods that have a node and do not run yet.
func (c *Cluster) startWorkers() {
	if !c.running || c.stop == nil {
		return
	}
	for _, e := range slices.SortedFunc(maps.Values(c.state.pods), func(a, b *podEntry) int { return a.created - b.created }) {
		if e.worker != nil || !e.scheduled() || e.deleting() {
			continue
		}
		e.worker = newWorker(c.host, e)
		e.worker.stop, e.stop = context.WithCancel(c.stop)
		e.worker.kill = c.kill
		c.workers.Go(e.worker.run)
	}
}

// conclude publishes the problems and closes settled when the time has come.
func (c *Cluster) conclude() {
	problems := c.state.problems()
	c.problems.Store(&problems)
	if c.running && c.applied && !c.quiet && c.state.settled() {
		c.quiet = true
		close(c.settled)
	}
}
