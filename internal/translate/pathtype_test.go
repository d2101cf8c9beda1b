package translate

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"daemun/internal/store"
)

func TestCheckPathTypes(t *testing.T) {
	t.Parallel()
	o := DefaultOptions()
	o.ConfigMap = "infra/settings"
	view := func(value string) *store.View {
		return &store.View{ConfigMaps: map[store.Name]*corev1.ConfigMap{{Namespace: "infra", Name: "settings"}: {Data: map[string]string{"strict-validate-path-type": value}}}}
	}
	for _, tt := range []struct {
		path    string
		kind    networkingv1.PathType
		strict  string
		refused bool
	}{
		{"/shop/v1.0_a-b", networkingv1.PathTypePrefix, "", false},
		{"/", networkingv1.PathTypeExact, "", false},
		{"", networkingv1.PathTypePrefix, "", false},
		{"/api(/|$)(.*)", networkingv1.PathTypePrefix, "", true},
		{"/a b", networkingv1.PathTypeExact, "true", true},
		{"/ä", networkingv1.PathTypePrefix, "", true},
		{"/a;b", networkingv1.PathTypePrefix, "perhaps", true},
		{"/api(/|$)(.*)", networkingv1.PathTypeImplementationSpecific, "", false},
		{"/api(/|$)(.*)", networkingv1.PathTypePrefix, "false", false},
	} {
		in := claim("web", 1, "a.test/")
		in.Spec.Rules[0].HTTP.Paths[0].Path = tt.path
		in.Spec.Rules[0].HTTP.Paths[0].PathType = &tt.kind
		problems := CheckPathTypes(view(tt.strict), o, in)
		if got := len(problems) > 0; got != tt.refused || got && (!Refuses(problems[0]) || !strings.Contains(problems[0].Message, string(tt.kind)+" does not allow")) {
			t.Errorf("%q, %s, strict %q: %v", tt.path, tt.kind, tt.strict, problems)
		}
	}
	in := claim("web", 1, "a.test/(x)")
	if len(CheckPathTypes(&store.View{}, DefaultOptions(), in)) != 1 {
		t.Error("without a ConfigMap it is not on")
	}
}
