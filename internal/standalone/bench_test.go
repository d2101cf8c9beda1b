package standalone

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"daemun/internal/manifest"
	"daemun/internal/store"
)

const (
	manyServices  = 5000
	manyEndpoints = 4 // of each
)

// manyManifests are Services without selector, one in ten with a node port or
// a load balancer, each with a slice.
func manyManifests() string {
	var b strings.Builder
	types := []string{"NodePort", "LoadBalancer"}
	for i := range manyServices {
		kind := "ClusterIP"
		if i%10 == 0 {
			kind = types[i/10%2]
		}
		fmt.Fprintf(&b, "apiVersion: v1\nkind: Service\nmetadata: {name: s%d}\nspec: {type: %s, ports: [{name: http, port: 80}]}\n---\n", i, kind)
		fmt.Fprintf(&b, "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: s%d-x, labels: {kubernetes.io/service-name: s%d}}\n"+
			"addressType: IPv4\nports: [{name: http, port: 8080}]\nendpoints:\n", i, i)
		for j := range manyEndpoints {
			fmt.Fprintf(&b, "- {addresses: [10.%d.%d.%d]}\n", j, i/250, i%250+1)
		}
		b.WriteString("---\n")
	}
	return b.String()
}

func loadMany(b *testing.B, text string) manifest.Change {
	b.Helper()
	c, err := manifest.New([]string{"-"}, strings.NewReader(text)).Load()
	if err != nil || len(c.Put) != 2*manyServices {
		b.Fatal(err, len(c.Put))
	}
	return c
}

// BenchmarkStart is from text to the objects in the store, at 5,000 Services
// with 20,000 endpoints.
func BenchmarkStart(b *testing.B) {
	text := manyManifests()
	for b.Loop() {
		st := store.New()
		newCluster(Config{Store: st, StateDir: b.TempDir()}, &fakeRuntime{}).Apply(loadMany(b, text))
		if v := st.View(); len(v.Services) != manyServices+2 || len(v.EndpointSlices) != manyServices {
			b.Fatal(len(v.Services), len(v.EndpointSlices))
		}
	}
}

// BenchmarkChange is one object that changes beside those.
func BenchmarkChange(b *testing.B) {
	changes := map[string]func(i int) store.Object{
		"slice": func(i int) store.Object {
			s := &discoveryv1.EndpointSlice{ObjectMeta: meta("s42-x"), AddressType: discoveryv1.AddressTypeIPv4}
			s.Labels = map[string]string{discoveryv1.LabelServiceName: "s42"}
			s.Endpoints = []discoveryv1.Endpoint{{Addresses: []string{fmt.Sprintf("10.0.%d.%d", i/250%250, i%250+1)}}}
			return s
		},
		"service": func(i int) store.Object {
			return svc("s42", only("http", "TCP", int32(i%60000+1)))
		},
	}
	for name, change := range changes {
		b.Run(name, func(b *testing.B) {
			c := newCluster(Config{Store: store.New(), StateDir: b.TempDir()}, &fakeRuntime{})
			c.Apply(loadMany(b, manyManifests()))
			i := 0
			for b.Loop() {
				i++
				c.Apply(manifest.Change{Put: []store.Object{change(i)}})
			}
		})
	}
}

// BenchmarkPod is one of 5,000 Pods, of as many Services, that becomes ready or
// unready.
func BenchmarkPod(b *testing.B) {
	cfg := Config{}
	cfg.setDefaults()
	s, st := newState(&cfg), store.New()
	s.begin(time.Now())
	var in []store.Object
	for i := range manyServices {
		name := fmt.Sprint("s", i)
		pod := &corev1.Pod{ObjectMeta: meta(name), Spec: corev1.PodSpec{Containers: []corev1.Container{program("serve")}}}
		in = append(in, svc(name), pod)
	}
	s.intake(manifest.Change{Put: in})
	s.reconcile()
	st.Update(s.publish)
	e := s.pods[store.Name{Namespace: "default", Name: "s42"}]
	ready := false
	for b.Loop() {
		s.begin(time.Now())
		ready = !ready
		status := e.pod.Status.DeepCopy()
		status.Phase = corev1.PodRunning
		status.Conditions = podConditions(e.pod, corev1.PodRunning, true, ready)
		s.take(e, report{status: *status})
		s.reconcile()
		st.Update(s.publish)
		if got, _, _ := countEndpoints(st.View().SlicesOf(store.Name{Namespace: "default", Name: "s42"})); got != boolRank(ready) {
			b.Fatal(got)
		}
	}
}
