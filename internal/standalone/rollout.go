package standalone

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// replica is one Pod as a workload sees it.
type replica struct {
	name    string
	hash    string // of the template it was made from
	ordinal int    // StatefulSet, indexed Job: its index; DaemonSet, others: 0
	node    string
	created int // order of creation

	ready      bool
	readySince time.Time
	deleting   bool
	succeeded  bool
	failed     bool
	restarts   int32
	finished   time.Time // of its last container
}

// ended Pods neither serve nor count.
func (r replica) ended() bool { return r.succeeded || r.failed }

// decision is what a workload wants done to its Pods.
type decision struct {
	create []creation
	delete []string // names of Pods
	// again is when time alone may change the decision; zero: never.
	again time.Time
}

type creation struct {
	hash    string
	name    string // empty: a generated one
	ordinal int
	node    string // empty: the scheduler's choice
}

func (d *decision) at(t time.Time) {
	if d.again.IsZero() || t.Before(d.again) {
		d.again = t
	}
}

func (d *decision) remove(rs ...replica) {
	for _, r := range rs {
		d.delete = append(d.delete, r.name)
	}
}

// rollout is the part of a Deployment that decides about Pods.
type rollout struct {
	replicas        int
	hash            string
	recreate        bool
	surge, unavail  int
	minReadySeconds int32
}

// rolloutOf resolves percentages: the surge is rounded up, the unavailable
// number down, and both 0 would stand still, so then one may be unavailable.
func rolloutOf(d *appsv1.Deployment, hash string) rollout {
	r := rollout{replicas: count(d.Spec.Replicas, 1), hash: hash, minReadySeconds: d.Spec.MinReadySeconds}
	r.recreate = d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType
	var surge, unavail *intstr.IntOrString
	if u := d.Spec.Strategy.RollingUpdate; u != nil {
		surge, unavail = u.MaxSurge, u.MaxUnavailable
	}
	quarter := intstr.FromString("25%")
	r.surge = scaled(cmp.Or(surge, &quarter), r.replicas, math.Ceil)
	r.unavail = scaled(cmp.Or(unavail, &quarter), r.replicas, math.Floor)
	if r.surge == 0 && r.unavail == 0 {
		r.unavail = 1
	}
	return r
}

func count(n *int32, otherwise int) int {
	if n == nil {
		return otherwise
	}
	return max(int(*n), 0)
}

// scaled resolves a number or a percentage of total; what cannot be read
// counts as 0 (the manifest's validation reports it).
func scaled(v *intstr.IntOrString, total int, round func(float64) float64) int {
	if v.Type == intstr.Int {
		return max(int(v.IntVal), 0)
	}
	percent, err := strconv.Atoi(strings.TrimSuffix(v.StrVal, "%"))
	if err != nil || percent < 0 || percent > 1_000_000 {
		return 0
	}
	return int(round(float64(percent) * float64(total) / 100))
}

// available reports whether a Pod has been ready for long enough, and if only
// time is missing, notes when to look again.
func (r rollout) available(p replica, now time.Time, d *decision) bool {
	if !p.ready || p.deleting || p.ended() {
		return false
	}
	due := p.readySince.Add(time.Duration(r.minReadySeconds) * time.Second)
	if now.Before(due) {
		d.at(due)
		return false
	}
	return true
}

// decide is one step of the Deployment controller. Pods under deletion count
// as gone, as in a cluster.
func (r rollout) decide(pods []replica, now time.Time) (d decision) {
	var fresh, old []replica
	stopping := false
	for _, p := range pods {
		switch {
		case p.deleting:
			stopping = stopping || p.hash != r.hash
		case p.ended():
			d.remove(p) // a Deployment's Pod restarts its containers; an ended one is replaced
		case p.hash == r.hash:
			fresh = append(fresh, p)
		default:
			old = append(old, p)
		}
	}
	if r.recreate && (len(old) > 0 || stopping) {
		d.remove(old...)
		return d
	}
	r.scaleNew(&d, fresh, len(old))
	r.scaleOld(&d, fresh, old, now)
	return d
}

func (r rollout) scaleNew(d *decision, fresh []replica, old int) {
	if surplus := len(fresh) - r.replicas; surplus > 0 {
		d.remove(leastUseful(fresh)[:surplus]...)
		return
	}
	room := r.replicas - len(fresh)
	if old > 0 {
		room = min(room, r.replicas+r.surge-len(fresh)-old)
	}
	for range max(room, 0) {
		d.create = append(d.create, creation{hash: r.hash})
	}
}

// scaleOld removes old Pods as far as the new ones that are available permit:
// first those that do not serve anyway.
func (r rollout) scaleOld(d *decision, fresh, old []replica, now time.Time) {
	if len(old) == 0 {
		return
	}
	available := 0
	for _, p := range fresh {
		if r.available(p, now, d) {
			available++
		}
	}
	var serving, broken []replica
	for _, p := range old {
		if p.ready {
			serving = append(serving, p)
		} else {
			broken = append(broken, p)
		}
	}
	minimum := r.replicas - r.unavail
	// New Pods that are not available yet still hold their place: an old broken
	// Pod may go only as far as the total stays at the minimum.
	spare := len(fresh) + len(old) - minimum - (len(fresh) - available)
	n := min(max(spare, 0), len(broken))
	d.remove(leastUseful(broken)[:n]...)
	n = min(max(available+len(serving)-minimum, 0), len(serving), max(spare-n, 0))
	d.remove(leastUseful(serving)[:n]...)
}

// leastUseful orders Pods so that the ones to give up come first: not ready,
// then youngest.
func leastUseful(pods []replica) []replica {
	out := slices.Clone(pods)
	slices.SortFunc(out, func(a, b replica) int {
		return cmp.Or(cmp.Compare(boolRank(a.ready), boolRank(b.ready)), cmp.Compare(b.created, a.created))
	})
	return out
}

// keepReplicas is the ReplicaSet controller: the number counts, the template
// matters only for new Pods.
func keepReplicas(replicas int, hash string, pods []replica) (d decision) {
	var live []replica
	for _, p := range pods {
		switch {
		case p.deleting:
		case p.ended():
			d.remove(p)
		default:
			live = append(live, p)
		}
	}
	if surplus := len(live) - replicas; surplus > 0 {
		d.remove(leastUseful(live)[:surplus]...)
	}
	for range max(replicas-len(live), 0) {
		d.create = append(d.create, creation{hash: hash})
	}
	return d
}
