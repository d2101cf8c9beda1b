package kube

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"daemun/internal/kubetest"
	"daemun/internal/store"
)

// TestZone is that of the named node, else of the node of the Pod; an error
// says what is missing.
func TestZone(t *testing.T) {
	t.Parallel()
	api := kubetest.New(t)
	near, far := node("n1"), node("n2")
	near.Labels, far.Labels = map[string]string{corev1.LabelTopologyZone: "a"}, map[string]string{corev1.LabelTopologyZone: "b"}
	api.Put(t, pod("d-1", "n1", true), pod("d-2", "", false), pod("d-3", "n3", true), near, far, node("n3"))
	c, err := Connect(Access{Host: api.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	check := func(node, pod, want, problem string) {
		t.Helper()
		self := store.Name{Namespace: "ingress", Name: pod}
		got, err := c.Zone(t.Context(), node, self)
		if got != want || (err == nil) != (problem == "") || err != nil && !strings.Contains(err.Error(), problem) {
			t.Errorf("node %q, Pod %q: %q, %v; want %q, %q", node, pod, got, err, want, problem)
		}
	}
	check("", "d-1", "a", "")
	check("n2", "d-1", "b", "")
	check("n2", "", "b", "")
	check("", "", "", "POD_NAME")
	check("", "d-2", "", "pod ingress/d-2 is on no node")
	check("", "d-3", "", "node n3 has no label topology.kubernetes.io/zone")
	check("", "d-9", "", "get pods d-9")
	check("n9", "", "", "get nodes n9")
	api.Forbid("get", "nodes")
	check("", "d-1", "", "forbidden")
}
