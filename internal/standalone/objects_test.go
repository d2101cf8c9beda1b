package standalone

import (
	"testing"
	"testing/synctest"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"daemun/internal/manifest"
	"daemun/internal/store"
)

func TestHandMadeEndpoints(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		external := &corev1.Service{ObjectMeta: meta("ext"), Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}}}
		legacy := &corev1.Endpoints{ObjectMeta: meta("ext"), Subsets: []corev1.EndpointSubset{{
			Addresses: []corev1.EndpointAddress{{IP: "192.0.2.1"}}, Ports: []corev1.EndpointPort{{Port: 80}},
		}}}
		own := &discoveryv1.EndpointSlice{ObjectMeta: meta("mine"), AddressType: discoveryv1.AddressTypeIPv4}
		own.Labels = map[string]string{discoveryv1.LabelServiceName: "ext"}
		l := newLab(t, external, legacy, own)
		defer l.end()
		name := store.Name{Namespace: "default", Name: "ext"}
		got := l.store.View().SlicesOf(name)
		if len(got) != 2 || l.store.View().EndpointSlices[store.Name{Namespace: "default", Name: "mine"}] != own {
			t.Fatalf("%d slices, want the mirrored one and the user's own: %v", len(got), got)
		}
		before := l.store.View().Revision
		l.put(legacy)
		if after := l.store.View().Revision; after != before {
			t.Errorf("the same objects made revision %d after %d", after, before)
		}
		l.Apply(manifest.Change{Delete: []store.Key{{Kind: "Endpoints", Namespace: "default", Name: "ext"}}})
		synctest.Wait()
		if got := l.store.View().SlicesOf(name); len(got) != 1 || got[0] != own {
			t.Errorf("after the Endpoints are gone: %v", got)
		}
	})
}

func TestServiceChanges(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		pod := &corev1.Pod{ObjectMeta: meta("web"), Spec: corev1.PodSpec{Containers: []corev1.Container{program("serve")}}}
		l := newLab(t, pod, service("web"))
		defer l.end()
		if ready, _, _ := l.endpoints("web"); ready != 1 {
			t.Fatal("no endpoint")
		}
		moved := pod.DeepCopy()
		moved.Labels["app"] = "other"
		l.put(moved)
		if ready, _, _ := l.endpoints("web"); ready != 0 {
			t.Error("a Pod that the selector no longer matches is still an endpoint")
		}
		l.Apply(manifest.Change{Delete: []store.Key{{Kind: "Service", Namespace: "default", Name: "web"}}})
		synctest.Wait()
		if v := l.store.View(); len(v.EndpointSlices) != 0 || len(v.Services) != 2 {
			t.Errorf("after the Service is gone: %d slices, %d Services (want only kubernetes and kube-dns)", len(v.EndpointSlices), len(v.Services))
		}
	})
}

func TestProgramNotFound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, deployment("web", 1, program("missing")))
		defer l.end()
		codes := map[string]bool{}
		for _, p := range l.Problems() {
			codes[p.Code] = true
		}
		if !codes[CodeStart] || !codes[CodeCrashLoop] {
			t.Errorf("problems: %v", l.Problems())
		}
		if st := l.pods()[0].Status.ContainerStatuses[0]; st.LastTerminationState.Terminated == nil || st.LastTerminationState.Terminated.ExitCode != 127 {
			t.Errorf("status %+v", st)
		}
	})
}

func TestClaimIsAFolder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := program("serve")
		c.VolumeMounts = []corev1.VolumeMount{{Name: "data", MountPath: "/data"}}
		pod := &corev1.Pod{ObjectMeta: meta("a"), Spec: corev1.PodSpec{Containers: []corev1.Container{c}}}
		pod.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "../../x"},
		}}}
		l := newLab(t, pod)
		defer l.end()
		want := l.cfg.StateDir + "/claims/default/" + pathName("../../x")
		if got := l.rt.starts[0].Mounts[0].Source; got != want {
			t.Errorf("the claim is %s, want %s", got, want)
		}
		if p := l.Problems(); len(p) != 1 || p[0].Code != CodeVolume {
			t.Errorf("problems: %v", p)
		}
	})
}

// TestPublishNotReadyAddresses: the field counts at once for all endpoints,
// both ways.
func TestPublishNotReadyAddresses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := program("serve")
		c.ReadinessProbe = execProbe(1)
		l := newLabWith(t, func(rt *fakeRuntime) { rt.ready = func([]string) bool { return false } }, deployment("web", 2, c), service("web"))
		defer l.end()
		for _, publish := range []bool{false, true, false} {
			s := service("web")
			s.Spec.PublishNotReadyAddresses = publish
			l.put(s)
			if ready, unready, _ := l.endpoints("web"); ready+unready != 2 || (ready == 2) != publish {
				t.Errorf("publishNotReadyAddresses %v: %d ready, %d not", publish, ready, unready)
			}
		}
	})
}

// TestSelectorComesAndGoes: services §3.5. Without selector the mirrored
// endpoints count, with one the Pods.
func TestSelectorComesAndGoes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		legacy := &corev1.Endpoints{ObjectMeta: meta("web"), Subsets: []corev1.EndpointSubset{{
			Addresses: []corev1.EndpointAddress{{IP: "192.0.2.1"}}, Ports: []corev1.EndpointPort{{Name: "http", Port: 80}},
		}}}
		l := newLab(t, deployment("web", 1, program("serve")), service("web"), legacy)
		defer l.end()
		addresses := func() string {
			text := ""
			for _, s := range l.store.View().SlicesOf(store.Name{Namespace: "default", Name: "web"}) {
				for _, e := range s.Endpoints {
					text += e.Addresses[0] + " "
				}
			}
			return text
		}
		bare, named := service("web"), service("web")
		bare.Spec.Selector = nil
		named.Spec.Type, named.Spec.ExternalName = corev1.ServiceTypeExternalName, "example.com"
		for i, step := range []struct {
			svc  *corev1.Service
			want string
		}{{service("web"), "127.244.0.1 "}, {bare, "192.0.2.1 "}, {service("web"), "127.244.0.1 "}, {named, ""}, {bare, "192.0.2.1 "}} {
			if l.put(step.svc); addresses() != step.want {
				t.Errorf("step %d: %q, want %q", i, addresses(), step.want)
			}
		}
	})
}
