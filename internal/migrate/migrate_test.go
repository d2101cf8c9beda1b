package migrate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"daemun/internal/annotation"
	"daemun/internal/configmap"
	"daemun/internal/ir"
	"daemun/internal/store"
	"daemun/internal/translate"
)

// report makes the report of one Ingress and the ConfigMap "ingress/settings".
func report(t *testing.T, annotations, keys map[string]string) *Report {
	t.Helper()
	o := translate.DefaultOptions()
	o.WithoutClass, o.ConfigMap = true, "ingress/settings"
	in := &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", Annotations: map[string]string{}}}
	for name, value := range annotations {
		in.Annotations[o.AnnotationsPrefix+"/"+name] = value
	}
	foreign := &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "theirs", Annotations: map[string]string{"kubernetes.io/ingress.class": "traefik"}}}
	s := store.New()
	s.Update(func(tx *store.Tx) {
		tx.Put(in)
		tx.Put(foreign)
		tx.Put(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "ingress", Name: "settings"}, Data: keys})
	})
	return New(Input{
		View: s.View(), Result: translate.New(o).Translate(s.View()), Options: o,
		Place: func(r ir.Ref, field string) string { return r.Kind + ".yaml:1" },
	})
}

func TestReport(t *testing.T) {
	t.Parallel()
	r := report(t, map[string]string{
		"proxy-body-size": "8m", "use-regex": "true", "configuration-snippet": "x;", "proxy-boddy-size": "1", "secure-backends": "true", "app-root": "",
	}, map[string]string{"hsts": "false", "use-gzip": "true", "zzz": "1", "http-snippet": "x", "worker-processes": "2", "annotations-risk-level": "Critical"})
	got := map[string]Verdict{}
	for _, o := range r.Objects {
		for _, f := range o.Findings {
			got[f.Subject] = f.Verdict
			if f.Place == "" || f.Verdict != Kept && f.Text == "" {
				t.Errorf("%+v: no place or no text", f)
			}
		}
	}
	want := map[string]Verdict{
		"proxy-body-size": Kept, "use-regex": Kept, "configuration-snippet": Unsupported, "proxy-boddy-size": Kept, "secure-backends": Kept,
		"hsts": Kept, "zzz": Kept, "annotations-risk-level": Kept, "http-snippet": Unsupported, "worker-processes": Kept, "use-gzip": verdictOfKey("use-gzip"),
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if r.OtherClass != 1 || r.Summary[Unsupported] != 2 || r.Summary[Kept] != 0 {
		t.Errorf("other classes %d, summary %v", r.OtherClass, r.Summary)
	}
	var text bytes.Buffer
	if err := r.Print(&text); err != nil {
		t.Fatal(err)
	}
	for _, says := range []string{"Ingress shop/web\n", "unsupported  configuration-snippet \"x;\" (Ingress.yaml:1): ", "did you mean", "kept         2 more"} {
		if !strings.Contains(text.String(), says) {
			t.Errorf("no %q in:\n%s", says, &text)
		}
	}
	b, err := json.Marshal(r)
	if err != nil || !bytes.HasPrefix(b, []byte(`{"version":1,"objects":[{"kind":"ConfigMap"`)) {
		t.Errorf("%s %v", b, err)
	}
}

func verdictOfKey(name string) Verdict {
	for _, r := range configmap.All() {
		if r.Name == name && r.Support == configmap.Supported {
			return Kept
		}
	}
	return Unsupported
}

// TestEveryAnnotationHasAVerdict: what is not there is never called kept.
func TestEveryAnnotationHasAVerdict(t *testing.T) {
	t.Parallel()
	for _, row := range annotation.All() {
		r := report(t, map[string]string{row.Name: "some value"}, nil)
		i := slices.IndexFunc(r.Objects, func(o Object) bool { return o.Kind == "Ingress" })
		f := r.Objects[i].Findings[0]
		missing := row.Support == annotation.Later || row.Support == annotation.Refused
		if contexts[row.Name] != 0 { // the value is no directive
			missing = true
		}
		if missing != (f.Verdict == Unsupported) && row.Name != "backend-protocol" {
			t.Errorf("%s (%s): %+v", row.Name, row.Support, f)
		}
	}
}

// TestNotesAreAboutTheValue: what changes for other values only is not said.
func TestNotesAreAboutTheValue(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, value string
		want        Verdict
	}{
		{"cors-allow-origin", "https://a.test, https://*.b.test", Kept},
		{"cors-allow-origin", "a.test", Changed},
		{"canary-by-header-pattern", "^(a|b)$", Kept},
		{"canary-by-header-pattern", "a(?=b)", Changed},
		{"proxy-next-upstream", "error http_503", Changed},
		{"proxy-next-upstream", "error non_idempotent", Kept},
		{"proxy-next-upstream", "off", Kept},
		{"rewrite-target", "/$2", Kept},
		{"ssl-passthrough", "true", Unsupported},
		{"ssl-passthrough", "false", Kept},
		{"whitelist-source-range", "10.0.0.0/33", Kept},
	} {
		if f := report(t, map[string]string{tt.name: tt.value, "canary": "false"}, nil); f.Objects[1].Verdict() != tt.want {
			t.Errorf("%s %q: %+v, want %s", tt.name, tt.value, f.Objects[1].Findings, tt.want)
		}
	}
	if line := report(t, map[string]string{"use-regex": "true"}, nil).Line(); line != "2 objects: 2 kept as they are, 0 changed, 0 with something unsupported; Ingresses of other classes: 1" {
		t.Error(line)
	}
}

// TestNotesNameAnnotations, and the differences are on the page.
func TestNotesNameAnnotations(t *testing.T) {
	t.Parallel()
	for _, n := range notes() {
		if _, ok := annotation.Lookup(n.name); !ok {
			t.Errorf("there is no annotation %s", n.name)
		}
	}
	page, err := os.ReadFile("../../docs/from-ingress-nginx.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range differences() {
		if !strings.Contains(string(page), d) {
			t.Errorf("docs/from-ingress-nginx.md does not say: %s", d)
		}
	}
	if fmt.Sprint(New(Input{View: &store.View{}}).Objects) != "[]" {
		t.Error("nothing makes objects")
	}
}

// TestNamedConfigMapIsMissing: a name that is not found is said, or its keys
// would seem to be kept.
func TestNamedConfigMapIsMissing(t *testing.T) {
	t.Parallel()
	o := translate.DefaultOptions()
	o.ConfigMap = "ingress/setings"
	v := store.New().View()
	r := New(Input{View: v, Result: translate.New(o).Translate(v), Options: o})
	var text bytes.Buffer
	if err := r.Print(&text); err != nil || r.Missing != o.ConfigMap || !strings.Contains(text.String(), "ConfigMap ingress/setings: not found") {
		t.Errorf("%v %q %s", err, r.Missing, &text)
	}
}
