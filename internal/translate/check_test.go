package translate

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"daemun/internal/store"
)

// claim is an Ingress for paths "host/path"; born is its age in days since
// 2026, 0 is none yet.
func claim(name string, born int, claims ...string) *networkingv1.Ingress {
	in := &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, Annotations: map[string]string{classAnnotation: "nginx"}}}
	if born > 0 {
		in.CreationTimestamp = metav1.NewTime(time.Date(2026, 1, born, 0, 0, 0, 0, time.UTC))
	}
	for _, c := range claims {
		host, path, _ := strings.Cut(c, "/")
		prefix := networkingv1.PathTypePrefix
		in.Spec.Rules = append(in.Spec.Rules, networkingv1.IngressRule{Host: host, IngressRuleValue: networkingv1.IngressRuleValue{
			HTTP: &networkingv1.HTTPIngressRuleValue{Paths: []networkingv1.HTTPIngressPath{{
				Path: "/" + path, PathType: &prefix,
				Backend: networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: "web", Port: networkingv1.ServiceBackendPort{Number: 80}}},
			}}},
		}})
	}
	return in
}

func annotated(in *networkingv1.Ingress, key, value string) *networkingv1.Ingress {
	in.Annotations["nginx.ingress.kubernetes.io/"+key] = value
	return in
}

func TestCheck(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	there := []store.Object{
		claim("old", 2, "a.test/", "a.test/old"), claim("young", 20, "a.test/young"), claim("other", 3, "b.test/"),
	}
	other := claim("theirs", 1, "a.test/old")
	other.Annotations[classAnnotation] = "traefik"
	for _, tt := range []struct {
		name      string
		candidate *networkingv1.Ingress
		refused   string // what the refusal contains; empty is accepted
	}{
		{"a new path", claim("new", 0, "a.test/new"), ""},
		{"a new host", claim("new", 0, "c.test/"), ""},
		{"a path of an older one", claim("new", 0, "a.test/old"), `Ingress default/old already has host "a.test", path "/old"`},
		{"the same in another case", claim("new", 0, "A.Test/old"), `Ingress default/old already has host "a.test"`},
		{"an older one takes a path of a younger", claim("old", 2, "a.test/", "a.test/old", "a.test/young"), `Ingress default/young already has host "a.test", path "/young"`},
		{"an older one keeps its paths", annotated(claim("old", 2, "a.test/", "a.test/old"), "proxy-body-size", "2m"), ""},
		{"itself", claim("young", 20, "a.test/young"), ""},
		{"a bad value that rejects", annotated(claim("new", 0, "c.test/"), "permanent-redirect", "a b"), "permanent-redirect"},
		{"a bad value with a default", annotated(claim("new", 0, "c.test/"), "proxy-body-size", "lots"), ""},
		{"a snippet", annotated(claim("new", 0, "c.test/"), "configuration-snippet", "x"), "the risk of this annotation is Critical"},
		{"a bad expression", annotated(claim("new", 0, "c.test/(("), "use-regex", "true"), "requests get 503"},
		{"a bad host", claim("new", 0, "-/"), "is not a DNS name"},
		{"another class", other, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v := viewOf(there)
			o := DefaultOptions()
			got := Check(v, New(o).Translate(v).Config, o, tt.candidate, now)
			var refusals []string
			for _, p := range got.Problems {
				if Refuses(p) {
					refusals = append(refusals, p.String())
				}
			}
			all := strings.Join(refusals, "\n")
			if tt.refused == "" && all != "" || !strings.Contains(all, tt.refused) {
				t.Errorf("refused with %q, want %q", all, tt.refused)
			}
			if got.Ours != (tt.candidate.Annotations[classAnnotation] == "nginx") {
				t.Errorf("ours: %v", got.Ours)
			}
		})
	}
}

// TestCheckSaysWhatTranslationSays: the sentences for a new Ingress are those
// that translation has after it was stored.
func TestCheckSaysWhatTranslationSays(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	there := []store.Object{claim("old", 2, "a.test/", "a.test/old"), annotated(claim("root", 3, "a.test/root"), "app-root", "/x")}
	candidate := annotated(annotated(claim("new", 0, "a.test/old", "-/", "a.test/new"), "app-root", "/y"), "proxy-boddy-size", "1")
	candidate.Spec.TLS = []networkingv1.IngressTLS{{SecretName: "none"}}
	o := DefaultOptions()
	v := viewOf(there)
	got := Check(v, New(o).Translate(v).Config, o, candidate, now).Problems

	stored := candidate.DeepCopy()
	stored.CreationTimestamp = metav1.NewTime(now)
	v = viewOf(append(there, stored))
	var want []string
	for _, p := range New(o).Translate(v).Problems {
		if p.Object.Name == "new" {
			want = append(want, p.String())
		}
	}
	var texts []string
	for _, p := range got {
		texts = append(texts, p.String())
	}
	if d := cmp.Diff(want, texts); d != "" || len(want) < 5 {
		t.Errorf("-translation +check:\n%s", d)
	}
}

// BenchmarkCheck is one review among 10,000 Ingresses.
func BenchmarkCheck(b *testing.B) {
	objects := make([]store.Object, 0, 10000)
	for i := range 10000 {
		objects = append(objects, claim(fmt.Sprint("in-", i), 1+i%28, fmt.Sprintf("h%d.test/", i), fmt.Sprintf("h%d.test/a", i)))
	}
	v, o := viewOf(objects), DefaultOptions()
	current := New(o).Translate(v).Config
	candidate := claim("new", 0, "h5000.test/a", "h7.test/b")
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for b.Loop() {
		if len(Check(v, current, o, candidate, now).Problems) == 0 {
			b.Fatal("no problem")
		}
	}
}
