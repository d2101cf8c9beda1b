package standalone

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func TestExpand(t *testing.T) {
	t.Parallel()
	lookup := func(n string) (string, bool) {
		return map[string]string{"A": "1", "B": "$(A)"}[n], n == "A" || n == "B"
	}
	for in, want := range map[string]string{
		"":        "",
		"$(A)":    "1",
		"x$(A)y":  "x1y",
		"$(B)":    "$(A)", // values are not expanded again
		"$$(A)":   "$(A)",
		"$$$(A)":  "$1",
		"$$":      "$",
		"$":       "$",
		"$A":      "$A",
		"$(NONE)": "$(NONE)",
		"$(A":     "$(A",
		"$()":     "$()",
		"a$(A)$":  "a1$",
	} {
		if got := expand(in, lookup); got != want {
			t.Errorf("expand(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzExpand(f *testing.F) {
	f.Add("$(A)$$(B)$(", "v")
	f.Fuzz(func(t *testing.T, in, value string) {
		none := expand(in, func(string) (string, bool) { return "", false })
		if !strings.Contains(in, "$$") && none != in {
			t.Errorf("without variables %q became %q", in, none)
		}
		if len(none) > len(in) {
			t.Errorf("%q grew to %q without variables", in, none)
		}
		expand(in, func(string) (string, bool) { return value, true })
	})
}

func TestBackOff(t *testing.T) {
	t.Parallel()
	var b backOff
	var got []time.Duration
	for range 8 {
		got = append(got, b.after(time.Second)/time.Second)
	}
	got = append(got, b.after(10*time.Minute)/time.Second)
	if d := cmp.Diff([]time.Duration{0, 10, 20, 40, 80, 160, 300, 300, 0}, got); d != "" {
		t.Error(d)
	}
}

// oneNode is the topology of the default node.
var oneNode = topology{zones: map[string]string{defaultNode: ""}}

// endpointPod is a Pod with an address and a readiness.
func endpointPod(i int, ready, deleted bool, phase corev1.PodPhase) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: fmt.Sprint("p", i), UID: types.UID(fmt.Sprint(i)), Labels: map[string]string{"app": "web"}}}
	p.Spec.NodeName = defaultNode
	p.Status = corev1.PodStatus{Phase: phase, PodIP: fmt.Sprintf("127.244.1.%d", i), Conditions: []corev1.PodCondition{condition(corev1.PodReady, ready, "", "")}}
	if deleted {
		p.DeletionTimestamp = &metav1.Time{}
	}
	return p
}

func TestSliceConditions(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		pod                         *corev1.Pod
		publish                     bool
		ready, serving, terminating bool
		absent                      bool
	}{
		"ready":                 {pod: endpointPod(1, true, false, corev1.PodRunning), ready: true, serving: true},
		"unready":               {pod: endpointPod(1, false, false, corev1.PodRunning)},
		"published unready":     {pod: endpointPod(1, false, false, corev1.PodRunning), publish: true, ready: true},
		"terminating":           {pod: endpointPod(1, true, true, corev1.PodRunning), serving: true, terminating: true},
		"terminating unready":   {pod: endpointPod(1, false, true, corev1.PodRunning), terminating: true},
		"published terminating": {pod: endpointPod(1, true, true, corev1.PodRunning), publish: true, ready: true, serving: true, terminating: true},
		"succeeded":             {pod: endpointPod(1, false, false, corev1.PodSucceeded), absent: true},
		"failed":                {pod: endpointPod(1, false, false, corev1.PodFailed), absent: true},
	} {
		svc := service("web")
		svc.Spec.PublishNotReadyAddresses = c.publish
		got := buildSlices(svc, []*corev1.Pod{c.pod}, nil, oneNode, time.Time{})
		if len(got) != 1 {
			t.Fatalf("%s: %d slices", name, len(got))
		}
		if c.absent {
			if len(got[0].Endpoints) != 0 {
				t.Errorf("%s: is an endpoint", name)
			}
			continue
		}
		want := discoveryv1.EndpointConditions{Ready: &c.ready, Serving: &c.serving, Terminating: &c.terminating}
		if d := cmp.Diff(want, got[0].Endpoints[0].Conditions); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func TestSliceShape(t *testing.T) {
	t.Parallel()
	svc := service("web")
	svc.Spec.ClusterIP = corev1.ClusterIPNone
	svc.Labels = map[string]string{"team": "x", discoveryv1.LabelManagedBy: "me"}
	pod := endpointPod(1, true, false, corev1.PodRunning)
	pod.Spec.NodeName, pod.Spec.Hostname, pod.Spec.Subdomain = "local", "p1", "web"
	s := buildSlices(svc, []*corev1.Pod{pod}, nil, oneNode, time.Time{})[0]
	if d := cmp.Diff(map[string]string{
		"team": "x", discoveryv1.LabelServiceName: "web", discoveryv1.LabelManagedBy: sliceController, corev1.IsHeadlessService: "",
	}, s.Labels); d != "" {
		t.Error(d)
	}
	e := s.Endpoints[0]
	if *e.Hostname != "p1" || *e.NodeName != "local" || e.TargetRef.Name != "p1" || *s.Ports[0].Port != 8080 || *s.Ports[0].Name != "http" {
		t.Errorf("slice %+v", s)
	}
	pod.Spec.Subdomain = "other"
	if buildSlices(svc, []*corev1.Pod{pod}, nil, oneNode, time.Time{})[0].Endpoints[0].Hostname != nil {
		t.Error("a Pod of another subdomain has a host name here")
	}
	svc.Spec.Selector = nil
	if got := buildSlices(svc, []*corev1.Pod{pod}, nil, oneNode, time.Time{}); got != nil {
		t.Errorf("a Service without selector has slices: %v", got)
	}
}

func TestSliceFilling(t *testing.T) {
	t.Parallel()
	svc := service("web")
	var pods []*corev1.Pod
	for i := range 250 {
		pods = append(pods, endpointPod(i, true, false, corev1.PodRunning))
	}
	first := buildSlices(svc, pods[:240], nil, oneNode, time.Time{})
	if got := sizes(first); got != "100 100 40" {
		t.Errorf("sizes %s", got)
	}
	again := buildSlices(svc, pods[:240], first, oneNode, time.Time{})
	for i := range again {
		if again[i] != first[i] {
			t.Error("slices were rebuilt although nothing changed")
		}
	}
	// One goes, two come: the slice that is written anyway takes one, the one
	// with room the other.
	next := buildSlices(svc, append(pods[1:240:240], pods[240], pods[241]), first, oneNode, time.Time{})
	changed := 0
	for _, s := range next {
		same := false
		for _, f := range first {
			same = same || s == f
		}
		if !same {
			changed++
		}
	}
	if len(next) != 3 || changed != 2 {
		t.Errorf("%d slices (%s), %d changed; want 3 and 2", len(next), sizes(next), changed)
	}
	if got := buildSlices(svc, nil, first, oneNode, time.Time{}); len(got) != 1 || len(got[0].Endpoints) != 0 {
		t.Errorf("want one placeholder, got %s", sizes(got))
	}
}

func sizes(list []*discoveryv1.EndpointSlice) string {
	var out []string
	for _, s := range list {
		out = append(out, fmt.Sprint(len(s.Endpoints)))
	}
	return strings.Join(out, " ")
}

func TestMirror(t *testing.T) {
	t.Parallel()
	e := &corev1.Endpoints{ObjectMeta: meta("ext"), Subsets: []corev1.EndpointSubset{
		{
			Addresses: []corev1.EndpointAddress{{IP: "192.0.2.1"}, {IP: "2001:db8::1"}}, NotReadyAddresses: []corev1.EndpointAddress{{IP: "192.0.2.2"}},
			Ports: []corev1.EndpointPort{{Name: "a", Port: 1}},
		},
		{Addresses: []corev1.EndpointAddress{{IP: "192.0.2.1"}}, Ports: []corev1.EndpointPort{{Name: "b", Port: 2}}},
	}}
	svc := &corev1.Service{ObjectMeta: meta("ext")}
	if !mirrors(e, svc) || mirrors(e, nil) || mirrors(e, service("ext")) {
		t.Error("which Endpoints are mirrored")
	}
	got := mirrorSlices(e)
	if s := sizes(got); s != "2 1 1" || *got[0].Endpoints[1].Conditions.Ready || got[1].AddressType != discoveryv1.AddressTypeIPv6 || *got[2].Ports[0].Port != 2 {
		t.Errorf("slices %s: %v", s, got)
	}
	many := e.DeepCopy()
	for range mirrorLimit {
		many.Subsets[1].Addresses = append(many.Subsets[1].Addresses, corev1.EndpointAddress{IP: "192.0.2.3"})
		many.Subsets[1].NotReadyAddresses = append(many.Subsets[1].NotReadyAddresses, corev1.EndpointAddress{IP: "192.0.2.4"})
	}
	total := 0
	for _, s := range mirrorSlices(many)[2:] {
		total += len(s.Endpoints)
	}
	if total != mirrorLimit {
		t.Errorf("%d addresses of one subset are mirrored", total)
	}
	skip := e.DeepCopy()
	skip.Labels[discoveryv1.LabelSkipMirror] = "true"
	if mirrors(skip, svc) {
		t.Error("skip-mirror is not honoured")
	}
}

func TestRolloutNumbers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		replicas      int32
		surge, unav   string
		wantS, wantUn int
	}{{4, "", "", 1, 1}, {1, "", "", 1, 0}, {10, "", "", 3, 2}, {3, "0", "0", 0, 1}, {10, "15%", "15%", 2, 1}, {5, "2", "0%", 2, 0}} {
		d := &appsv1.Deployment{}
		d.Spec.Replicas = &c.replicas
		if c.surge != "" {
			s, u := intstr.Parse(c.surge), intstr.Parse(c.unav)
			d.Spec.Strategy.RollingUpdate = &appsv1.RollingUpdateDeployment{MaxSurge: &s, MaxUnavailable: &u}
		}
		if r := rolloutOf(d, ""); r.surge != c.wantS || r.unavail != c.wantUn {
			t.Errorf("%+v: surge %d unavailable %d", c, r.surge, r.unavail)
		}
	}
}
