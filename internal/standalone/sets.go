package standalone

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// decideStateful is one step of the StatefulSet controller: Pods with stable
// names, made in order, removed and updated in reverse order, one at a time.
func decideStateful(s *appsv1.StatefulSet, hash string, pods []replica, now time.Time) (d decision) {
	first := 0
	if s.Spec.Ordinals != nil {
		first = int(s.Spec.Ordinals.Start)
	}
	last := first + count(s.Spec.Replicas, 1) // exclusive
	parallel := s.Spec.PodManagementPolicy == appsv1.ParallelPodManagement
	at := map[int]replica{}
	var surplus []replica
	for _, p := range pods {
		if p.ordinal < first || p.ordinal >= last {
			surplus = append(surplus, p)
			continue
		}
		at[p.ordinal] = p
	}
	healthy := rollout{minReadySeconds: s.Spec.MinReadySeconds}
	for i := first; i < last; i++ {
		p, ok := at[i]
		switch {
		case !ok:
			d.create = append(d.create, creation{hash: hash, name: fmt.Sprintf("%s-%d", s.Name, i), ordinal: i})
		case p.ended() && !p.deleting:
			d.remove(p)
		}
		if !parallel && (!ok || !healthy.available(p, now, &d)) {
			return d // the next in order waits for this one
		}
	}
	slices.SortFunc(surplus, func(a, b replica) int { return cmp.Compare(b.ordinal, a.ordinal) })
	for _, p := range surplus {
		if !p.deleting {
			d.remove(p)
		}
		if !parallel {
			return d
		}
	}
	if len(surplus) == 0 && len(d.create) == 0 {
		updateStateful(&d, s, hash, at, now)
	}
	return d
}

// updateStateful replaces the highest Pod of an old template, once all above
// it are new and serve.
func updateStateful(d *decision, s *appsv1.StatefulSet, hash string, at map[int]replica, now time.Time) {
	if s.Spec.UpdateStrategy.Type == appsv1.OnDeleteStatefulSetStrategyType {
		return
	}
	partition := 0
	if u := s.Spec.UpdateStrategy.RollingUpdate; u != nil {
		partition = count(u.Partition, 0)
	}
	healthy := rollout{minReadySeconds: s.Spec.MinReadySeconds}
	ordinals := make([]int, 0, len(at))
	for i := range at {
		ordinals = append(ordinals, i)
	}
	slices.Sort(ordinals)
	for _, i := range slices.Backward(ordinals) {
		p := at[i]
		if i < partition || p.deleting {
			return
		}
		if p.hash != hash {
			d.remove(p)
			return
		}
		if !healthy.available(p, now, d) {
			return
		}
	}
}

// decideDaemons is one step of the DaemonSet controller: one Pod on each node.
func decideDaemons(s *appsv1.DaemonSet, hash string, nodes []string, pods []replica, now time.Time) (d decision) {
	wanted := map[string]bool{}
	for _, n := range nodes {
		wanted[n] = true
	}
	var old []replica
	unavailable := 0
	healthy := rollout{minReadySeconds: s.Spec.MinReadySeconds}
	for _, p := range pods {
		switch {
		case !wanted[p.node] || p.ended():
			if !p.deleting {
				d.remove(p)
			}
		case p.hash != hash && !p.deleting:
			old = append(old, p)
		}
		if wanted[p.node] && !healthy.available(p, now, &d) {
			unavailable++
		}
		delete(wanted, p.node)
	}
	for _, n := range nodes {
		if wanted[n] {
			d.create = append(d.create, creation{hash: hash, node: n})
			unavailable++
		}
	}
	if s.Spec.UpdateStrategy.Type == appsv1.OnDeleteDaemonSetStrategyType {
		return d
	}
	one := intstr.FromInt32(1)
	limit := &one
	if u := s.Spec.UpdateStrategy.RollingUpdate; u != nil && u.MaxUnavailable != nil {
		limit = u.MaxUnavailable
	}
	budget := max(scaled(limit, len(nodes), math.Ceil), 1) - unavailable
	for _, p := range leastUseful(old) {
		if !p.ready {
			d.remove(p) // replacing it makes nothing worse
		} else if budget > 0 {
			d.remove(p)
			budget--
		}
	}
	return d
}

// decideJob is one step of the Job controller. failed is set once the retries
// are used up: no more Pods then.
func decideJob(j *batchv1.Job, hash string, pods []replica, now time.Time) (d decision, failed bool) {
	parallelism := count(j.Spec.Parallelism, 1)
	indexed := j.Spec.CompletionMode != nil && *j.Spec.CompletionMode == batchv1.IndexedCompletion
	active, succeeded, failures := 0, 0, 0
	taken := map[int]bool{}
	var lastFailure time.Time
	for _, p := range pods {
		failures += int(p.restarts)
		switch {
		case p.succeeded:
			succeeded++
			taken[p.ordinal] = true
		case p.failed:
			failures++
			if p.finished.After(lastFailure) {
				lastFailure = p.finished
			}
		case !p.deleting:
			active++
			taken[p.ordinal] = true
		}
	}
	if failures > count(j.Spec.BackoffLimit, 6) {
		for _, p := range pods {
			if !p.ended() && !p.deleting {
				d.remove(p)
			}
		}
		return d, true
	}
	// Without completions any success ends the Job: Pods that run may finish.
	missing := parallelism - active
	if j.Spec.Completions != nil {
		missing = min(parallelism, int(*j.Spec.Completions)-succeeded) - active
	} else if succeeded > 0 {
		missing = 0
	}
	if j.Spec.Suspend != nil && *j.Spec.Suspend {
		missing = 0
	}
	if due := lastFailure.Add(jobBackOff(failures)); missing > 0 && now.Before(due) {
		d.at(due)
		return d, false
	}
	index := 0
	for range max(missing, 0) {
		for indexed && taken[index] {
			index++
		}
		d.create = append(d.create, creation{hash: hash, ordinal: index})
		taken[index] = true
	}
	return d, false
}

// jobBackOff is how long a Job waits after its n-th failure: 10 s, doubling,
// at most 10 min.
func jobBackOff(n int) time.Duration {
	if n < 1 {
		return 0
	}
	return min(firstBackOff<<min(n-1, 10), 10*time.Minute)
}
