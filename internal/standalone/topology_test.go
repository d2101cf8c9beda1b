package standalone

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// zoned is the topology of nodes "name@zone" or "name@zone*cpus".
func zoned(nodes ...string) topology {
	var list []*corev1.Node
	for _, text := range nodes {
		name, zone, _ := strings.Cut(text, "@")
		zone, cpus, many := strings.Cut(zone, "*")
		n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{}}}
		if zone != "" {
			n.Labels[corev1.LabelTopologyZone] = zone
		}
		if many {
			n.Status.Allocatable = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpus)}
		}
		list = append(list, n)
	}
	return topologyOf(list)
}

// podsOn makes one ready Pod on each node; "!" before the name makes it
// unready.
func podsOn(nodes ...string) []*corev1.Pod {
	var out []*corev1.Pod
	for i, n := range nodes {
		name, unready := strings.CutPrefix(n, "!")
		p := endpointPod(i+1, !unready, false, corev1.PodRunning)
		p.Spec.NodeName = name
		out = append(out, p)
	}
	return out
}

// hints spells the hints of all endpoints in order of their addresses.
func hints(list []*discoveryv1.EndpointSlice) string {
	var out []string
	for _, s := range list {
		for _, e := range s.Endpoints {
			text := e.Addresses[0][len("127.244.1."):] + ":"
			if e.Hints != nil {
				for _, z := range e.Hints.ForZones {
					text += z.Name
				}
				for _, n := range e.Hints.ForNodes {
					text += "/" + n.Name
				}
			}
			out = append(out, text)
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func TestHints(t *testing.T) {
	t.Parallel()
	two, auto := zoned("a@x", "b@y"), annotated(corev1.AnnotationTopologyMode, "Auto")
	prefer := func(value string) func(*corev1.Service) {
		return func(s *corev1.Service) { s.Spec.TrafficDistribution = &value }
	}
	for name, c := range map[string]struct {
		topology topology
		svc      *corev1.Service
		pods     []*corev1.Pod
		want     string
	}{
		"none":                      {two, svc("web"), podsOn("a", "b"), "1: 2:"},
		"close":                     {two, svc("web", prefer("PreferClose")), podsOn("a", "b"), "1:x 2:y"},
		"same zone":                 {two, svc("web", prefer("PreferSameZone")), podsOn("a", "!b"), "1:x 2:"},
		"same node":                 {two, svc("web", prefer("PreferSameNode")), podsOn("a", "b"), "1:x/a 2:y/b"},
		"same node, no zones":       {zoned("a@", "b@"), svc("web", prefer("PreferSameNode")), podsOn("a", "b"), "1:/a 2:/b"},
		"same zone, no zones":       {zoned("a@", "b@"), svc("web", prefer("PreferSameZone")), podsOn("a", "b"), "1: 2:"},
		"auto":                      {two, svc("web", auto), podsOn("a", "b"), "1:x 2:y"},
		"auto beats the field":      {two, svc("web", auto, prefer("PreferSameNode")), podsOn("a", "a", "a", "a"), "1:x 2:x 3:y 4:y"},
		"auto, old name":            {two, svc("web", annotated(corev1.DeprecatedAnnotationTopologyAwareHints, "auto")), podsOn("a", "b"), "1:x 2:y"},
		"auto, disabled":            {two, svc("web", annotated(corev1.AnnotationTopologyMode, "Disabled")), podsOn("a", "b"), "1: 2:"},
		"auto, one zone":            {zoned("a@x", "b@x"), svc("web", auto), podsOn("a", "b"), "1: 2:"},
		"auto, a node in none":      {zoned("a@x", "b@"), svc("web", auto), podsOn("a", "b"), "1: 2:"},
		"auto, fewer than zones":    {two, svc("web", auto), podsOn("a"), "1:"},
		"auto, by processors":       {zoned("a@x*6", "b@y*2"), svc("web", auto), podsOn("a", "b", "b", "b"), "1:x 2:y 3:x 4:x"},
		"auto, one is overloaded":   {zoned("a@x*2", "b@y*2"), svc("web", auto), podsOn("a", "b", "b"), "1: 2: 3:"},
		"auto, just not too much":   {two, svc("web", auto), podsOn("a", "a", "a", "a", "a", "a", "b", "b", "b", "b", "b"), "10:y 11:y 1:x 2:x 3:x 4:x 5:x 6:x 7:y 8:y 9:y"},
		"auto, unready not counted": {two, svc("web", auto), podsOn("a", "!a", "b"), "1:x 2: 3:y"},
	} {
		got := buildSlices(c.svc, c.pods, nil, c.topology, time.Time{})
		if h := hints(got); h != c.want {
			t.Errorf("%s: %s, want %s", name, h, c.want)
		}
	}
	first := buildSlices(svc("web", prefer("PreferClose")), podsOn("a", "b"), nil, two, time.Time{})
	if z := first[0].Endpoints[0].Zone; z == nil || *z != "x" {
		t.Errorf("zone %v", z)
	}
	if h := hints(buildSlices(svc("web"), podsOn("a", "b"), first, two, time.Time{})); h != "1: 2:" {
		t.Errorf("after the field is gone: %s", h)
	}
}

// FuzzQuotas: they add up for any shares and numbers, whatever the processors.
func FuzzQuotas(f *testing.F) {
	f.Add(uint8(3), uint8(1), uint8(1), uint16(7))
	f.Add(uint8(200), uint8(1), uint8(1), uint16(3))
	f.Fuzz(func(t *testing.T, x, y, z uint8, n uint16) {
		top := zoned(fmt.Sprint("a@x*", x), fmt.Sprint("b@y*", y), fmt.Sprint("c@z*", z))
		quotas := top.quotas(int(n))
		if quotas == nil {
			return
		}
		sum := 0
		for zone, q := range quotas {
			if sum += q; q < 1 || top.shares[zone]*float64(n) > 1.2*float64(q)+1e-6 {
				t.Errorf("zone %s has %d of %d for a share of %f", zone, q, n, top.shares[zone])
			}
		}
		if sum != int(n) {
			t.Errorf("the quotas %v of %d endpoints add up to %d", quotas, n, sum)
		}
	})
}

// TestGoneNode: Pods on a node that is gone are no endpoints, unless readiness
// does not matter.
func TestGoneNode(t *testing.T) {
	t.Parallel()
	s, pods := svc("web"), podsOn("gone")
	if got := buildSlices(s, pods, nil, oneNode, time.Time{}); len(got[0].Endpoints) != 0 {
		t.Error("is an endpoint")
	}
	s.Spec.PublishNotReadyAddresses = true
	if got := buildSlices(s, pods, nil, oneNode, time.Time{}); len(got[0].Endpoints) != 1 {
		t.Error("is no endpoint with publishNotReadyAddresses")
	}
}

// TestSlicesAreRecycled: a slice that is no longer needed becomes the new one.
func TestSlicesAreRecycled(t *testing.T) {
	t.Parallel()
	s := svc("web")
	empty := buildSlices(s, nil, nil, oneNode, time.Unix(1, 0))
	first := buildSlices(s, podsOn(defaultNode), empty, oneNode, time.Unix(2, 0))
	if len(first) != 1 || first[0].Name != empty[0].Name || len(first[0].Endpoints) != 1 {
		t.Errorf("the first endpoint: %v after %v", first, empty)
	}
	other := s.DeepCopy()
	other.Spec.Ports[0].TargetPort = intstr.FromInt32(9090)
	second := buildSlices(other, podsOn(defaultNode), first, oneNode, time.Unix(3, 0))
	if len(second) != 1 || second[0].Name != first[0].Name || *second[0].Ports[0].Port != 9090 {
		t.Errorf("another port: %v", second)
	}
	if got := second[0].Annotations[corev1.EndpointsLastChangeTriggerTime]; got != "1970-01-01T00:00:03Z" {
		t.Errorf("trigger time %s", got)
	}
	if third := buildSlices(other, podsOn(defaultNode), second, oneNode, time.Unix(4, 0)); third[0] != second[0] {
		t.Error("time alone changed the slice")
	}
}

// TestNamedPortsOfTwoReleases: services §1.3. Pods that resolve a name to
// different numbers are in different slices, each with its number.
func TestNamedPortsOfTwoReleases(t *testing.T) {
	t.Parallel()
	s := svc("web")
	s.Spec.Ports[0].TargetPort = intstr.FromString("http")
	pods := podsOn(defaultNode, defaultNode, defaultNode)
	for i, number := range []int32{8080, 9090} {
		pods[i].Spec.Containers = []corev1.Container{{Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: number}}}}
	}
	got := map[string]string{}
	for _, slice := range buildSlices(s, pods, nil, oneNode, time.Time{}) {
		number := ""
		for _, p := range slice.Ports {
			number += fmt.Sprint(*p.Port)
		}
		got[slice.Endpoints[0].Addresses[0]] = number
	}
	if d := cmp.Diff(map[string]string{"127.244.1.1": "8080", "127.244.1.2": "9090", "127.244.1.3": ""}, got); d != "" {
		t.Error(d)
	}
}
