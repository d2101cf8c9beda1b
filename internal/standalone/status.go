package standalone

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"daemun/internal/ir"
)

// snapshot is the Pod's status now. It needs mu.
func (w *worker) snapshot() report {
	s := corev1.PodStatus{
		HostIP: w.pod.Status.HostIP, HostIPs: w.pod.Status.HostIPs, PodIP: w.pod.Status.PodIP, PodIPs: w.pod.Status.PodIPs,
		StartTime: &w.started, QOSClass: corev1.PodQOSBestEffort, Conditions: w.pod.Status.Conditions,
	}
	containersReady := true
	for _, c := range w.init {
		s.InitContainerStatuses = append(s.InitContainerStatuses, *c.status.DeepCopy())
		if isSidecar(c.spec) && !c.status.Ready {
			containersReady = false
		}
	}
	for _, c := range w.main {
		s.ContainerStatuses = append(s.ContainerStatuses, *c.status.DeepCopy())
		containersReady = containersReady && c.status.Ready
	}
	s.Phase = w.phase()
	s.Conditions = podConditions(w.pod, s.Phase, w.initialized, containersReady)
	return report{status: s, problems: slices.Collect(maps.Values(w.problems)), done: w.done}
}

// phase after the cluster's definition: Running once a container has started.
func (w *worker) phase() corev1.PodPhase {
	if !w.initialized {
		for _, c := range w.init {
			if t := c.status.State.Terminated; w.done && t != nil && t.ExitCode != 0 && w.stop.Err() == nil {
				return corev1.PodFailed
			}
		}
		return corev1.PodPending
	}
	ended, failed, begun := true, false, false
	for _, c := range w.main {
		t := c.status.State.Terminated
		final := t != nil && (w.done || !w.restarts(c, int(t.ExitCode)))
		ended = ended && final
		failed = failed || t != nil && t.ExitCode != 0
		begun = begun || c.status.State.Running != nil || t != nil || c.status.LastTerminationState.Terminated != nil
	}
	switch {
	case ended && failed:
		return corev1.PodFailed
	case ended:
		return corev1.PodSucceeded
	case begun:
		return corev1.PodRunning
	}
	return corev1.PodPending
}

// podConditions are the conditions that follow from the containers, beside
// those the Pod has from elsewhere (readiness gates).
func podConditions(pod *corev1.Pod, phase corev1.PodPhase, initialized, containersReady bool) []corev1.PodCondition {
	var out []corev1.PodCondition
	for _, c := range pod.Status.Conditions {
		switch c.Type {
		case corev1.PodScheduled, corev1.PodInitialized, corev1.ContainersReady, corev1.PodReady:
		default:
			out = append(out, c)
		}
	}
	reason, message := "", ""
	switch {
	case phase == corev1.PodSucceeded:
		containersReady, reason = false, "PodCompleted"
	case phase == corev1.PodFailed:
		containersReady, reason = false, "PodFailed"
	case !containersReady:
		reason, message = "ContainersNotReady", "a container is not ready"
	}
	ready, why, text := containersReady, reason, message
	for _, gate := range pod.Spec.ReadinessGates {
		if ready && !conditionTrue(pod, gate.ConditionType) {
			ready, why, text = false, "ReadinessGatesNotReady", "condition "+string(gate.ConditionType)+" is not True"
		}
	}
	return append(out,
		condition(corev1.PodScheduled, true, "", ""),
		condition(corev1.PodInitialized, initialized, "", ""),
		condition(corev1.ContainersReady, containersReady, reason, message),
		condition(corev1.PodReady, ready, why, text))
}

func condition(kind corev1.PodConditionType, ok bool, reason, message string) corev1.PodCondition {
	c := corev1.PodCondition{Type: kind, Status: corev1.ConditionFalse, Reason: reason, Message: message}
	if ok {
		c.Status = corev1.ConditionTrue
	}
	return c
}

// carryTimes gives each condition the time of its last change: that of the
// old status while the value is the same, otherwise now.
func carryTimes(now metav1.Time, old, next []corev1.PodCondition) {
	for i := range next {
		next[i].LastTransitionTime = now
		for _, o := range old {
			if o.Type == next[i].Type && o.Status == next[i].Status {
				next[i].LastTransitionTime = o.LastTransitionTime
			}
		}
	}
}

// isStuck says whether a container waits for something that time alone will
// not mend.
func isStuck(s *corev1.PodStatus) bool {
	for _, list := range [][]corev1.ContainerStatus{s.InitContainerStatuses, s.ContainerStatuses} {
		for _, c := range list {
			if c.State.Waiting == nil {
				continue
			}
			switch c.State.Waiting.Reason {
			case "ErrImageNeverPull", "CreateContainerConfigError", "CrashLoopBackOff":
				return true
			case "ContainerCreating":
				if c.State.Waiting.Message != "" {
					return true
				}
			}
		}
	}
	return false
}

// isSettled says whether nothing more is to be expected of the Pod now: it is
// ready, has ended, or is stuck.
func isSettled(pod *corev1.Pod, problems []ir.Problem) bool {
	if pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed || conditionTrue(pod, corev1.PodReady) {
		return true
	}
	if pod.Status.Phase == corev1.PodPending && !conditionTrue(pod, corev1.PodScheduled) && len(problems) > 0 {
		return true
	}
	return isStuck(&pod.Status)
}
