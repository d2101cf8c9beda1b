package translate

import (
	"fmt"
	"slices"
	"strings"

	"daemun/internal/configmap"
	"daemun/internal/ir"
	"daemun/internal/store"

	corev1 "k8s.io/api/core/v1"
)

// settleFields makes the policy of add-headers, hide-headers and
// proxy-set-headers, which is a default of all routes: what an Ingress says
// comes behind it. A ConfigMap that cannot be used is reported and sets nothing.
func (s *settings) settleFields(v *store.View) {
	edits := ir.FieldEdits{Hide: s.values.HideHeaders}
	for _, from := range []struct {
		key, name string
		list      *[]ir.FieldEdit
	}{
		{"proxy-set-headers", s.values.SetHeaders, &edits.Request},
		{"add-headers", s.values.AddHeaders, &edits.Response},
	} {
		if from.name == "" {
			continue
		}
		namespace, name, _ := strings.Cut(from.name, "/")
		full := store.Name{Namespace: namespace, Name: name}
		object := v.ConfigMaps[full]
		s.configMaps = append(s.configMaps, configMapUse{full, object})
		fields, wrong := settingFields(object, full)
		if wrong != "" {
			s.problems = append(s.problems, ir.Problem{
				Code: CodeSettingFields, Severity: ir.SeverityError, Object: ir.Ref{Kind: "ConfigMap", Namespace: s.object.Namespace, Name: s.object.Name}, Field: configmap.Field(from.key),
				Message: wrong + "; none of its fields is set",
			})
			continue
		}
		for _, f := range fields {
			*from.list = append(*from.list, ir.FieldEdit{Kind: ir.EditSet, Name: f.Name, Value: f.Value})
		}
	}
	if len(edits.Hide)+len(edits.Request)+len(edits.Response) > 0 {
		s.values.Defaults.Fields = &edits
	}
}

func settingFields(object *corev1.ConfigMap, name store.Name) (fields []ir.Field, wrong string) {
	if object == nil {
		return nil, fmt.Sprintf("there is no ConfigMap %q in namespace %q", name.Name, name.Namespace)
	}
	return textFieldsOf(object)
}

// fresh reports whether the ConfigMaps that the settings were made of are still
// there.
func (s *settings) fresh(v *store.View) bool {
	return !slices.ContainsFunc(s.configMaps, func(u configMapUse) bool { return v.ConfigMaps[u.name] != u.object })
}

// beforeRouting are the edits of responses that come before a route is chosen.
func beforeRouting(f *ir.FieldEdits) *ir.FieldEdits {
	if f == nil || len(f.Response) == 0 {
		return nil
	}
	return &ir.FieldEdits{Response: f.Response}
}

// withoutFields are edits without those that fields of the Ingress itself take
// the place of.
func withoutFields(f *ir.FieldEdits, fields []ir.Field) *ir.FieldEdits {
	named := func(e ir.FieldEdit) bool {
		return slices.ContainsFunc(fields, func(f ir.Field) bool { return strings.EqualFold(f.Name, e.Name) })
	}
	if f == nil || !slices.ContainsFunc(f.Response, named) {
		return f
	}
	left := *f
	left.Response = slices.DeleteFunc(slices.Clone(f.Response), named)
	return &left
}
