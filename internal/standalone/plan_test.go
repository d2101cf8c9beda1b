package standalone

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"daemun/internal/store"
)

func TestPlan(t *testing.T) {
	t.Parallel()
	three := int32(3)
	set := &appsv1.StatefulSet{ObjectMeta: meta("db")}
	set.Spec.Replicas, set.Spec.Template = &three, podTemplate("db", program("x"))
	set.Spec.MinReadySeconds = 60
	web := deployment("web", 2, corev1.Container{Name: "main", Image: "nginx", EnvFrom: []corev1.EnvFromSource{{
		SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "none"}},
	}}})
	in := []store.Object{web, service("web"), set, service("db"), &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Name: "i"}}}
	out, problems := Plan(in, Config{})
	count, ready := map[string]int{}, 0
	for _, o := range out {
		count[kindOf(o)]++
		if s, ok := o.(*discoveryv1.EndpointSlice); ok {
			n, _, _ := countEndpoints([]*discoveryv1.EndpointSlice{s})
			ready += n
		}
	}
	want := map[string]int{"Pod": 5, "Service": 4, "EndpointSlice": 2, "Ingress": 1, "Deployment": 1, "StatefulSet": 1, "Node": 1}
	if d := cmp.Diff(want, count); d != "" {
		t.Error(d)
	}
	if ready != 5 {
		t.Errorf("%d ready endpoints, want 5", ready)
	}
	if len(problems) != 1 || problems[0].Code != CodeMissingRef {
		t.Errorf("problems: %v", problems)
	}
	again, _ := Plan(in, Config{})
	for i := range out {
		if keyOf(out[i]) != keyOf(again[i]) {
			t.Errorf("object %d: %v and %v", i, keyOf(out[i]), keyOf(again[i]))
		}
	}
}
