package daemon

import (
	"maps"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"daemun/internal/daemuntest"
	"daemun/internal/kubetest"
	"daemun/internal/translate"
)

// TestWebhookRules: what ingress-nginx's webhook stores and refuses.
func TestWebhookRules(t *testing.T) {
	t.Parallel()
	const prefix = "nginx.ingress.kubernetes.io/"
	type annotations = map[string]string
	ingress := func(change func(*networkingv1.Ingress), more annotations) *networkingv1.Ingress {
		in := redirecting("second", "web.test", "")
		delete(in.Annotations, prefix+"permanent-redirect")
		for name, value := range more {
			in.Annotations[prefix+name] = value
		}
		if change != nil {
			change(in)
		}
		return in
	}
	elsewhere := func(in *networkingv1.Ingress) { in.Spec.Rules[0].Host = "other.test" }
	at := func(path string) func(*networkingv1.Ingress) {
		return func(in *networkingv1.Ingress) { in.Spec.Rules[0].HTTP.Paths[0].Path = path }
	}
	class := func(name string) func(*networkingv1.Ingress) {
		return func(in *networkingv1.Ingress) {
			elsewhere(in)
			delete(in.Annotations, "kubernetes.io/ingress.class")
			in.Spec.IngressClassName = &name
		}
	}
	type review struct {
		of   *networkingv1.Ingress
		says string // of the refusal; empty is stored
	}
	for _, settings := range []struct {
		data    map[string]string
		reviews map[string]review
	}{
		{nil, map[string]review{
			"a path that another has":           {ingress(nil, nil), "already has host"},
			"a canary of it":                    {ingress(nil, annotations{"canary": "true", "canary-by-header": "CanaryByHeader"}), ""},
			"another path":                      {ingress(at("/mypage"), nil), ""},
			"a path that is none":               {ingress(at("mypage"), nil), "spec.rules[0].http.paths[0].path"},
			"a snippet that nobody allowed":     {ingress(elsewhere, annotations{"configuration-snippet": "something invalid"}), "configuration-snippet"},
			"a wrong value":                     {ingress(elsewhere, annotations{"connection-proxy-header": "a;}"}), "connection-proxy-header"},
			"a wrong value, another class":      {ingress(class("nginx-other"), annotations{"connection-proxy-header": "a;}"}), ""},
			"an annotation that was given up":   {ingress(elsewhere, annotations{"global-rate-limit": "100", "global-rate-limit-window": "1m"}), ""},
			"the class by its name":             {ingress(class("nginx"), nil), ""},
			"the class by its name, wrong":      {ingress(class("nginx"), annotations{"connection-proxy-header": "a;}"}), "connection-proxy-header"},
			"the class by annotation":           {ingress(elsewhere, nil), ""},
			"a word that is allowed by default": {ingress(elsewhere, annotations{"upstream-vhost": "set_by_lua"}), ""},
		}},
		{map[string]string{"annotation-value-word-blocklist": "set_by_lua,else", "allow-snippet-annotations": "true", "annotations-risk-level": "Critical"}, map[string]review{
			"a word":                   {ingress(elsewhere, annotations{"upstream-vhost": "set_by_lua"}), "set_by_lua"},
			"a snippet":                {ingress(elsewhere, annotations{"configuration-snippet": `more_set_headers "A: b";`}), ""},
			"a snippet that is broken": {ingress(elsewhere, annotations{"configuration-snippet": "something invalid"}), "something"},
		}},
	} {
		api := kubetest.New(t)
		api.Put(t, redirecting("web", "web.test", "http://one.test/"), &networkingv1.IngressClass{ObjectMeta: metav1.ObjectMeta{Name: "nginx"}, Spec: networkingv1.IngressClassSpec{Controller: "k8s.io/ingress-nginx"}},
			&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "infra", Name: "settings"}, Data: maps.Clone(settings.data)})
		address := "127.0.0.1:" + daemuntest.FreePort(t)
		certificate, key := certificateFiles(t)
		serve(t, api, func(c *ControllerConfig) {
			c.Webhook = WebhookConfig{Address: address, Certificate: certificate, Key: key}
			c.Translate = translate.DefaultOptions()
			c.Translate.ConfigMap = "infra/settings"
		})
		ask := reviewing(t, address)
		for name, row := range settings.reviews {
			r := ask(row.of)
			message := ""
			if r.Result != nil {
				message = r.Result.Message
			}
			if r.Allowed != (row.says == "") || !strings.Contains(message, row.says) {
				t.Errorf("%s: allowed is %v: %s", name, r.Allowed, message)
			}
		}
	}
}

// TestWithoutSyncEvents: --disable-sync-events leaves the Events about problems.
func TestWithoutSyncEvents(t *testing.T) {
	t.Parallel()
	api := kubetest.New(t)
	api.Put(t, redirecting("web", "web.test", "http://one.test/"))
	i := serve(t, api, func(c *ControllerConfig) { c.SyncEvents, c.HealthPath = false, "/not-healthz" })
	await(t, "status", func() bool { return strings.Contains(statusOf(t, api, "web"), "192.0.2.1") })
	api.Put(t, redirecting("bad", "bad.test", "a b"))
	await(t, "Event of a problem", func() bool {
		return strings.Contains(strings.Join(api.Texts("events", "reason"), " "), "AnnotationParsingFailed")
	})
	if got := api.Texts("events", "reason"); strings.Contains(strings.Join(got, " "), "Sync") {
		t.Errorf("Events %q", got)
	}
	for _, path := range []string{"/not-healthz", "/healthz"} {
		if code, body := i.admin(path); code != 200 {
			t.Errorf("--health-check-path: %s is %d %s", path, code, body)
		}
	}
}
