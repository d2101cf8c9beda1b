package standalone

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"daemun/internal/ir"
	"daemun/internal/store"
)

// podEntry is one Pod of the cluster. The control goroutine owns it.
type podEntry struct {
	pod    *corev1.Pod // as the store shows it; replaced, never written
	source store.Key   // the manifest object it comes from
	prefix string      // of the Pod's fields in that object

	hash    string
	ordinal int
	created int
	address netip.Addr // to give back; zero with hostNetwork

	worker   *worker // nil until it runs
	stop     context.CancelFunc
	done     bool // the worker has ended
	problems []ir.Problem
}

func (e *podEntry) deleting() bool { return e.pod.DeletionTimestamp != nil }

func (e *podEntry) scheduled() bool { return e.pod.Status.PodIP != "" }

// replica is the Pod as its workload sees it.
func (e *podEntry) replica() replica {
	r := replica{
		name: e.pod.Name, hash: e.hash, ordinal: e.ordinal, node: e.pod.Spec.NodeName, created: e.created, deleting: e.deleting(),
		succeeded: e.pod.Status.Phase == corev1.PodSucceeded, failed: e.pod.Status.Phase == corev1.PodFailed,
	}
	for _, c := range e.pod.Status.Conditions {
		if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
			r.ready, r.readySince = true, c.LastTransitionTime.Time
		}
	}
	for _, c := range e.pod.Status.ContainerStatuses {
		r.restarts += c.RestartCount
		if t := c.State.Terminated; t != nil && t.FinishedAt.After(r.finished) {
			r.finished = t.FinishedAt.Time
		}
	}
	return r
}

// podOrder is what is needed to make a Pod.
type podOrder struct {
	source   store.Key
	prefix   string
	template corev1.PodTemplateSpec
	name     string // complete, or
	base     string // the start of a generated name
	owner    metav1.OwnerReference
	labels   map[string]string // beside the template's
	hash     string
	ordinal  int
	node     string
}

// order makes a Pod as wanted, without node and address yet.
func (s *state) order(o podOrder) {
	s.sequence++
	pod := &corev1.Pod{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}}
	o.template.ObjectMeta.DeepCopyInto(&pod.ObjectMeta)
	o.template.Spec.DeepCopyInto(&pod.Spec)
	pod.Namespace, pod.Name, pod.GenerateName = o.source.Namespace, o.name, ""
	if o.name == "" {
		pod.GenerateName = o.base + "-"
		pod.Name = s.generateName(o)
	}
	if len(o.labels) > 0 {
		pod.Labels = maps.Clone(pod.Labels)
		if pod.Labels == nil {
			pod.Labels = map[string]string{}
		}
		maps.Copy(pod.Labels, o.labels)
	}
	if o.owner.Kind != "" {
		yes := true
		o.owner.Controller, o.owner.BlockOwnerDeletion = &yes, &yes
		pod.OwnerReferences = []metav1.OwnerReference{o.owner}
	}
	if o.node != "" {
		pod.Spec.NodeName = o.node
	}
	pod.UID = s.uid()
	pod.CreationTimestamp = metav1.NewTime(s.now)
	pod.Status = corev1.PodStatus{Phase: corev1.PodPending, Conditions: []corev1.PodCondition{condition(corev1.PodScheduled, false, "Unschedulable", "")}}
	s.pods[store.NameOf(pod)] = &podEntry{pod: pod, source: o.source, prefix: o.prefix, hash: o.hash, ordinal: o.ordinal, created: s.sequence}
	s.moved = true
}

// generateName appends five characters. They follow from the order of
// creation, so that the same manifests give the same names.
func (s *state) generateName(o podOrder) string {
	base := o.base[:min(len(o.base), 240)]
	for n := 0; ; n++ {
		name := base + "-" + safeHash(fmt.Sprint(o.source, o.hash, s.sequence, n), 5)
		if s.pods[store.Name{Namespace: o.source.Namespace, Name: name}] == nil {
			return name
		}
	}
}

// place gives a Pod its node and its address. It counts it in load.
func (s *state) place(e *podEntry, load map[string]int) {
	node, err := s.nodes.choose(&e.pod.Spec, load)
	if err != nil {
		e.problems = []ir.Problem{scheduleProblem(e, err)}
		return
	}
	pod := e.pod.DeepCopy()
	pod.Spec.NodeName = node.Name
	pod.Status.HostIP = nodeIP(node)
	pod.Status.HostIPs = []corev1.HostIP{{IP: pod.Status.HostIP}}
	pod.Status.PodIP = pod.Status.HostIP
	if !pod.Spec.HostNetwork {
		if e.address, err = s.nodes.podAddress(node.Name); err != nil {
			e.problems = []ir.Problem{{Code: CodeAddress, Severity: ir.SeverityError, Object: refOf(e.source), Message: err.Error()}}
			return
		}
		pod.Status.PodIP = e.address.String()
	}
	pod.Status.PodIPs = []corev1.PodIP{{IP: pod.Status.PodIP}}
	pod.Status.Conditions = podConditions(pod, corev1.PodPending, false, false)
	e.problems = nil
	load[node.Name]++
	s.replace(e, pod)
	s.moved = true
}

// load counts the Pods on each node.
func (s *state) load() map[string]int {
	out := map[string]int{}
	for _, e := range s.pods {
		if e.scheduled() && !e.done {
			out[e.pod.Spec.NodeName]++
		}
	}
	return out
}

// replace shows another version of a Pod.
func (s *state) replace(e *podEntry, pod *corev1.Pod) {
	s.touched = append(s.touched, e.pod, pod)
	e.pod = pod
}

// remove begins the deletion of a Pod.
func (s *state) remove(e *podEntry) {
	if e.deleting() {
		return
	}
	s.moved = true
	pod := e.pod.DeepCopy()
	now := metav1.NewTime(s.now)
	grace := int64(30)
	if g := pod.Spec.TerminationGracePeriodSeconds; g != nil {
		grace = *g
	}
	pod.DeletionTimestamp, pod.DeletionGracePeriodSeconds = &now, &grace
	s.replace(e, pod)
	if e.stop != nil {
		e.stop()
	}
}

// sweep takes Pods out of the cluster that are deleted and have ended.
func (s *state) sweep() (gone []*podEntry) {
	for name, e := range s.pods {
		if !e.deleting() || (e.worker != nil && !e.done) {
			continue
		}
		delete(s.pods, name)
		s.nodes.pods.release(e.address)
		s.touched = append(s.touched, e.pod)
		gone = append(gone, e)
		s.moved = true
	}
	return gone
}

// take applies a worker's report.
func (s *state) take(e *podEntry, r report) {
	e.problems, e.done = r.problems, r.done
	pod := e.pod.DeepCopy()
	r.status.Conditions = slices.Clone(r.status.Conditions)
	carryTimes(metav1.NewTime(s.now), e.pod.Status.Conditions, r.status.Conditions)
	pod.Status = r.status
	s.replace(e, pod)
}

// assume makes a Pod ready without running it.
func (s *state) assume(e *podEntry) {
	yes := true
	status := e.pod.Status.DeepCopy()
	status.Phase, status.StartTime = corev1.PodRunning, &metav1.Time{Time: s.now}
	for _, c := range e.pod.Spec.Containers {
		status.ContainerStatuses = append(status.ContainerStatuses, corev1.ContainerStatus{
			Name: c.Name, Image: c.Image, Ready: true, Started: &yes,
			State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(s.now)}},
		})
	}
	status.Conditions = podConditions(e.pod, corev1.PodRunning, true, true)
	s.take(e, report{status: *status})
	s.moved = true
}

// owned are the Pods of a workload in order of creation.
func (s *state) owned(source store.Key) []*podEntry {
	var out []*podEntry
	for _, e := range s.pods {
		if e.source == source {
			out = append(out, e)
		}
	}
	slices.SortFunc(out, func(a, b *podEntry) int { return a.created - b.created })
	return out
}

func byName(a, b *podEntry) int {
	return strings.Compare(a.pod.Namespace+"/"+a.pod.Name, b.pod.Namespace+"/"+b.pod.Name)
}

// due notes when time alone changes something.
func (s *state) due(t time.Time) {
	if !t.IsZero() && (s.again.IsZero() || t.Before(s.again)) {
		s.again = t
	}
}
