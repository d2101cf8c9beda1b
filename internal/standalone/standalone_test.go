package standalone

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"daemun/internal/manifest"
	"daemun/internal/store"
)

func TestDeploymentServes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, deployment("web", 3, program("serve")), service("web"))
		defer l.end()
		if ready, _, _ := l.endpoints("web"); ready != 3 {
			t.Errorf("%d endpoints are ready, want 3", ready)
		}
		select {
		case <-l.Settled():
		default:
			t.Error("not settled although all Pods are ready")
		}
		seen := map[string]bool{}
		for _, p := range l.pods() {
			if !strings.HasPrefix(p.Name, "web-"+p.Labels[appsv1.DefaultDeploymentUniqueLabelKey]+"-") {
				t.Errorf("Pod %s is not named for its template", p.Name)
			}
			if p.Status.Phase != corev1.PodRunning || p.Spec.NodeName != "local" || p.Status.HostIP != "127.18.0.1" {
				t.Errorf("Pod %s: phase %s on node %s (%s)", p.Name, p.Status.Phase, p.Spec.NodeName, p.Status.HostIP)
			}
			if seen[p.Status.PodIP] || !strings.HasPrefix(p.Status.PodIP, "127.244.") {
				t.Errorf("Pod %s has address %q", p.Name, p.Status.PodIP)
			}
			seen[p.Status.PodIP] = true
		}
		if ip := l.store.View().Services[store.Name{Namespace: "default", Name: "kubernetes"}].Spec.ClusterIP; ip != "127.96.0.1" {
			t.Errorf("the kubernetes Service has address %s", ip)
		}
	})
}

func TestRollingUpdateKeepsServing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := program("serve")
		c.ReadinessProbe = execProbe(1)
		c.ReadinessProbe.InitialDelaySeconds = 5
		l := newLab(t, deployment("web", 4, c), service("web"))
		defer l.end()
		l.wait(6 * time.Second)
		if ready, _, _ := l.endpoints("web"); ready != 4 {
			t.Fatalf("%d ready, want 4", ready)
		}
		c.Args = []string{"v2"}
		next := deployment("web", 4, c)
		next.Spec.MinReadySeconds = 3
		l.put(next)
		for range 60 {
			ready, unready, _ := l.endpoints("web")
			if ready < 3 {
				t.Fatalf("%d ready, fewer than replicas less maxUnavailable", ready)
			}
			if ready+unready > 5 {
				t.Fatalf("%d Pods, more than replicas plus maxSurge", ready+unready)
			}
			l.wait(time.Second)
		}
		hash := hashOf(next.Spec.Template)
		pods := l.pods()
		if len(pods) != 4 {
			t.Errorf("%d Pods at the end, want 4", len(pods))
		}
		for _, p := range pods {
			if p.Labels[appsv1.DefaultDeploymentUniqueLabelKey] != hash {
				t.Errorf("Pod %s is of the old template", p.Name)
			}
		}
	})
}

func TestScaleRecreateDelete(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, deployment("web", 2, program("serve")))
		defer l.end()
		l.put(deployment("web", 5, program("serve")))
		if n := len(l.pods()); n != 5 {
			t.Errorf("%d Pods after scaling up, want 5", n)
		}
		l.put(deployment("web", 1, program("serve")))
		if n := len(l.pods()); n != 1 {
			t.Errorf("%d Pods after scaling down, want 1", n)
		}
		d := deployment("web", 1, program("stubborn"))
		d.Spec.Strategy.Type = appsv1.RecreateDeploymentStrategyType
		l.put(d)
		l.wait(time.Second)
		d = deployment("web", 1, program("serve", "again"))
		d.Spec.Strategy.Type = appsv1.RecreateDeploymentStrategyType
		l.put(d)
		if pods := l.pods(); len(pods) != 1 || pods[0].DeletionTimestamp == nil {
			t.Errorf("Recreate started a new Pod before the old one ended")
		}
		l.wait(31 * time.Second)
		if pods := l.pods(); len(pods) != 1 || pods[0].DeletionTimestamp != nil {
			t.Errorf("the new Pod is missing after the grace period")
		}
		l.Apply(manifest.Change{Delete: []store.Key{{Kind: "Deployment", Namespace: "default", Name: "web"}}})
		synctest.Wait()
		if n := len(l.pods()); n != 0 {
			t.Errorf("%d Pods after deletion", n)
		}
	})
}

func TestReadinessAndTermination(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := program("stubborn")
		c.ReadinessProbe = execProbe(1)
		c.ReadinessProbe.FailureThreshold = 2
		l := newLab(t, deployment("web", 1, c), service("web"))
		defer l.end()
		if ready, _, _ := l.endpoints("web"); ready != 1 {
			t.Fatal("not ready after the first success")
		}
		l.rt.mu.Lock()
		l.rt.ready = func([]string) bool { return false }
		l.rt.mu.Unlock()
		l.wait(2100 * time.Millisecond)
		if _, unready, _ := l.endpoints("web"); unready != 1 {
			t.Error("still ready after two failures")
		}
		l.Apply(manifest.Change{Delete: []store.Key{{Kind: "Deployment", Namespace: "default", Name: "web"}}})
		synctest.Wait()
		if _, _, terminating := l.endpoints("web"); terminating != 1 {
			t.Error("the endpoint is not shown as terminating")
		}
		l.wait(31 * time.Second)
		slices := l.store.View().SlicesOf(store.Name{Namespace: "default", Name: "web"})
		if len(slices) != 1 || len(slices[0].Endpoints) != 0 || len(slices[0].Ports) != 0 {
			t.Errorf("want one placeholder slice, got %v", slices)
		}
	})
}

func TestCrashLoop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		pod := &corev1.Pod{ObjectMeta: meta("bad"), Spec: corev1.PodSpec{Containers: []corev1.Container{program("fail")}}}
		l := newLab(t, pod)
		defer l.end()
		if n := l.rt.started("default/bad/main"); n != 2 {
			t.Errorf("%d starts at once, want the first and one restart", n)
		}
		select {
		case <-l.Settled():
		default:
			t.Error("a crash loop is settled")
		}
		st := l.pod("bad").Status.ContainerStatuses[0]
		if st.State.Waiting == nil || st.State.Waiting.Reason != "CrashLoopBackOff" || st.LastTerminationState.Terminated.ExitCode != 3 {
			t.Errorf("state %+v", st)
		}
		p := l.Problems()
		if len(p) != 1 || p[0].Code != CodeCrashLoop || !strings.Contains(p[0].Message, "cannot find the config") || !strings.Contains(p[0].Message, "3") {
			t.Errorf("problems: %v", p)
		}
		for _, step := range []struct {
			after time.Duration
			want  int
		}{{9 * time.Second, 2}, {2 * time.Second, 3}, {20 * time.Second, 4}, {40 * time.Second, 5}} {
			l.wait(step.after)
			if n := l.rt.started("default/bad/main"); n != step.want {
				t.Errorf("%d starts, want %d", n, step.want)
			}
		}
	})
}

func TestLivenessRestarts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := program("serve")
		c.LivenessProbe = execProbe(1)
		l := newLab(t, &corev1.Pod{ObjectMeta: meta("a"), Spec: corev1.PodSpec{Containers: []corev1.Container{c}}})
		defer l.end()
		l.rt.mu.Lock()
		fails := 0
		l.rt.ready = func([]string) bool { fails++; return fails > 3 }
		l.rt.mu.Unlock()
		l.wait(5 * time.Second)
		if st := l.pod("a").Status.ContainerStatuses[0]; st.RestartCount != 1 || st.State.Running == nil {
			t.Errorf("after three failures: %+v", st)
		}
	})
}

func TestStartupHoldsBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := program("serve")
		c.StartupProbe, c.ReadinessProbe = execProbe(1), execProbe(60)
		c.StartupProbe.FailureThreshold = 10
		started := time.Now()
		pod := &corev1.Pod{ObjectMeta: meta("a"), Spec: corev1.PodSpec{Containers: []corev1.Container{c}}}
		l := newLabWith(t, func(rt *fakeRuntime) {
			rt.ready = func([]string) bool { return time.Since(started) > 3500*time.Millisecond }
		}, pod)
		defer l.end()
		l.wait(3 * time.Second)
		if conditionTrue(l.pod("a"), corev1.PodReady) {
			t.Error("ready before the startup probe succeeded")
		}
		l.wait(time.Second)
		if !conditionTrue(l.pod("a"), corev1.PodReady) {
			t.Error("readiness was not probed at once after startup")
		}
	})
}

func TestInitContainersAndSidecar(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		always := corev1.ContainerRestartPolicyAlways
		side := corev1.Container{Name: "side", Command: []string{"serve"}, RestartPolicy: &always}
		first := corev1.Container{Name: "first", Command: []string{"ok"}}
		pod := &corev1.Pod{ObjectMeta: meta("a"), Spec: corev1.PodSpec{
			InitContainers: []corev1.Container{first, side}, Containers: []corev1.Container{program("ok")}, RestartPolicy: corev1.RestartPolicyNever,
		}}
		l := newLab(t, pod)
		defer l.end()
		var order []string
		for _, s := range l.rt.starts {
			order = append(order, s.ID)
		}
		if got := strings.Join(order, " "); got != "default/a/first default/a/side default/a/main" {
			t.Errorf("started %s", got)
		}
		if p := l.pod("a").Status.Phase; p != corev1.PodSucceeded {
			t.Errorf("phase %s, want Succeeded", p)
		}
		if l.rt.get("default/a/side") != nil {
			t.Error("the sidecar outlives the Pod's containers")
		}
	})
}

func TestStatefulSetOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		three := int32(3)
		c := program("serve")
		c.ReadinessProbe = execProbe(1)
		c.ReadinessProbe.InitialDelaySeconds = 2
		set := &appsv1.StatefulSet{ObjectMeta: meta("db")}
		set.Spec.Replicas, set.Spec.ServiceName, set.Spec.Template = &three, "db", podTemplate("db", c)
		l := newLab(t, set)
		defer l.end()
		for want := 1; want <= 3; want++ {
			if n := len(l.pods()); n != want {
				t.Errorf("%d Pods, want %d: each waits for the one before", n, want)
			}
			l.wait(2100 * time.Millisecond)
		}
		next := set.DeepCopy()
		next.Spec.Template.Spec.Containers[0].Args = []string{"v2"}
		l.put(next)
		if l.pod("db-2").Labels[appsv1.StatefulSetRevisionLabel] != "db-"+hashOf(next.Spec.Template) ||
			l.pod("db-1").Labels[appsv1.StatefulSetRevisionLabel] != "db-"+hashOf(set.Spec.Template) {
			t.Error("the update does not begin with the last Pod alone")
		}
		l.wait(10 * time.Second)
		if l.pod("db-0").Labels[appsv1.StatefulSetRevisionLabel] != "db-"+hashOf(next.Spec.Template) || l.pod("db-0").Spec.Hostname != "db-0" {
			t.Error("the update does not reach the first Pod")
		}
	})
}

func TestDaemonSetAndNodes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		set := &appsv1.DaemonSet{ObjectMeta: meta("agent")}
		set.Spec.Template = podTemplate("agent", program("serve"))
		a, b := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "a"}}, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "b"}}
		b.Labels = map[string]string{"disk": "fast"}
		picky := deployment("picky", 2, program("serve"))
		picky.Spec.Template.Spec.NodeSelector = map[string]string{"disk": "fast"}
		nowhere := deployment("nowhere", 1, program("serve"))
		nowhere.Spec.Template.Spec.NodeName = "moon"
		l := newLab(t, a, b, set, deployment("web", 4, program("serve")), picky, nowhere)
		defer l.end()
		count := map[string]int{}
		for _, p := range l.pods() {
			count[p.Labels["app"]+"@"+p.Spec.NodeName]++
		}
		for k, want := range map[string]int{"agent@a": 1, "agent@b": 1, "picky@b": 2, "nowhere@moon": 1} {
			if count[k] != want {
				t.Errorf("%s: %d Pods, want %d (all: %v)", k, count[k], want, count)
			}
		}
		if count["web@a"]+count["web@b"] != 4 || count["web@a"] == 0 || count["web@b"] == 0 {
			t.Errorf("not spread: %v", count)
		}
		if p := l.Problems(); len(p) != 1 || p[0].Code != CodeSchedule {
			t.Errorf("problems: %v", p)
		}
	})
}

func TestJob(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		job := &batchv1.Job{ObjectMeta: meta("once")}
		five, two, one := int32(5), int32(2), int32(1)
		job.Spec.Completions, job.Spec.Parallelism = &five, &two
		job.Spec.Template = podTemplate("once", program("ok"))
		bad := &batchv1.Job{ObjectMeta: meta("bad")}
		bad.Spec.BackoffLimit = &one
		bad.Spec.Template = podTemplate("bad", program("fail"))
		l := newLab(t, job, bad)
		defer l.end()
		l.wait(time.Hour)
		count := map[string]int{}
		for _, p := range l.pods() {
			count[p.Labels["job-name"]+" "+string(p.Status.Phase)]++
		}
		if count["once Succeeded"] != 5 || count["bad Failed"] != 2 || len(count) != 2 {
			t.Errorf("Pods: %v", count)
		}
		if p := l.Problems(); len(p) != 1 || p[0].Code != CodeJobFailed {
			t.Errorf("problems: %v", p)
		}
	})
}

func TestMissingReferenceAppears(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := program("serve", "$(COLOR)", "$$(COLOR)", "$(NONE)")
		c.Env = []corev1.EnvVar{{Name: "COLOR", ValueFrom: &corev1.EnvVarSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{
			LocalObjectReference: corev1.LocalObjectReference{Name: "paint"}, Key: "color",
		}}}}
		l := newLab(t, deployment("web", 2, c))
		defer l.end()
		p := l.Problems()
		if len(p) != 1 || p[0].Code != CodeMissingRef || p[0].Object.Kind != "Deployment" || p[0].Field != "spec.template.spec.containers[0].env[0]" {
			t.Fatalf("problems: %v", p)
		}
		select {
		case <-l.Settled():
		default:
			t.Error("not settled")
		}
		l.put(&corev1.ConfigMap{ObjectMeta: meta("paint"), Data: map[string]string{"color": "red"}})
		if p := l.Problems(); len(p) != 0 {
			t.Errorf("problems after the ConfigMap appeared: %v", p)
		}
		if got := strings.Join(l.rt.starts[0].Argv, " "); got != "serve red $(COLOR) $(NONE)" {
			t.Errorf("started %s", got)
		}
	})
}

func TestUnknownImage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		echo := deployment("echo", 1, corev1.Container{Name: "main", Image: "daemun/echo:1.0", Args: []string{"--x"}})
		l := newLab(t, deployment("web", 1, corev1.Container{Name: "main", Image: "registry:5000/nginx:1.27"}), echo)
		defer l.end()
		p := l.Problems()
		if len(p) != 1 || p[0].Code != CodeImage || !strings.Contains(p[0].Message, "--image registry:5000/nginx=PATH") {
			t.Errorf("problems: %v", p)
		}
		if got := strings.Join(l.rt.starts[0].Argv, " "); got != "serve echo --x" {
			t.Errorf("echo started as %q", got)
		}
	})
}

func TestPodEdited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		pod := &corev1.Pod{ObjectMeta: meta("a"), Spec: corev1.PodSpec{Containers: []corev1.Container{program("serve")}}}
		l := newLab(t, pod)
		defer l.end()
		uid := l.pod("a").UID
		relabelled := pod.DeepCopy()
		relabelled.Labels["tier"] = "x"
		l.put(relabelled)
		if p := l.pod("a"); p.UID != uid || p.Labels["tier"] != "x" {
			t.Error("a new label replaced the Pod or was lost")
		}
		edited := pod.DeepCopy()
		edited.Spec.Containers[0].Args = []string{"v2"}
		l.put(edited)
		if p := l.pod("a"); p.UID == uid || p.DeletionTimestamp != nil {
			t.Error("the edited Pod was not replaced")
		}
	})
}

func TestNamedPortsPerPod(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, d := program("serve"), program("serve")
		c.Ports = []corev1.ContainerPort{{Name: "web", ContainerPort: 8080}}
		d.Ports = []corev1.ContainerPort{{Name: "web", ContainerPort: 9090}}
		svc := service("web")
		svc.Spec.Ports[0].TargetPort = intstr.FromString("web")
		a := &corev1.Pod{ObjectMeta: meta("a"), Spec: corev1.PodSpec{Containers: []corev1.Container{c}}}
		b := &corev1.Pod{ObjectMeta: meta("b"), Spec: corev1.PodSpec{Containers: []corev1.Container{d}}}
		a.Labels["app"], b.Labels["app"] = "web", "web"
		l := newLab(t, svc, a, b)
		defer l.end()
		ports := map[int32]int{}
		for _, s := range l.store.View().SlicesOf(store.Name{Namespace: "default", Name: "web"}) {
			ports[*s.Ports[0].Port] += len(s.Endpoints)
		}
		if len(ports) != 2 || ports[8080] != 1 || ports[9090] != 1 {
			t.Errorf("ports: %v", ports)
		}
	})
}
