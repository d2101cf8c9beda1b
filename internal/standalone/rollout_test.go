package standalone

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	"pgregory.net/rapid"

	"daemun/internal/manifest"
	"daemun/internal/store"
)

// TestRolloutInvariants drives the Deployment's decisions through Pods that
// become ready, fail and end in any order: never fewer than the minimum serve
// because of a decision, never more than the surge exist, and it comes to an
// end.
func TestRolloutInvariants(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := rollout{
			replicas: rapid.IntRange(1, 12).Draw(t, "replicas"), hash: "new",
			surge: rapid.IntRange(0, 4).Draw(t, "surge"), unavail: rapid.IntRange(0, 4).Draw(t, "unavailable"),
		}
		if r.surge+r.unavail == 0 {
			r.unavail = 1
		}
		var pods []replica
		for i := range r.replicas {
			pods = append(pods, replica{name: fmt.Sprint("old", i), hash: "old", ready: true})
		}
		made := 0
		for range 100 {
			pods, made = rolloutStep(t, r, pods, made)
		}
		// From here on all goes well.
		for range 3 * r.replicas {
			for i := range pods {
				pods[i].ready = true
			}
			pods, made = rolloutStep(t, r, pods, made)
		}
		for _, p := range pods {
			if p.hash != "new" {
				t.Fatalf("the rollout stopped with %v", pods)
			}
		}
		if len(pods) != r.replicas {
			t.Fatalf("%d Pods at the end, want %d", len(pods), r.replicas)
		}
	})
}

func rolloutStep(t *rapid.T, r rollout, pods []replica, made int) ([]replica, int) {
	serving := func() (n int) {
		for _, p := range pods {
			n += boolRank(p.ready)
		}
		return n
	}
	before := serving()
	d := r.decide(pods, time.Unix(1000, 0))
	pods = slices.DeleteFunc(slices.Clone(pods), func(p replica) bool { return slices.Contains(d.delete, p.name) })
	if now := serving(); now < before && now < r.replicas-r.unavail {
		t.Fatalf("%d serve after a decision, %d before, minimum %d", now, before, r.replicas-r.unavail)
	}
	for range d.create {
		made++
		pods = append(pods, replica{name: fmt.Sprint("new", made), hash: "new", created: made})
	}
	if len(pods) > r.replicas+r.surge {
		t.Fatalf("%d Pods, more than %d", len(pods), r.replicas+r.surge)
	}
	if len(pods) > 0 {
		i := rapid.IntRange(0, len(pods)-1).Draw(t, "which")
		pods[i].ready = rapid.Bool().Draw(t, "ready")
	}
	return pods, made
}

func TestKillStopsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rt, st := &fakeRuntime{}, store.New()
		c := newCluster(Config{Store: st, StateDir: t.TempDir()}, rt)
		c.Apply(manifest.Change{Put: []store.Object{deployment("web", 2, program("stubborn"))}})
		ctx, cancel := context.WithCancel(t.Context())
		kill, done := make(chan struct{}), make(chan error, 1)
		go func() { done <- c.Run(ctx, kill) }()
		synctest.Wait()
		cancel()
		synctest.Wait()
		begin := time.Now()
		close(kill)
		if err := <-done; err != nil || time.Since(begin) > 0 {
			t.Errorf("ended after %s with %v, want at once", time.Since(begin), err)
		}
		if len(rt.running) != 0 || len(st.View().Pods) != 0 {
			t.Error("something still runs")
		}
	})
}

func TestReadinessGate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		pod := &corev1.Pod{ObjectMeta: meta("a"), Spec: corev1.PodSpec{Containers: []corev1.Container{program("serve")}}}
		pod.Spec.ReadinessGates = []corev1.PodReadinessGate{{ConditionType: "example.test/ok"}}
		open := pod.DeepCopy()
		open.Name = "b"
		open.Status.Conditions = []corev1.PodCondition{{Type: "example.test/ok", Status: corev1.ConditionTrue}}
		l := newLab(t, pod, open)
		defer l.end()
		if conditionTrue(l.pod("a"), corev1.PodReady) || !conditionTrue(l.pod("a"), corev1.ContainersReady) {
			t.Error("a missing gate condition counts as False")
		}
		if !conditionTrue(l.pod("b"), corev1.PodReady) {
			t.Errorf("the gate is True: %v", l.pod("b").Status.Conditions)
		}
	})
}
