package standalone

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"daemun/internal/store"
)

func TestServiceVariables(t *testing.T) {
	t.Parallel()
	web := service("my-web")
	web.Spec.ClusterIP = "127.96.1.1"
	web.Spec.Ports = append(web.Spec.Ports, corev1.ServicePort{Name: "dns-udp", Port: 53, Protocol: corev1.ProtocolUDP})
	headless, elsewhere := service("quiet"), service("far")
	headless.Spec.ClusterIP = corev1.ClusterIPNone
	elsewhere.Namespace, elsewhere.Spec.ClusterIP = "other", "127.96.1.2"
	api := testServices().update(nil)[kubernetesService]
	st := store.New()
	st.Update(func(tx *store.Tx) {
		for _, s := range []*corev1.Service{web, headless, elsewhere, api} {
			tx.Put(s)
		}
	})
	pod := endpointPod(1, true, false, corev1.PodRunning)
	c := program("x")
	c.Env = []corev1.EnvVar{{Name: "URL", Value: "http://$(MY_WEB_SERVICE_HOST):$(MY_WEB_SERVICE_PORT)"}, {Name: "MY_WEB_PORT", Value: "mine"}}
	env, m := containerEnv(pod, &c, st.View())
	if m != nil {
		t.Fatal(m)
	}
	for name, want := range map[string]string{
		"MY_WEB_SERVICE_HOST": "127.96.1.1", "MY_WEB_SERVICE_PORT": "80", "MY_WEB_SERVICE_PORT_HTTP": "80", "MY_WEB_SERVICE_PORT_DNS_UDP": "53",
		"MY_WEB_PORT": "mine", "MY_WEB_PORT_53_UDP": "udp://127.96.1.1:53", "MY_WEB_PORT_53_UDP_PROTO": "udp", "MY_WEB_PORT_80_TCP_ADDR": "127.96.1.1",
		"URL": "http://127.96.1.1:80", "KUBERNETES_SERVICE_HOST": "127.96.0.1", "KUBERNETES_SERVICE_PORT": "443", "POD_IP": "127.244.1.1", "HOSTNAME": "p1",
	} {
		if got, _ := env.get(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	for _, name := range []string{"QUIET_SERVICE_HOST", "FAR_SERVICE_HOST"} {
		if v, ok := env.get(name); ok {
			t.Errorf("%s = %q, want none", name, v)
		}
	}
	no := false
	pod.Spec.EnableServiceLinks = &no
	env, _ = containerEnv(pod, &c, st.View())
	if _, ok := env.get("MY_WEB_SERVICE_HOST"); ok {
		t.Error("enableServiceLinks: false is not honoured")
	}
	if _, ok := env.get("KUBERNETES_SERVICE_HOST"); !ok {
		t.Error("the kubernetes Service is missing without service links")
	}
}

// TestServiceVariablesInOrder: those of one Service with several ports, all of
// them, in the order of its ports.
func TestServiceVariablesInOrder(t *testing.T) {
	t.Parallel()
	st := store.New()
	st.Update(func(tx *store.Tx) {
		s := svc("my-db", clusterIP("127.96.1.1"), only("sql", "", 5432), port("stats-udp", corev1.ProtocolUDP, 8125))
		other := svc("another", clusterIP("127.96.1.2"), only("", "", 80))
		for _, s := range []*corev1.Service{s, other} {
			tx.Put(s)
		}
	})
	env, m := containerEnv(endpointPod(1, true, false, corev1.PodRunning), &corev1.Container{}, st.View())
	if m != nil {
		t.Fatal(m)
	}
	got := env.list()
	got = got[slices.IndexFunc(got, func(s string) bool { return strings.HasPrefix(s, "ANOTHER") }):]
	want := []string{
		"ANOTHER_SERVICE_HOST=127.96.1.2", "ANOTHER_SERVICE_PORT=80", "ANOTHER_PORT=tcp://127.96.1.2:80", "ANOTHER_PORT_80_TCP=tcp://127.96.1.2:80",
		"ANOTHER_PORT_80_TCP_PROTO=tcp", "ANOTHER_PORT_80_TCP_PORT=80", "ANOTHER_PORT_80_TCP_ADDR=127.96.1.2",
		"MY_DB_SERVICE_HOST=127.96.1.1", "MY_DB_SERVICE_PORT=5432", "MY_DB_SERVICE_PORT_SQL=5432", "MY_DB_PORT=tcp://127.96.1.1:5432",
		"MY_DB_PORT_5432_TCP=tcp://127.96.1.1:5432", "MY_DB_PORT_5432_TCP_PROTO=tcp", "MY_DB_PORT_5432_TCP_PORT=5432", "MY_DB_PORT_5432_TCP_ADDR=127.96.1.1",
		"MY_DB_SERVICE_PORT_STATS_UDP=8125", "MY_DB_PORT_8125_UDP=udp://127.96.1.1:8125", "MY_DB_PORT_8125_UDP_PROTO=udp", "MY_DB_PORT_8125_UDP_PORT=8125",
		"MY_DB_PORT_8125_UDP_ADDR=127.96.1.1",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// TestKubernetesVariables: that Service is in every environment; one of the
// Pod's own namespace takes its place, but only where there are links.
func TestKubernetesVariables(t *testing.T) {
	t.Parallel()
	own := svc("kubernetes", clusterIP("127.96.1.1"), only("own", "", 80))
	own.Namespace = "shop"
	st := store.New()
	st.Update(func(tx *store.Tx) {
		tx.Put(own)
		tx.Put(testServices().update(nil)[kubernetesService])
	})
	yes, no := true, false
	for _, c := range []struct {
		namespace string
		links     *bool
		host      string
		https     bool
	}{{"default", &no, "127.96.0.1", true}, {"other", nil, "127.96.0.1", true}, {"shop", &yes, "127.96.1.1", false}, {"shop", &no, "127.96.0.1", true}} {
		pod := endpointPod(1, true, false, corev1.PodRunning)
		pod.Namespace, pod.Spec.EnableServiceLinks = c.namespace, c.links
		env, m := containerEnv(pod, &corev1.Container{}, st.View())
		if m != nil {
			t.Fatal(m)
		}
		host, _ := env.get("KUBERNETES_SERVICE_HOST")
		if _, https := env.get("KUBERNETES_SERVICE_PORT_HTTPS"); host != c.host || https != c.https {
			t.Errorf("%s, links %v: host %s, https %v", c.namespace, c.links != nil && *c.links, host, https)
		}
	}
}
