package translate

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"daemun/internal/annotation"
	"daemun/internal/store"
)

func settingsMap(data map[string]string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "ingress", Name: "settings"}, Data: data}
}

// TestSettingsAreLive: a change of the ConfigMap changes the routes, one that
// says the same leaves every host as it is.
func TestSettingsAreLive(t *testing.T) {
	t.Parallel()
	o := DefaultOptions()
	o.ConfigMap, o.WithoutClass = "ingress/settings", true
	tr := New(o)
	s := store.New()
	put := func(objects ...store.Object) Result {
		s.Update(func(tx *store.Tx) {
			for _, object := range objects {
				tx.Put(object)
			}
		})
		return tr.Translate(s.View())
	}
	_, objects := decode(t, []byte("kind: Ingress\nmetadata: {name: web}\nspec:\n  rules:\n  - host: web.test\n    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}\n"))
	body := func(r Result) int64 { return r.Config.Hosts[1].Routes[0].MaxBody }

	first := put(append(objects, settingsMap(map[string]string{"proxy-body-size": "8m"}))...)
	if got := body(first); got != 8<<20 {
		t.Errorf("%d, want 8m", got)
	}
	same := put(settingsMap(map[string]string{"proxy-body-size": "8m", "zzz": "1"}))
	if first.Config.Hosts[1] != same.Config.Hosts[1] {
		t.Error("a host was built again although no setting has changed")
	}
	if len(same.Problems) != len(first.Problems)+1 {
		t.Errorf("problems %v, then %v", first.Problems, same.Problems)
	}
	if got := body(put(settingsMap(nil))); got != 1<<20 {
		t.Errorf("%d after the key went, want 1m", got)
	}
}

// TestAlikeIngressesShareValues, unless other objects have a part in them.
func TestAlikeIngressesShareValues(t *testing.T) {
	t.Parallel()
	a, b, c := annotated(claim("a", 1, "a.test/"), "proxy-body-size", "8m"), annotated(claim("b", 1, "b.test/"), "proxy-body-size", "8m"), claim("c", 1, "c.test/")
	users := annotated(claim("d", 1, "d.test/"), "auth-type", "basic")
	users.Annotations["nginx.ingress.kubernetes.io/auth-secret"] = "users"
	more := users.DeepCopy()
	more.Name, more.Namespace = "e", "other"
	tr := New(DefaultOptions())
	tr.Translate(viewOf([]store.Object{a, b, c, users, more}))
	of := func(namespace, name string) *annotation.Values {
		return tr.ingresses[store.Name{Namespace: namespace, Name: name}].values
	}
	if of("default", "a") != of("default", "b") || of("default", "a") == of("default", "c") {
		t.Error("equal annotations do not share, or others do")
	}
	if of("default", "d") == of("other", "e") {
		t.Error("values that depend on a Secret are shared")
	}
}
