package translate

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"daemun/internal/annotation"
	"daemun/internal/configmap"
	"daemun/internal/ir"
	"daemun/internal/store"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
)

// settings are what the ConfigMap of --configmap says.
type settings struct {
	object   *corev1.ConfigMap
	values   configmap.Values
	problems []ir.Problem
	// configMaps are those that it names.
	configMaps []configMapUse
	snippets   settingSnippets
}

// settleSettings reads the ConfigMap and reports whether it says something
// else than before.
func (t *Translator) settleSettings(v *store.View) (changed bool) {
	if t.options.ConfigMap == "" {
		return false
	}
	namespace, name, ok := strings.Cut(t.options.ConfigMap, "/")
	object := v.ConfigMaps[store.Name{Namespace: namespace, Name: name}]
	if t.generation > 1 && object == t.settings.object && t.settings.fresh(v) {
		return false
	}
	next := settings{object: object, values: configmap.Default()}
	switch {
	case !ok:
		next.problems = []ir.Problem{flagProblem(CodeConfigMap, "--configmap", fmt.Sprintf("%q is not of the form namespace/name; the defaults apply", t.options.ConfigMap))}
	case object == nil:
		next.problems = []ir.Problem{flagProblem(CodeConfigMap, "--configmap", fmt.Sprintf("there is no ConfigMap %q in namespace %q; the defaults apply", name, namespace))}
	default:
		r := configmap.Parse(ir.Ref{Kind: "ConfigMap", Namespace: namespace, Name: name}, object.Data)
		next.values, next.problems = r.Values, r.Problems
		next.settleFirewall(&t.options, ir.Ref{Kind: "ConfigMap", Namespace: namespace, Name: name})
		next.settleErrors(&t.options, ir.Ref{Kind: "ConfigMap", Namespace: namespace, Name: name})
		next.settleFields(v)
		next.settleSnippets(&t.options)
	}
	changed = !reflect.DeepEqual(t.settings.values, next.values)
	t.settings = next
	if changed {
		t.shared = map[string]*annotation.Values{}
	}
	t.options.AllowedResponseHeaders, t.options.CrossNamespace = next.values.AllowedResponseHeaders, next.values.CrossNamespace
	t.options.GlobalAuth = next.values.GlobalAuth
	return changed
}

// settleErrors tells once, not for each Ingress, that nobody answers for
// custom-http-errors.
func (s *settings) settleErrors(o *Options, object ir.Ref) {
	if len(s.values.Defaults.ErrorStatuses) == 0 || o.DefaultBackendService != "" {
		return
	}
	s.problems = append(s.problems, ir.Problem{
		Code: CodeFallback, Severity: ir.SeverityWarning, Object: object, Field: configmap.Field("custom-http-errors"),
		Message: "has no effect on Ingresses without the annotation default-backend: set --default-backend-service to say who answers instead",
	})
}

func flagProblem(code, flag, message string) ir.Problem {
	return ir.Problem{Code: code, Severity: ir.SeverityWarning, Field: flag, Message: message}
}

// gate says why an Ingress is left out whole, whatever else it says
// (ingress-nginx §0).
func (t *Translator) gate(object *networkingv1.Ingress) (problems []ir.Problem) {
	report := func(code, field, message string) {
		problems = append(problems, ir.Problem{Code: code, Severity: ir.SeverityError, Object: refOf(object), Field: field, Message: message})
	}
	if t.options.DisableCatchAll && object.Spec.DefaultBackend != nil {
		report(CodeCatchAllOff, "spec.defaultBackend", "a default backend is not allowed here (--disable-catch-all); the Ingress is left out: remove the field")
	}
	values := &t.settings.values
	prefix := t.options.AnnotationsPrefix + "/"
	most, by := values.RiskIn(object.Namespace)
	for key, value := range object.Annotations {
		name, ours := strings.CutPrefix(key, prefix)
		if !ours {
			continue
		}
		// What is refused says so itself.
		if row, ok := annotation.Lookup(name); ok && row.Risk > most && row.Support != annotation.Refused {
			report(CodeRisk, annotation.Field(key), fmt.Sprintf(
				"the risk of this annotation is %s, and %s allows %s at most; the Ingress is not loaded in this version: remove the annotation, or ask for another level", row.Risk, by, most))
		}
		at := slices.IndexFunc(values.Blocklist, func(word string) bool { return strings.Contains(value, word) })
		if at >= 0 {
			report(CodeBlocked, annotation.Field(key), fmt.Sprintf(
				"the value contains %.80q, which annotation-value-word-blocklist forbids; the Ingress is not loaded in this version", values.Blocklist[at]))
		}
	}
	return problems
}
