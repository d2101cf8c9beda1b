package check

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"daemun/internal/ir"
	"daemun/internal/kube"
	"daemun/internal/kubetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func class(name, controller string, standard bool) networkingv1.IngressClass {
	c := networkingv1.IngressClass{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: networkingv1.IngressClassSpec{Controller: controller}}
	if standard {
		c.Annotations = map[string]string{defaultClass: "true"}
	}
	return c
}

func ingress(name, class, address string) networkingv1.Ingress {
	in := networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}}
	if class != "" {
		in.Spec.IngressClassName = &class
	}
	if address != "" {
		in.Status.LoadBalancer.Ingress = []networkingv1.IngressLoadBalancerIngress{{IP: address}}
	}
	return in
}

func pod(name, image string, args ...string) corev1.Pod {
	return corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ingress-nginx", Name: name, Labels: map[string]string{"app.kubernetes.io/component": "controller"}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "controller", Image: image, Args: args}}},
	}
}

func lease(namespace, holder string, renewed time.Time) coordinationv1.Lease {
	seconds := int32(30)
	return coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "ingress-controller-leader"},
		Spec:       coordinationv1.LeaseSpec{HolderIdentity: &holder, RenewTime: &metav1.MicroTime{Time: renewed}, LeaseDurationSeconds: &seconds},
	}
}

const nginxImage = "registry.k8s.io/ingress-nginx/controller:v1.14.5"

func ours(change func(*kube.Survey)) Cluster {
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	s := &kube.Survey{Version: "v1.34.1", Clock: now, Before: now, After: now, Classes: []networkingv1.IngressClass{class("nginx", nginxController, true)}}
	change(s)
	return Cluster{Survey: s, Ours: []string{nginxController, "daemun.dev/ingress"}, Class: "nginx"}
}

// TestCluster: each thing that is amiss has its finding, and what only looks
// alike has none.
func TestCluster(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*kube.Survey)
		want   string // codes
		says   string
	}{
		"nothing":       {func(*kube.Survey) {}, "", ""},
		"old server":    {func(s *kube.Survey) { s.Version = "v1.20.15-gke.1" }, CodeVersion, "v1.20.15"},
		"unreadable":    {func(s *kube.Survey) { s.Version = "main" }, "", ""},
		"clock ahead":   {func(s *kube.Survey) { s.Before = s.Clock.Add(time.Minute); s.After = s.Before }, CodeSkew, "1m0s ahead of"},
		"clock behind":  {func(s *kube.Survey) { s.Before = s.Clock.Add(-time.Hour); s.After = s.Before }, CodeSkew, "1h0m0s behind"},
		"a slow answer": {func(s *kube.Survey) { s.Before = s.Clock.Add(-time.Minute); s.After = s.Clock.Add(time.Minute) }, "", ""},
		"ingress-nginx": {func(s *kube.Survey) { s.Controllers = []corev1.Pod{pod("c", nginxImage)} }, CodeOtherController, "v1.14.5"},
		"ingress-nginx of another class": {func(s *kube.Survey) {
			s.Controllers = []corev1.Pod{pod("c", nginxImage, "/nginx-ingress-controller", "--controller-class=k8s.io/internal")}
		}, "", ""},
		"ingress-nginx that has ended": {func(s *kube.Survey) {
			p := pod("c", nginxImage)
			p.Status.Phase = corev1.PodSucceeded
			s.Controllers = []corev1.Pod{p}
		}, "", ""},
		"a Daemun": {func(s *kube.Survey) {
			s.Controllers = []corev1.Pod{pod("c", "docker.io/daemun/daemun:v1", "/nginx-ingress-controller")}
		}, "", ""},
		"another kind of controller": {func(s *kube.Survey) { s.Controllers = []corev1.Pod{pod("c", "docker.io/argo/controller:v3")} }, "", ""},
		"two leaders": {func(s *kube.Survey) {
			s.Leases = []coordinationv1.Lease{lease("b", "y", s.Clock), lease("a", "x", s.Clock.Add(-20*time.Second))}
		}, CodeTwoLeaders, "a/ingress-controller-leader (held by x) and b/"},
		"one leader and one that is gone": {func(s *kube.Survey) {
			s.Leases = []coordinationv1.Lease{lease("b", "y", s.Clock), lease("a", "x", s.Clock.Add(-time.Hour)), lease("c", "", s.Clock)}
		}, "", ""},
		"two addresses": {func(s *kube.Survey) {
			s.Ingresses = []networkingv1.Ingress{ingress("a", "nginx", "192.0.2.1"), ingress("b", "nginx", ""), ingress("c", "nginx", "192.0.2.2"), ingress("d", "nginx", "192.0.2.1")}
		}, CodeTwoAddresses, "Ingress shop/a shows 192.0.2.1, Ingress shop/c shows 192.0.2.2"},
		"an address of another class": {func(s *kube.Survey) {
			s.Classes = append(s.Classes, class("other", "example.com/other", false))
			s.Ingresses = []networkingv1.Ingress{ingress("a", "nginx", "192.0.2.1"), ingress("b", "other", "192.0.2.2"), ingress("c", "gone", "192.0.2.3")}
		}, "", ""},
		"two defaults":                  {func(s *kube.Survey) { s.Classes = append(s.Classes, class("alb", "example.com/alb", true)) }, CodeTwoDefaults, "alb and nginx"},
		"two classes of one controller": {func(s *kube.Survey) { s.Classes = append(s.Classes, class("internal", nginxController, false)) }, CodeClassShared, "internal and nginx"},
		"no class":                      {func(s *kube.Survey) { s.Classes = nil }, CodeNoClass, "k8s.io/ingress-nginx or daemun.dev/ingress"},
		"no class is known": {func(s *kube.Survey) {
			s.Classes, s.Unread = nil, []kube.Unread{{Resource: "ingressclasses", Why: "forbidden"}}
		}, CodeUnread, "not looked at (forbidden)"},
		"without a class": {func(s *kube.Survey) {
			s.Ingresses = []networkingv1.Ingress{ingress("a", "", ""), ingress("b", "nginx", "")}
		}, CodeWithoutClass, "1, such as shop/a"},
	} {
		list := ours(c.change).Findings()
		if got := strings.TrimSpace(codes(list)); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		} else if len(list) > 0 && !strings.Contains(list[0].Message, c.says) {
			t.Errorf("%s: %s, want %s", name, list[0].Message, c.says)
		}
	}
}

// TestRightsAreThoseOfTheManifest: the check asks for what deploy/manifests
// grants, no more and, besides the webhook's, no less.
func TestRightsAreThoseOfTheManifest(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../deploy/manifests/20-rbac.yaml")
	if err != nil {
		t.Fatal(err)
	}
	granted := map[string]bool{}
	for document := range strings.SplitSeq(string(text), "\n---\n") {
		var role rbacv1.ClusterRole // a Role has the same rules
		if err := yaml.Unmarshal([]byte(document), &role); err != nil {
			t.Fatal(err)
		}
		for _, rule := range role.Rules {
			if slices.Contains(rule.ResourceNames, "daemun-admission-tls") || slices.Contains(rule.ResourceNames, "daemun-admission") || slices.Equal(rule.Verbs, []string{"create"}) && rule.Resources[0] == "secrets" {
				continue // the webhook's
			}
			for _, resource := range rule.Resources {
				for _, verb := range rule.Verbs {
					granted[verb+" "+rule.APIGroups[0]+" "+resource+" in "+role.Namespace] = true
				}
			}
		}
	}
	asked := map[string]bool{}
	r := Rights{Account: "daemun/daemun", Namespace: "daemun", Election: "daemun-leader"}
	r.May = func(_ context.Context, _ string, r kube.Right) (bool, error) {
		resource := r.Resource
		if r.Subresource != "" {
			resource += "/" + r.Subresource
		}
		asked[r.Verb+" "+r.Group+" "+resource+" in "+r.Namespace] = true
		return true, nil
	}
	if list, err := r.Findings(t.Context()); err != nil || len(list) > 0 {
		t.Fatal(list, err)
	}
	for what := range granted {
		if !asked[what] {
			t.Errorf("granted and not asked for: %s", what)
		}
	}
	for what := range asked {
		if !granted[what] {
			t.Errorf("asked for and not granted: %s", what)
		}
	}
}

// TestRightsOfAnAPIServer: a right that is missing is named with the rule that
// grants it.
func TestRightsOfAnAPIServer(t *testing.T) {
	t.Parallel()
	api := kubetest.New(t)
	api.Forbid("watch", "secrets")
	api.Forbid("patch", "ingresses/status")
	api.Forbid("update", "leases")
	cluster, err := kube.Connect(kube.Access{Host: api.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	for _, account := range []string{"", "daemun/daemun"} {
		list, err := Rights{Account: account, Namespace: "daemun", Watched: "shop", Election: "leader", May: cluster.May}.Findings(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		who := "you"
		if account != "" {
			who = "the service account daemun/daemun"
		}
		want := []string{
			"error: " + who + ` may not watch secrets in namespace shop, and without that nothing is served: certificates and passwords are not known: add {apiGroups: [""], resources: [secrets], verbs: [watch]} to a Role in namespace shop`,
			"warning: " + who + ` may not patch ingresses/status in namespace shop, and without that kubectl get ingress shows no address: add {apiGroups: ["networking.k8s.io"], resources: [ingresses/status], verbs: [patch]} to a Role in namespace shop`,
			"warning: " + who + ` may not update leases in namespace daemun, and without that no replica becomes leader, and nobody writes addresses and Events: add {apiGroups: ["coordination.k8s.io"], resources: [leases], resourceNames: [leader], verbs: [update]} to a Role in namespace daemun`,
		}
		for i, p := range list {
			if got := string(p.Severity) + ": " + p.Message; i >= len(want) || got != want[i] || p.Code != CodeRight {
				t.Errorf("%s", got)
			}
		}
		if len(list) != len(want) {
			t.Errorf("%d findings: %v", len(list), list)
		}
	}
}

// TestSurvey reads a cluster, and what it refuses is a finding of its own.
func TestSurvey(t *testing.T) {
	t.Parallel()
	api := kubetest.New(t)
	standard, in, running, held := class("nginx", nginxController, false), ingress("a", "nginx", ""), pod("controller-1", nginxImage), lease("a", "x", time.Now())
	api.Put(t, &standard, &in, &running, &held)
	cluster, err := kube.Connect(kube.Access{Host: api.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	look := func() []ir.Problem {
		s, err := cluster.Survey(t.Context(), "", "ingress-controller-leader")
		if err != nil {
			t.Fatal(err)
		}
		if s.Version == "" || s.Clock.IsZero() || len(s.Ingresses) != 1 {
			t.Errorf("%+v", s)
		}
		return Cluster{Survey: s, Ours: []string{nginxController}, Class: "nginx"}.Findings()
	}
	if list := look(); codes(list) != CodeOtherController+" " || list[0].Object.String() != "Pod ingress-nginx/controller-1" {
		t.Errorf("%v", list)
	}
	api.Forbid("list", "pods")
	api.Forbid("list", "leases")
	if got := codes(look()); got != CodeUnread+" "+CodeUnread+" " {
		t.Errorf("refused: %s", got)
	}
	api.Outage()
	if _, err := cluster.Survey(t.Context(), "", "x"); err == nil || codes(Unreachable(cluster.Host, err)) != CodeAPIServer+" " {
		t.Errorf("outage: %v", err)
	}
}
