package standalone

import (
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"daemun/internal/ir"
	"daemun/internal/manifest"
	"daemun/internal/store"
)

// exportedObjects is what kubectl prints of a cluster.
func exportedObjects(t *testing.T) []store.Object {
	t.Helper()
	l := manifest.New([]string{filepath.FromSlash("../manifest/testdata/exported/in.yaml")}, nil)
	c, err := l.Load()
	if err != nil || len(l.Problems()) > 0 {
		t.Fatal(err, l.Problems())
	}
	return c.Put
}

func planned(objects []store.Object) (pods []*corev1.Pod, slices []*discoveryv1.EndpointSlice, problems []ir.Problem) {
	out, problems := Plan(objects, Config{})
	for _, o := range out {
		switch o := o.(type) {
		case *corev1.Pod:
			pods = append(pods, o)
		case *discoveryv1.EndpointSlice:
			slices = append(slices, o)
		}
	}
	return pods, slices, problems
}

// TestExportedObjectsCountOnce: of a Deployment with one replica, its
// ReplicaSet, its Pod, its Endpoints and its slice, one Pod with one endpoint
// is left, and nothing to complain about.
func TestExportedObjectsCountOnce(t *testing.T) {
	t.Parallel()
	all := exportedObjects(t)
	pods, slices, problems := planned(all)
	if len(pods) != 1 || len(slices) != 1 || len(problems) != 0 {
		t.Fatalf("%d Pods, %d slices, problems %v", len(pods), len(slices), problems)
	}
	if e := slices[0].Endpoints; len(e) != 1 || !strings.HasPrefix(e[0].Addresses[0], "127.244.") {
		t.Errorf("endpoints %v", e)
	}
}

// TestExportedWithoutOwner: what nothing here makes runs as it is, wherever the
// cluster had put it.
func TestExportedWithoutOwner(t *testing.T) {
	t.Parallel()
	only := func(kinds ...string) (out []store.Object) {
		for _, o := range exportedObjects(t) {
			for _, k := range kinds {
				if kindOf(o) == k {
					out = append(out, o)
				}
			}
		}
		return out
	}
	for name, c := range map[string]struct {
		kinds []string
		pods  int
		first string
	}{
		"Pod alone":                     {[]string{"Pod", "Service"}, 1, "hello-5d4f-abcde"},
		"ReplicaSet and its Pod":        {[]string{"Pod", "ReplicaSet"}, 1, "hello-5d4f-"},
		"Deployment, without the chain": {[]string{"Deployment", "Pod"}, 1, "hello-"},
	} {
		pods, _, problems := planned(only(c.kinds...))
		if len(pods) != c.pods || len(problems) != 0 {
			t.Errorf("%s: %d Pods, problems %v", name, len(pods), problems)
			continue
		}
		if p := pods[0]; !strings.HasPrefix(p.Name, c.first) || p.Spec.NodeName != defaultNode {
			t.Errorf("%s: Pod %s on node %s", name, p.Name, p.Spec.NodeName)
		}
	}
}

func TestIgnoredFields(t *testing.T) {
	t.Parallel()
	deadline := int64(5)
	d := deployment("web", 3, program("serve"))
	spec := &d.Spec.Template.Spec
	spec.ActiveDeadlineSeconds = &deadline
	spec.Affinity = &corev1.Affinity{}
	spec.Tolerations = []corev1.Toleration{{Operator: corev1.TolerationOpExists}}
	token := []corev1.VolumeProjection{{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Path: "token"}}}
	for _, name := range []string{"vault", "kube-api-access-x7k2p"} {
		spec.Volumes = append(spec.Volumes, corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: token}}})
	}
	fields := func(objects ...store.Object) (out []string) {
		_, _, problems := planned(objects)
		for _, p := range problems {
			if p.Severity != ir.SeverityNotice || p.Code != CodeIgnored {
				t.Errorf("%v", p)
			}
			out = append(out, strings.TrimPrefix(p.Field, "spec.template.spec."))
		}
		return out
	}
	const always = "activeDeadlineSeconds volumes[0].projected.sources[0].serviceAccountToken"
	if got := strings.Join(fields(d), " "); got != always {
		t.Errorf("one node: %s, want %s", got, always)
	}
	nodes := []store.Object{d, &corev1.Node{ObjectMeta: meta("a")}, &corev1.Node{ObjectMeta: meta("b")}}
	nodes[1].SetNamespace("")
	nodes[2].SetNamespace("")
	if got, want := strings.Join(fields(nodes...), " "), "activeDeadlineSeconds affinity volumes[0].projected.sources[0].serviceAccountToken"; got != want {
		t.Errorf("two nodes: %s, want %s", got, want)
	}
}
